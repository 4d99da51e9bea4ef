"""The client end of PowerShell's out-of-process remoting: PSRP on the standard streams of `pwsh -SSHServerMode`.

One packet a line, base64 of whole PSRP fragments in it (OutOfProcTransportManager.cs, OutOfProcServerMediator.cs)::

    <Data Stream='Default' PSGuid='...'>BASE64</Data>      <DataAck PSGuid='...' />
    <Command PSGuid='...' />   <CommandAck PSGuid='...' />  and so for Signal and Close

The GUID of zeros is the session, any other a pipeline. The server hands each line to a thread pool, so two Data packets
of one GUID could be taken in the wrong order: the next one is sent when the last one is acknowledged.
"""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import re
import subprocess
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

from hvbackup.simulator.wsman_envelope import INTERNAL_ERROR, Fault

SESSION = "00000000-0000-0000-0000-000000000000"
_PACKET = re.compile(rb"<(\w+)(?: Stream='(\w+)')? PSGuid='([0-9A-Fa-f-]{36})'\s*(?:/>|>([A-Za-z0-9+/=]*)</\1>)")
_EXIT_SECONDS = 5.0
_ERROR_LINES = 100

DataTaker = Callable[[str, bytes], None]


class OutOfProcess:
    """One PowerShell process and the packets from and to it.

    Args:
        on_data: Takes (GUID, fragments) of each Data packet, in the reader's thread.
        on_exit: Called once when the process has ended.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        on_data: DataTaker,
        on_exit: Callable[[], None],
        *,
        timeout: float = 60.0,
    ) -> None:
        self.timeout = timeout
        self._on_data = on_data
        self._on_exit = on_exit
        self._write_lock = threading.Lock()
        self._acks_lock = threading.Lock()
        self._acks: dict[tuple[str, str], queue.SimpleQueue[bool]] = {}
        self._order: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._awaiting = 0
        self._errors: deque[str] = deque(maxlen=_ERROR_LINES)
        self._ended = threading.Event()
        self._process = start_process(arguments, environment)
        self._threads = [
            threading.Thread(target=target, name=f"pwsh {self._process.pid}")
            for target in (self._read_packets, self._read_errors)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def awaiting(self) -> bool:
        """Whether somebody waits for an acknowledgement."""
        return self._awaiting > 0

    # ------------------------------------------------------------ sending

    def data(self, guid: str, fragments: bytes, stream: str = "Default") -> None:
        """Send fragments and wait until they are acknowledged. Nothing is sent for no bytes: that is an error there."""
        if not fragments:
            return
        with self._acks_lock:
            order = self._order[guid]
        with order:
            text = base64.b64encode(fragments).decode()
            self._call("Data", guid, f"<Data Stream='{stream}' PSGuid='{guid}'>{text}</Data>")

    def command(self, guid: str) -> None:
        """Begin a pipeline."""
        self._call("Command", guid)

    def signal(self, guid: str) -> None:
        """Stop a pipeline; its Close is still owed."""
        self._call("Signal", guid)

    def close(self, guid: str) -> None:
        """Forget a pipeline, or end the session, which waits until every pipeline has been closed."""
        self._call("Close", guid)
        with self._acks_lock:
            for key in [key for key in self._acks if key[1] == guid]:
                del self._acks[key]
            self._order.pop(guid, None)

    def _call(self, kind: str, guid: str, line: str | None = None) -> None:
        acknowledged = self._ack(kind + "Ack", guid)
        with self._acks_lock:
            self._awaiting += 1
        try:
            self._write(line or f"<{kind} PSGuid='{guid}' />")
            self._wait(acknowledged, kind)
        finally:
            with self._acks_lock:
                self._awaiting -= 1

    def _wait(self, acknowledged: queue.SimpleQueue[bool], kind: str) -> None:
        try:
            good = acknowledged.get(timeout=self.timeout)
        except queue.Empty:
            raise Fault(INTERNAL_ERROR, f"PowerShell did not acknowledge {kind} in {self.timeout:.0f} s.") from None
        if not good:
            raise self._gone()

    def _write(self, line: str) -> None:
        if self._ended.is_set():
            raise self._gone()
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        try:
            with self._write_lock:
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()
        except (OSError, ValueError):
            raise self._gone() from None

    def _gone(self) -> Fault:
        return Fault(INTERNAL_ERROR, "The PowerShell process has ended. " + " ".join(self._errors)[-500:])

    def _ack(self, kind: str, guid: str) -> queue.SimpleQueue[bool]:
        with self._acks_lock:
            return self._acks.setdefault((kind, guid), queue.SimpleQueue())

    # ------------------------------------------------------------ receiving

    def _read_packets(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        try:
            for line in self._process.stdout:
                self._take_packet(line.removeprefix(b"\xef\xbb\xbf").strip())
        finally:
            self._ended.set()
            with self._acks_lock:
                for acknowledged in self._acks.values():
                    acknowledged.put(False)
            self._on_exit()

    def _take_packet(self, line: bytes) -> None:
        if not line:
            return
        match = _PACKET.fullmatch(line)
        if match is None:
            self._errors.append(line[:200].decode("utf-8", "replace"))
            return
        kind, guid = match[1].decode(), match[3].decode().lower()
        if kind == "Data":
            self._on_data(guid, base64.b64decode(match[4] or b""))
        elif kind.endswith("Ack"):
            self._ack(kind, guid).put(True)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - for the type checker
        for line in self._process.stderr:
            self._errors.append(line.decode("utf-8", "replace").rstrip())

    def stop(self) -> None:
        """End the process: standard input at its end makes it give up, what is left after 5 s is killed."""
        end_process(self._process)
        for thread in self._threads:
            thread.join()
        close_pipes(self._process)


def start_process(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program with pipes, in a session of its own, so that what it starts can be ended with it."""
    inherited = {name: value for name, value in os.environ.items() if name != "NTLM_USER_FILE"}
    return subprocess.Popen(
        list(arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**inherited, **environment},
        start_new_session=True,
    )


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Close standard input, wait a little, kill what is left of the process and of what it started."""
    import signal

    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_EXIT_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close what is still open of a process's pipes."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
