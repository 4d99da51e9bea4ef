"""What a module is to those who run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from hvbackup.events import Cancellation, EventSink
from hvbackup.models import JobStatus, Model
from hvbackup.remote.options import ConnectionOptions
from hvbackup.secrets import Secret

if TYPE_CHECKING:
    from hvbackup.playbook.modules.kept_hosts import KeptHosts


class VmOutcome(Model, frozen=True, kw_only=True):
    """What became of one VM in one task: from these comes the exit code, whatever a `rescue` made of the task."""

    host: str
    vm_id: str
    vm_name: str
    status: JobStatus
    message: str | None = None


def _forget(_secret: str | Secret) -> None:
    """Where nothing is shown, nothing is to be masked."""


class ModuleContext(NamedTuple):
    """What a module gets besides its arguments.

    Attributes:
        connection: How the host of this task is reached; the password in it is a `Secret`.
        inventory_hostname: The host's name in the inventory.
        check: Change nothing; say what would change.
        diff: Say what changes, as `diff` of the result.
        kept: Connections that stay open for later tasks; None: the task has one of its own.
        learn_secret: Told of every secret that the module was given, so that it is masked wherever it turns up.
    """

    connection: ConnectionOptions
    inventory_hostname: str
    check: bool
    diff: bool
    events: EventSink
    cancel: Cancellation
    kept: KeptHosts | None = None
    learn_secret: Callable[[str | Secret], None] = _forget


class ModuleReply(NamedTuple):
    """What a module ends with; a failure that was to be expected is a reply as well.

    Attributes:
        result: What Ansible calls the result: JSON-ready, with `changed`, and `failed` and `msg`, or `unreachable`,
            when it went wrong. No secret is in it.
        outcomes: One for each VM that the task was about.
        exit_code: Exit code that an error of hvbackup stands for (0 when all went well); 130 after a stop.
    """

    result: dict[str, Any]
    outcomes: tuple[VmOutcome, ...] = ()
    exit_code: int = 0
