"""Secrets, masked everywhere, and where they come from: Kerberos needs none, then keyring, file, environment, prompt.

A setting, a playbook or a command line holds a *reference*, never the secret itself:

===================== =====================================================================
``keyring:SERVICE/USER`` the system's keyring (Windows Credential Manager, Secret Service, Keychain)
``file:PATH``         the first line of a file that only its owner can read
``env:NAME``          an environment variable
``prompt``            asked for on the terminal, not echoed
===================== =====================================================================
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from hvbackup.errors import SecretUnavailable

_MASK = "********"
_FORMS = "keyring:SERVICE/USER, file:PATH, env:NAME or prompt"
#: A credential file holds one line; more than this is some other file.
_FILE_LIMIT = 64 * 1024


class Secret:
    """A text that shows itself only to `reveal`.

    `str`, `repr`, `format` and tracebacks show a mask of fixed length; pickling, copying into JSON and hashing are
    refused or say nothing of the text.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a secret is made of text")
        self.__text = text

    def reveal(self) -> str:
        """Return the text. Call it only where a library takes it, and keep it in no variable."""
        return self.__text

    def __str__(self) -> str:
        return _MASK

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __format__(self, _specification: str) -> str:
        return _MASK

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")


def is_reference(text: str) -> bool:
    """Whether a text has one of the forms of a reference; any other may be a secret itself, and must not be shown."""
    kind, separator, rest = text.partition(":")
    return (kind == "prompt" and not separator) or (kind in {"keyring", "file", "env"} and bool(rest))


def read_secret(reference: str, *, ask: Callable[[str], str] | None = None, question: str = "Password") -> Secret:
    """Return the secret that `reference` names (see the module's table).

    Args:
        ask: Asks a person, without echo, for `prompt`; by default `getpass.getpass`.
        question: What is asked for.

    Raises:
        SecretUnavailable: The reference has no known form, or there is no secret where it points to. The message
            never repeats a text that could be the secret itself.
    """
    kind, separator, rest = reference.partition(":")
    if kind == "prompt" and not separator:
        return _from_prompt(ask, question)
    sources = {"keyring": _from_keyring, "file": _from_file, "env": _from_environment}
    if kind not in sources or not rest:
        raise SecretUnavailable(
            "this is not a reference to a secret (it is not shown, because it may be the secret itself)",
            hint=f"Write {_FORMS}. A secret is never written where a reference belongs.",
        )
    return sources[kind](rest)


def _from_environment(name: str) -> Secret:
    text = os.environ.get(name)
    if not text:
        raise SecretUnavailable(
            f"the environment variable {name} is not set or empty", hint="Set it, or refer to another source."
        )
    return Secret(text)


def _from_file(path_text: str) -> Secret:
    path = Path(path_text).expanduser()
    try:
        with path.open("rb") as file:
            _refuse_readable_by_others(path, os.fstat(file.fileno()))
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise SecretUnavailable(
            f"the credential file {path} cannot be read: {error.strerror}", hint="Check the path and its owner."
        ) from None
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(content) > _FILE_LIMIT or not lines or not lines[0]:
        raise SecretUnavailable(
            f"the credential file {path} does not begin with a line of UTF-8 text", hint="Write the secret alone in it."
        )
    return Secret(lines[0])


def _refuse_readable_by_others(path: Path, status: os.stat_result) -> None:
    """Refuse what others can read; on Windows the ACL of the folder is left to its owner (not looked at)."""
    if os.name != "posix":
        return
    if not stat.S_ISREG(status.st_mode):
        raise SecretUnavailable(f"the credential file {path} is not a regular file", hint="Name a plain file.")
    mode = stat.S_IMODE(status.st_mode)
    # A POSIX ACL that grants anything to others shows in the group bits (its mask), so the mode covers it.
    if mode & 0o077:
        raise SecretUnavailable(
            f"the credential file {path} can be read or changed by others (mode {mode:04o})", hint=f"chmod 600 {path}"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise SecretUnavailable(
            f"the credential file {path} belongs to another user", hint="Own the file, or use another source."
        )


def _from_keyring(entry: str) -> Secret:
    service, separator, user = entry.rpartition("/")
    if not separator or not service or not user:
        raise SecretUnavailable(f"keyring:{entry} names no service and user", hint="Write keyring:SERVICE/USER.")
    import keyring
    from keyring.errors import KeyringError

    try:
        text = keyring.get_password(service, user)
    except KeyringError as error:
        raise SecretUnavailable(
            f"the keyring cannot be asked: {type(error).__name__}",
            hint="Unlock it, or install a back end for it; `keyring diagnose` shows what is there.",
        ) from None
    if not text:
        raise SecretUnavailable(
            f"the keyring has no secret for service {service}, user {user}", hint=f"keyring set {service} {user}"
        )
    return Secret(text)


def _from_prompt(ask: Callable[[str], str] | None, question: str) -> Secret:
    if ask is None:
        import sys
        from getpass import getpass

        if not sys.stdin.isatty():
            raise SecretUnavailable(
                "a secret would have to be asked for, but there is no terminal", hint=f"Refer to it: {_FORMS}."
            )
        ask = getpass
    try:
        text = ask(f"{question}: ")
    except (EOFError, OSError):
        text = ""
    if not text:
        raise SecretUnavailable("no secret was typed", hint=f"Type it, or refer to it: {_FORMS}.")
    return Secret(text)
