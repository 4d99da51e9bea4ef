"""Text that becomes part of PowerShell lines which people look at and run: it must mean itself and nothing else."""

from __future__ import annotations

import re
import unicodedata

# PowerShell takes each of these for a single quote, and two of them in a literal for one.
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
# What a terminal or an editor would act on, or show as nothing: controls, formats, separators of lines.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def quoted(text: str) -> str:
    """Return an expression that is `text`; characters that cannot be seen are spelled out by their numbers."""
    parts: list[str] = []
    plain = ""
    for character in text:
        if unicodedata.category(character) in _UNSEEN:
            parts += [_literal(plain)] if plain else []
            parts.append(f"[char]{ord(character)}" if ord(character) < 0x10000 else _by_number(character))
            plain = ""
        else:
            plain += character
    if plain or not parts:
        parts.append(_literal(plain))
    if len(parts) == 1 and not parts[0].startswith("["):
        return parts[0]
    if parts[0].startswith("["):
        parts.insert(0, "''")  # a number before + would be added to, not joined
    return f"({' + '.join(parts)})"


def comment(text: str) -> str:
    """Return a comment of one line, whatever `text` holds."""
    return "# " + "".join(" " if unicodedata.category(each) in _UNSEEN else each for each in text)


def _literal(text: str) -> str:
    return "'" + _QUOTES.sub(r"\1\1", text) + "'"


def _by_number(character: str) -> str:
    return f"[char]::ConvertFromUtf32({ord(character)})"
