"""Mounts: what is in them, what never gets out of them, and that they are gone afterwards."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.errors import ConfigurationError, EntryNotFound, ImageDamaged, InvalidRequest
from hvbackup.events import Cancellation, Event, Note
from hvbackup.images.chain import open_disk
from hvbackup.images.exports import Export
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo, Stream
from hvbackup.images.filesystems.sandbox import open_in_sandbox
from hvbackup.images.fuse.files_view import FilesView
from hvbackup.images.fuse.library import load_fuse
from hvbackup.images.fuse.links import shown_target
from hvbackup.images.fuse.mounting import Mounted, mount_files, mount_raw
from hvbackup.images.fuse.names import WINDOWS_NAMES
from hvbackup.images.fuse.raw_view import RawView
from hvbackup.images.source import BytesSource, Source
from hvbackup.images.writer import create_vhdx

MIB = 1024 * 1024
MODIFIED = datetime(2024, 3, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)


def _why_not() -> str:
    try:
        load_fuse()
    except ConfigurationError as error:
        return error.message
    return "" if sys.platform == "linux" else "mounts were tried on Linux only"


needs_fuse = pytest.mark.skipif(bool(_why_not()), reason=f"FUSE does not work here: {_why_not()}")


class Damaged(BytesSource):
    def read_at(self, offset: int, size: int) -> bytes:
        raise ImageDamaged("the cluster is gone")


class SmallFileSystem:
    """A few entries, kept in memory; by exact path."""

    def __init__(self, kind: str = "ntfs") -> None:
        self.info = FileSystemInfo(kind=kind, notes=("the journal was not replayed",))
        self.contents: dict[str, Source] = {}
        self.all: dict[str, Entry] = {}
        self.add("/", EntryKind.FOLDER)

    def add(self, path: str, kind: EntryKind, content: bytes = b"", **fields: Any) -> None:
        name = path.rpartition("/")[2]
        fields = {"size_bytes": len(content), "modified_at": MODIFIED, **fields}
        self.all[path] = Entry(path=path, name=name, kind=kind, **fields)
        self.contents[path] = BytesSource(content)

    def entry(self, path: str) -> Entry:
        if path not in self.all:
            raise EntryNotFound(f"there is no {path}")
        return self.all[path]

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        for path, entry in self.all.items():
            if entry.name and path.rpartition("/")[0] == folder.rstrip("/"):
                yield entry if streams else Entry(**{**_fields(entry), "streams": ()})

    def open(self, path: str, *, stream: str | None = None) -> Source:
        return self.contents[path if stream is None else f"{path}:{stream}"]

    def close(self) -> None:
        pass

    def __enter__(self) -> SmallFileSystem:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


@pytest.fixture
def files() -> SmallFileSystem:
    small = SmallFileSystem()
    small.add("/Users", EntryKind.FOLDER)
    small.add("/Users/résumé.txt", EntryKind.FILE, b"hello\n", links=2, mode=0o640, owner="S-1-5-18")
    small.add("/big.bin", EntryKind.FILE, random.Random(1).randbytes(3 * MIB + 5))  # noqa: S311
    small.add("/link", EntryKind.SYMLINK, target="Users\\résumé.txt")
    small.add("/junction", EntryKind.JUNCTION, target="\\??\\C:\\Users")
    small.add("/dedup.vhd", EntryKind.FILE, size_bytes=9, unreadable="its contents lie elsewhere")
    small.add("/pipe", EntryKind.OTHER, unreadable="it is a pipe")
    streams = (
        Stream(name="zone", size_bytes=5),
        Stream(name="s" * 300, size_bytes=1),
        Stream(name="x", size_bytes=70_000),
    )
    small.add("/download.exe", EntryKind.FILE, b"MZ", streams=streams)
    small.contents["/download.exe:zone"] = BytesSource(b"ID=3\0")
    small.contents["/download.exe:x"] = BytesSource(bytes(70_000))
    small.add("/gone.txt", EntryKind.FILE, size_bytes=3)
    small.contents["/gone.txt"] = Damaged(b"abc")
    return small


@contextmanager
def mounted(mount: Any, what: object, folder: Path, **options: Any) -> Iterator[list[str]]:
    """Mount in a thread of its own; yields the notes."""
    notes: list[str] = []
    cancel, settled = Cancellation(), threading.Event()
    failures: list[BaseException] = []

    def keep(event: Event) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    def run() -> None:
        try:
            mount(what, folder, ready=lambda _: settled.set(), cancel=cancel, events=keep, **options)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            failures.append(error)
        settled.set()

    thread = threading.Thread(target=run)
    thread.start()
    settled.wait(30)
    try:
        if failures:
            raise failures[0]
        yield notes
    finally:
        cancel.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


# ---------------------------------------------------------------- files


@needs_fuse
def test_files_are_listed_and_read_as_they_are_in_the_guest(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder):
        assert sorted(os.listdir(folder)) == sorted(  # noqa: PTH208
            ["Users", "big.bin", "link", "junction", "dedup.vhd", "pipe", "download.exe", "gone.txt"]
        )
        assert (folder / "Users/résumé.txt").read_bytes() == b"hello\n"
        assert (folder / "big.bin").read_bytes() == random.Random(1).randbytes(3 * MIB + 5)  # noqa: S311
        told = (folder / "Users/résumé.txt").stat()
        assert (told.st_size, told.st_nlink, told.st_mtime_ns) == (6, 2, 1709296215123456000)
        assert stat.filemode(told.st_mode) == "-r--r--r--"
        assert told.st_uid == os.getuid()
        assert not (folder / "users").exists()
    assert os.listdir(folder) == []  # noqa: PTH208


@needs_fuse
def test_links_lead_to_places_inside_or_nowhere(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder):
        assert (folder / "link").readlink() == Path("Users/résumé.txt")
        assert (folder / "link").read_bytes() == b"hello\n"
        assert str((folder / "junction").readlink()) == "\\??\\C:\\Users"
        assert not (folder / "junction").exists()


@needs_fuse
def test_named_streams_are_extended_attributes(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder):
        path = folder / "download.exe"
        assert os.listxattr(path) == ["user.ads.zone", "user.ads.x"]
        assert os.getxattr(path, "user.ads.zone") == b"ID=3\0"
        assert _errno(os.getxattr, path, "user.ads.other") == errno.ENODATA
        assert _errno(os.getxattr, path, "security.selinux") == errno.ENODATA
        assert _errno(os.getxattr, path, "user.ads.x") == errno.E2BIG
        assert os.listxattr(folder / "big.bin") == []


def _errno(function: Any, *arguments: Any) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is looked at
        function(*arguments)
    return caught.value.errno


@needs_fuse
def test_what_cannot_be_read_says_so_and_is_never_zeros(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder) as notes:
        assert _errno((folder / "dedup.vhd").read_bytes) == errno.ENOTSUP
        assert _errno((folder / "pipe").read_bytes) == errno.ENOTSUP
        assert _errno((folder / "gone.txt").read_bytes) == errno.EIO
        assert set(notes) == {
            "/dedup.vhd: its contents lie elsewhere",
            "/pipe: it is a pipe",
            "/gone.txt: the cluster is gone",
        }


@needs_fuse
def test_nothing_can_be_written(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder):
        assert _errno((folder / "new").write_bytes, b"x") == errno.EROFS
        assert _errno((folder / "big.bin").write_bytes, b"x") == errno.EROFS
        assert _errno((folder / "big.bin").unlink) == errno.EROFS
        assert _errno((folder / "made").mkdir) == errno.EROFS
        assert _errno(os.setxattr, folder / "big.bin", "user.ads.new", b"") == errno.EROFS


@needs_fuse
@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ext4", (b"caf\xe9", b"\xed\xa0\x80", b"\xed\xb2\x80", b"\x80", b"\xc3\xa9" * 127)),
        ("ntfs", ("lone\ud800", "low\udcff", "é" * 255, "\udc80\udced")),
    ],
)
def test_names_that_are_no_unicode_are_met_and_names_that_are_no_names_left_out(
    kind: str, names: tuple[str | bytes, ...], folder: Path
) -> None:
    small = SmallFileSystem(kind)
    shown = {os.fsdecode(name): os.fsencode(name).hex().encode() for name in names if isinstance(name, bytes)}
    shown |= {name: name.encode("utf-8", WINDOWS_NAMES).hex().encode() for name in names if isinstance(name, str)}
    for name, content in shown.items():
        small.add(f"/{name}", EntryKind.FILE, content)
    for name in ("..", ".", "nul\0", ""):
        small.all[f"//{name}"] = Entry(path=f"//{name}", name=name, kind=EntryKind.FILE)

    with mounted(mount_files, small, folder):
        found = os.listdir(os.fsencode(folder))  # noqa: PTH208
        contents = {Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).read_bytes() for name in found}

    assert sorted(found) == sorted(bytes.fromhex(content.decode()) for content in shown.values())
    assert contents == set(shown.values())


@needs_fuse
@pytest.mark.skipif(not shutil.which("mkfs.ext4"), reason="mkfs.ext4 is not installed")
def test_the_files_of_a_real_file_system_in_its_limited_process_are_those_that_were_put_in(
    folder: Path, tmp_path: Path
) -> None:
    tree, image = tmp_path / "tree", tmp_path / "image"
    (tree / "etc/deep").mkdir(parents=True)
    (tree / "etc/big").write_bytes(random.Random(3).randbytes(MIB))  # noqa: S311
    (tree / "etc/deep/name ü").write_text("x")
    (tree / "etc/link").symlink_to("/etc/deep/name ü")
    image.write_bytes(bytes(8 * MIB))
    subprocess.run([shutil.which("mkfs.ext4") or "", "-q", "-d", tree, image], check=True, capture_output=True)

    with open_in_sandbox(BytesSource(image.read_bytes()), "ext4") as files, mounted(mount_files, files, folder):
        # by another process: in Python 3.10 rglob holds the interpreter's lock, which the file system needs to answer
        listed = subprocess.run(
            [shutil.which("find") or "", ".", "-mindepth", "1"], cwd=folder, check=True, capture_output=True, text=True
        )
        assert sorted(line.removeprefix("./") for line in listed.stdout.splitlines()) == [
            "etc", "etc/big", "etc/deep", "etc/deep/name ü", "etc/link", "lost+found",
        ]  # fmt: skip
        assert (folder / "etc/big").read_bytes() == (tree / "etc/big").read_bytes()
        assert (folder / "etc/link").readlink() == Path("deep/name ü")
        assert (folder / "etc/link").read_text() == "x"


@needs_fuse
@pytest.mark.skipif(not shutil.which("tar"), reason="tar is not installed")
def test_tar_takes_a_file_without_blocks_of_its_own_for_what_it_is(files: SmallFileSystem, folder: Path) -> None:
    files.add("/resident.txt", EntryKind.FILE, b"in the metadata", allocated_bytes=0)

    with mounted(mount_files, files, folder):
        command = ["tar", "--create", "--sparse", "--file=-", "resident.txt"]
        archive = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout

    assert b"in the metadata" in archive


def test_a_folder_that_is_damaged_is_an_error_after_what_could_be_read(
    files: SmallFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entries(_folder: str, **_: object) -> Iterator[Entry]:
        yield files.all["/Users"]
        raise ImageDamaged("the index is gone")

    monkeypatch.setattr(files, "entries", entries)
    listing = FilesView(files, lambda _: None).readdir("/", 0)

    assert [name for name, _, _ in (next(listing), next(listing), next(listing))] == [".", "..", "Users"]
    assert _errno(next, listing) == errno.EIO


# ---------------------------------------------------------------- links and names, without a mount


@pytest.mark.parametrize(
    ("path", "target", "shown"),
    [
        ("/a/b/link", "c", "c"),
        ("/a/b/link", "../c/./d//e", "../c/d/e"),
        ("/a/b/link", "/etc/passwd", "../../etc/passwd"),
        ("/link", "/", "."),
        ("/link", "//etc/passwd", "etc/passwd"),
        ("/link", "../../../etc/passwd", "etc/passwd"),
        ("/a/link", "../../../../etc/passwd", "../etc/passwd"),
        ("/a/link", "b/../../../etc", "../etc"),
        ("/a/link", "", "."),
        ("/a/link", "..", ".."),
        ("/link", "..", "."),
    ],
)
def test_links_of_linux_stay_below_the_top_of_the_mount(path: str, target: str, shown: str) -> None:
    assert shown_target(path, target, windows=False) == shown


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (r"..\b\c.txt", "../b/c.txt"),
        (r"..\..\..\etc\passwd", "../etc/passwd"),
        (r"\Windows", "../Windows"),
        (r"C:\Users", r"C:\Users"),
        ("C:/../../../etc/passwd", r"C:\..\..\..\etc\passwd"),
        (r"\??\Volume{0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1}\x", r"\??\Volume{0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1}\x"),
        (r"\\server\share", r"\\server\share"),
        ("//server/../../etc", r"\\server\..\..\etc"),
    ],
)
def test_links_of_windows_stay_below_the_top_or_are_text(target: str, shown: str) -> None:
    assert shown_target("/a/link", target, windows=True) == shown


@given(
    depth=st.integers(0, 3),
    parts=st.lists(st.sampled_from(["..", ".", "", "a", "C:", "??", "b\\c"]), max_size=8),
    separator=st.sampled_from(["/", "\\"]),
    windows=st.booleans(),
)
def test_no_target_climbs_above_the_top(depth: int, parts: list[str], separator: str, windows: bool) -> None:
    shown = shown_target("/x" * depth + "/link", separator.join(parts), windows=windows)

    names = shown.split("/")
    climbs = next((number for number, name in enumerate(names) if name != ".."), len(names))
    assert climbs <= depth
    assert ".." not in names[climbs:]
    assert not shown.startswith("/")


@given(st.binary(max_size=8).map(lambda raw: (raw + b"\0" * (len(raw) % 2)).decode("utf-16-le", "surrogatepass")))
def test_each_name_of_windows_has_bytes_that_lead_back_to_it(name: str) -> None:
    assert name.encode("utf-8", WINDOWS_NAMES).decode("utf-8", WINDOWS_NAMES) == name


@given(st.binary(max_size=8))
def test_bytes_that_are_no_name_are_something_that_is_not_there(raw: bytes) -> None:
    assert isinstance(raw.decode("utf-8", WINDOWS_NAMES), str)


# ---------------------------------------------------------------- flat files


@needs_fuse
def test_a_disk_and_its_volumes_are_flat_files(folder: Path, tmp_path: Path) -> None:
    content = random.Random(2).randbytes(MIB)  # noqa: S311
    create_vhdx(tmp_path / "disk.vhdx", 40 * MIB, {39: content})

    with open_disk(tmp_path / "disk.vhdx") as disk, mounted(mount_raw, disk.image, folder):
        assert sorted(os.listdir(folder)) == ["0.raw", "disk.raw"]  # noqa: PTH208
        assert (folder / "disk.raw").stat().st_size == 40 * MIB
        assert (folder / "disk.raw").read_bytes() == bytes(39 * MIB) + content
        assert _errno((folder / "disk.raw").write_bytes, b"x") == errno.EROFS


@needs_fuse
def test_a_client_that_hangs_up_does_not_end_the_program_after_a_mount(folder: Path) -> None:
    with mounted(mount_raw, BytesSource(bytes(MIB)), folder):
        pass
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)


@needs_fuse
def test_chosen_volumes_are_shown_alone(folder: Path) -> None:
    with mounted(mount_raw, BytesSource(bytes(MIB)), folder, names=["0"]):
        assert os.listdir(folder) == ["0.raw"]  # noqa: PTH208


def test_logical_volumes_have_the_folder_of_their_group_and_no_name_leads_out() -> None:
    export = Export(BytesSource(b"abc"))
    names = ["", "disk", "data/root", "data/home", "../x", "a//b", "/", "a/..", "nul\0"]
    view = RawView(dict.fromkeys(names, export), lambda _: None)

    assert view.names == ("disk.raw", "data/root.raw", "data/home.raw")
    assert [name for name, _, _ in view.readdir("/", 0)] == [".", "..", "disk.raw", "data"]
    assert [name for name, _, _ in view.readdir("/data", 0)] == [".", "..", "root.raw", "home.raw"]
    assert stat.S_ISDIR(view.getattr("/data")["st_mode"])
    assert _errno(view.getattr, "/x.raw") == errno.ENOENT
    assert view.read("/disk.raw", 10, 1, view.open("/disk.raw", 0)) == b"bc"


# ---------------------------------------------------------------- beginning and end


def _mount_in_vain(folder: Path) -> None:
    def ready(_: Mounted) -> None:
        pytest.fail("it was mounted")

    mount_files(SmallFileSystem(), folder, ready=ready, cancel=Cancellation())


@needs_fuse
def test_a_folder_that_cannot_be_mounted_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(InvalidRequest, match="is not empty"):
        _mount_in_vain(tmp_path)
    with pytest.raises(InvalidRequest, match="is no folder"):
        _mount_in_vain(tmp_path / "file")
    with pytest.raises(InvalidRequest, match="there is no folder"):
        _mount_in_vain(tmp_path / "missing")


def test_without_mfusepy_the_cure_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("hvbackup.images.fuse.library._DEVICE", Path(os.devnull))
    monkeypatch.setitem(sys.modules, "mfusepy", None)

    with pytest.raises(ConfigurationError, match="mfusepy") as caught:
        _mount_in_vain(folder)
    assert "pip install 'hvbackup[mount]'" in str(caught.value.hint)


def test_without_libfuse_the_cure_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def without(_name: str) -> None:
        raise OSError("Unable to find libfuse")

    monkeypatch.setattr("hvbackup.images.fuse.library._DEVICE", Path(os.devnull))
    monkeypatch.setattr("hvbackup.images.fuse.library.import_module", without)

    with pytest.raises(ConfigurationError, match="mounting needs libfuse: Unable to find libfuse") as caught:
        _mount_in_vain(folder)
    assert "fuse3" in str(caught.value.hint)


@pytest.mark.skipif(sys.platform != "linux", reason="the device is Linux's")
def test_without_the_device_the_cure_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    monkeypatch.setattr("hvbackup.images.fuse.library._DEVICE", tmp_path / "fuse")

    with pytest.raises(ConfigurationError, match="is not there") as caught:
        _mount_in_vain(folder)
    assert "--device /dev/fuse" in str(caught.value.hint)


@needs_fuse
def test_a_mount_that_somebody_else_takes_away_ends_by_itself(files: SmallFileSystem, folder: Path) -> None:
    ended: list[Mounted] = []

    def take_away(told: Mounted) -> None:
        ended.append(told)
        subprocess.run([umount, told.folder], check=True)

    umount = shutil.which("umount") or ""
    if not umount or os.getuid() != 0:
        pytest.skip("only root may call umount")
    mount_files(files, folder, ready=take_away, cancel=Cancellation())

    assert ended == [Mounted(folder=str(folder), notes=("the journal was not replayed",))]


@needs_fuse
def test_a_mount_with_an_open_file_ends_too_and_that_is_said(files: SmallFileSystem, folder: Path) -> None:
    with mounted(mount_files, files, folder) as notes:
        file = (folder / "big.bin").open("rb")
    with file:
        assert notes == [f"files of {folder} were still open; they cannot be read any more"]
        assert os.listdir(folder) == []  # noqa: PTH208


PROGRAM = """
import sys
from pathlib import Path
from hvbackup.events import Cancellation
from hvbackup.images.fuse.mounting import mount_raw
from hvbackup.images.source import BytesSource

print("begun", flush=True)
mount_raw(BytesSource(bytes(1 << 20)), Path(sys.argv[1]),
          ready=lambda _: print("ready", flush=True), cancel=Cancellation())
print("ended", flush=True)
"""


@needs_fuse
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_however_the_program_ends_the_folder_is_as_it_was(folder: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        assert program.stdout.readline() == "ready\n"
        assert (folder / "disk.raw").stat().st_size == MIB
        program.send_signal(number)
        said, _ = program.communicate(timeout=30)

    assert said == ("ended\n" if number in (signal.SIGTERM, signal.SIGHUP) else "")
    _wait_until_unmounted(folder)
    assert os.listdir(folder) == []  # noqa: PTH208


def _wait_until_unmounted(folder: Path) -> None:
    """The process that unmounts for one that was killed is not ours to wait for; the kernel tells of each change."""
    import select

    with Path("/proc/self/mounts").open() as mounts:
        poll = select.poll()
        poll.register(mounts, select.POLLERR | select.POLLPRI)
        while str(folder) in mounts.read():
            assert poll.poll(30_000), "it was not unmounted"
            mounts.seek(0)
