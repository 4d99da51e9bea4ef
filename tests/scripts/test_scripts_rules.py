"""The rules of `ps_scripts/README.md` that a reader of text can check, without PowerShell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from script_lanes import ROOT

from hvbackup.errors import ScriptFailed
from hvbackup.remote.calls import CALLS

FOLDER = ROOT / "ps_scripts"
FILES = sorted(FOLDER.glob("*.ps1"))
SCRIPTS = [path for path in FILES if not path.name.startswith("_")]
PRELUDE = FOLDER / "_Prelude.ps1"
_ALIASES = [
    "cat",
    "cd",
    "copy",
    "cp",
    "cpi",
    "curl",
    "del",
    "diff",
    "dir",
    "echo",
    "fl",
    "foreach",
    "ft",
    "gc",
    "gci",
    "gcm",
    "gi",
    "gm",
    "gp",
    "gps",
    "group",
    "gsv",
    "gwmi",
    "icm",
    "iex",
    "irm",
    "iwr",
    "kill",
    "ls",
    "measure",
    "mi",
    "mkdir",
    "move",
    "mv",
    "ni",
    "popd",
    "ps",
    "pushd",
    "pwd",
    "ri",
    "rm",
    "rmdir",
    "sc",
    "select",
    "sls",
    "sleep",
    "sort",
    "sp",
    "start",
    "tee",
    "type",
    "wget",
    "where",
    "write",
]
#: Cmdlets that take a path with wildcards as -Path; Get-VHD and its like take no wildcards.
_WILDCARD_CMDLETS = (
    "Add-Content|Clear-Content|Copy-Item|Get-ChildItem|Get-Content|Get-Item|Get-ItemProperty|Move-Item|New-Item|"
    "Remove-Item|Rename-Item|Set-Content|Set-Item|Set-ItemProperty|Test-Path|Resolve-Path|Out-File"
)

by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
by_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)


def code(path: Path) -> str:
    """A script without comments and without the insides of strings."""
    text = re.sub(r"<#.*?#>", "", path.read_text(encoding="ascii"), flags=re.DOTALL)
    text = re.sub(r"'(?:[^']|'')*'", "''", text)
    text = re.sub(r'"(?:[^"`]|`.|"")*"', '""', text)
    return re.sub(r"(?m)(?:^|(?<=\s))#.*$", "", text)


def error_ids(path: Path) -> set[str]:
    """The ids in a script's .NOTES."""
    match = re.search(r"\.NOTES\s+Errors: ([\w\s,]+)\.", path.read_text(encoding="ascii"))
    assert match, f"{path.name} has no list of errors"
    return set(re.split(r",\s*", match[1]))


def test_every_script_is_a_call_and_every_call_a_script() -> None:
    assert {path.stem for path in SCRIPTS} == set(CALLS)


@by_name
def test_scripts_are_ascii_without_tabs_and_long_lines(path: Path) -> None:
    text = path.read_bytes().decode("ascii").replace("\r\n", "\n")

    assert "\t" not in text
    assert [line for line in text.split("\n") if line != line.rstrip() or len(line) > 180] == []


@by_name
def test_scripts_are_strict(path: Path) -> None:
    assert "Set-StrictMode -Version 3.0" in path.read_text(encoding="ascii")


@by_script
def test_scripts_stop_at_the_first_error(path: Path) -> None:
    assert "$ErrorActionPreference = 'Stop'" in path.read_text(encoding="ascii")


@by_script
def test_scripts_have_help_and_name_their_errors(path: Path) -> None:
    text = path.read_text(encoding="ascii")

    for heading in (".SYNOPSIS", ".DESCRIPTION", ".OUTPUTS", ".NOTES"):
        assert heading in text
    assert error_ids(path) - set(ScriptFailed.registry) == set()


@by_script
def test_scripts_name_every_error_that_they_throw(path: Path) -> None:
    thrown = set(re.findall(r"New-HvbError -Id (\w+)", path.read_text(encoding="ascii")))

    assert thrown - error_ids(path) == set()


def test_every_error_class_of_a_script_is_one_that_some_script_names() -> None:
    assert set(ScriptFailed.registry) == set().union(*(error_ids(path) for path in [PRELUDE, *SCRIPTS]))


@by_script
def test_scripts_take_one_request_and_give_one_answer(path: Path) -> None:
    text = code(path)

    assert re.search(r"\[Parameter\(Mandatory\)\]\s+\[string\] \$Request", text)
    assert text.count("Write-HvbAnswer") == 1
    assert text.count("Write-HvbFailure") >= 1
    assert text.count("Read-HvbRequest -Text $Request") == 1


@by_name
def test_scripts_make_no_code_from_text(path: Path) -> None:
    if path.name == "_Bootstrap.ps1":
        pytest.skip("the bootstrap's work is to run the script that it is sent")

    assert (
        re.findall(r"Invoke-Expression|\[scriptblock\]::|-Command\b|-EncodedCommand|AddScript|Add-Type", code(path))
        == []
    )


@by_name
def test_scripts_write_to_no_console_and_leave_no_line_open(path: Path) -> None:
    text = code(path)

    assert "Write-Host" not in text
    # A back-tick only stands within a string, as an escape.
    assert "`" not in text


@by_name
def test_scripts_write_commands_by_their_names(path: Path) -> None:
    first_words = re.findall(r"(?m)(?:^\s*|[|;({]\s*|=\s*)([a-z]+)(?=\s+[-$'\"(])", code(path))

    assert [word for word in first_words if word in _ALIASES and word != "foreach"] == []
    assert re.findall(r"\|\s*(?:foreach|where|\?|%)\s", code(path)) == []


@by_name
def test_paths_are_literal(path: Path) -> None:
    calls = re.findall(rf"(?:{_WILDCARD_CMDLETS})\b[^|;\n]*", code(path))

    assert [call for call in calls if "-LiteralPath" not in call] == []


@by_name
def test_files_are_read_whoever_else_has_them_open(path: Path) -> None:
    """`ReadAllBytes` lets nobody write meanwhile, so Windows refuses it for a log that diskshadow has open."""
    assert re.findall(r"\[IO\.File\]::(?:ReadAll\w+|ReadLines|OpenRead|OpenText)", code(path)) == []


@by_script
def test_json_is_made_and_read_in_the_prelude(path: Path) -> None:
    text = code(path)

    assert "ConvertTo-Json" not in text
    if path.stem != "Get-HvbLeftover":  # which reads the markers that lie on the host
        assert "ConvertFrom-Json" not in text


def test_json_is_made_whole_and_on_one_line() -> None:
    (line,) = re.findall(r".*ConvertTo-Json.*", code(PRELUDE))

    assert "-Depth" in line
    assert "-Compress" in line


@by_script
def test_requests_have_the_keys_of_their_calls(path: Path) -> None:
    text = path.read_text(encoding="ascii")
    head = text[text.index("Read-HvbRequest") :].split("\n\n")[0].split("\n    if ")[0]
    fields = {
        name: name.split("_")[0] + "".join(word.title() for word in name.split("_")[1:]) for name in fields_of(path)
    }

    assert [key for key in fields.values() if f"{key} = " not in head] == []


def fields_of(path: Path) -> tuple[str, ...]:
    """Names of the fields of a script's request."""
    names: tuple[str, ...] = CALLS[path.stem].__struct_fields__
    return names


def test_the_readme_tells_of_every_script_and_every_error() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert [path.stem for path in SCRIPTS if f"`{path.stem}`" not in text] == []
    assert [name for name in ScriptFailed.registry if f"`{name}`" not in text] == []
