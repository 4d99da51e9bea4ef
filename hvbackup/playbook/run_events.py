"""What a run of a playbook tells while it works. Nothing is masked yet: who shows it does that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from hvbackup.playbook.modules.contract import VmOutcome
from hvbackup.playbook.nodes import Place


class Status(str, Enum):
    """How a task ended on a host."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


def status_of(result: Mapping[str, Any]) -> Status:
    """The status that a result stands for."""
    if result.get("failed"):
        return Status.FAILED
    if result.get("unreachable"):
        return Status.UNREACHABLE
    if result.get("skipped"):
        return Status.SKIPPED
    return Status.CHANGED if result.get("changed") else Status.OK


@dataclass(frozen=True, kw_only=True)
class PlayStarted:
    """A play begins; `hosts` are those that it is about."""

    name: str
    hosts: tuple[str, ...]
    check: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskStarted:
    """A task begins on its hosts."""

    name: str
    module: str
    place: Place | None
    handler: bool = False


@dataclass(frozen=True, kw_only=True)
class HostFinished:
    """A task, or one item of its loop, ended on a host.

    Attributes:
        ignored: It failed or was unreachable, and the play goes on as if it had not been.
        label: Of the item; None for the whole task.
        hidden: `no_log`: nothing of the result may be shown.
        attempt, attempts: Set where the task is about to be tried again.
        always_shown: The result is the point of the task (`debug`).
    """

    task: str
    module: str
    host: str
    status: Status
    result: Mapping[str, Any]
    place: Place | None = None
    ignored: bool = False
    label: Any = None
    is_item: bool = False
    hidden: bool = False
    attempt: int | None = None
    attempts: int | None = None
    diff: bool = False
    always_shown: bool = False
    outcomes: tuple[VmOutcome, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something that does not stop the run, but should be known."""

    text: str


@dataclass(frozen=True, kw_only=True)
class NoHostsLeft:
    """Too much has failed: the play ends here."""


@dataclass(kw_only=True)
class Recap:
    """What became of one host, counted as Ansible counts."""

    ok: int = 0
    changed: int = 0
    unreachable: int = 0
    failed: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(kw_only=True)
class Recaps:
    """The recap of all hosts that had a task, in the order in which they came."""

    hosts: dict[str, Recap] = field(default_factory=dict)

    def of(self, host: str) -> Recap:
        """The recap of a host."""
        return self.hosts.setdefault(host, Recap())


RunEvent: TypeAlias = "PlayStarted | TaskStarted | HostFinished | Warned | NoHostsLeft"
RunListener: TypeAlias = Callable[[RunEvent], None]
