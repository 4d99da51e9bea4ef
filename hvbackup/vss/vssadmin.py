"""`vssadmin list writers`, in any language (pure).

vssadmin is translated, state words included. What stays: a quoted name after a colon, two lines with a GUID, a line
with the state's number in brackets, and a line with the last error. Whether that last text means an error is told by
comparing it with what most of the healthy writers say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from hvbackup.models import Writer
from hvbackup.vss.health import STABLE, is_failed
from hvbackup.vss.kept import shortened

_HEAD = re.compile(r"[^:'\"]{1,80}:\s*(?:'(.*)'|\"(.*)\")\s*$")
_GUID_LINE = re.compile(r"[^:{}]{1,80}:\s*\{([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}\s*$")
_STATE = re.compile(r"(?:\**[^:\[\]]{1,80}:\s*)?\[(\d{1,3})\]\s*(.{0,200})$")
_VALUE = re.compile(r"[^:]{1,80}:\s*(.{1,500})$")
_LINE = re.compile(r"[^\r\n]+")
_MOST_WRITERS = 2_000
#: The banner, and the two lines before a slow listing (in English).
_PREAMBLE = re.compile(r"vssadmin \d|Waiting for responses|These may be delayed", re.IGNORECASE)
#: "No error" where it is known from sources; elsewhere the majority tells.
_NO_ERROR = frozenset(("no error", "kein fehler", "aucune erreur"))
#: Error texts of the languages of `_NO_ERROR`: there an unknown text is an error even without a majority.
_NO_ERROR_IS_SPOKEN = re.compile(r".*\b(?:error|fehler|erreur|timed out|inconsistent)\b", re.IGNORECASE)


def parse_vssadmin(text: str | Iterable[str]) -> tuple[Writer, ...]:
    """Return the writers that `vssadmin list writers` listed; none when the text is something else.

    A writer whose block is cut off keeps what was there; its `healthy` is None.
    """
    writers: list[Writer] = []
    for block, _ in _blocks(text):
        _keep(writers, block)
    return tuple(_judged(writers))


def without_vssadmin(text: str) -> str:
    """Return the text without the blocks that `parse_vssadmin` understands, for whoever reads the rest."""
    taken = {number for block, numbers in _blocks(text) if block.guids for number in numbers}
    kept = (line for number, line in enumerate(_split(text)) if number not in taken and not _PREAMBLE.match(line))
    return "\n".join(kept)


def _split(text: str | Iterable[str]) -> Iterable[str]:
    return (match[0] for match in _LINE.finditer(text)) if isinstance(text, str) else text


def _blocks(text: str | Iterable[str]) -> Iterable[tuple[_Block, list[int]]]:
    """The blocks that begin with a quoted name, and the numbers of their lines."""
    block: _Block | None = None
    numbers: list[int] = []
    for number, line in enumerate(_split(text)):
        bare = line[:4096].strip().strip("*").strip()
        if not bare:
            continue
        head = _HEAD.match(bare)
        if head is None and block is not None and block.take(bare):
            numbers.append(number)
            continue
        if block is not None:
            yield block, numbers
        block = _Block(head[1] or head[2] or "") if head is not None else None
        numbers = [number]
    if block is not None:
        yield block, numbers


class _Block:
    """The lines of one writer, in their order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.guids: list[str] = []
        self.state: tuple[int, str] | None = None
        self.last_error: str | None = None

    def take(self, line: str) -> bool:
        """Take a line; return False when it does not belong here."""
        guid = _GUID_LINE.match(line)
        if guid is not None and len(self.guids) < 2 and self.state is None:
            self.guids.append(guid[1].lower())
            return True
        state = _STATE.match(line)
        if state is not None and self.guids and self.state is None:
            self.state = (int(state[1]), state[2].strip())
            return True
        value = _VALUE.match(line)
        if value is not None and self.state is not None and self.last_error is None:
            self.last_error = value[1].strip()
            return True
        return False


def _keep(writers: list[Writer], block: _Block) -> None:
    if not block.guids or len(writers) >= _MOST_WRITERS:
        return
    code, words = block.state or (None, None)
    writers.append(
        Writer(
            id=block.guids[0],
            name=shortened(block.name),
            instance_id=block.guids[1] if len(block.guids) > 1 else None,
            state=words,
            state_code=code,
            last_error=block.last_error,
        )
    )


def _judged(writers: list[Writer]) -> Iterable[Writer]:
    usual = _usual_text(writers)
    for writer in writers:
        yield msgspec.structs.replace(writer, healthy=_is_healthy(writer, usual))


def _usual_text(writers: list[Writer]) -> str | None:
    """What more than half of the stable writers say, and at least two of them."""
    texts = [w.last_error.casefold() for w in writers if w.last_error and w.state_code == STABLE]
    if not texts:
        return None
    text, count = Counter(texts).most_common(1)[0]
    return text if count >= 2 and count * 2 > len(texts) else None


def _is_healthy(writer: Writer, usual: str | None) -> bool | None:
    if is_failed(writer.state_code):
        return False
    if writer.last_error is None or writer.state_code is None:
        return None
    text = writer.last_error.casefold()
    if text in _NO_ERROR or text == usual:
        return True if writer.state_code == STABLE else None
    return False if usual is not None or _NO_ERROR_IS_SPOKEN.match(text) else None
