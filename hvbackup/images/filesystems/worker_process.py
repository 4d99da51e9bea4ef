"""Starts the process that parses, speaks with it, and ends it: at its limits, at nonsense, or at the user's wish."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import hvbackup
from hvbackup.errors import ImageError, ReaderDied
from hvbackup.events import Cancellation
from hvbackup.images.filesystems.channel import Channel
from hvbackup.images.filesystems.limits import Limits
from hvbackup.images.filesystems.protocol import (
    Answer,
    Contents,
    Message,
    ProtocolViolated,
    ReadVolume,
    Ready,
    Setup,
    VolumeBytes,
    decode_answer,
)
from hvbackup.images.filesystems.watchdog import Watchdog
from hvbackup.images.source import Source

WORKER_MODULE = "hvbackup.images.filesystems.worker"
_START = "import sys, importlib; sys.path[:] = sys.argv[2:]; importlib.import_module(sys.argv[1]).main()"
#: Without these Python does not start where it is built to need them. Nothing else of the environment is passed on.
_KEPT_VARIABLES = ("SYSTEMROOT", "WINDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def worker_command(module: str = WORKER_MODULE, *folders: str) -> list[str]:
    """What starts a worker: this Python, isolated, with the same modules to be found as here (and in `folders`).

    Without `site`, so that nothing but the parser's own modules runs in it; an editable install is found by its folder.
    """
    package = str(Path(hvbackup.__file__).parent.parent)
    found = [folder for folder in sys.path if os.path.isabs(folder)]  # noqa: PTH117  # a text, as sys.path holds it
    return [sys.executable, "-I", "-S", "-c", _START, module, *folders, *found, package]


class WorkerProcess:
    """A process that parses one volume. Not thread-safe: one question at a time.

    Attributes:
        limits: Names of the limits that the system took, before the process saw the volume.

    Raises:
        ReaderDied: It did not start.
        Cancelled: `cancel` was set.
    """

    def __init__(
        self, command: Sequence[str], kind: str, volume: Source, limits: Limits, cancel: Cancellation | None
    ) -> None:
        self._kind = kind
        self._volume = volume
        self._seconds = limits.seconds
        self._cancel = cancel
        self._sent_last = b""
        self._process = _start(command)
        try:
            self._channel = Channel(_pipe(self._process.stdout), _pipe(self._process.stdin))
            self._watchdog = Watchdog(self._process.kill, cancel)
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise
        self._reap = weakref.finalize(self, _end, self._process, self._channel, self._watchdog)
        setup = Setup(kind, volume.size, limits.memory_bytes, limits.seconds)
        answer, _ = self.ask(setup, seconds=limits.start_seconds)
        if not isinstance(answer, Ready):
            raise self.broken("an answer out of turn")
        self.limits = answer.limits

    def ask(self, question: Message, *, seconds: float | None = None) -> tuple[Answer, bytes]:
        """Ask, serve the volume meanwhile, and return the answer with the bytes that came with it.

        Whatever is raised, the process has ended then.

        Raises:
            ReaderDied: It died, took too long, or spoke nonsense.
            Cancelled: `cancel` was set.
            Exception: What reading the volume raised.
        """
        self._watchdog.start(seconds or self._seconds)
        try:
            self._send(question)
            while True:
                answer, data = self._receive()
                if isinstance(answer, Contents) and answer.as_sent:
                    return answer, self._sent_last
                if not isinstance(answer, ReadVolume):
                    return answer, data
                self._serve(answer)
        except BaseException:
            self.end()
            raise
        finally:
            self._watchdog.stop()

    def _serve(self, wanted: ReadVolume) -> None:
        if wanted.offset + wanted.size > self._volume.size:
            raise self.broken("a wish for bytes behind the end of the volume")
        self._watchdog.pause()
        data = self._volume.read_at(wanted.offset, wanted.size)
        self._watchdog.resume()
        self._sent_last = data
        self._send(VolumeBytes(), data)

    def _send(self, message: Message, data: bytes = b"") -> None:
        try:
            self._channel.send(message, data)
        except (OSError, ValueError) as error:  # ValueError: the pipe was closed
            raise self.broken() from error

    def _receive(self) -> tuple[Answer, bytes]:
        try:
            message, data = self._channel.receive()
            return decode_answer(message), data
        except ProtocolViolated as error:
            raise self.broken(str(error)) from error
        except (EOFError, OSError, ValueError) as error:
            raise self.broken() from error

    def broken(self, nonsense: str = "") -> ImageError:
        """End the process and return the error that says why; raise `Cancelled` when that is why."""
        if nonsense:
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # it is about to end by itself; its last words and its status are wanted
        words = _last_words(self._process)
        self.end()
        if self._cancel is not None:
            self._cancel.check()
        if self._watchdog.expired:
            why = "took too long for one request and was stopped"
        elif nonsense:
            why = f"was stopped because it sent {nonsense}"
        else:
            why = _status_text(self._process.returncode)
        return ReaderDied(
            f"the process that reads the {self._kind} file system {why}" + (f": {words}" if words else ""),
            hint="The file system may be damaged or made to harm; what else is in it can be read.",
        )

    def end(self) -> None:
        """End the process and give everything back; ending twice is no error."""
        self._reap()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd=sys.prefix,
            start_new_session=os.name == "posix",
            creationflags=flags,
        )
    except OSError as error:
        raise ReaderDied(f"the process that reads file systems could not be started: {error}") from error
    if os.name == "posix" and process.stderr is not None:
        os.set_blocking(process.stderr.fileno(), False)
    return process


def _pipe(file: IO[bytes] | None) -> IO[bytes]:
    assert file is not None  # noqa: S101  # it is a pipe, as asked for
    return file


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """The last line that it wrote to standard error, without what a terminal could take for a command."""
    try:
        data = (process.stderr and process.stderr.read(8192)) or b""
    except (OSError, ValueError):
        return ""
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return "".join(each if each.isprintable() else "?" for each in lines[-1])[:300] if lines else ""


def _status_text(status: int | None) -> str:
    if status is not None and status < 0:
        with suppress(ValueError):
            return f"crashed ({signal.Signals(-status).name})"
    return f"ended with status {status}"


def _end(process: subprocess.Popen[bytes], channel: Channel, watchdog: Watchdog) -> None:
    process.kill()
    process.wait()
    watchdog.close()
    channel.close()
    if process.stderr is not None:
        process.stderr.close()
