"""The sandbox: a file system as any other, and what happens when its parser crashes, hangs, or is taken over."""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import (
    Cancelled,
    EntryNotFound,
    HvBackupError,
    ImageDamaged,
    ImageUnsupported,
    ReaderDied,
    StoreUnavailable,
)
from hvbackup.events import Cancellation
from hvbackup.images.extraction import extract
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem, Stream
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.filesystems.limits import Limits
from hvbackup.images.filesystems.sandbox import SandboxedFileSystem, open_in_sandbox
from hvbackup.images.filesystems.worker_process import worker_command
from hvbackup.images.source import BytesSource, FileSource, Source
from hvbackup.images.walk import walk

if TYPE_CHECKING:
    from tests.images.images_test_engine import HARM, MemoryFiles, Node, folder, volume_of
    from tests.images.images_volumes import empty_file
    from tests.images.images_volumes import run as program
else:
    from images_test_engine import HARM, MemoryFiles, Node, folder, volume_of
    from images_volumes import empty_file
    from images_volumes import run as program

MIB = 1024 * 1024
HERE = str(Path(__file__).parent)
QUICK = Limits(seconds=0.5)
linux = pytest.mark.skipif(sys.platform != "linux", reason="what is counted or limited here is Linux's")

NODES = {
    "/a": folder(),
    "/a/hello": Node(b"hello"),
    "/a/big": Node(bytes(range(256)), repeat=10_000),
    "/a/many": folder(),
    **{f"/a/many/{number}": Node(str(number).encode()) for number in range(1000)},
    "/bytes\udc80\ud800": Node(b"odd"),
    "/link": Node(kind="symlink", target="../\udcff"),
    "/full": Node(
        b"123",
        id=2**63 + 5,
        links=3,
        mode=0o4755,
        owner="S-1-5-18",
        group="0",
        streams=(("Zone.Identifier", b"zone"),),
        first_extent=4096,
        allocated_bytes=8192,
        attributes=("hidden", "wof"),
    ),
    "/refused": Node(unreadable="deduplicated"),
    **{f"/{name}": Node(name.encode()) for name in HARM},
}


def sandbox(
    volume: Source | None = None,
    *,
    kind: str = "ext4",
    limits: Limits | None = None,
    cancel: Cancellation | None = None,
    command: Sequence[str] | None = None,
) -> SandboxedFileSystem:
    """The file system in memory, in a sandbox."""
    volume = volume_of(NODES) if volume is None else volume
    command = worker_command("images_test_engine", HERE) if command is None else command
    return SandboxedFileSystem(volume, kind, limits or Limits(), cancel, command)


def children() -> set[int]:
    """Processes that this one started and that are not reaped."""
    found = set()
    for path in Path("/proc/self/task").glob("*/children"):
        found |= {int(number) for number in path.read_text().split()}
    return found


def open_files() -> set[tuple[str, str]]:
    """Numbers of open files and what they lead to."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which the folder was read
            found.add((path.name, str(path.readlink())))
    return found


@pytest.fixture(scope="module")
def files() -> Iterator[SandboxedFileSystem]:
    """One sandbox for all tests that do it no harm."""
    with sandbox() as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_is_left(files: SandboxedFileSystem) -> Iterator[None]:
    """No test may leave a process, a thread or an open file behind."""
    assert "memory" == files.info.label  # it is there before they are counted
    if sys.platform != "linux":
        yield
        return
    gc.collect()
    processes, opened, threads = children(), open_files(), set(threading.enumerate())
    yield
    gc.collect()
    # What is new: servers that other tests of this process left may end meanwhile.
    assert children() - processes == set()
    assert open_files() - opened == set()
    assert set(threading.enumerate()) - threads == set()


# ---------------------------------------------------------------- as any other


def test_entries_are_the_same_as_without_a_sandbox(files: SandboxedFileSystem) -> None:
    plain = MemoryFiles(NODES)
    assert plain.info == files.info
    for streams in (False, True):
        assert list(plain.entries("/", streams=streams)) == list(files.entries("/", streams=streams))
    assert [f"/a/many/{number}" for number in range(1000)] == [each.path for each in files.entries("/a/many/")]
    for path in NODES:
        assert plain.entry(path) == files.entry(path)


def test_contents_are_the_same_at_any_place(files: SandboxedFileSystem) -> None:
    contents = bytes(range(256)) * 10_000
    source = files.open("/a/big")
    assert len(contents) == source.size
    for offset, size in ((0, 10), (MIB - 5, 10), (0, 3 * MIB), (2_559_990, 100), (MIB, MIB), (2_560_000, 1)):
        assert contents[offset : offset + size] == source.read_at(offset, size)
    assert b"hello" == files.open("/a/hello").read_at(0, 100)
    assert b"zone" == files.open("/full", stream="Zone.Identifier").read_at(0, 100)
    assert b"odd" == files.open("/bytes\udc80\ud800").read_at(0, 100)


def test_holes_cost_little_and_are_zeros_exactly_where_they_are(tmp_path: Path) -> None:
    size = 3000 * MIB
    nodes = {"/hole": Node(zeros=size, attributes=("sparse",)), "/mixed": Node(bytes(2 * MIB) + b"x" + bytes(MIB))}
    with sandbox(volume_of(nodes)) as files:
        source = files.open("/hole")
        assert (size, bytes(5)) == (source.size, source.read_at(size - 5, 100))
        mixed = files.open("/mixed")
        assert nodes["/mixed"].contents == mixed.read_at(0, 4 * MIB)
        assert b"\0x\0" == mixed.read_at(2 * MIB - 1, 3)
        result = extract(files, "/hole", tmp_path)

    assert 1 == result.ok
    assert size == (tmp_path / "hole").stat().st_size


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("/nowhere", EntryNotFound, "/nowhere is not there"),
        ("/refused", ImageUnsupported, "deduplicated"),
    ],
)
def test_errors_are_the_same_as_without_a_sandbox(
    files: SandboxedFileSystem, path: str, error: type[HvBackupError], text: str
) -> None:
    with pytest.raises(error, match=text):
        files.open(path)


def test_everything_that_needs_a_file_system_works_with_it(files: SandboxedFileSystem, tmp_path: Path) -> None:
    assert ["/a/many/7", "/a/many/70"] == [entry.path for entry in walk(files, "/a/*/7*", recursive=False)][:2]
    result = extract(files, "/a", tmp_path)

    assert (1002, 0) == (result.ok, result.failed)
    assert b"999" == (tmp_path / "a/many/999").read_bytes()


def test_several_threads_may_use_it_at_once(files: SandboxedFileSystem) -> None:
    with ThreadPoolExecutor(8) as threads:
        read = threads.map(lambda number: files.open(f"/a/many/{number}").read_at(0, 10), range(200))
        lists = threads.map(lambda _: len(list(files.entries("/a/many"))), range(8))

        assert [str(number).encode() for number in range(200)] == list(read)
        assert [1000] * 8 == list(lists)


def test_a_closed_one_says_so_and_closes_twice() -> None:
    files = sandbox()
    files.close()
    files.close()

    with pytest.raises(ValueError, match="closed"):
        files.entry("/")


def test_one_that_is_forgotten_is_ended() -> None:
    files = sandbox()
    assert "memory" == files.info.label
    del files  # `nothing_is_left` looks at what remains


# ---------------------------------------------------------------- harm


@pytest.mark.parametrize(
    ("harm", "text"),
    [
        ("segfault", r"crashed \(SIGSEGV\)"),
        ("exit", "ended with status 3"),
        ("loop", "took too long for one request and was stopped"),
        ("memory", "MemoryError|crashed|ended"),
        ("garbage", "was stopped because it sent"),
    ],
)
@linux
def test_a_parser_that_dies_is_an_error_of_that_request_and_the_next_one_works(harm: str, text: str) -> None:
    limits = Limits(seconds=0.5, memory_bytes=64 * MIB) if harm == "loop" else Limits(memory_bytes=64 * MIB)
    with sandbox(limits=limits) as files:
        with pytest.raises(ReaderDied, match=text):
            files.open(f"/{harm}")
        assert b"hello" == files.open("/a/hello").read_at(0, 10)


@linux
def test_a_parser_cannot_open_connect_start_or_kill_anything(files: SandboxedFileSystem) -> None:
    with pytest.raises(ImageDamaged) as caught:
        files.open("/attempts")
    assert {"file-size", "files", "memory", "processor-time", "core"} <= set(files.limits_taken)

    refused = set(caught.value.message.removeprefix("refused: ").split(", "))
    assert {"file", "socket", "pipe", "program"} <= refused
    if "system-calls" in files.limits_taken:
        assert {"file", "socket", "pipe", "program", "kill", "fork"} == refused


def test_a_parser_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HVBACKUP_PASSPHRASE", "open sesame")
    with sandbox() as files, pytest.raises(ImageDamaged) as caught:
        files.open("/variables")

    assert "sesame" not in caught.value.message
    assert "HOME" not in caught.value.message


def test_what_a_parser_prints_goes_nowhere(files: SandboxedFileSystem) -> None:
    assert b"chatter" == files.open("/chatter").read_at(0, 10)


@linux
def test_what_was_open_goes_on_after_a_crash() -> None:
    with sandbox() as files:
        source = files.open("/a/big")
        entries = files.entries("/a/many")
        names = [next(entries).name for _ in range(300)]
        with pytest.raises(ReaderDied):
            files.open("/segfault")

        names += [entry.name for entry in entries]
        assert [str(number) for number in range(1000)] == names
        assert (bytes(range(256)) * 10_000)[2 * MIB :] == source.read_at(2 * MIB, MIB)


@linux
def test_files_that_crash_the_parser_cost_only_themselves(tmp_path: Path) -> None:
    nodes = {"/a": Node(b"1"), "/segfault": Node(b"2"), "/b": folder(), "/b/exit": Node(b"3"), "/z": Node(b"4")}
    with sandbox(volume_of(nodes)) as files:
        result = extract(files, "/", tmp_path)

    assert {"/a": "ok", "/z": "ok", "/segfault": "failed", "/b/exit": "failed"} == {
        record.path: record.status.value for record in result.records
    }
    assert ["a", "b", "z"] == sorted(path.name for path in tmp_path.iterdir())


@linux
def test_it_is_not_started_for_ever() -> None:
    with sandbox(limits=Limits(restarts=2)) as files:
        for _ in range(3):
            with pytest.raises(ReaderDied, match="SIGSEGV"):
                files.open("/segfault")
        with pytest.raises(ReaderDied, match="died 3 times; it is left at that"):
            files.entry("/a")


@linux
@pytest.mark.parametrize("kind", ["segfault", "exit", "loop"])
def test_a_parser_that_dies_on_the_volume_itself_is_an_error_when_it_is_opened(kind: str) -> None:
    with pytest.raises(ReaderDied, match=kind):
        sandbox(kind=kind, limits=QUICK)


def test_a_parser_that_dies_before_it_is_ready_says_why() -> None:
    with pytest.raises(ReaderDied, match="ended with status 1: this never works"):
        sandbox(kind="dies-at-start")
    with pytest.raises(ReaderDied, match="No module named"):
        sandbox(command=worker_command("there_is_no_such_module"))
    with pytest.raises(ReaderDied, match="could not be started"):
        sandbox(command=[str(Path(HERE) / "no-such-program")])


@linux
def test_a_parser_that_is_killed_from_outside_is_replaced() -> None:
    before = children()
    with sandbox() as files:
        (started,) = children() - before
        os.kill(started, signal.SIGKILL)
        with pytest.raises(ReaderDied, match="SIGKILL"):
            files.entry("/a")
        assert "a" == files.entry("/a").name


@linux
def test_a_parser_ends_with_its_user() -> None:
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[1])\n"
        "from images_test_engine import volume_of\n"
        "from hvbackup.images.filesystems.sandbox import *\n"
        "from hvbackup.images.filesystems.limits import Limits\n"
        "files = SandboxedFileSystem(volume_of({}), 'ext4', Limits(), None,"
        " worker_command('images_test_engine', sys.argv[1]))\n"
        "print(files._worker._process.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, HERE], capture_output=True, text=True, check=False, timeout=60)
    assert 9 == done.returncode, done.stderr
    worker = Path(f"/proc/{int(done.stdout)}")
    deadline = time.monotonic() + 20
    while worker.exists() and "Z" not in worker.joinpath("stat").read_text().split(")")[1][:3]:
        assert time.monotonic() < deadline, "the parser outlived its user"
        threading.Event().wait(0.01)


# ---------------------------------------------------------------- the volume, and the user's wish


class Watched:
    """A volume that does something at each read."""

    def __init__(self, source: Source, at_read: Callable[[], None]) -> None:
        self.size = source.size
        self._source = source
        self.at_read = at_read

    def read_at(self, offset: int, size: int) -> bytes:
        self.at_read()
        return self._source.read_at(offset, size)


def test_what_reading_the_volume_raises_comes_through_as_it_is() -> None:
    def fail() -> None:
        raise StoreUnavailable("the share is gone")

    with pytest.raises(StoreUnavailable, match="the share is gone"):
        sandbox(Watched(volume_of(NODES), fail))


def test_time_in_which_the_volume_is_read_does_not_count() -> None:
    volume = Watched(volume_of(NODES), lambda: None)

    def first_time() -> None:
        volume.at_read = lambda: None
        threading.Event().wait(2 * QUICK.seconds)

    volume.at_read = first_time
    with sandbox(volume, limits=QUICK) as files:
        assert "memory" == files.info.label


@linux
def test_a_stop_ends_what_runs_at_once() -> None:
    cancel = Cancellation()
    with sandbox(cancel=cancel) as files:
        timer = threading.Timer(0.2, cancel.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(Cancelled):
            files.open("/loop")
        assert time.monotonic() - began < 10
        with pytest.raises(Cancelled):
            files.entry("/a")
        timer.join()


# ---------------------------------------------------------------- what a taken parser may answer


LIAR = """
import sys, os, struct
def main():
    import msgspec
    pack = msgspec.msgpack.encode
    def send(message, data=b"", length=None):
        control = pack(message)
        os.write(1, struct.pack("<II", len(control), len(data) if length is None else length) + control + data)
    def take():
        control, size = struct.unpack("<II", os.read(0, 8))
        os.read(0, control); size and os.read(0, size)
    take(); send(["Ready", []])
    take(); send(["Opened", b"ext4", b"", None, None, []])
    take(); ANSWER
    while os.read(0, 1 << 16): pass
"""

PLAIN = "[b'%s', 'file', 1, 1, 1, None, None, None, None, None, None, None, None, [], None, None, None, []]"


@pytest.mark.parametrize(
    "answer",
    [
        "os.write(1, b'\\xff' * 8)",
        "os.write(1, struct.pack('<II', 1, 0) + b'\\xc1')",
        "os.write(1, struct.pack('<II', 0, 0))",
        "send(['Ready', []])",
        "send(['Opened', b'', b'', None, None, []])",
        "send(['Unheard', 1])",
        "send(['Listed', [], True])",
        f"send(['Listed', [{PLAIN % '..'}], False])",
        f"send(['Listed', [{PLAIN % 'a/b'}], False])",
        f"send(['Listed', [{PLAIN % ''}], False])",
        f"send(['Listed', [{PLAIN % 'x'}] * 300, False])",
        f"send(['Listed', [{(PLAIN % 'x').replace('1, 1, 1', '-1, 1, 1')}], False])",
        f"send(['Listed', [{(PLAIN % 'x').replace('1, 1, 1', '2**63, 1, 1')}], False])",
        "send(['Listed', [[b'\\xff\\xff', 'file', 1, 1, 1, *[None] * 8, [], None, None, None, []]], False])",
        "send(['ReadVolume', 10**12, 10])",
        "send(['ReadVolume', -1, 10])",
        "send(['ReadVolume', 0, 2**30])",
        "send(['Problem', 'SystemExit', b'x', None])",
    ],
)
def test_an_answer_that_is_nonsense_ends_the_parser(answer: str, tmp_path: Path) -> None:
    (tmp_path / "liar.py").write_text(LIAR.replace("ANSWER", answer))
    with sandbox(command=worker_command("liar", str(tmp_path))) as files, pytest.raises(ReaderDied):
        list(files.entries("/"))


@pytest.mark.parametrize(
    "answer", ["5], b'123456')", "5], b'1234')", "5, True])", "0], b'1')", "9, False, 10])", "9, False, 8])"]
)
def test_more_or_fewer_bytes_than_a_file_has_are_refused(answer: str, tmp_path: Path) -> None:
    (tmp_path / "liar2.py").write_text(LIAR.replace("ANSWER", f"send(['Contents', {answer}"))
    with sandbox(command=worker_command("liar2", str(tmp_path))) as files, pytest.raises(ReaderDied, match="bytes"):
        files.open("/x")


@pytest.mark.parametrize("path", ["/a/../b", "relative", "/a//b", "/a/./x", "/other"])
def test_a_path_that_no_file_can_have_is_refused(path: str, tmp_path: Path) -> None:
    answer = f"send(['Found', {path.encode()!r}, {PLAIN % 'x'}])"
    (tmp_path / "liar3.py").write_text(LIAR.replace("ANSWER", answer))
    with sandbox(command=worker_command("liar3", str(tmp_path))) as files, pytest.raises(ReaderDied):
        files.entry("/x")


def test_words_of_a_parser_hold_no_commands_for_a_terminal(tmp_path: Path) -> None:
    answer = "send(['Problem', 'ImageDamaged', b'\\x1b[2Jbad\\n', None])"
    (tmp_path / "liar4.py").write_text(LIAR.replace("ANSWER", answer))
    with sandbox(command=worker_command("liar4", str(tmp_path))) as files, pytest.raises(ImageDamaged) as caught:
        files.entry("/x")

    assert "?[2Jbad?" == caught.value.message


def test_a_name_that_no_file_can_have_is_shown_and_cannot_be_read() -> None:
    class Hostile(MemoryFiles):
        def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
            yield Entry(path="/a/b", name="a/b", kind=EntryKind.FILE, streams=(Stream(name="s", size_bytes=1),))

    from hvbackup.images.filesystems.protocol import to_text
    from hvbackup.images.filesystems.worker import visible

    (entry,) = Hostile({}).entries("/")
    sent = visible(entry)
    assert "\N{REPLACEMENT CHARACTER}a\N{DIVISION SLASH}b" == to_text(sent.name)
    assert b"the disk gives it the name 'a/b', which no file can have" == sent.unreadable


# ---------------------------------------------------------------- the engines, and other systems


def test_the_engines_run_in_it() -> None:
    """A volume of zeros is damaged, and said so by the library in the other process."""
    for kind in ("ntfs", "fat32", "ext4", "xfs", "exfat"):
        with pytest.raises((ImageDamaged, ImageUnsupported)):
            open_in_sandbox(BytesSource(bytes(MIB)), kind)


def everything(files: FileSystem) -> list[object]:
    """What a file system says of itself, of every entry, and in every file."""
    found: list[object] = [files.info]
    for entry in walk(files, streams=True):
        found += [entry, files.entry(entry.path)]
        if entry.kind is EntryKind.FILE:
            source = files.open(entry.path)
            found.append(source.read_at(0, source.size))
            found += [files.open(entry.path, stream=each.name).read_at(0, each.size_bytes) for each in entry.streams]
    return found


@pytest.mark.parametrize("kind", ["ext4", "fat32", "ntfs"])
def test_the_engines_say_in_it_what_they_say_here(kind: str, tmp_path: Path) -> None:
    tree, image = tmp_path / "tree", empty_file(tmp_path / "image", 40 * MIB)
    (tree / "folder").mkdir(parents=True)
    (tree / "big").write_bytes(bytes(range(256)) * 10_000)
    for number in range(300):
        (tree / "folder" / f"Grün {number}").write_bytes(b"x" * number * 13)
    if kind == "ext4":
        program("mke2fs", "-q", "-t", "ext4", "-d", tree, image)
    elif kind == "fat32":
        program("mkfs.vfat", "-F", "32", "-s", "1", image)
        program("mcopy", "-s", "-i", image, tree / "big", tree / "folder", "::/")
    else:
        program("mkfs.ntfs", "-F", "-Q", "-q", image)
        program("ntfscp", "-f", image, tree / "big", "/big")
    with FileSource(image) as volume, open_file_system(volume, kind) as here, open_in_sandbox(volume, kind) as there:
        expected = everything(here)
        assert expected == everything(there)
        assert bytes(range(256)) * 10_000 in expected


def test_a_job_of_windows_limits_memory_and_processes() -> None:
    from hvbackup.images.filesystems.job_object import ExtendedLimits, confine_by_job

    class Kernel:
        """The calls of kernel32 that are needed, written down."""

        def __init__(self) -> None:
            self.calls: list[tuple[object, ...]] = []
            self.CreateJobObjectW = Call(self, "create", 77)
            self.GetCurrentProcess = Call(self, "process", -1)
            self.SetInformationJobObject = Call(self, "limit", 1)
            self.AssignProcessToJobObject = Call(self, "assign", 1)

    class Call:
        """A function of a library."""

        restype: object = None

        def __init__(self, kernel: Kernel, name: str, answer: int) -> None:
            self._note = kernel.calls.append
            self._name = name
            self._answer = answer

        def __call__(self, *arguments: object) -> int:
            self._note((self._name, *arguments))
            return self._answer

    kernel = Kernel()
    assert ("memory", "processes") == confine_by_job(123 * MIB, kernel)
    assert ["create", "limit", "process", "assign"] == [call[0] for call in kernel.calls]
    limits = kernel.calls[1][3]._obj  # type: ignore[attr-defined]
    assert isinstance(limits, ExtendedLimits)
    assert (1, 123 * MIB, 0x508) == (
        limits.BasicLimitInformation.ActiveProcessLimit,
        limits.ProcessMemoryLimit,
        limits.BasicLimitInformation.LimitFlags,
    )
    if struct.calcsize("P") == 8:
        assert 144 == len(bytes(limits))
