"""Which handlers which hosts have notified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvbackup.playbook.plays import Task


class Notifications:
    """The handlers of a play in one batch of hosts.

    Args:
        handlers: In their order.
        names: Their names as they are shown, rendered, in the same order; None where there is none.
    """

    def __init__(self, handlers: Sequence[Task], names: Sequence[str | None]) -> None:
        self._handlers = tuple(handlers)
        self._names = dict(zip(handlers, names, strict=True))
        self._saved: dict[str, list[str]] = {}
        self._notified: dict[Task, list[str]] = {handler: [] for handler in handlers}

    @property
    def names(self) -> set[str]:
        """All names and topics that can be notified."""
        known = {name for name in self._names.values() if name is not None}
        return known | {topic for handler in self._handlers for topic in handler.listen}

    def find(self, name: str) -> Iterator[Task]:
        """The handler of this name (of several the first one), and those that listen to it."""
        for handler in self._handlers:
            if self._names[handler] == name:
                yield handler
                break
        seen: set[str] = set()
        for handler in self._handlers:
            own = self._names[handler]
            if name in handler.listen and own not in seen:
                if own is not None:
                    seen.add(own)
                yield handler

    def save(self, host: str, name: str) -> None:
        """Remember a notification until handlers are flushed."""
        saved = self._saved.setdefault(host, [])
        if name not in saved:
            saved.append(name)

    def deliver(self, host: str) -> None:
        """Turn what `host` has saved into notified handlers."""
        for name in self._saved.pop(host, []):
            for handler in self.find(name):
                self.notify(host, handler)

    def notify(self, host: str, handler: Task) -> None:
        """Let `handler` run for `host` when handlers run."""
        if host not in self._notified[handler]:
            self._notified[handler].append(host)

    def is_notified(self, host: str, handler: Task) -> bool:
        """Whether `handler` is to run for `host`."""
        return host in self._notified[handler]

    def done(self, host: str, handler: Task) -> None:
        """`handler` runs for `host` now."""
        if host in self._notified[handler]:
            self._notified[handler].remove(host)

    def done_for_all(self, handler: Task) -> None:
        """`handler` runs once for all hosts now."""
        self._notified[handler].clear()

    def wants_flush(self, host: str) -> bool:
        """Whether a flush has anything to do for `host`."""
        return bool(self._saved.get(host)) or any(self._notified.values())
