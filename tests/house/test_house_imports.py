"""The rooms: imports go downwards only, and each library is known to one room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def test_the_contracts_of_import_linter_hold() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    code = "import sys; from importlinter.cli import lint_imports_command as run; run(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "Imports go downwards only KEPT" in done.stdout


def test_every_package_is_a_room_of_the_contract_or_a_known_exception() -> None:
    from configparser import ConfigParser

    settings = ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    layers = settings["importlinter:contract:rooms"]["layers"].replace("|", "\n").split()
    modules = {
        f"hvbackup.{path.stem}"
        for path in (PROJECT / "hvbackup").iterdir()
        if (path.suffix == ".py" and not path.name.startswith("_")) or (path / "__init__.py").exists()
    }

    assert modules == set(layers)
