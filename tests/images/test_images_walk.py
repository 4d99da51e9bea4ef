"""Going through folders: patterns, the file system's case, folders in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import Cancelled, EntryNotFound, ImageDamaged, ImageError, InvalidRequest
from hvbackup.events import Cancellation
from hvbackup.images.walk import parse_pattern, walk

if TYPE_CHECKING:
    from tests.images.images_test_engine import MemoryFiles, Node, folder
else:
    from images_test_engine import MemoryFiles, Node, folder

TREE = {
    "/etc": folder(),
    "/etc/fstab": Node(),
    "/etc/ssh": folder(),
    "/etc/ssh/sshd.conf": Node(),
    "/home": folder(),
    "/home/anna": folder(),
    "/home/anna/[1].txt": Node(),
    "/home/anna/docs": folder(),
    "/home/anna/docs/a.docx": Node(),
    "/home/anna/docs/old": folder(),
    "/home/anna/docs/old/a.docx": Node(),
    "/home/bob": folder(),
    "/home/bob/docs": folder(),
    "/home/bob/docs/B.DOCX": Node(),
    "/readme": Node(),
}


def found(pattern: str, *, kind: str = "ext4", recursive: bool = False) -> list[str]:
    return [entry.path for entry in walk(MemoryFiles(TREE, kind=kind), pattern, recursive=recursive)]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/etc", ["/etc"]),
        ("/readme", ["/readme"]),
        ("/*", ["/etc", "/home", "/readme"]),
        ("etc/*", ["/etc/fstab", "/etc/ssh"]),
        ("/e*/f?tab", ["/etc/fstab"]),
        ("/home/*/docs/*.docx", ["/home/anna/docs/a.docx"]),
        ("/home/**/*.docx", ["/home/anna/docs/a.docx", "/home/anna/docs/old/a.docx"]),
        ("/home/**/docs", ["/home/anna/docs", "/home/bob/docs"]),
        ("/**/ssh/**", ["/etc/ssh/sshd.conf"]),
        ("/home/[!a]*", []),
        ("/home/anna/[1].txt", ["/home/anna/[1].txt"]),
        ("/home/anna/[?].*", ["/home/anna/[1].txt"]),
        ("/home/*/nothing", []),
        ("/readme/*", []),
    ],
)
def test_a_pattern_means_these_paths(pattern: str, paths: list[str]) -> None:
    assert paths == found(pattern)


def test_two_stars_mean_everything_once() -> None:
    assert list(TREE) == found("/**")
    assert list(TREE) == found("/**/**")


def test_a_folder_that_matches_brings_what_is_below_it() -> None:
    assert ["/etc", "/etc/fstab", "/etc/ssh", "/etc/ssh/sshd.conf"] == found("/etc", recursive=True)
    assert ["/etc/ssh", "/etc/ssh/sshd.conf"] == found("/*/ssh", recursive=True)
    assert ["/", *TREE] == found("/", recursive=True)


def test_case_counts_where_the_file_system_says_so() -> None:
    assert ["/home/anna/docs/a.docx", "/home/bob/docs/B.DOCX"] == found("/HOME/*/Docs/*.docx", kind="ntfs")
    with pytest.raises(EntryNotFound):
        found("/HOME/*", kind="ext4")


def test_what_has_no_wildcard_must_be_there() -> None:
    with pytest.raises(EntryNotFound, match="/nowhere"):
        found("/nowhere/*")


@pytest.mark.parametrize("pattern", ["/etc/../home", "..", "/a\0b"])
def test_a_pattern_that_climbs_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_pattern(pattern)


def test_a_folder_in_a_circle_is_entered_once() -> None:
    told: list[tuple[str, str]] = []
    tree = {"/a": folder(id=7), "/a/b": folder(id=8), "/a/b/a": folder(id=7), "/a/b/a/b": folder(id=8)}
    paths = [
        entry.path
        for entry in walk(MemoryFiles(tree), unreadable=lambda path, error: told.append((path, error.message)))
    ]

    assert ["/", "/a", "/a/b", "/a/b/a"] == paths
    assert [("/a/b/a", "/a/b/a is a folder that has another path, too")] == told


def test_folders_without_numbers_are_bounded_by_their_depth() -> None:
    told: list[str] = []
    tree = {"/" + "/".join("d" * depth): folder(id=0) for depth in range(1, 60)}
    paths = list(walk(MemoryFiles(tree), max_depth=40, unreadable=lambda path, _error: told.append(path)))

    assert 41 == len(paths)
    assert ["/" + "/".join("d" * 40)] == told


def test_a_folder_that_cannot_be_listed_does_not_end_the_walk() -> None:
    told: list[tuple[str, ImageError]] = []
    tree = {"/bad": folder(unlisted=True), "/bad/x": Node(), "/good": folder(), "/good/y": Node()}
    files = MemoryFiles(tree)
    paths = [entry.path for entry in walk(files, unreadable=lambda path, error: told.append((path, error)))]

    assert ["/", "/bad", "/good", "/good/y"] == paths
    assert [("/bad", ImageDamaged)] == [(path, type(error)) for path, error in told]
    with pytest.raises(ImageDamaged):
        list(walk(files))


def test_a_walk_stops_when_the_user_wants_it() -> None:
    cancel = Cancellation()
    steps = walk(MemoryFiles(TREE), cancel=cancel)
    next(steps)
    cancel.set()

    with pytest.raises(Cancelled):
        list(steps)
