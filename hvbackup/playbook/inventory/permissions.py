"""An inventory is code: it says where credentials are sent. So nobody else may be able to write it.

Ansible ignores an `ansible.cfg` in a folder that everybody may write to, and looks at no inventory; this refuses both
kinds of place. On Windows the ACLs are left to their owner.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hvbackup.errors import PlaybookError


def refuse_writable_by_all(path: Path) -> None:
    """Refuse a file or folder that everybody may write to, or could replace.

    Raises:
        PlaybookError: It is so.
    """
    if os.name != "posix":
        return
    try:
        status = path.stat()
        around = path.parent.stat()
    except OSError:
        return  # who reads it says why it cannot be read
    if status.st_mode & stat.S_IWOTH:
        raise _refused(path, "can be written by everybody")
    if around.st_mode & stat.S_IWOTH:
        # In a sticky folder such as /tmp others can add names, but not replace ours.
        if not around.st_mode & stat.S_ISVTX:
            raise _refused(path.parent, "can be written by everybody")
        if status.st_uid not in (os.geteuid(), 0):
            raise _refused(path, "was put by another user into a folder that everybody may write to")


def _refused(path: Path, reason: str) -> PlaybookError:
    return PlaybookError(
        f"{path} {reason}; an inventory decides where credentials are sent",
        hint=f"chmod o-w {path}, or keep the inventory in a folder of your own.",
    )
