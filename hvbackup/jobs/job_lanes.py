"""Lanes that jobs share one after the other: each lane is a connection here and a process on the host."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hvbackup.errors import HvBackupError, RemoteError
from hvbackup.remote.fanout import Lanes
from hvbackup.remote.session import Transport


class JobLanes:
    """What one job at work needs.

    Attributes:
        control: Asks, creates shadow sets, hashes.
        reader: Reads blocks; the first of `reading`.
        reading: Up to as many lanes as the request allows, opened when there is much to read.
    """

    def __init__(self, transport: Transport, reading: int) -> None:
        self.control = transport.lane()
        self.reader = transport.lane()
        self.reading = Lanes(self.reader, reading)

    def close(self) -> None:
        """Close all of them; what is broken already does not matter."""
        for close in (self.reading.close, self.reader.close, self.control.close):
            with suppress(HvBackupError):
                close()


class LanePool:
    """Lanes for as many jobs as are at work at the same time, used again by the next ones. A context manager."""

    def __init__(self, transport: Transport, *, reading: int) -> None:
        self._transport = transport
        self._reading = reading
        self._idle: list[JobLanes] = []
        self._lock = threading.Lock()

    def __enter__(self) -> LanePool:
        return self

    def __exit__(self, *_exc: object) -> None:
        for lanes in self._idle:
            lanes.close()

    @contextmanager
    def borrowed(self) -> Iterator[JobLanes]:
        """Give lanes for one job; lanes on which an error came from the connection are not used again."""
        with self._lock:
            lanes = self._idle.pop() if self._idle else None
        lanes = lanes or JobLanes(self._transport, self._reading)
        try:
            yield lanes
        except RemoteError:
            lanes.close()
            raise
        except BaseException:
            self._give_back(lanes)
            raise
        self._give_back(lanes)

    def _give_back(self, lanes: JobLanes) -> None:
        with self._lock:
            self._idle.append(lanes)
