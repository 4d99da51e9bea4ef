"""How a task ended on a host."""

from __future__ import annotations

from typing import Any, NamedTuple

from hvbackup.errors import HvBackupError
from hvbackup.playbook.modules.contract import ModuleReply


class Ended(NamedTuple):
    """How a task, or one item of its loop, ended.

    Attributes:
        result: As Ansible's, without entries of its own machinery.
        notify: Names of handlers, rendered.
        replies: Those of the modules' last attempts.
    """

    result: dict[str, Any]
    ignore_errors: bool = False
    ignore_unreachable: bool = False
    hidden: bool = False
    diff: bool = False
    notify: tuple[str, ...] = ()
    replies: tuple[ModuleReply, ...] = ()

    @property
    def ignored(self) -> bool:
        """Whether the play goes on as if this had not failed."""
        if self.result.get("failed"):
            return self.ignore_errors
        return bool(self.result.get("unreachable")) and self.ignore_unreachable


def failure(error: HvBackupError) -> dict[str, Any]:
    """The result of a task that could not be carried out."""
    result = {"failed": True, "changed": False, "msg": error.message}
    return result | ({"hint": error.hint} if error.hint else {})
