"""`-e`: variables of the command line, stronger than all others."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.grammar import variable_name
from hvbackup.playbook.nodes import Map, Place, Text
from hvbackup.playbook.variables import read_variables
from hvbackup.playbook.yaml_reader import read_yaml_text

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

_HINT = 'Write -e NAME=VALUE, -e @FILE, or -e \'{"name": "value"}\'.'


def read_extra_variables(given: Sequence[str], *, vault: Vault | None = None) -> dict[str, Any]:
    """Return the variables that `-e` options give; a later one wins.

    Args:
        given: Each `NAME=VALUE` (several, with spaces between and quotes around values; all values are texts),
            `@FILE` in YAML or JSON, or a mapping in JSON or YAML.

    Raises:
        PlaybookError: One of them is none of these.
    """
    found: dict[str, Any] = {}
    for text in given:
        if text.startswith("@"):
            found.update(read_variables(Path(text[1:]), vault))
        elif text.lstrip().startswith(("{", "[")):
            found.update(_mapping(text))
        else:
            found.update(_pairs(text))
    return found


def _mapping(text: str) -> Map:
    content = read_yaml_text(text, "-e")
    if not isinstance(content, Map):
        raise PlaybookError("-e is no mapping of names to values", hint=_HINT)
    for name in content:
        variable_name(name, content.place_of(name))
    return content


def _pairs(text: str) -> dict[str, Any]:
    splitter = shlex.shlex(text, posix=True, punctuation_chars=False)
    splitter.whitespace_split = True
    splitter.commenters = ""
    splitter.escape = ""  # paths of Windows keep their backslashes
    try:
        parts = list(splitter)
    except ValueError:
        raise PlaybookError(f"-e {text!r}: a quote is not closed", hint=_HINT) from None
    found: dict[str, Any] = {}
    for part in parts:
        name, separator, value = part.partition("=")
        if not separator:
            raise PlaybookError(f"-e {text!r}: {part!r} is not NAME=VALUE", hint=_HINT)
        found[variable_name(name, None)] = Text(value, Place("-e", 1, 1))
    return found
