"""Paths, odd names and errors, with a parser in memory that gives what no sound disk has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageUnsupported, StoreUnavailable
from hvbackup.images.filesystems.adapter import Contents, Guard, SourceFile
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.filesystems.tree import Child, TreeFileSystem
from hvbackup.images.source import BytesSource, Source

Folders = dict[int, list[tuple[str, int]]]


class _Parser:
    """Nodes are numbers; those that have children are folders, 99 is damaged."""

    info = FileSystemInfo(kind="test")

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self.listed = 0
        self.closed = 0

    def root(self) -> int:
        return 0

    def children(self, folder: int) -> Iterator[Child[int]]:
        self.listed += 1
        for name, node in self._folders[folder]:
            yield Child(name, ImageDamaged("it is broken") if node == 99 else node)

    def key(self, node: int) -> int:
        return node

    def node(self, key: int) -> int:
        return key

    def is_folder(self, node: int) -> bool:
        return node in self._folders

    def describe(self, node: int, path: str, name: str, *, streams: bool) -> Entry:
        if node == 98:
            raise OSError("library_function: the node cannot be read. other_function: why.")
        kind = EntryKind.FOLDER if self.is_folder(node) else EntryKind.FILE
        return Entry(path=path, name=name, kind=kind, id=node, size_bytes=5 if kind is EntryKind.FILE else 0)

    def contents(self, node: int, entry: Entry, stream: str | None, guard: Guard) -> Source:
        return Contents(5, lambda offset, size: b"short"[offset : offset + min(size, 2)], guard, entry.path)

    def fold(self, name: str) -> str:
        return name.upper()

    def close(self) -> None:
        self.closed += 1


def _open(folders: Folders) -> tuple[TreeFileSystem[int], _Parser]:
    parser = _Parser(folders)
    return TreeFileSystem(parser, Guard(SourceFile(BytesSource(b"")))), parser


def test_paths_may_have_slashes_too_many() -> None:
    files, _ = _open({0: [("a", 1)], 1: [("b", 2)]})

    assert files.entry("//a///b/").path == "/a/b"
    assert files.entry("").path == "/"
    assert [entry.path for entry in files.entries("a")] == ["/a/b"]


def test_contents_are_gathered_until_they_are_complete() -> None:
    files, _ = _open({0: [("a", 1)]})

    source = files.open("/a")

    assert (source.read_at(0, 100), source.read_at(3, 1), source.read_at(9, 9)) == (b"short", b"r", b"")


@pytest.mark.parametrize(("name", "shown"), [("a/b", r"a\x2fb"), ("a\0b", r"a\x00b"), ("", r"\x"), ("/", r"\x2f")])
def test_names_that_cannot_be_part_of_a_path_are_shown_and_lead_nowhere(name: str, shown: str) -> None:
    files, _ = _open({0: [(name, 1), ("fine", 2)]})

    entries = list(files.entries("/"))

    assert [(entry.name, entry.unreadable) for entry in entries] == [
        (shown, "its name cannot be part of a path"),
        ("fine", None),
    ]
    with pytest.raises(EntryNotFound):
        files.open(entries[0].path)


def test_the_names_of_the_folder_itself_and_of_the_one_above_are_not_listed() -> None:
    files, _ = _open({0: [(".", 0), ("..", 0), ("...", 1)]})

    assert [entry.name for entry in files.entries("/")] == ["..."]
    with pytest.raises(EntryNotFound):
        files.entry("/..")


def test_a_folder_inside_itself_is_not_entered() -> None:
    files, _ = _open({0: [("a", 1)], 1: [("b", 2)], 2: [("up", 1), ("top", 0), ("file", 3)]})

    told = {entry.name: entry.unreadable for entry in files.entries("/a/b")}

    inside = "it is a folder that it lies in itself: the volume is damaged"
    assert told == {"up": inside, "top": inside, "file": None}
    with pytest.raises(ImageDamaged):
        files.entry("/a/b/up/b/up")


def test_a_path_of_too_many_names_leads_nowhere() -> None:
    files, _ = _open({0: [("a", 1)]})

    with pytest.raises(EntryNotFound, match="5000 names"):
        files.entry("/a" * 5000)


def test_a_folder_is_read_once_for_many_paths() -> None:
    files, parser = _open({0: [(f"f{number}", number + 1) for number in range(90)]})
    for number in range(90):
        files.entry(f"/F{number}")

    assert parser.listed == 1


def test_damaged_entries_hide_none_of_the_others() -> None:
    files, _ = _open({0: [("broken", 99), ("unreadable", 98), ("fine", 2)]})

    told = {entry.name: entry.unreadable for entry in files.entries("/")}

    assert told["broken"] == "it is broken"
    assert "the node cannot be read" in (told["unreadable"] or "")
    assert told["fine"] is None
    with pytest.raises(ImageDamaged, match="/: `broken` cannot be read: it is broken"):
        files.entry("/broken")
    with pytest.raises(ImageDamaged):
        files.entry("/unreadable")


def test_folders_have_no_contents_and_closed_file_systems_no_entries() -> None:
    files, parser = _open({0: [("a", 1)], 1: []})
    with files, pytest.raises(ImageUnsupported, match="/a is a folder"):
        files.open("/a")
    files.close()

    assert parser.closed == 1
    with pytest.raises(ValueError, match="closed"):
        files.entry("/")


# ---------------------------------------------------------------- errors of the source


class _Failing(BytesSource):
    """Fails from a place on, or ends early without saying so."""

    def __init__(self, size: int, *, end: int | None = None) -> None:
        super().__init__(bytes(size))
        self._end = end

    def read_at(self, offset: int, size: int) -> bytes:
        if self._end is None:
            raise StoreUnavailable("the storage is away")
        return super().read_at(offset, size)[: max(0, self._end - offset)]


@pytest.mark.parametrize("kind", ["ntfs", "ext4", "xfs", "fat32", "exfat"])
def test_what_the_source_raises_comes_out_as_it_was(kind: str) -> None:
    with pytest.raises(StoreUnavailable, match="the storage is away"):
        open_file_system(_Failing(1 << 20), kind)


@pytest.mark.parametrize("kind", ["ntfs", "ext4", "fat32"])
def test_the_second_engine_lets_errors_out_too(kind: str) -> None:
    with pytest.raises(StoreUnavailable, match="the storage is away"):
        open_file_system(_Failing(1 << 20), kind, engine="tsk")


def test_a_source_that_gives_less_than_it_has_is_damaged() -> None:
    file = SourceFile(_Failing(1 << 20, end=1000))

    assert file.read_at(0, 1000) == bytes(1000)
    with pytest.raises(ImageDamaged, match="ends inside the 10 bytes at 995"):
        file.read_at(995, 10)
    with pytest.raises(ImageDamaged):
        file.read_at(0, 1 << 19)


def test_a_failure_that_a_library_swallowed_is_raised() -> None:
    file = SourceFile(_Failing(1 << 20))
    guard = Guard(file)

    # a library goes on without the bytes
    with pytest.raises(StoreUnavailable), guard("something"), contextlib.suppress(StoreUnavailable):
        file.read_at(0, 10)


@pytest.mark.parametrize(("kind", "engine"), [("btrfs", None), ("lvm2", None), ("xfs", "tsk")])
def test_a_kind_that_is_not_read_is_refused(kind: str, engine: str | None) -> None:
    with pytest.raises(ImageUnsupported, match=f"kind {kind} is not read"):
        open_file_system(BytesSource(bytes(1 << 20)), kind, engine=engine)


@pytest.mark.parametrize("kind", ["ntfs", "ext4", "xfs", "fat12", "fat16", "fat32", "exfat"])
@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(1 << 20), b"\xff" * (1 << 20)])
def test_bytes_that_are_no_file_system_are_an_error(kind: str, content: bytes) -> None:
    with pytest.raises(ImageDamaged):
        open_file_system(BytesSource(content), kind)
