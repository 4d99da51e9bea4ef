"""The public library: a dozen names that stay, and an import that costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PUBLIC = [
    "BackupRequest",
    "Cancellation",
    "ConnectionOptions",
    "Host",
    "HvBackupError",
    "ImportRequest",
    "MountRequest",
    "RebuildRequest",
    "Repository",
    "RestoreRequest",
    "Secret",
    "__version__",
    "browse",
    "browse_point",
    "connect",
    "import_folder",
    "read_secret",
    "restore_files",
    "verify",
]
#: What takes long to import, and what the library has no business to need before it is asked for something.
HEAVY = (
    "pypsrp", "winrm", "requests", "obstore", "zstandard", "cryptography", "rich", "click", "keyring", "yaml",
    "pybase64", "platformdirs", "psrpcore", "spnego", "trustme",
)  # fmt: skip


def python(code: str) -> str:
    """What a fresh Python says to `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def heavy_after(code: str) -> str:
    return python(f"import sys\n{code}\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))")


def test_the_public_names_are_these() -> None:
    assert f"{PUBLIC}\n{PUBLIC}" == python("import hvbackup; print(hvbackup.__all__); print(dir(hvbackup))")


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_can_be_imported_and_is_documented(name: str) -> None:
    assert "True" == python(f"from hvbackup import {name} as found; print(bool(found.__doc__))")


def test_what_is_not_public_is_an_attribute_error() -> None:
    assert "module 'hvbackup' has no attribute 'Manager'" == python(
        "import hvbackup\ntry: hvbackup.Manager\nexcept AttributeError as error: print(error)"
    )


def test_importing_the_library_imports_nothing_heavy() -> None:
    assert "" == heavy_after("import hvbackup")


def test_requests_options_errors_and_events_import_nothing_heavy() -> None:
    assert "" == heavy_after(
        "from hvbackup import BackupRequest, Cancellation, ConnectionOptions, HvBackupError, MountRequest,"
        " RebuildRequest, RestoreRequest, Secret\nimport hvbackup.events, hvbackup.models"
    )


def test_help_imports_click_and_nothing_else_that_is_heavy() -> None:
    assert "click" == heavy_after(
        "import contextlib, io\nfrom hvbackup.cli.main import run\n"
        "with contextlib.redirect_stdout(io.StringIO()): assert 0 == run(['--help'])"
    )
