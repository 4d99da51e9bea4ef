"""Frames over a pair of pipes, for both ends of a sandbox."""

from __future__ import annotations

import io
import os
from typing import IO

from hvbackup.images.filesystems.protocol import HEADER, MAX_BYTES, MAX_MESSAGE, Message, ProtocolViolated, encode

#: So large a pipe holds a piece and its header at once (Linux; elsewhere the system decides).
_PIPE_BYTES = 1024 * 1024


class Channel:
    """Sends and takes frames. Not thread-safe: who holds it speaks alone.

    Raises:
        EOFError: The other side closed its end.
        OSError: The pipe broke.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = io.BufferedReader(_raw(reader), 64 * 1024)
        self._writer = _raw(writer)
        _enlarge(self._writer)

    def send(self, message: Message, data: bytes | memoryview = b"") -> None:
        """Send a message and the bytes that go with it."""
        control = encode(message)
        head = HEADER.pack(len(control), len(data)) + control
        if len(data) <= 4096:
            self._write(head + bytes(data))
        else:
            self._write(head)
            self._write(data)

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            written = self._writer.write(view)
            view = view[written or 0 :]

    def receive(self) -> tuple[bytes, bytes]:
        """Take a message, not yet decoded, and the bytes that go with it.

        Raises:
            ProtocolViolated: The lengths are out of bounds.
        """
        control_size, data_size = HEADER.unpack(self._read(HEADER.size))
        if not 0 < control_size <= MAX_MESSAGE or data_size > MAX_BYTES:
            raise ProtocolViolated("a message out of bounds")
        return self._read(control_size), self._read(data_size) if data_size else b""

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def close(self) -> None:
        """Close both ends that are here."""
        for end in (self._writer, self._reader):
            try:
                end.close()
            except OSError:  # a pipe that broke; it is closed all the same
                continue


def _raw(file: IO[bytes]) -> io.RawIOBase:
    raw = getattr(file, "raw", file)
    if not isinstance(raw, io.RawIOBase):
        raise TypeError(f"{file!r} is no file of the system")
    return raw


def _enlarge(pipe: io.RawIOBase) -> None:
    """Let a pipe hold more, where the system can do that: fewer changes between the processes."""
    if os.name == "posix":
        import fcntl

        if hasattr(fcntl, "F_SETPIPE_SZ"):
            try:
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            except OSError:  # above what an account may have; the pipe works as it is
                return
