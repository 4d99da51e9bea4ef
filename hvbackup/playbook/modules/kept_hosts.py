"""Connections that stay open from one task to the next: a logon costs several times what a short question does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hvbackup.events import Event, EventSink, Note, discard

if TYPE_CHECKING:
    from hvbackup.jobs.host import Host
    from hvbackup.remote.options import ConnectionOptions

#: Idle connections that are kept; each is a thread here and a PowerShell on its host.
MOST_IDLE = 100


class KeptHosts:
    """Hosts that are connected to once in a run of a playbook. Thread-safe; a context manager, or call `close`.

    What one task has used the next one gets, when it has the very same options; two tasks at once never share one. A
    connection that a failure went through is not kept. One that broke while it was idle is mended by its transport.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Kept] = []
        self._closed = False

    @contextmanager
    def host(self, options: ConnectionOptions, events: EventSink) -> Iterator[Host]:
        """Give a connected host for one task."""
        kept = self._take(options) or _Kept(options)
        kept.events = events
        try:
            yield kept.host()
        except BaseException:
            kept.close()
            raise
        kept.events = discard
        self._give_back(kept)

    def close(self) -> None:
        """Close all connections; those in use when their tasks end."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        if idle:  # each takes a round trip or two
            with ThreadPoolExecutor(min(16, len(idle))) as pool:
                list(pool.map(_Kept.close, idle))

    def __enter__(self) -> KeptHosts:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _take(self, options: ConnectionOptions) -> _Kept | None:
        with self._lock:
            for number, each in enumerate(self._idle):
                if each.options == options:
                    return self._idle.pop(number)
        return None

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            self._idle.append(kept)
            spare = self._idle[: len(self._idle) if self._closed else max(0, len(self._idle) - MOST_IDLE)]
            del self._idle[: len(spare)]
        for each in spare:
            each.close()


class _Kept:
    """A connection, and who listens to it at present."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.options = options
        self.events: EventSink = discard
        self._host: Host | None = None

    def host(self) -> Host:
        """Return the host, connected to when it is first asked for."""
        from hvbackup.jobs.host import Host
        from hvbackup.remote.connect import connection_warnings, open_transport

        if self._host is None:
            self._host = Host(open_transport(self.options, events=self._tell))
        else:
            # Each task tells what is unsafe about its connection, as one that connects anew does.
            for text in connection_warnings(self.options):
                self._tell(Note(host=self.options.host, text=text, level="warning"))
        return self._host

    def close(self) -> None:
        if self._host is not None:
            with contextlib.suppress(Exception):
                self._host.close()

    def _tell(self, event: Event) -> None:
        self.events(event)
