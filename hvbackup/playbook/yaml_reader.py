"""YAML as ansible-core reads it, with the place of everything.

That is YAML 1.1 by PyYAML: `yes` is true, `0x10` is 16, `1:30` is 90. What could be meant two ways is refused: the same
key twice, a second document, unknown tags. Files are bounded, so that no file takes all memory ("billion laughs").
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Place
from hvbackup.playbook.yaml_builder import Builder

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

#: Largest file that is read. The inventory of 10 000 hosts with 20 variables each has about 8 MiB.
MAX_FILE_BYTES = 32 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_yaml(path: str | Path, *, vault: Vault | None = None) -> Any:
    """Return what a YAML (or JSON) file holds.

    That is `Map`, `Seq`, `Text`, `EncryptedText`, plain `str` for `!unsafe`, numbers, truth values, dates, or None for
    an empty file. A file that is vaulted as a whole is decrypted; its texts are marked secret.

    Raises:
        PlaybookError: The file cannot be read, or is no YAML that can be meant; the place is in it.
    """
    text = read_text(path)
    if not is_vaulted(text):
        return read_yaml_text(text, str(path), vault=vault)
    place = Place(str(path), 1, 1)
    if vault is None:
        raise PlaybookError(
            "the file is vaulted, and there is no vault password", place=str(place), hint="Give --vault-password-file."
        )
    return read_yaml_text(vault.decrypt_file(text, place), str(path), vault=vault, secret=True)


def read_yaml_text(text: str, name: str, *, vault: Vault | None = None, secret: bool = False) -> Any:
    """As `read_yaml`, of a text in memory; `name` stands for the file in places.

    Args:
        secret: Mark every text secret, because it was decrypted.
    """
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    except (yaml.YAMLError, UnicodeError) as error:
        raise _broken(error, name, text) from None
    try:
        return Builder(loader, name, vault, secret=secret).document()
    except (yaml.YAMLError, UnicodeError) as error:
        raise _broken(error, name, text) from None
    finally:
        loader.dispose()


def is_vaulted(text: str) -> bool:
    """Whether a file's text is vaulted as a whole."""
    return text.startswith("$ANSIBLE_VAULT;")


def read_text(path: str | Path) -> str:
    """Return the text of a file: UTF-8, or what its byte order mark says.

    Raises:
        PlaybookError: It is not there, not readable, too large, or not text.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise PlaybookError(f"{path}: {reason}", hint="Check the path and its permissions.") from None
    except ValueError:
        raise PlaybookError(f"{str(path)!r} cannot be a path") from None
    if len(content) > MAX_FILE_BYTES:
        raise PlaybookError(f"{path} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB", hint="Split the file.")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    content = content[len(mark) :]
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "replace")
        place = Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise PlaybookError(
            f"this is not {encoding.upper()} text", place=str(place), hint="Save the file as UTF-8."
        ) from None


def _broken(error: Exception, name: str, text: str) -> PlaybookError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = str(Place(name, mark.line + 1, mark.column + 1)) if mark else name
        problem = error.problem or error.context or "it cannot be read"
        indented = text.splitlines()[mark.line : mark.line + 1] if mark else []
        tabs = any("\t" in line[: len(line) - len(line.lstrip())] for line in indented)
        hint = "Indent with spaces, never with tabs." if tabs else _hint(problem)
        return PlaybookError(f"no valid YAML: {problem}", place=place, hint=hint)
    reason = getattr(error, "reason", None) or "it holds characters that no text holds"
    return PlaybookError(f"no valid YAML: {reason}", place=name, hint="Save the file as UTF-8 text.")


def _hint(problem: str) -> str | None:
    if "mapping values are not allowed" in problem:
        return "Quote a text that holds ': ', and check the indentation."
    if "cannot start any token" in problem or "expected the node content" in problem:
        return "Quote a text that begins with a special character."
    if "did not find expected" in problem:
        return 'Check the indentation, and quote a text that begins with "{{": key: "{{ value }}".'
    return None
