"""Where links of a guest lead inside a mount. They never lead out of it: the disk is not trusted, the machine is."""

from __future__ import annotations

import posixpath
import re

_WINDOWS_ABSOLUTE = re.compile(r"^(\\\\|//|[\\/]\?\?[\\/]|[A-Za-z]:)")


def shown_target(path: str, target: str, *, windows: bool) -> str:
    r"""The target of a link as it is shown in the mount.

    Relative ones stay relative; `/etc` of a Linux guest becomes a way to the top of the mount and down again; what
    would leave the volume stops at its top. `..` behind a name is taken out by the text alone, as it might go through
    another link. A path of Windows with a drive (`C:\Users`) is text that leads nowhere: drives are not known here.

    Args:
        path: Of the link, from the root of the volume.
        target: As the guest has it.
        windows: Whether the target is written with backslashes.
    """
    if windows:
        if _WINDOWS_ABSOLUTE.match(target):
            return target.replace("/", "\\")
        target = target.replace("\\", "/")
    folder = posixpath.dirname(path)
    absolute = posixpath.normpath(posixpath.join("/", folder, target)).replace("//", "/")
    shown = posixpath.relpath(absolute, "/" + folder.lstrip("/"))
    return shown or "."
