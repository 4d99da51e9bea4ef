"""The engine with PowerShell: each runspace pool of a client is a PowerShell process of its own.

The fragments that WSMan carries are handed on as they are, in both directions.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import threading
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hvbackup.simulator import psrp_fragments as psrp
from hvbackup.simulator.faults import Faults
from hvbackup.simulator.out_of_process import SESSION, OutOfProcess
from hvbackup.simulator.wsman_envelope import NAMESPACES, SCHEMA_ERROR, TOO_MANY_COMMANDS, Fault
from hvbackup.simulator.wsman_queues import CommandEnded, OutputQueue
from hvbackup.simulator.wsman_shell import Limits, Shell, is_terminate

_ENDED = re.compile(rb'N="PipelineState">\s*([345])\s*<')
#: Object ids of messages that are made here and not by PowerShell.
_OWN_IDS = 1 << 40
_CLOSE_SECONDS = 10.0
#: How often to look whether somebody waits for an acknowledgement; other waiting is told at once.
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class PowerShellProgram:
    """Where PowerShell is, and the environment that it gets in addition."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class BridgedShell(Shell):
    """A PSRP shell answered by a PowerShell process."""

    def __init__(
        self, shell_id: str, uri: str, owner: str, limits: Limits, *, program: PowerShellProgram, faults: Faults
    ) -> None:
        self._changed = threading.Condition()
        super().__init__(shell_id, uri, owner, limits)
        self._program = program
        self._faults = faults
        self._process: OutOfProcess | None = None
        self._lock = threading.Lock()
        self._pool_id = uuid.UUID(int=0)
        self._private_data = b""
        self._runspaces = (1, 1)
        self._fragmenter = psrp.Fragmenter(limits.fragment, _OWN_IDS)

    # ------------------------------------------------------------ client to PowerShell

    def open(self, node: ET.Element) -> None:
        """Start PowerShell and hand creationXml on."""
        creation = node.find(f"{{{NAMESPACES['pwsh']}}}creationXml")
        if creation is None or not creation.text:
            raise Fault(SCHEMA_ERROR, "The shell lacks creationXml.", "w:SchemaValidationError")
        data = _decode(creation.text)
        for message in self._messages(data):
            if psrp.message_type(message) == psrp.INIT_RUNSPACEPOOL:
                self._pool_id = psrp.message_pool(message)
                self._runspaces = (_number(message, b"MinRunspaces"), _number(message, b"MaxRunspaces"))
        arguments = [str(self._program.path), "-NoLogo", "-NoProfile", "-SSHServerMode"]
        try:
            self._process = OutOfProcess(arguments, self._program.environment, self._take_data, self._take_exit)
        except OSError as error:
            raise Fault(SCHEMA_ERROR, f"PowerShell cannot be started: {error}.") from None
        self._process.data(SESSION, data)

    def start_command(self, command_id: str, line: str, arguments: list[str]) -> None:
        """Begin a pipeline."""
        with self._lock:
            if len(self.commands) >= self._faults.max_commands:
                raise Fault(
                    TOO_MANY_COMMANDS,
                    "The WS-Management service cannot process the request. The maximum number of concurrent commands "
                    "per shell has been exceeded. Close commands of the shell, or open another one.",
                )
            self.new_command(command_id)
        try:
            self._running.command(command_id.lower())
            self._running.data(command_id.lower(), _decode("".join(arguments)))
        except Fault:
            self.commands.pop(command_id, None)
            raise

    def send(self, command_id: str | None, stream: str, data: bytes, *, end: bool, timeout: float) -> None:
        """Hand fragments on; answers to host calls come by the stream `pr`."""
        guid = self.find_command(command_id).id.lower() if command_id else SESSION
        self._running.data(guid, data, "PromptResponse" if stream == "pr" else "Default")

    def signal(self, command_id: str, code: str) -> None:
        """Stop a pipeline, or forget it."""
        command = self.commands.get(command_id)
        if command is None:
            return
        if is_terminate(code):
            command.end()
            self._running.close(command_id.lower())
            self.commands.pop(command_id, None)
        else:
            self._running.signal(command_id.lower())
            command.output.finish()

    def close(self) -> None:
        """End all pipelines, the session and the process."""
        process = self._process
        if process is None:
            return
        process.timeout = _CLOSE_SECONDS
        try:
            super().close()
            process.close(SESSION)
        except Fault:
            pass  # It has ended by itself, or will be killed.
        finally:
            for command in list(self.commands.values()):
                command.end()
            self.output.close()
            process.stop()

    def new_output(self) -> OutputQueue:
        """Make a queue for output; all of them are filled by one thread."""
        return OutputQueue(self.limits.output, self._changed)

    @property
    def _running(self) -> OutOfProcess:
        if self._process is None:
            raise Fault(SCHEMA_ERROR, "The shell is not open.")
        return self._process

    # ------------------------------------------------------------ PowerShell to client

    def _take_data(self, guid: str, data: bytes) -> None:
        if guid == SESSION:
            self._remember(data)
            with contextlib.suppress(CommandEnded):
                self.output.put("stdout", [data], wait=False)
            return
        command = self.commands.get(guid.upper())
        if command is None:
            return
        # All pipelines share the process's one output. While this pipeline's client does not read, wait: so back
        # pressure reaches PowerShell. But not while somebody else of this shell waits for what comes behind.
        with self._changed:
            while command.output.full and not self._somebody_waits():
                self._changed.wait(_LOOK_SECONDS)
        try:
            command.output.put("stdout", [data], wait=False)
        except CommandEnded:
            return
        if _has_ended(data):
            command.output.finish()

    def _somebody_waits(self) -> bool:
        outputs = [self.output, *(command.output for command in list(self.commands.values()))]
        return self._running.awaiting or any(output.hungry for output in outputs)

    def _remember(self, data: bytes) -> None:
        for _, _, flags, content in psrp.split_fragments(data):
            if flags & psrp.START and psrp.message_type(content) == psrp.APPLICATION_PRIVATE_DATA:
                self._private_data = content

    def _take_exit(self) -> None:
        for output in [self.output, *(command.output for command in list(self.commands.values()))]:
            output.finish(1)

    # ------------------------------------------------------------ a new client

    def connect(self, data: bytes) -> bytes:
        """Answer CONNECT_RUNSPACEPOOL here: this way of remoting has no Connect."""
        if not any(psrp.message_type(message) == psrp.CONNECT_RUNSPACEPOOL for message in self._messages(data)):
            raise Fault(SCHEMA_ERROR, "connectXml does not connect to a runspace pool.", "w:SchemaValidationError")
        self.output.clear()
        state = self._message(psrp.RUNSPACEPOOL_STATE, b'<I32 N="RunspaceState">2</I32>')
        self.output.put("stdout", self._fragmenter.fragment(state), wait=False)
        sizes = b'<I32 N="MinRunspaces">%d</I32><I32 N="MaxRunspaces">%d</I32>' % self._runspaces
        answers = [self._message(psrp.RUNSPACEPOOL_INIT_DATA, sizes)]
        if self._private_data:
            answers.append(self._private_data)
        return b"".join(part for message in answers for part in self._fragmenter.fragment(message))

    def _message(self, kind: int, properties: bytes) -> bytes:
        body = b'<Obj RefId="0"><MS>' + properties + b"</MS></Obj>"
        return psrp.build_message(kind, self._pool_id, None, body)

    def _messages(self, data: bytes) -> list[bytes]:
        try:
            return list(psrp.Defragmenter(self.limits.input_object).feed(data))
        except psrp.MalformedFragment as error:
            raise Fault(SCHEMA_ERROR, f"The PSRP data was refused: {error}.", "w:SchemaValidationError") from None


def _has_ended(data: bytes) -> bool:
    """Whether a pipeline's state in these fragments is Stopped, Completed or Failed.

    A state with a long error record spans fragments; the client sees the end from the message all the same.
    """
    return any(
        flags & psrp.START and flags & psrp.END and psrp.message_type(content) == psrp.PIPELINE_STATE
        and _ENDED.search(content) is not None
        for _, _, flags, content in psrp.split_fragments(data)
    )  # fmt: skip


def _number(message: bytes, name: bytes) -> int:
    match = re.search(rb'"' + name + rb'">(\d+)<', message)
    return int(match[1]) if match else 1


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise Fault(SCHEMA_ERROR, f"Not base64: {error}.", "w:SchemaValidationError") from None
