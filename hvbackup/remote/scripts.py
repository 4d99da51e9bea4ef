"""The text of what runs on the host, as it lies in `ps_scripts/`: whole, nothing stripped, nothing put in."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from hvbackup.errors import HvBackupError

_PACKAGE = "hvbackup.ps_scripts"
#: Where the scripts lie in a bare checkout, where nothing is installed.
_CHECKOUT = Path(__file__).resolve().parents[2] / "ps_scripts"


@cache
def script_text(name: str) -> str:
    """Return the text of `ps_scripts/<name>.ps1`.

    Raises:
        HvBackupError: It is neither in the installed package nor in the checkout.
    """
    file_name = f"{name}.ps1"
    try:
        return resources.files(_PACKAGE).joinpath(file_name).read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        pass
    try:
        return (_CHECKOUT / file_name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HvBackupError(
            f"the script {file_name} is not part of this installation", hint="Install hvbackup again."
        ) from None


def prelude_text() -> str:
    """Return the text of the functions that all scripts share."""
    return script_text("_Prelude")


def bootstrap_text() -> str:
    """Return the text that reads a script from standard input and runs it, for a new PowerShell process."""
    return script_text("_Bootstrap")
