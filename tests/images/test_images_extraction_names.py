"""Names: none leads out of its folder, no two are one, and what a machine can hold stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.images.destination import Destination
from hvbackup.images.extraction import ExtractionOptions, extract
from hvbackup.images.link_targets import target_inside
from hvbackup.images.names import FolderNames, NameRules, safe_name

if TYPE_CHECKING:
    from tests.images.images_test_engine import MemoryFiles, Node, folder
else:
    from images_test_engine import MemoryFiles, Node, folder

LINUX = NameRules(windows=False, one_case=False, one_form=False, bytes_allowed=True)
WINDOWS = NameRules(windows=True, one_case=True, one_form=False, bytes_allowed=False)
MAC = NameRules(windows=False, one_case=True, one_form=True, bytes_allowed=False)
PORTABLE = LINUX.portable()
RULES = st.sampled_from([LINUX, WINDOWS, MAC, PORTABLE])

#: Names that disks may bring: any text, with a liking for what is special.
SPECIAL = st.sampled_from(
    ["", ".", "..", "con", "NUL.txt", "a/b", "a\\b", "c:", "\\\\server\\share", "a.", "a ", " ", "\0", "\n", "\x1b[2J"]
)
LETTERS = st.text(st.sampled_from("aA\u00e9e\u0301\u00df\ud800\udc80.\u0130 %2E~:/\\\0"), max_size=8)
NAMES = st.one_of(SPECIAL, LETTERS, st.text(st.characters(exclude_categories=()), max_size=300))


@pytest.mark.parametrize(
    ("name", "linux", "windows"),
    [
        ("plain.txt", "plain.txt", "plain.txt"),
        ("größe ✓", "größe ✓", "größe ✓"),
        ("", "%", "%2E"),
        (".", "%2E", "%2E"),
        ("..", ".%2E", ".%2E"),
        ("...", "...", "..%2E"),
        (".profile", ".profile", ".profile"),
        ("a/../b", "a%2F..%2Fb", "a%2F..%2Fb"),
        ("C:\\x", "C:\\x", "C%3A%5Cx"),
        ("\\\\server\\share", "\\\\server\\share", "%5C%5Cserver%5Cshare"),
        ("file:stream", "file:stream", "file%3Astream"),
        ("a\0b", "a%00b", "a%00b"),
        ("\x1b[2J", "%1B[2J", "%1B[2J"),
        ("CON", "CON", "CON_"),
        ("nul.tar.gz", "nul.tar.gz", "nul_.tar.gz"),
        ("Com1 .x", "Com1 .x", "Com1_ .x"),
        ("lpt²", "lpt²", "lpt²_"),
        ("CONIN$", "CONIN$", "CONIN$_"),
        ("console", "console", "console"),
        ("com10", "com10", "com10"),
        ("end.", "end.", "end%2E"),
        ("end ", "end ", "end%20"),
        ("wh?t*", "wh?t*", "wh%3Ft%2A"),
        ("\udc80", "\udc80", "%uDC80"),
        ("\ud83d", "%uD83D", "%uD83D"),
    ],
)
def test_a_name_becomes_the_nearest_one_that_can_be(name: str, linux: str, windows: str) -> None:
    assert (linux, windows) == (safe_name(name, LINUX), safe_name(name, WINDOWS))


def test_a_name_that_is_too_long_keeps_its_suffix_and_gets_a_mark() -> None:
    assert "x" * 242 + "~6ce2705d.txt" == safe_name("x" * 300 + ".txt", LINUX)
    assert "é" * 123 + "~df20b2aa" == safe_name("é" * 200, LINUX)
    assert "x" * 255 == safe_name("x" * 255, LINUX)


def test_two_names_that_are_one_here_are_told_apart() -> None:
    names = FolderNames(MAC)

    assert ["readme", "README~2", "ReadMe~3"] == [names.name_for(name) for name in ("readme", "README", "ReadMe")]
    assert ["caf\u00e9.txt", "cafe\u0301~2.txt"] == [
        names.name_for(name) for name in ("caf\u00e9.txt", "cafe\u0301.txt")
    ]
    assert "README~2" == names.name_for("README")
    assert ["a", "A"] == [FolderNames(LINUX).name_for(name) for name in ("a", "A")]


def test_a_name_that_looks_like_a_changed_one_does_not_meet_it() -> None:
    names = FolderNames(WINDOWS)

    assert ["a%3A", "a%3A~2", "A%3a~3"] == [names.name_for(name) for name in ("a:", "a%3A", "A%3a")]


def test_bytes_that_make_a_letter_are_that_letter() -> None:
    names = FolderNames(LINUX)

    assert "é" == names.name_for("é")
    assert os.fsencode("é") != os.fsencode(names.name_for("\udcc3\udca9"))


def test_very_many_names_that_are_one_are_told_apart_quickly() -> None:
    names = FolderNames(WINDOWS)
    cases = ["".join(letter.upper() if bits >> at & 1 else letter for at, letter in enumerate("abcdefghijklmn"))
             for bits in range(1 << 14)]  # fmt: skip

    assert 1 << 14 == len({names.name_for(name).lower() for name in cases})


@given(NAMES, RULES)
def test_no_name_is_a_path_or_too_long(name: str, rules: NameRules) -> None:
    safe = safe_name(name, rules)

    assert safe not in ("", ".", "..")
    assert not set("/\0") & set(safe)
    assert not any(ord(character) < 32 for character in safe)
    assert len(safe.encode("utf-8", "surrogateescape" if rules.bytes_allowed else "strict")) <= 255
    if rules.windows:
        assert not set('<>:"\\|?*') & set(safe)
        assert safe[-1] not in ". "
        assert safe.split(".")[0].rstrip(" ").upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONOUT$"}


@given(st.lists(NAMES, unique=True, max_size=30), RULES)
def test_no_two_names_are_one_and_each_stays_what_it_is(names: list[str], rules: NameRules) -> None:
    import unicodedata

    given_ = FolderNames(rules)
    first = [given_.name_for(name) for name in names]
    keys = {
        unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold()) if rules.one_case else name
        for name in first
    }

    assert len(names) == len(keys)
    assert first == [given_.name_for(name) for name in names]


@given(
    paths=st.lists(st.lists(NAMES.filter(lambda name: name and "/" not in name), min_size=1, max_size=3), max_size=8)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_tree_lands_in_the_destination_and_nowhere_else(
    paths: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("names")
    nodes: dict[str, Node] = {}
    for names in paths:
        for depth in range(1, len(names)):
            nodes.setdefault("/" + "/".join(names[:depth]), folder())
        nodes.setdefault("/" + "/".join(names), Node("/".join(names).encode("utf-8", "surrogatepass")))
    files = {path for path, node in nodes.items() if node.contents is not None}
    nodes = {path: node for path, node in nodes.items() if not any(path.startswith(f"{file}/") for file in files)}
    result = extract(Exact(nodes), "/", base / "out", options=ExtractionOptions(portable_names=len(paths) % 2 == 0))

    assert ["out"] == [path.name for path in base.iterdir()]
    written = {record.path: record.written for record in result.records if nodes[record.path].contents is not None}
    assert set(written) == {path for path, node in nodes.items() if node.contents is not None}
    for path, name in written.items():
        assert name is not None
        assert nodes[path].contents == (base / "out" / name).read_bytes()


class Exact(MemoryFiles):
    """Paths as they are, whatever is in them."""

    def _find(self, path: str) -> str:
        return path


# ---------------------------------------------------------------- links


@given(st.text(st.sampled_from("ab./\\"), max_size=20), st.integers(0, 3), st.booleans())
def test_a_link_never_leads_above_the_destination(target: str, depth: int, windows: bool) -> None:
    inside = target_inside(target, depth, windows=windows)
    if inside is not None:
        names = inside.split("/")
        assert not inside.startswith("/")
        assert names[: names.count("..")] == [".."] * names.count("..")
        assert names.count("..") <= depth


@pytest.mark.parametrize("target", ["C:\\Windows", "c:x", "\\Windows", "\\\\server\\share", "\\??\\C:\\x"])
def test_targets_of_windows_that_lead_elsewhere_are_refused(target: str) -> None:
    assert target_inside(target, 3, windows=True) is None


def test_targets_of_windows_are_written_for_this_machine() -> None:
    assert str(Path("../a/b")) == target_inside("..\\a\\.\\b", 1, windows=True)


# ---------------------------------------------------------------- the destination


def open_now() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("by_descriptor", [True, False])
def test_a_destination_finds_out_what_names_are_there_and_leaves_nothing(by_descriptor: bool, tmp_path: Path) -> None:
    with Destination(tmp_path / "new/folder", by_descriptor=by_descriptor) as place:
        (tmp_path / "new/folder/probe").write_bytes(b"")
        assert (tmp_path / "new/folder/PROBE").exists() == place.rules.one_case

    assert ["probe"] == [path.name for path in (tmp_path / "new/folder").iterdir()]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors cannot be counted here")
def test_few_folders_are_open_at_once_and_none_afterwards(tmp_path: Path) -> None:
    before = open_now()
    with Destination(tmp_path) as place:
        for number in range(300):
            place.folder((f"folder{number}", "x", "y"))
        assert open_now() - before <= 70
        place.folder(tuple("d" * 200))

    assert before == open_now()
