"""Places in a disk: how they are written, and what a pattern finds in one walk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hvbackup.errors import Cancelled, EntryNotFound, HvBackupError, ImageDamaged, ImageError, InvalidRequest
from hvbackup.events import Cancellation
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem, FileSystemInfo, Stream
from hvbackup.images.source import BytesSource
from hvbackup.images.volumes import Volume
from hvbackup.jobs.guest_paths import GuestPath, looks_like_guest_path, parse_guest_path, split_stream
from hvbackup.jobs.guest_search import find

VOLUMES = (
    Volume(name="1", kind="fat32", size_bytes=100),
    Volume(name="2", kind="ntfs", size_bytes=1000),
    Volume(name="data/root", kind="xfs", size_bytes=1000),
)

TREE = {
    "/": ["Users", "boot.ini", "a*b", "link", "[a]b"],
    "/Users": ["anna", "Bernd", "broken"],
    "/Users/anna": ["Budget.xlsx", "notes.txt", "Desktop"],
    "/Users/anna/Desktop": ["budget-2.xlsx", "deep"],
    "/Users/anna/Desktop/deep": ["BUDGET.xls"],
    "/Users/Bernd": ["notes.txt"],
    "/Users/broken": [],
}


class MemoryFiles:
    """A file system of names only. `/Users/broken` cannot be listed; `listed` counts how often a folder was."""

    def __init__(self, kind: str = "ntfs", tree: dict[str, list[str]] | None = None) -> None:
        self.info = FileSystemInfo(kind=kind)
        self.tree = TREE if tree is None else tree
        self.listed: list[str] = []

    def entry(self, path: str) -> Entry:
        if path == "/":
            return self._entry("/", "")
        above, _, name = path.rpartition("/")
        folder = self.entry(above or "/").path.rstrip("/")
        for known in self.tree.get(folder or "/", []):
            if known == name or (self.info.kind == "ntfs" and known.lower() == name.lower()):
                return self._entry(f"{folder}/{known}", known)
        raise EntryNotFound(f"there is no {path}")

    def _entry(self, path: str, name: str) -> Entry:
        kind = EntryKind.FOLDER if path in self.tree else EntryKind.SYMLINK if name == "link" else EntryKind.FILE
        streams = (Stream(name="mark", size_bytes=3),) if name == "notes.txt" else ()
        return Entry(path=path, name=name, kind=kind, id=1 + hash(path) % 1000003, streams=streams)

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        self.listed.append(folder)
        if folder == "/Users/broken":
            raise ImageDamaged("the index of /Users/broken is damaged")
        for name in self.tree[folder]:
            yield self._entry(f"{folder.rstrip('/')}/{name}", name)

    def open(self, path: str, *, stream: str | None = None) -> BytesSource:
        return BytesSource(path.encode())

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is open."""


def found(text: str, *, kind: str = "ntfs", inside: bool = False, recursive: bool = False) -> list[str]:
    """The paths that fit; what cannot be listed is left out."""
    entries = find(MemoryFiles(kind), text, inside=inside, recursive=recursive, on_error=lambda _path, _error: None)
    return [entry.path for entry in entries]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("2:/Users/anna", GuestPath("2", "/Users/anna")),
        ("2:", GuestPath("2", "/")),
        ("2", GuestPath("2", "/")),
        ("2:/", GuestPath("2", "/")),
        (r"2:\Users\anna", GuestPath("2", "/Users/anna")),
        ("data/root:/etc", GuestPath("data/root", "/etc")),
        ("data/root", GuestPath("data/root", "/")),
        ("/etc//./passwd/", GuestPath(None, "/etc/passwd")),
        ("**/*.txt", GuestPath(None, "/**/*.txt")),
        (r"\Users", GuestPath(None, "/Users")),
        (r"C:\Users\anna", GuestPath(None, "/Users/anna", "C")),
        ("d:/x", GuestPath(None, "/x", "D")),
        ("2:/a:b", GuestPath("2", "/a:b")),
    ],
)
def test_a_place_is_understood(text: str, place: GuestPath) -> None:
    assert place == parse_guest_path(text, VOLUMES)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("7:/x", EntryNotFound, "the disk has no volume '7'"),
        ("Users/anna", InvalidRequest, "'Users/anna' is no place in a disk"),
        ("", InvalidRequest, "'' is no place in a disk"),
        ("2:/a/../b", InvalidRequest, "'/a/../b' goes up with `..`"),
        ("data/home:/x", EntryNotFound, "the disk has no volume 'data/home'"),
    ],
)
def test_what_is_no_place_is_one_error(text: str, error: type[HvBackupError], says: str) -> None:
    with pytest.raises(error) as caught:
        parse_guest_path(text, VOLUMES)

    assert says == str(caught.value)


def test_the_error_of_a_wrong_volume_names_the_volumes() -> None:
    with pytest.raises(EntryNotFound) as caught:
        parse_guest_path("7:/x", VOLUMES)

    assert "Its volumes are 1 (fat32), 2 (ntfs), data/root (xfs)." == caught.value.hint


@pytest.mark.parametrize(
    ("text", "is_path"),
    [("2:/x", True), ("/x", True), ("**/x", True), (r"C:\x", True), ("2", True), ("w.vhdx", False), ("*.vhdx", False)],
)
def test_places_and_names_of_disks_are_told_apart(text: str, is_path: bool) -> None:
    assert is_path is looks_like_guest_path(text)


def test_only_ntfs_has_named_streams() -> None:
    assert ("/a/b.txt", "Zone.Identifier") == split_stream("/a/b.txt:Zone.Identifier", "ntfs")
    assert ("/a:b/c.txt", None) == split_stream("/a:b/c.txt", "ntfs")
    assert ("/a/b:c", None) == split_stream("/a/b:c", "ext4")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/Users/anna", ["/Users/anna"]),
        ("/users/ANNA", ["/Users/anna"]),
        ("/users/*", ["/Users/anna", "/Users/Bernd", "/Users/broken"]),
        ("/*/*/notes.txt", ["/Users/anna/notes.txt", "/Users/Bernd/notes.txt"]),
        ("/**/budget*.xls?", ["/Users/anna/Budget.xlsx", "/Users/anna/Desktop/budget-2.xlsx"]),
        ("/**/notes.txt", ["/Users/anna/notes.txt", "/Users/Bernd/notes.txt"]),
        ("/**/anna/**/*.xls", ["/Users/anna/Desktop/deep/BUDGET.xls"]),
        ("/Users/an?a/*.txt", ["/Users/anna/notes.txt"]),
        ("/nothing*", []),
        ("/link/*", []),
        ("/boot.ini/*", []),
        ("/Users/nobody/*", None),
        ("/users\\anna\\notes.txt", ["/Users/anna/notes.txt"]),
        ("/users\\*\\notes.txt", ["/Users/anna/notes.txt", "/Users/Bernd/notes.txt"]),
        ("/[a]*", ["/[a]b"]),
        ("/[A]B", ["/[a]b"]),
    ],
)
def test_a_pattern_finds(text: str, paths: list[str] | None) -> None:
    if paths is not None:
        assert paths == found(text)
        return
    with pytest.raises(EntryNotFound):
        found(text)


def test_case_counts_where_the_guest_says_so() -> None:
    assert ["/Users/anna/Budget.xlsx"] == found("/**/B*.xlsx", kind="ext4")


def test_a_name_with_a_star_in_it_is_found_as_it_is_written() -> None:
    assert ["/a*b"] == found("/a*b", kind="ext4")


def test_a_folder_is_listed_or_named_as_is_asked() -> None:
    assert ["/Users/anna"] == found("/Users/anna")
    assert ["/Users/anna/Budget.xlsx", "/Users/anna/notes.txt", "/Users/anna/Desktop"] == found(
        "/Users/anna", inside=True
    )
    assert ["/Users/anna/notes.txt"] == found("/Users/anna/notes.txt", inside=True, recursive=True)


def test_everything_below_what_fits_comes_each_once() -> None:
    below = ["/Users/anna/Desktop", "/Users/anna/Desktop/budget-2.xlsx", "/Users/anna/Desktop/deep",
             "/Users/anna/Desktop/deep/BUDGET.xls"]  # fmt: skip
    assert below == found("/Users/anna/D*", recursive=True)
    assert below == found("/Users/anna/Desktop", recursive=True)
    assert below[1:] == found("/Users/anna/Desktop", inside=True, recursive=True)


def test_each_folder_is_read_once_whatever_the_pattern() -> None:
    files = MemoryFiles()

    list(find(files, "/**/**/*.txt", on_error=lambda _path, _error: None))

    assert sorted(TREE) == sorted(files.listed)


def test_folders_that_cannot_fit_are_not_read() -> None:
    files = MemoryFiles()

    assert ["/Users/anna/notes.txt"] == [each.path for each in find(files, "/Users/a*/n*")]
    assert ["/Users", "/Users/anna"] == files.listed


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_found() -> None:
    told: list[tuple[str, ImageError]] = []
    entries = find(MemoryFiles(), "/**/notes.txt", on_error=lambda *each: told.append(each))

    assert ["/Users/anna/notes.txt", "/Users/Bernd/notes.txt"] == [entry.path for entry in entries]
    assert ["/Users/broken"] == [path for path, _ in told]


def test_without_a_listener_a_folder_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ImageDamaged, match="index of /Users/broken"):
        list(find(MemoryFiles(), "/**/notes.txt"))


def test_a_walk_stops_when_it_is_asked_to() -> None:
    cancel = Cancellation()
    entries = find(MemoryFiles(), "/**", cancel=cancel)
    next(entries)
    cancel.set()

    with pytest.raises(Cancelled):
        next(entries)
