"""The exception tree: as its docstring draws it, class by class, exit code by exit code."""

from __future__ import annotations

import inspect
import re
from typing import NamedTuple

import pytest

from hvbackup import errors
from hvbackup.errors import HvBackupError

#: The documented exit codes; they are never renumbered.
EXIT_CODES = {1, 2, 3, 4, 5, 6, 7, 130}


class Drawn(NamedTuple):
    """One class of the drawing."""

    name: str
    parent: str | None
    exit_code: int


def drawing() -> list[Drawn]:
    """Read the tree of the module's docstring: depth by indentation, several names of a line share all else."""
    text = inspect.getdoc(errors) or ""
    lines = text.split("::\n", 1)[1].split("\n\nAn error holds", 1)[0].strip("\n").splitlines()
    found: list[Drawn] = []
    above: dict[int, Drawn] = {}
    for line in lines:
        match = re.fullmatch(r"(?P<lines>[ │├└─]*)(?P<names>[A-Z]\w+(?:, [A-Z]\w+)*)(?:\([\w, ]+\))?(?P<rest>.*)", line)
        assert match is not None, f"not understood: {line!r}"
        depth = len(match["lines"])
        parent = above[max(each for each in above if each < depth)] if above else None
        code = re.match(r"\s+(\d+)\b", match["rest"])
        for name in match["names"].split(", "):
            if parent is None:
                exit_code = 1
            else:
                exit_code = int(code[1]) if code else parent.exit_code
            found.append(Drawn(name, parent.name if parent else None, exit_code))
        above = {each: drawn for each, drawn in above.items() if each < depth} | {depth: found[-1]}
    return found


DRAWN = drawing()
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, HvBackupError) and kind.__module__ == "hvbackup.errors"
}


def test_every_class_is_drawn_once_and_every_drawn_class_exists() -> None:
    assert sorted(CLASSES) == sorted(drawn.name for drawn in DRAWN)


@pytest.mark.parametrize("drawn", DRAWN, ids=lambda drawn: drawn.name)
def test_each_class_has_the_parent_and_the_exit_code_of_the_drawing(drawn: Drawn) -> None:
    kind = CLASSES[drawn.name]

    assert (drawn.parent or "Exception") == kind.__base__.__name__  # type: ignore[union-attr]
    assert drawn.exit_code == kind.exit_code
    assert kind.exit_code in EXIT_CODES
    assert kind.__doc__


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("HvBackupError", 1),
        ("InvalidRequest", 2),
        ("JobsFailed", 3),
        ("HostUnreachable", 4),
        ("CertificateNotTrusted", 4),
        ("StoreUnavailable", 4),
        ("ConfigurationError", 5),
        ("SecretUnavailable", 5),
        ("RepositoryLocked", 6),
        ("LeaseLost", 6),
        ("AuthenticationRefused", 7),
        ("NotAdministrator", 7),
        ("KeyRefused", 7),
        ("ContractViolated", 1),
        ("VmNotFound", 1),
        ("Cancelled", 130),
    ],
)
def test_the_documented_exit_codes_stay(name: str, exit_code: int) -> None:
    assert exit_code == CLASSES[name].exit_code
    assert exit_code == next(drawn.exit_code for drawn in DRAWN if drawn.name == name)


def test_every_error_of_a_script_is_found_by_its_id() -> None:
    below = {name for name, kind in CLASSES.items() if kind.__base__ is errors.ScriptFailed}

    assert below == {name for name in errors.ScriptFailed.registry if name in CLASSES}
    assert all(CLASSES[name] is errors.ScriptFailed.registry[name] for name in below)
