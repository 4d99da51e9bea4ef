"""Names between Python and the kernel: every name of a guest has bytes of its own, and they lead back to it.

Entries keep bytes that are not UTF-8 as `surrogateescape` does, and NTFS allows lone surrogates. The first become the
bytes that they were, the others the three bytes that UTF-8 would have for them.
"""

from __future__ import annotations

import codecs

#: The name of the error handler.
GUEST_NAMES = "hvbackup.guest-names"


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        wrong = error.object[error.start]
        kept = "surrogateescape" if 0xDC80 <= ord(wrong) <= 0xDCFF else "surrogatepass"
        return wrong.encode("utf-8", kept), error.start + 1
    if isinstance(error, UnicodeDecodeError):
        wrong_bytes = error.object[error.start : error.start + 3]
        try:
            return wrong_bytes.decode("utf-8", "surrogatepass"), error.start + 3
        except UnicodeDecodeError:
            return wrong_bytes[:1].decode("utf-8", "surrogateescape"), error.start + 1
    raise error


codecs.register_error(GUEST_NAMES, _handle)
