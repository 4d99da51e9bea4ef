"""What a run came to: recaps of hosts, outcomes of VMs, and the exit code.

The exit code is about VMs. Ansible's `rescue` and `ignore_errors` decide how a play goes on; they never turn a backup
that failed into one that was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hvbackup.models import JobStatus
from hvbackup.playbook.modules.contract import ModuleReply, VmOutcome
from hvbackup.playbook.run_events import Recap, Recaps

OK, ERROR, PARTIAL, UNREACHABLE, INTERRUPTED = 0, 1, 3, 4, 130


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to.

    Attributes:
        outcomes: Of VMs, in the order in which the tasks ended.
        failed_work: Hosts on which a module that changes something failed before it came to any VM.
        failed_hosts, unreachable_hosts: As Ansible counts them: not those that were rescued or ignored.
        unreachable_work: Hosts that a module did not reach, also where that was ignored.
        broken: `max_fail_percentage` was exceeded in the last batch.
    """

    recaps: Mapping[str, Recap]
    outcomes: Sequence[VmOutcome] = ()
    failed_work: Sequence[str] = ()
    unreachable_work: Sequence[str] = ()
    failed_hosts: Sequence[str] = ()
    unreachable_hosts: Sequence[str] = ()
    broken: bool = False
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 all good; 3 some failed; 1 all failed, or something else did; 4 only unreachable; 130 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        failed = [each for each in self.outcomes if each.status is JobStatus.FAILED]
        if failed or self.failed_work:
            return PARTIAL if len(failed) < len(self.outcomes) else ERROR
        if self.failed_hosts:
            return ERROR
        return UNREACHABLE if self.unreachable_hosts or self.unreachable_work else OK

    @property
    def ansible_exit_code(self) -> int:
        """What ansible-playbook ends with for the same hosts: 4 unreachable, else 2 failed, else 0.

        Where `max_fail_percentage` has ended it, it is 2.
        """
        if self.unreachable_hosts and not self.broken:
            return 4
        return 2 if self.failed_hosts or self.broken else 0


@dataclass
class Tally:
    """Counts while a run works; used by the main thread only.

    Attributes:
        failed: Hosts that take part in no further play: also those that `any_errors_fatal` stopped and a `rescue` let
            go on, as in Ansible.
        failed_at_end: Hosts whose last play ended in a failure.
        unreachable: Hosts that are asked nothing more.
        started: Whether `--start-at-task` has found its task.
        stepping: Whether `--step` still asks.
        broken: `max_fail_percentage` was exceeded in the batch that ran last: no further play.
    """

    recaps: Recaps = field(default_factory=Recaps)
    failed: set[str] = field(default_factory=set)
    failed_at_end: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    started: bool = False
    stepping: bool = True
    broken: bool = False
    interrupted: bool = False
    _outcomes: list[VmOutcome] = field(default_factory=list)
    _failed_work: dict[str, None] = field(default_factory=dict)
    _unreachable_work: dict[str, None] = field(default_factory=dict)

    @property
    def gone(self) -> int:
        """How many hosts are out."""
        return len(self.failed) + len(self.unreachable)

    def add(self, host: str, reply: ModuleReply, *, writes: bool) -> None:
        """Count what a module replied, whatever the play makes of it."""
        self._outcomes += reply.outcomes
        if reply.result.get("unreachable"):
            self._unreachable_work[host] = None
        elif writes and reply.exit_code and not any(each.status is JobStatus.FAILED for each in reply.outcomes):
            self._failed_work[host] = None

    def result(self) -> RunResult:
        """What it came to."""
        return RunResult(
            recaps=self.recaps.hosts,
            outcomes=tuple(self._outcomes),
            failed_work=tuple(self._failed_work),
            unreachable_work=tuple(self._unreachable_work),
            failed_hosts=tuple(sorted(self.failed_at_end)),
            unreachable_hosts=tuple(sorted(self.unreachable)),
            broken=self.broken,
            interrupted=self.interrupted,
        )
