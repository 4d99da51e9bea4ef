"""Where vault passwords come from: a file, a script, a prompt."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

from hvbackup.errors import PlaybookError
from hvbackup.secrets import Secret, read_secret

_FILE_LIMIT = 64 * 1024
#: A script may ask a password store, which may ask a person.
_SCRIPT_SECONDS = 300


def read_password(vault_id: str, where: str, ask: Callable[[str], str] | None) -> Secret:
    """Return the password of one vault id.

    `prompt` (and `prompt_ask_vault_pass`) asks. A file that can be executed is a script, as in Ansible: it is run
    without a shell, and what it writes is the password; one whose name ends in `-client` is told
    `--vault-id ID`. On Windows no file is a script. Any other file holds the password, and only its owner may read it
    (Ansible does not look; that is stricter here on purpose).

    Raises:
        PlaybookError: The file or script gives no password.
        SecretUnavailable: There is no terminal to ask on, or nothing was typed.
    """
    if where in ("prompt", "prompt_ask_vault_pass"):
        question = "Vault password" if vault_id == "default" else f"Vault password ({vault_id})"
        return read_secret("prompt", ask=ask, question=question)
    path = Path(where).expanduser()
    if os.name == "posix" and path.is_file() and os.access(path, os.X_OK):
        content = _run(path, vault_id)
        whence = f"the vault password script {path}"
    else:
        content = _read(path)
        whence = f"the vault password file {path}"
    try:
        password = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise PlaybookError(f"{whence} gives no UTF-8 text") from None
    if not password:
        raise PlaybookError(f"{whence} gives nothing", hint="It must give the password.")
    if password.startswith("$ANSIBLE_VAULT;"):
        raise PlaybookError(f"{whence} is vaulted itself", hint="Decrypt it: a vault password file holds plain text.")
    return Secret(password)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            _refuse_readable_by_others(path, os.fstat(file.fileno()))
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise PlaybookError(
            f"the vault password file {path} cannot be read: {error.strerror}", hint="Check the path and its owner."
        ) from None
    except ValueError:
        raise PlaybookError("the name of a vault password file cannot be a path") from None
    if len(content) > _FILE_LIMIT:
        raise PlaybookError(f"the vault password file {path} is larger than 64 KiB", hint="Is it another file?")
    return content


def _refuse_readable_by_others(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if os.name == "posix" and stat.S_ISREG(status.st_mode) and mode & 0o077:
        raise PlaybookError(
            f"the vault password file {path} can be read or changed by others (mode {mode:04o})",
            hint=f"chmod 600 {path}",
        )


def _run(path: Path, vault_id: str) -> bytes:
    command = [str(path.resolve())]
    if path.stem.endswith("-client"):
        command += ["--vault-id", vault_id]
    hint = f"Run it by hand; if it is no script but holds the password, chmod 600 {path}"
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=_SCRIPT_SECONDS)
    except OSError as error:
        raise PlaybookError(f"the vault password script {path} cannot be run: {error.strerror}", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise PlaybookError(
            f"the vault password script {path} did not end in {_SCRIPT_SECONDS} seconds", hint=hint
        ) from None
    if done.returncode:
        raise PlaybookError(f"the vault password script {path} failed with exit code {done.returncode}", hint=hint)
    return done.stdout[: _FILE_LIMIT + 1]
