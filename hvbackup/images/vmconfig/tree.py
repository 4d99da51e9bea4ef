"""What a configuration file holds, before anybody asks what it means: named values in named nodes."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, Union

from hvbackup.errors import ImageDamaged

#: Configurations of real VMs are some 50 to 100 KiB; what is larger than this is not read.
MAX_FILE_SIZE = 32 * 1024 * 1024
#: Nodes in nodes; real files have 8.
MAX_DEPTH = 64
#: Values and nodes; real files have some 250 to 500.
MAX_VALUES = 100_000


class Unread(NamedTuple):
    """Stands for a value that is in the file and cannot be read; `reason` is for people."""

    reason: str


Value: TypeAlias = Union[bool, int, float, str, bytes, Unread, "Tree"]
#: A node. Where a file has a name twice in one node (only metrics are seen so), the later one is here.
Tree: TypeAlias = "dict[str, Value]"


def damaged(what: str) -> ImageDamaged:
    """Return the error for a configuration file in which `what` is wrong."""
    return ImageDamaged(
        f"the VM configuration file is damaged: {what}",
        hint="It was damaged, or copied while it was written to; take it from another backup or shadow copy.",
    )
