"""From the bytes that diskshadow and vssadmin leave behind to text."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_bytes(data: bytes, code_page: int | None = None) -> str:
    """Return the text of a log or of captured output; what cannot be decoded becomes U+FFFD, nothing is raised.

    A byte order mark decides (the `/l` log is UTF-16LE with one). Without a mark, UTF-16 is known by its zero bytes.
    Else the text is in `code_page`, the OEM code page of the host; when nobody knows it, in UTF-8 if it is that, else
    in code page 437.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    head = data[:4096]
    if len(head) >= 4 and b"\x00" in head:
        odd, even = head[1::2].count(0), head[0::2].count(0)
        if max(odd, even) * 3 > len(head) // 2:
            return data.decode("utf-16-le" if odd >= even else "utf-16-be", errors="replace")
    if code_page is not None:
        return data.decode(_codec(code_page), errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp437", errors="replace")


def _codec(code_page: int) -> str:
    name = "utf-8" if code_page == 65001 else f"cp{code_page}"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp437"
