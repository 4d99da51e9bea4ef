"""The hosts of a batch in their places in the play: who is next, who has left, and by what."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from hvbackup.playbook.cursor import Cursor, Position
from hvbackup.playbook.notifications import Notifications
from hvbackup.playbook.plays import Node, Task
from hvbackup.playbook.tally import Tally


class Lockstep:
    """All hosts of a batch; they are at the same task, or wait for those that are behind.

    Args:
        hosts: Those of the batch; who failed or was not reached in an earlier play takes no part.
    """

    def __init__(
        self,
        nodes: tuple[Node, ...],
        handlers: tuple[Task, ...],
        hosts: tuple[str, ...],
        notifications: Notifications,
        tally: Tally,
    ) -> None:
        self.hosts = hosts
        self._tally = tally
        self._cursors = {host: _cursor(host, nodes, handlers, notifications) for host in hosts}
        self._failed_now: set[str] = set()
        self._failed_before = set(tally.failed)
        for host in self._failed_before & set(hosts):
            self._cursors[host].lost = True
            self._cursors[host].end()
        self._removed = [*self._failed_before, *tally.unreachable]
        self._reached: Position = (-1, 0)

    # ------------------------------------------------------------ who

    @property
    def reachable(self) -> list[str]:
        """The hosts that were reached so far, failed ones too."""
        return [host for host in self.hosts if host not in self._tally.unreachable]

    @property
    def failed_count(self) -> int:
        """How many hosts failed in this play and have nothing left to do."""
        return len(self._failed_now)

    def present(self, hosts: Iterable[str]) -> list[str]:
        """Those of `hosts` that have not left the play."""
        return [host for host in hosts if host not in self._removed]

    def in_handlers(self, host: str) -> bool:
        """Whether a host is running handlers."""
        return self._cursors[host].in_handlers

    # ------------------------------------------------------------ where

    def next(self) -> tuple[list[str], Task | None]:
        """The next task in the order of the play, and the hosts that are there; nobody is left behind."""
        waiting: dict[Position, list[str]] = {}
        tasks: dict[Position, Task] = {}
        for host in self.reachable:
            following = self._cursors[host].peek()
            if following is not None:
                waiting.setdefault(following.position, []).append(host)
                tasks[following.position] = following.task
        if not waiting:
            return [], None
        position = min((each for each in waiting if each > self._reached), default=min(waiting))
        self._reached = position
        for host in waiting[position]:
            self._cursors[host].take()
        return waiting[position], tasks[position]

    def skip_to(self, pattern: str) -> bool:
        """Step over all tasks before the one of this name; return whether there is one."""
        found = False
        for cursor in self._cursors.values():
            while (following := cursor.peek()) is not None:
                title = following.task.title
                if title == pattern or fnmatchcase(title, pattern):
                    found = True
                    break
                cursor.take()
        return found

    def start_handlers(self, host: str, flush: Task) -> None:
        """Let a host run its handlers now."""
        self._cursors[host].start_handlers(flush)

    # ------------------------------------------------------------ who leaves

    def fail(self, host: str, *, all_of_them: bool = False) -> bool:
        """A task failed on `host`; return whether a `rescue` takes it on.

        Args:
            all_of_them: The task runs once for all hosts, so all of them have failed.
        """
        rescued = self._cursors[host].will_be_rescued
        for each in self.reachable if all_of_them else [host]:
            self._cursors[each].fail()
            self._removed.append(each)
        if self._cursors[host].failed and self._cursors[host].peek() is None:
            self._failed_now.add(host)
        if rescued:
            self._removed.remove(host)
        return rescued

    def fail_others(self, hosts: Iterable[str], *, than: set[str]) -> None:
        """Let `hosts` fail because some did; a `rescue` takes them on, too."""
        for host in hosts:
            if host not in than:
                self._failed_now.add(host)
                self._cursors[host].fail()
                self._removed.append(host)

    def lose(self, host: str) -> None:
        """A host was not reached."""
        self._tally.unreachable.add(host)
        self._removed.append(host)

    def end(self, host: str) -> None:
        """A host has no more to do in this play."""
        self._cursors[host].end()
        self._removed.append(host)

    def clear_errors(self) -> None:
        """Forget who failed or was not reached."""
        for host in self.hosts:
            self._failed_now.discard(host)
            self._failed_before.discard(host)
            self._tally.unreachable.discard(host)
            self._cursors[host].clear_errors()

    def report(self) -> None:
        """Tell the tally who failed."""
        for host in self.reachable:
            self._cursors[host].advance()
        failed = {host for host, cursor in self._cursors.items() if cursor.failed} | self._failed_before
        self._tally.failed_at_end = failed
        self._tally.failed = failed | self._failed_now


def _cursor(host: str, nodes: tuple[Node, ...], handlers: tuple[Task, ...], notes: Notifications) -> Cursor:
    return Cursor(
        nodes=nodes,
        handlers=handlers,
        is_notified=lambda handler: notes.is_notified(host, handler),
        wants_flush=lambda: notes.wants_flush(host),
    )
