"""The XML configurations of Windows Server 2008 to 2012 R2: elements with a type, made into the same tree.

Seen on a file of 2012 R2 (UTF-16 with a byte order mark, `type` one of integer, bool, string; bytes as base64 by what
other readers say). That 2008 and 2008 R2 write the same form is unverified.

The file is untrusted input. Expat expands what a document type declares; so a document type is refused before anything
in it is looked at, and the sizes are bounded.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Mapping
from typing import NoReturn
from xml.parsers import expat

from hvbackup.errors import ImageUnsupported
from hvbackup.images.source import Source, read_exactly
from hvbackup.images.vmconfig.tree import MAX_DEPTH, MAX_FILE_SIZE, MAX_VALUES, Tree, Unread, Value, damaged

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


def read_xml(source: Source) -> Tree:
    """Read an XML configuration.

    Raises:
        ImageDamaged: It is not well-formed, or a value is not of the type that it names; the message names the place.
        ImageUnsupported: It is too large, or has a document type.
    """
    if source.size > MAX_FILE_SIZE:
        raise ImageUnsupported(f"an XML file of {source.size} bytes; configurations are read up to {MAX_FILE_SIZE}")
    text = decode(read_exactly(source, 0, source.size, "the XML configuration"))
    builder = _Builder()
    # What the declaration says of the encoding no longer holds: it has been decoded.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.EntityDeclHandler = _refuse_document_type
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        raise damaged(f"line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}") from None
    return builder.root


def decode(raw: bytes) -> str:
    """Return the text, in UTF-16 or UTF-8, with or without a byte order mark.

    Raises:
        ImageDamaged: It is neither.
    """
    encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be" if raw[:1] == b"\0" else "utf-8"
    for mark, marked in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            raw, encoding = raw[len(mark) :], marked
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise damaged(f"byte {error.start} of the text is not valid {encoding.upper()}") from None


def _refuse_document_type(*_: object) -> NoReturn:
    raise ImageUnsupported(
        "an XML file with a document type, which Hyper-V never writes",
        hint="Do not trust this file: somebody else has made it.",
    )


class _Builder:
    """Takes what the parser tells and makes the tree. Of two elements with one name in a node the later one stays."""

    def __init__(self) -> None:
        self.root: Tree = {}
        self._nodes: list[Tree] = [self.root]
        self._names: list[str] = []
        self._types: list[str | None] = []
        self._texts: list[list[str]] = [[]]
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if self._count > MAX_VALUES or len(self._names) == MAX_DEPTH:
            raise ImageUnsupported(
                f"an XML file with more than {MAX_VALUES} elements, or elements nested more than {MAX_DEPTH} deep"
            )
        self._names.append(name)
        self._types.append(attributes.get("type"))
        self._nodes.append({})
        self._texts.append([])

    def text(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, name: str) -> None:
        node, text, kind = self._nodes.pop(), "".join(self._texts.pop()), self._types.pop()
        self._nodes[-1][name] = node if node else self._value(kind, text)
        self._names.pop()

    def _value(self, kind: str | None, text: str) -> Value:
        if kind is None:
            return text if text.strip() else {}
        if kind == "string":
            return text
        word = text.strip()
        if kind == "integer" and _INTEGER.fullmatch(word):
            return int(word)
        if kind == "bool" and word.lower() in ("true", "false"):
            return word.lower() == "true"
        if kind == "bytes":
            try:
                return base64.b64decode("".join(word.split()), validate=True)
            except (binascii.Error, ValueError):
                pass
        if kind in ("integer", "bool", "bytes"):
            raise damaged(f"{'/'.join(self._names)} is not of the type {kind}")
        return Unread(f"a value of the unknown type {kind!r}")
