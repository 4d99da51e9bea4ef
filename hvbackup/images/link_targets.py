"""Where symbolic links may lead when they are written on this machine: nowhere but below the destination."""

from __future__ import annotations

import os
import re


def target_inside(target: str, depth: int, *, windows: bool) -> str | None:
    r"""Return a link's target as it is to be written, or None when it leads out, or might.

    The target must be relative; `..` may only come first, and not more often than there are folders between the
    destination and the link: behind the name of another link `..` leads wherever that link's folder is. So each link
    stays inside if all others do.

    Args:
        depth: Folders between the destination and the link.
        windows: The target is written as Windows writes it, with `\`.
    """
    if windows:
        target = target.replace("\\", "/")
        if re.match(r"[A-Za-z]:", target):
            return None
    names = [name for name in target.split("/") if name not in ("", ".")]
    if os.name == "nt" and any(character in name for name in names for character in ":\\"):
        return None
    climbs = next((index for index, name in enumerate(names) if name != ".."), len(names))
    if target.startswith("/") or "\0" in target or not names or climbs > depth or ".." in names[climbs:]:
        return None
    return "/".join(names).replace("/", os.sep)
