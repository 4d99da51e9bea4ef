"""Names between Python and the kernel: every name of a guest has bytes of its own, and they lead back to it.

Names of Linux file systems are bytes; what is no UTF-8 in them, entries keep by `surrogateescape`. Names of Windows are
UTF-16, which may hold lone surrogates: each becomes the three bytes that UTF-8 would have for it (WTF-8).
"""

from __future__ import annotations

import codecs

#: Error handlers for UTF-8, by where names come from.
LINUX_NAMES = "surrogateescape"
WINDOWS_NAMES = "hvbackup.windows-names"


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        return error.object[error.start].encode("utf-8", "surrogatepass"), error.start + 1
    if isinstance(error, UnicodeDecodeError):
        three = error.object[error.start : error.start + 3]
        try:
            return three.decode("utf-8", "surrogatepass"), error.start + len(three)
        except UnicodeDecodeError:  # no name of the guest; somebody typed it
            return three[:1].decode("utf-8", "surrogateescape"), error.start + 1
    raise error


codecs.register_error(WINDOWS_NAMES, _handle)
