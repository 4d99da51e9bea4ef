"""Queues between a running command and its client: bounded, so that memory stays flat in both directions."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

#: What a Stream element of an answer costs besides its base64 text, as bytes before base64.
_STREAM_OVERHEAD = 96
#: How long an answer that is not full waits for more; CPython lets another thread run only every 5 ms.
_GATHER_SECONDS = 0.006


class CommandEnded(Exception):
    """The client has ended the command; what it would still write is not wanted."""


class OutputQueue:
    """Ordered (stream, bytes) chunks that wait for a Receive; a writer waits while it is full.

    Queues that share a writer share the condition `changed` too, so that it can wait for all of them at once.
    """

    def __init__(self, limit: int, changed: threading.Condition | None = None) -> None:
        self._changed = changed or threading.Condition()
        self._chunks: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._limit = limit
        self._done = False
        self._closed = False
        self._hungry = 0
        self.exit_code = 0

    @property
    def hungry(self) -> bool:
        """Whether somebody waits for output, and there is none."""
        return self._hungry > 0

    @property
    def done(self) -> bool:
        """Whether nothing more will be written."""
        return self._done

    @property
    def closed(self) -> bool:
        """Whether the client has ended it."""
        return self._closed

    def put(self, stream: str, chunks: Sequence[bytes], *, wait: bool = True) -> None:
        """Add chunks; with `wait` first wait for room.

        Raises:
            CommandEnded: The queue is closed, or the command was stopped while it waited.
        """
        with self._changed:
            while wait and self.full:
                self._changed.wait()
            if self._closed or (wait and self._done):
                raise CommandEnded
            for chunk in chunks:
                self._chunks.append((stream, chunk))
                self._size += len(chunk)
            self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Whether a writer should wait."""
        return self._size >= self._limit and not self._done

    def finish(self, exit_code: int = 0) -> None:
        """Say that nothing more comes; the first exit code counts."""
        with self._changed:
            if not self._done:
                self._done = True
                self.exit_code = exit_code
            self._changed.notify_all()

    def close(self) -> None:
        """Drop what is there, and free everybody who waits."""
        with self._changed:
            self._closed = self._done = True
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop what is there."""
        with self._changed:
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()

    def get(self, timeout: float, room: int) -> tuple[list[tuple[str, bytes]], bool] | None:
        """Return the chunks that fit into `room` bytes and whether that is all; None when nothing came in time."""
        end = time.monotonic() + timeout
        with self._changed:
            self._hungry += 1
            self._changed.notify_all()
            try:
                while not self._chunks and not self._done:
                    left = end - time.monotonic()
                    if left <= 0:
                        return None
                    self._changed.wait(left)
                self._gather(room)
            finally:
                self._hungry -= 1
            taken: list[tuple[str, bytes]] = []
            used = 0
            while self._chunks:
                stream, chunk = self._chunks[0]
                if taken and used + len(chunk) + _STREAM_OVERHEAD > room:
                    break
                if len(chunk) > room:
                    self._chunks[0] = (stream, chunk[room:])
                    chunk = chunk[:room]
                else:
                    self._chunks.popleft()
                taken.append((stream, chunk))
                self._size -= len(chunk)
                used += len(chunk) + _STREAM_OVERHEAD
            self._changed.notify_all()
            return taken, self._done and not self._chunks

    def _gather(self, room: int) -> None:
        """Let what is being written right now come along: each answer costs the client a round trip (MS-PSRP 3.2)."""
        end = time.monotonic() + _GATHER_SECONDS
        while not self._done and self._size < room and (left := end - time.monotonic()) > 0:
            self._changed.wait(left)


class InputQueue:
    """What the client sends to a command, in order; the client's Send waits while it is full."""

    def __init__(self, limit: int) -> None:
        self._changed = threading.Condition()
        self._items: deque[tuple[Any, int]] = deque()
        self._size = 0
        self._limit = limit
        self._ended = False

    def put(self, item: Any, size: int, *, timeout: float) -> bool:
        """Add an item; return False when there was no room within `timeout` seconds. Items after the end are lost."""
        end = time.monotonic() + timeout
        with self._changed:
            while self._size >= self._limit and not self._ended:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            if not self._ended:
                self._items.append((item, size))
                self._size += size
                self._changed.notify_all()
            return True

    def end(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def discard(self) -> None:
        """End it and drop what is there: nobody will read."""
        with self._changed:
            self._items.clear()
            self._size = 0
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Any]:
        while True:
            with self._changed:
                while not self._items and not self._ended:
                    self._changed.wait()
                if not self._items:
                    return
                item, size = self._items.popleft()
                self._size -= size
                self._changed.notify_all()
            yield item
