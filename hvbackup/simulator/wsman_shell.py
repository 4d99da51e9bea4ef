"""What the WSMan front needs of a shell; `psrp_shell`, `winrs_shell` and `bridge` are the kinds there are."""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from hvbackup.simulator.wsman_envelope import NOT_FOUND, NOT_SUPPORTED, TIMED_OUT, Fault
from hvbackup.simulator.wsman_queues import InputQueue, OutputQueue


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes. Defaults are those of a Windows host where it has such a setting.

    Attributes:
        envelope: MaxEnvelopeSizekb.
        fragment: What PowerShell cuts its PSRP messages into.
        output: Output of a command that waits for the client before the command must wait.
        input: Input of a command that waits for the command before the client must wait.
        input_object: PSMaximumReceivedObjectSizeMB of a session.
        input_total: PSMaximumReceivedDataSizePerCommandMB of a session.
    """

    envelope: int = 500 << 10
    fragment: int = 32 << 10
    output: int = 4 << 20
    input: int = 4 << 20
    input_object: int = 10 << 20
    input_total: int = 50 << 20


@dataclass
class Command:
    """One command of a WinRS shell or one pipeline of a PSRP shell."""

    id: str
    output: OutputQueue
    input: InputQueue
    stopped: threading.Event = field(default_factory=threading.Event)
    received: int = 0

    def end(self) -> None:
        """Free everybody who waits for this command: nothing of it is wanted any more."""
        self.stopped.set()
        self.input.discard()
        self.output.close()


class Shell:
    """A shell of a client. Subclasses answer commands; all methods may be called from several threads."""

    def __init__(self, shell_id: str, uri: str, owner: str, limits: Limits) -> None:
        self.id = shell_id
        self.uri = uri
        self.owner = owner
        self.limits = limits
        self.commands: dict[str, Command] = {}
        self.output = self.new_output()
        self.disconnected = threading.Event()
        self.born = self.used = time.monotonic()
        self.idle_timeout = "PT7200.000S"
        self.input_streams = "stdin"
        self.output_streams = "stdout"

    def open(self, node: ET.Element) -> None:
        """Begin; `node` is the Shell element of the Create request."""

    def start_command(self, command_id: str, line: str, arguments: list[str]) -> None:
        """Run a command line (WinRS), or begin the pipeline that `arguments` hold as base64 (PSRP)."""
        raise NotImplementedError

    def send(self, command_id: str | None, stream: str, data: bytes, *, end: bool, timeout: float) -> None:
        """Take input for a command, or for the shell itself."""
        raise NotImplementedError

    def signal(self, command_id: str, code: str) -> None:
        """Stop (`ctrl_c`) or forget (`terminate`) a command; one that is not there is no error."""
        raise NotImplementedError

    def connect(self, data: bytes) -> bytes:
        """Take the shell over for a new client; return what its Connect is answered with."""
        raise Fault(NOT_SUPPORTED, "This shell cannot be connected to.", "w:UnsupportedFeature")

    def close(self) -> None:
        """End every command and everything that runs for the shell, and wait until it has ended."""
        for command_id in list(self.commands):
            self.signal(command_id, "terminate")
        self.output.close()

    def new_command(self, command_id: str) -> Command:
        """Make and remember a command."""
        command = Command(command_id, self.new_output(), InputQueue(self.limits.input))
        self.commands[command_id] = command
        return command

    def new_output(self) -> OutputQueue:
        """Make a queue for output."""
        return OutputQueue(self.limits.output)

    def find_command(self, command_id: str) -> Command:
        """Return a command, or raise the fault for one that is not there."""
        command = self.commands.get(command_id)
        if command is None:
            raise Fault(NOT_FOUND, "The command was not found in this shell.", "w:InvalidSelectors")
        return command

    def output_of(self, command_id: str | None) -> OutputQueue:
        """Return the output of a command, or of the shell itself."""
        return self.output if command_id is None else self.find_command(command_id).output


def is_terminate(code: str) -> bool:
    """Whether a signal's code means that the command is to be forgotten."""
    return code.lower().rstrip("/").endswith("terminate")


def feed(command: Command, item: object, size: int, timeout: float) -> None:
    """Give a command input, or raise the time-out fault when it does not read."""
    if not command.input.put(item, size, timeout=timeout):
        raise Fault(TIMED_OUT, "The command did not read its input within the OperationTimeout.", "w:TimedOut")
