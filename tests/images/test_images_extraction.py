"""Extraction: what is written, what is kept, what is refused, and what is left when it is stopped."""

from __future__ import annotations

import errno
import os
import stat
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup.errors import Cancelled, ImageDamaged, InvalidRequest, ReaderDied, RestoreRefused
from hvbackup.events import Cancellation, Event, Progress
from hvbackup.images import destination as destination_module
from hvbackup.images.destination import Destination, HeldFolder, NamedFolder
from hvbackup.images.extraction import ExtractedFile, ExtractionOptions, ExtractionResult, extract
from hvbackup.images.filesystems.contract import EntryKind
from hvbackup.images.names import NameRules
from hvbackup.images.source import BytesSource, Source

if TYPE_CHECKING:
    from tests.images.images_test_engine import MODIFIED, MemoryFiles, Node, folder
else:
    from images_test_engine import MODIFIED, MemoryFiles, Node, folder

MIB = 1024 * 1024
MODIFIED_NS = 1_772_600_767_891_234_000
posix = pytest.mark.skipif(os.name != "posix", reason="links and permission bits of POSIX")


def run(
    nodes: dict[str, Node], destination: Path, patterns: str | list[str] = "/", *, kind: str = "ext4", **options: Any
) -> ExtractionResult:
    return extract(MemoryFiles(nodes, kind=kind), patterns, destination, options=ExtractionOptions(**options))


def rows(result: ExtractionResult) -> list[tuple[str, str]]:
    return [(record.path, record.status.value) for record in result.records]


def only(result: ExtractionResult) -> ExtractedFile:
    assert 1 == len(result.records), result.records
    return result.records[0]


def tree(destination: Path) -> dict[str, bytes | None]:
    """Everything below a folder: contents of files, None for folders."""
    return {
        path.relative_to(destination).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(destination.rglob("*"))
    }


@pytest.fixture(params=["by descriptor", "by name"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test run with folders held open, and with folders by name as Windows has them."""
    if request.param == "by name":
        monkeypatch.setattr(os, "supports_dir_fd", set())


@pytest.mark.usefixtures("either_way")
def test_files_and_folders_are_there_with_contents_and_times(tmp_path: Path) -> None:
    nodes = {"/a": folder(modified_at=datetime(2001, 1, 1, tzinfo=timezone.utc)), "/a/empty": folder()}
    nodes |= {"/a/x": Node(b"hello"), "/big": Node(bytes(range(256)) * 10_000)}
    result = run(nodes, tmp_path / "out", hashes=True)

    expected = {"a": None, "a/empty": None, "a/x": b"hello", "big": bytes(range(256)) * 10_000}
    assert expected == tree(tmp_path / "out")
    assert MODIFIED_NS == (tmp_path / "out/a/x").stat().st_mtime_ns
    assert 978_307_200 == (tmp_path / "out/a").stat().st_mtime
    assert (2, 0, 0, 2, 2_560_005, None) == (
        result.ok,
        result.failed,
        result.skipped,
        result.folders,
        result.size_bytes,
        result.stopped,
    )
    assert sha256(b"hello").hexdigest() == {record.path: record.sha256 for record in result.records}["/a/x"]


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("/etc/ssh", ["ssh/config"]),
        ("/etc/*.conf", ["etc/a.conf", "etc/b.conf"]),
        ("/etc/a.conf", ["a.conf"]),
        ("/**/config", ["etc/ssh/config"]),
        ("/e*/ssh/*", ["etc/ssh/config"]),
    ],
)
def test_paths_begin_with_the_last_name_before_a_wildcard(pattern: str, written: list[str], tmp_path: Path) -> None:
    nodes = {"/etc": folder(), "/etc/a.conf": Node(), "/etc/b.conf": Node(), "/etc/ssh": folder()}
    nodes["/etc/ssh/config"] = Node()

    assert written == sorted(record.written or "" for record in run(nodes, tmp_path, pattern).records)


def test_two_patterns_with_the_same_last_name_do_not_write_over_each_other(tmp_path: Path) -> None:
    nodes = {"/a": folder(), "/a/x.txt": Node(b"1"), "/b": folder(), "/b/x.txt": Node(b"2")}
    result = run(nodes, tmp_path, ["/a/x.txt", "/b/x.txt"], replace=True)

    assert {"x.txt": b"1", "x~2.txt": b"2"} == tree(tmp_path)
    assert [("x.txt", False), ("x~2.txt", True)] == [(record.written, record.renamed) for record in result.records]


def test_a_pattern_that_gives_nothing_is_a_failure(tmp_path: Path) -> None:
    result = run({"/a": Node()}, tmp_path, ["/nowhere", "/x*"])

    assert [("/nowhere", "failed"), ("/x*", "failed")] == rows(result)
    with pytest.raises(InvalidRequest):
        run({}, tmp_path, "/a/../..")


@pytest.mark.usefixtures("either_way")
def test_a_second_run_keeps_what_is_whole_and_writes_what_is_missing(tmp_path: Path) -> None:
    nodes = {"/a": Node(b"one"), "/b": Node(b"two")}
    run(nodes, tmp_path)
    (tmp_path / "b").unlink()
    files = MemoryFiles(nodes)
    result = extract(files, "/", tmp_path)

    assert [("/a", "kept"), ("/b", "ok")] == sorted(rows(result))
    assert ["/b"] == files.opened


@pytest.mark.usefixtures("either_way")
def test_what_is_there_and_differs_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    result = run({"/a": Node(b"one")}, tmp_path)

    assert "failed" == only(result).status
    assert "nothing is replaced unless asked for" in str(only(result).reason)
    assert {"a": b"mine"} == tree(tmp_path)
    assert "ok" == only(run({"/a": Node(b"one")}, tmp_path, replace=True)).status
    assert {"a": b"one"} == tree(tmp_path)


@pytest.mark.usefixtures("either_way")
def test_a_folder_is_never_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_bytes(b"mine")
    result = run({"/a": Node(b"one"), "/b": folder(), "/b/x": Node()}, tmp_path, replace=True)

    assert [("/a", "failed"), ("/b", "failed"), ("/b/x", "failed")] == sorted(rows(result))
    assert {"a": None, "b": b"mine"} == tree(tmp_path)


class Failing:
    """Contents that raise, or end too early."""

    def __init__(self, size: int, error: Exception | None) -> None:
        self.size = size
        self._error = error

    def read_at(self, offset: int, size: int) -> bytes:
        if offset and self._error:
            raise self._error
        return bytes(size if not offset else 0)


class Special(MemoryFiles):
    """Files of which some have special contents."""

    def __init__(self, nodes: dict[str, Node], contents: dict[str, Source]) -> None:
        super().__init__(nodes)
        self._contents = contents

    def open(self, path: str, *, stream: str | None = None) -> Source:
        return self._contents.get(path) or super().open(path, stream=stream)


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (Failing(2 * MIB, ImageDamaged("a cluster is bad")), "a cluster is bad"),
        (Failing(2 * MIB, ReaderDied("it crashed")), "it crashed"),
        (Failing(2 * MIB, OSError(errno.EIO, "input/output error")), "the disk could not be read"),
        (Failing(2 * MIB, None), "it ends at 1048576 bytes, too early"),
        (BytesSource(b"short"), "2097152 bytes long by its folder, and 5"),
    ],
)
def test_what_cannot_be_read_is_a_failure_of_that_file_and_leaves_nothing(
    contents: Source, reason: str, tmp_path: Path
) -> None:
    nodes = {"/bad": Node(zeros=2 * MIB), "/good": Node(b"fine")}
    result = extract(Special(nodes, {"/bad": contents}), "/", tmp_path)

    assert [("/bad", "failed"), ("/good", "ok")] == rows(result)
    assert reason in str(result.records[0].reason)
    assert {"good": b"fine"} == tree(tmp_path)


def test_what_the_disk_says_is_unreadable_is_not_opened(tmp_path: Path) -> None:
    files = MemoryFiles({"/a": Node(unreadable="deduplicated; mount it on Windows")})
    record = only(extract(files, "/", tmp_path))

    assert ("failed", "deduplicated; mount it on Windows") == (record.status, record.reason)
    assert [] == files.opened


def test_what_nobody_can_tell_the_kind_of_is_a_failure_and_not_passed_over(tmp_path: Path) -> None:
    nodes = {"/a": Node(kind=EntryKind.OTHER, unreadable="its inode cannot be read"), "/b": Node(kind=EntryKind.OTHER)}

    assert [("/a", "failed"), ("/b", "skipped")] == rows(run(nodes, tmp_path))


def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    files = MemoryFiles({"/a": Node(zeros=2**62, attributes=("sparse",))})
    record = only(extract(files, "/", tmp_path))

    assert ("failed", "it claims to be 4611686018427387904 bytes long, more than any virtual disk") == (
        record.status,
        record.reason,
    )
    assert [] == files.opened


def test_a_folder_that_cannot_be_listed_is_a_failure_and_the_rest_goes_on(tmp_path: Path) -> None:
    result = run({"/bad": folder(unlisted=True), "/good": Node()}, tmp_path)

    assert [("/bad", "failed"), ("/good", "ok")] == rows(result)


def test_an_error_of_the_repository_below_ends_it(tmp_path: Path) -> None:
    from hvbackup.errors import StoreUnavailable

    gone = Failing(2 * MIB, StoreUnavailable("the share is gone"))
    with pytest.raises(StoreUnavailable):
        extract(Special({"/a": Node(zeros=2 * MIB)}, {"/a": gone}), "/", tmp_path)
    assert {} == tree(tmp_path)


def test_no_room_ends_it_with_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    nodes = {"/a": Node(b"1"), "/b": Node(b"2")}
    monkeypatch.setattr(HeldFolder, "rename", full)
    result = run(nodes, tmp_path)

    assert [("/a", "failed")] == rows(result)
    assert f"nothing more could be written in {tmp_path}: there is no room left" == result.stopped
    assert {} == tree(tmp_path)


def test_a_permission_is_an_error_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = HeldFolder.create

    def refuse_once(self: HeldFolder, name: str, mode: int) -> int:
        monkeypatch.setattr(HeldFolder, "create", create)
        raise PermissionError(errno.EACCES, "Permission denied")

    with Destination(tmp_path):
        pass
    monkeypatch.setattr(destination_module, "_rules", lambda _folder: NameRules())
    monkeypatch.setattr(HeldFolder, "create", refuse_once)
    result = run({"/a": Node(b"1"), "/b": Node(b"2")}, tmp_path)

    assert [("/a", "failed"), ("/b", "ok")] == rows(result)
    assert "it could not be written: Permission denied" == result.records[0].reason


def test_a_destination_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RestoreRefused, match="cannot write in"):
        run({"/a": Node()}, tmp_path / "file")


def test_a_stop_leaves_whole_files_and_no_other(tmp_path: Path) -> None:
    cancel = Cancellation()

    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.done >= 3 * MIB:
            cancel.set()

    nodes = {"/a": Node(zeros=MIB), "/b": Node(zeros=50 * MIB)}
    with pytest.raises(Cancelled):
        extract(MemoryFiles(nodes), "/", tmp_path, events=stop, cancel=cancel)

    assert {"a": bytes(MIB)} == tree(tmp_path)


def test_progress_grows_to_all_bytes(tmp_path: Path) -> None:
    told: list[Event] = []
    nodes = {"/a": Node(zeros=2 * MIB), "/b": Node(b"123")}
    extract(MemoryFiles(nodes), "/", tmp_path, events=told.append)

    done = [event.done for event in told if isinstance(event, Progress)]
    assert [MIB, 2 * MIB, 2 * MIB + 3] == done


def test_records_can_be_taken_one_by_one(tmp_path: Path) -> None:
    taken: list[ExtractedFile] = []
    result = extract(MemoryFiles({"/a": Node(b"1")}), "/", tmp_path, records=taken.append)

    assert ["/a"] == [record.path for record in taken]
    assert ((), 1) == (result.records, result.ok)


def test_files_are_read_in_the_order_of_the_volume_window_by_window(tmp_path: Path) -> None:
    extents = [500, None, 100, 300, None, 200]
    nodes = {f"/{number}": Node(first_extent=extent, id=100 - number) for number, extent in enumerate(extents)}

    def order(window: int, out: Path) -> list[str]:
        files = MemoryFiles(nodes)
        extract(files, "/*", out, options=ExtractionOptions(window=window))
        return files.opened

    assert ["/4", "/1", "/2", "/5", "/3", "/0"] == order(50_000, tmp_path / "all")
    assert ["/1", "/2", "/0", "/4", "/5", "/3"] == order(3, tmp_path / "three")


def test_a_folder_gets_its_time_after_its_last_file_whatever_the_window(tmp_path: Path) -> None:
    nodes = {"/a": folder(), "/a/b": folder(), **{f"/a/b/{number}": Node(b"1") for number in range(5)}, "/z": Node()}
    for window in (1, 2, 3, 100):
        out = tmp_path / str(window)
        run(nodes, out, window=window)
        assert {MODIFIED_NS} == {path.stat().st_mtime_ns for path in (out / "a", out / "a/b")}, window


# ---------------------------------------------------------------- sparse, modes, links


@posix
def test_what_is_sparse_on_the_disk_has_holes_here(tmp_path: Path) -> None:
    contents = b"a" + bytes(3 * MIB) + b"b" * 70_000 + bytes(MIB)
    nodes = {"/sparse": Node(contents, attributes=("sparse",)), "/dense": Node(contents)}
    run(nodes, tmp_path)

    assert contents == (tmp_path / "sparse").read_bytes()
    assert contents == (tmp_path / "dense").read_bytes()
    assert (tmp_path / "sparse").stat().st_blocks * 512 < MIB
    assert (tmp_path / "dense").stat().st_blocks * 512 >= 3 * MIB


@posix
def test_no_file_is_open_to_more_people_than_in_the_guest(tmp_path: Path) -> None:
    before = os.umask(0o022)
    nodes = {"/shadow": Node(mode=0o600), "/script": Node(mode=0o4777), "/none": Node(), "/root": folder(mode=0o700)}
    try:
        run(nodes, tmp_path / "usual")
        run(nodes, tmp_path / "exact", modes=True)
    finally:
        os.umask(before)

    def modes(out: Path) -> dict[str, int]:
        return {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}

    assert {"shadow": 0o600, "script": 0o755, "none": 0o644, "root": 0o700} == modes(tmp_path / "usual")
    assert {"shadow": 0o600, "script": 0o777, "none": 0o644, "root": 0o700} == modes(tmp_path / "exact")


def link(target: str, kind: str = "symlink") -> Node:
    return Node(kind=kind, target=target)


def test_links_are_recorded_and_not_written(tmp_path: Path) -> None:
    nodes = {"/a": link("/etc/passwd"), "/b": link("C:\\Users", "junction"), "/c": Node(kind="other")}
    result = run(nodes, tmp_path)

    reasons = ["a symlink to /etc/passwd", "a junction to C:\\Users", "a device, a pipe or a socket"]
    assert reasons == [record.reason for record in result.records]
    assert {"skipped"} == {record.status for record in result.records}
    assert {} == tree(tmp_path)


@posix
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("path", "target", "written"),
    [
        ("/l", "a/file", True),
        ("/d/l", "../a/file", True),
        ("/d/l", "./../a", True),
        ("/l", "missing", True),
        ("/l", "..", False),
        ("/d/l", "../..", False),
        ("/d/l", "x/../../../etc", False),
        ("/d/l", "x/..", False),
        ("/l", "/etc/passwd", False),
        ("/l", "", False),
    ],
)
def test_links_are_kept_when_they_stay_inside(path: str, target: str, written: bool, tmp_path: Path) -> None:
    nodes = {"/a": folder(), "/a/file": Node(b"x"), "/d": folder(), path: link(target)}
    result = run(nodes, tmp_path, links="keep")
    there = tmp_path / path[1:]

    assert written == there.is_symlink()
    assert ("ok" if written else "skipped") == {record.path: record.status for record in result.records}[path]
    if written:
        assert "kept" == {r.path: r.status for r in run(nodes, tmp_path, links="keep").records}[path]


@posix
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("replace", [False, True])
def test_nothing_is_written_through_a_link_that_is_there(replace: bool, tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (outside / "file").write_bytes(b"mine")
    (out / "folder").symlink_to(outside)
    (out / "file").symlink_to(outside / "file")
    nodes = {"/folder": folder(), "/folder/new": Node(b"evil"), "/file": Node(b"evil")}
    result = run(nodes, out, replace=replace, links="keep")

    assert {"file": b"mine"} == tree(outside)
    statuses = {record.path: record.status for record in result.records}
    assert {"/folder": "failed", "/folder/new": "failed", "/file": "ok" if replace else "failed"} == statuses
    assert replace == (not (out / "file").is_symlink())


@posix
def test_nothing_is_written_through_a_link_that_the_disk_brought(tmp_path: Path) -> None:
    nodes = {"/a": folder(), "/x": link("a"), "/x/evil": Node(b"1")}
    files = MemoryFiles(nodes)
    extract(files, "/", tmp_path, options=ExtractionOptions(links="keep"))
    result = extract(files, "/x/evil", tmp_path / "x", options=ExtractionOptions(links="keep"))

    assert "ok" == only(result).status
    files.nodes["/x"] = folder()
    result = extract(files, "/", tmp_path, options=ExtractionOptions(replace=True))
    assert ["failed", "failed"] == [record.status for record in result.records]


@posix
@pytest.mark.usefixtures("either_way")
def test_names_of_the_same_file_are_links_again(tmp_path: Path) -> None:
    nodes = {"/a": Node(b"one", id=77, links=2), "/d": folder(), "/d/b": Node(b"one", id=77, links=2)}
    files = MemoryFiles(nodes)
    result = extract(files, "/", tmp_path / "links")
    run(nodes, tmp_path / "copies", hard_links=False)

    assert (tmp_path / "links/a").samefile(tmp_path / "links/d/b")
    assert ["/a"] == files.opened
    assert "another name of a" == {record.path: record.reason for record in result.records}["/d/b"]
    assert not (tmp_path / "copies/a").samefile(tmp_path / "copies/d/b")
    assert {"a": b"one", "d": None, "d/b": b"one"} == tree(tmp_path / "copies")


def test_where_there_are_no_hard_links_there_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(HeldFolder, "link_file", refuse)
    monkeypatch.setattr(NamedFolder, "link_file", refuse)
    run({"/a": Node(b"one", id=77, links=2), "/b": Node(b"one", id=77, links=2)}, tmp_path)

    assert {"a": b"one", "b": b"one"} == tree(tmp_path)


# ---------------------------------------------------------------- streams


def attribute(path: Path, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name)
    except OSError:
        return None


@pytest.mark.usefixtures("either_way")
def test_small_streams_are_attributes_or_files_and_large_ones_files(tmp_path: Path) -> None:
    streams = (("Zone.Identifier", b"[ZoneTransfer]"), ("big", b"x" * 5000))
    nodes = {"/a.txt": Node(b"one", streams=streams)}
    result = run(nodes, tmp_path, kind="ntfs")

    assert b"x" * 5000 == (tmp_path / "a.txt.ads/big").read_bytes()
    small = attribute(tmp_path / "a.txt", "user.ads.Zone.Identifier")
    assert b"[ZoneTransfer]" == (small or (tmp_path / "a.txt.ads/Zone.Identifier").read_bytes())
    paths = {"/a.txt": "ok", "/a.txt:Zone.Identifier": "ok", "/a.txt:big": "ok"}
    assert paths == {record.path: record.status.value for record in result.records}
    again = run(nodes, tmp_path, kind="ntfs")
    assert dict.fromkeys(paths, "kept") == {record.path: record.status.value for record in again.records}


def test_a_stream_that_is_missing_comes_with_the_next_run(tmp_path: Path) -> None:
    nodes = {"/a": Node(b"one", streams=(("big", b"x" * 5000),))}
    run(nodes, tmp_path, kind="ntfs", streams=False)
    assert {"a": b"one"} == tree(tmp_path)

    run(nodes, tmp_path, kind="ntfs")
    assert {"a": b"one", "a.ads": None, "a.ads/big": b"x" * 5000} == tree(tmp_path)


def test_a_stream_that_cannot_be_read_is_a_failure_of_the_stream(tmp_path: Path) -> None:
    class Broken(MemoryFiles):
        def open(self, path: str, *, stream: str | None = None) -> Source:
            if stream:
                raise ImageDamaged("bad stream")
            return super().open(path)

    result = extract(Broken({"/a": Node(b"one", streams=(("s", b"x"),))}, kind="ntfs"), "/", tmp_path)

    assert [("/a:s", "failed"), ("/a", "ok")] == rows(result)


def test_a_folder_of_streams_does_not_take_the_name_of_a_file(tmp_path: Path) -> None:
    nodes = {"/a": Node(b"1", streams=(("..", b"x" * 3000), ("a/../../b", b"y" * 3000)))}
    nodes["/a.ads"] = Node(b"2")
    run(nodes, tmp_path, kind="ntfs")

    assert {"a": b"1", "a.ads": None, "a.ads/.%2E": b"x" * 3000, "a.ads/a%2F..%2F..%2Fb": b"y" * 3000} | {
        "a~2.ads": b"2"
    } == tree(tmp_path)


def test_streams_of_a_folder_are_beside_it(tmp_path: Path) -> None:
    nodes = {"/d": folder(streams=(("big", b"x" * 5000),)), "/d/f": Node(b"1")}
    run(nodes, tmp_path, kind="ntfs")

    assert {"d": None, "d/f": b"1", "d.ads": None, "d.ads/big": b"x" * 5000} == tree(tmp_path)
    assert MODIFIED == datetime.fromtimestamp((tmp_path / "d").stat().st_mtime, timezone.utc)


# ---------------------------------------------------------------- very many


def test_memory_stays_the_same_for_any_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc
    from collections.abc import Iterator

    from hvbackup.images import extraction_plan
    from hvbackup.images.extraction_plan import Item, Targets, windows
    from hvbackup.images.filesystems.contract import Entry, EntryKind

    monkeypatch.setattr(extraction_plan, "_KNOWN_FOLDERS", 50)

    def items(folders: int) -> Iterator[Item]:
        targets = Targets(NameRules(one_case=True))
        for number in range(folders):
            yield targets.item(Entry(path=f"/{number}", name=f"{number}", kind=EntryKind.FOLDER), "/")
            for name in ("a", "A", "b:"):
                yield targets.item(Entry(path=f"/{number}/{name}", name=name, kind=EntryKind.FILE), "/")

    def peak(folders: int) -> int:
        tracemalloc.start()
        try:
            for _ in windows(items(folders), 200):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(2000) - peak(500) < MIB // 2
