"""Whether every example has a test, and a top that says how to use it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    path
    for path in (PROJECT / "examples").rglob("*")
    if path.is_file() and not {"__pycache__", "playbooks"} & set(path.parts)
)
PLAYBOOKS = sorted((PROJECT / "examples/playbooks").glob("*.yml"))
SCRIPTS = [path for path in EXAMPLES if path.suffix == ".py"]


def test_there_are_examples() -> None:
    assert ["nightly_backup.py", "offline_report.py", "restore_drill.py"] == [path.name for path in SCRIPTS]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_file_of_examples_is_run_by_a_test_of_its_own(path: Path) -> None:
    test = Path(__file__).with_name(f"test_examples_{path.stem}.py")

    assert test.is_file(), f"{path.name} has no test"
    assert f'"examples/{path.name}"' in test.read_text() or f'EXAMPLES / "{path.name}"' in test.read_text()


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_every_playbook_is_played_by_a_test(path: Path) -> None:
    tests = PROJECT / "tests/playbook/modules/test_playbook_modules_examples.py"

    assert f'"{path.name}"' in tests.read_text(encoding="utf-8")
    assert f"({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_its_top_shows_how_it_is_called_and_what_it_ends_with(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""

    assert f"    {path.name} " in text
    assert "Exit status: 0 " in text
    assert len(text.splitlines()) <= 15


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_its_help_comes_without_any_heavy_import(path: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'pypsrp', 'winrm', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)

    assert "[]" == done.stdout.splitlines()[-1]
