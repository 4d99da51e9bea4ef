"""PSRP shells answered by the Python engine, with psrpcore as the protocol's server side."""

from __future__ import annotations

import binascii
import contextlib
import threading
import uuid
import xml.etree.ElementTree as ET
from typing import Any

import psrpcore
from psrpcore import PSRPPayload, ServerPipeline, ServerRunspacePool, StreamType
from psrpcore.types import PSInvocationState, RunspacePoolState
from pybase64 import b64decode

from hvbackup.simulator import psrp_fragments as psrp
from hvbackup.simulator.engine import Stopped, TerminatingError
from hvbackup.simulator.faults import Faults
from hvbackup.simulator.psrp_channel import PipelineChannel, fail_pipeline
from hvbackup.simulator.python_engine import PythonEngine, Statement
from hvbackup.simulator.wsman_envelope import NAMESPACES, SCHEMA_ERROR, TOO_MANY_COMMANDS, Fault
from hvbackup.simulator.wsman_queues import CommandEnded
from hvbackup.simulator.wsman_shell import Command, Limits, Shell, feed, is_terminate


class PsrpShell(Shell):
    """One runspace pool; each pipeline runs in a thread of its own, at most `MaxRunspaces` at once."""

    def __init__(
        self, shell_id: str, uri: str, owner: str, limits: Limits, *, engine: PythonEngine, faults: Faults
    ) -> None:
        super().__init__(shell_id, uri, owner, limits)
        self._engine = engine
        self._faults = faults
        # psrpcore's objects are not thread safe; one lock guards them, another keeps the order of what they send.
        self._lock = threading.RLock()
        self._pump_lock = threading.Lock()
        self._pool = ServerRunspacePool()
        self._fragmenter = psrp.Fragmenter(limits.fragment)
        self._incoming: dict[str | None, psrp.Defragmenter] = {}
        self._slots = threading.BoundedSemaphore(1)
        self._threads: list[threading.Thread] = []

    # ------------------------------------------------------------ client to host

    def open(self, node: ET.Element) -> None:
        """Open the runspace pool of creationXml."""
        creation = node.find(f"{{{NAMESPACES['pwsh']}}}creationXml")
        if creation is None or not creation.text:
            raise Fault(SCHEMA_ERROR, "The shell lacks creationXml.", "w:SchemaValidationError")
        self._receive(None, _decode(creation.text), timeout=60)
        if self._pool.state != RunspacePoolState.Opened:
            raise Fault(SCHEMA_ERROR, "creationXml does not open a runspace pool.", "w:SchemaValidationError")

    def start_command(self, command_id: str, line: str, arguments: list[str]) -> None:
        """Create the pipeline that `arguments` hold."""
        with self._lock:
            if len(self.commands) >= self._faults.max_commands:
                raise Fault(
                    TOO_MANY_COMMANDS,
                    "The WS-Management service cannot process the request. The maximum number of concurrent commands "
                    "per shell has been exceeded. Close commands of the shell, or open another one.",
                )
            ServerPipeline(self._pool, uuid.UUID(command_id))
            self.new_command(command_id)
        self._receive(command_id, _decode("".join(arguments)), timeout=60)

    def send(self, command_id: str | None, stream: str, data: bytes, *, end: bool, timeout: float) -> None:
        """Take PSRP fragments: pipeline input, or messages for the pool."""
        if command_id is not None:
            self.find_command(command_id)
        self._receive(command_id, data, timeout)

    def _receive(self, command_id: str | None, data: bytes, timeout: float) -> None:
        incoming = self._incoming.setdefault(command_id, psrp.Defragmenter(self.limits.input_object))
        command = self.commands.get(command_id) if command_id else None
        try:
            self._count(command, len(data))
            for message in incoming.feed(data):
                self._take(command, message, timeout)
        except psrp.MalformedFragment as error:
            raise Fault(SCHEMA_ERROR, f"The PSRP data was refused: {error}.", "w:SchemaValidationError") from None

    def _count(self, command: Command | None, size: int) -> None:
        if command is not None:
            command.received += size
            if command.received > self.limits.input_total:
                raise psrp.MalformedFragment(f"more than {self.limits.input_total} bytes for one command")

    def _take(self, command: Command | None, message: bytes, timeout: float) -> None:
        kind = psrp.message_type(message)
        if command is not None and kind == psrp.END_OF_PIPELINE_INPUT:
            command.input.end()
            return
        if command is not None and kind == psrp.PIPELINE_INPUT:
            body = psrp.message_body(message)
            if body.startswith(b"<BA>"):
                # Bulk input goes round psrpcore, which would build a tree and several copies of it.
                feed(command, _decode(body[4:-5]), len(body), timeout)
                return
        if kind in (psrp.SET_MAX_RUNSPACES, psrp.SET_MIN_RUNSPACES):
            message = message.replace(b'N="CI"', b'N="ci"')  # PowerShell ignores case, psrpcore does not.
        events = []
        with self._lock:
            fragment = b"".join(psrp.Fragmenter(1 << 31).fragment(message))
            self._pool.receive_data(PSRPPayload(fragment, StreamType.default, None))
            while (event := self._pool.next_event()) is not None:
                events.append(event)
                self._answer_pool(event)
        self._pump()
        for event in events:
            self._follow(command, event, timeout)

    def _answer_pool(self, event: psrpcore.PSRPEvent[Any, Any]) -> None:
        if isinstance(event, psrpcore.InitRunspacePoolEvent):
            self._slots = threading.BoundedSemaphore(max(1, event.max_runspaces))
        elif isinstance(
            event, (psrpcore.SetMaxRunspacesEvent, psrpcore.SetMinRunspacesEvent, psrpcore.ResetRunspaceStateEvent)
        ):
            self._pool.runspace_availability_response(event.ci, True)
        elif isinstance(event, psrpcore.GetAvailableRunspacesEvent):
            self._pool.runspace_availability_response(event.ci, self._pool.max_runspaces)

    def _follow(self, command: Command | None, event: psrpcore.PSRPEvent[Any, Any], timeout: float) -> None:
        if command is None:
            return
        if isinstance(event, psrpcore.PipelineInputEvent):
            feed(command, event.data, 1024, timeout)
        elif isinstance(event, (psrpcore.CreatePipelineEvent, psrpcore.GetCommandMetadataEvent)):
            pipeline = self._pool.pipeline_table[uuid.UUID(command.id)]
            thread = threading.Thread(target=self._run, args=(command, pipeline), name=f"pipeline {command.id}")
            self._threads = [other for other in self._threads if other.is_alive()] + [thread]
            thread.start()

    # ------------------------------------------------------------ running

    def _run(self, command: Command, pipeline: ServerPipeline) -> None:
        slots = self._slots
        while not slots.acquire(timeout=0.2):
            if command.stopped.is_set():
                return
        try:
            self._run_in_slot(command, pipeline)
        except CommandEnded:
            pass
        finally:
            slots.release()
            command.output.finish()

    def _run_in_slot(self, command: Command, pipeline: ServerPipeline) -> None:
        with self._lock:
            if command.stopped.is_set():
                return
            # Not `start()`: that tells the client, which PowerShell does at the end of a pipeline only
            # (ServerPowerShellDriver.HandlePowerShellInvocationStateChanged).
            pipeline.state = PSInvocationState.Running
        error: TerminatingError | None = None
        try:
            self._engine.run(_statements(pipeline), PipelineChannel(self, command, pipeline))
        except (Stopped, CommandEnded):
            pass
        except TerminatingError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - a registered function's mistake must reach the client
            error = TerminatingError(type(failure).__name__, str(failure), "NotSpecified")
        with self._lock:
            if pipeline.state == PSInvocationState.Running:
                if error is None:
                    pipeline.complete()
                else:
                    fail_pipeline(pipeline, error)
        command.input.discard()
        self._pump()

    def signal(self, command_id: str, code: str) -> None:
        """Stop a pipeline, or forget it."""
        command = self.commands.get(command_id)
        if command is None:
            return
        pipeline_id = uuid.UUID(command_id)
        if is_terminate(code):
            with self._lock:
                self.commands.pop(command_id, None)
                self._incoming.pop(command_id, None)
                self._pool.pipeline_table.pop(pipeline_id, None)
            command.end()
            return
        with self._lock:
            command.stopped.set()
            pipeline = self._pool.pipeline_table.get(pipeline_id)
            if pipeline is not None and pipeline.state == PSInvocationState.NotStarted:
                pipeline.start()
            if pipeline is not None and pipeline.state == PSInvocationState.Running:
                pipeline.begin_stop()
                pipeline.stop()
        command.input.discard()
        self._pump()
        command.output.finish()

    def close(self) -> None:
        """Stop all pipelines, and wait for their threads."""
        super().close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)

    # ------------------------------------------------------------ host to client

    def call_pipeline(
        self, command: Command, pipeline: ServerPipeline, method: str, *arguments: Any, **more: Any
    ) -> None:
        """Call one of psrpcore's writing methods, and hand on what it made; waits while the client does not read."""
        with self._lock:
            if command.stopped.is_set() or pipeline.state != PSInvocationState.Running:
                raise Stopped
            getattr(pipeline, method)(*arguments, **more)
        self._pump()
        self._write(command, [])

    def write_raw(self, command: Command, clixml: bytes) -> None:
        """Write ready-made CLIXML as one output object, round psrpcore."""
        message = psrp.build_message(psrp.PIPELINE_OUTPUT, self._pool.runspace_pool_id, uuid.UUID(command.id), clixml)
        self._write(command, self._fragmenter.fragment(message))

    def _write(self, command: Command, fragments: list[bytes]) -> None:
        if command.stopped.is_set():
            raise Stopped
        try:
            command.output.put("stdout", fragments)
        except CommandEnded:
            raise Stopped from None

    def _pump(self) -> None:
        """Move what psrpcore has to send to the queue of the pipeline or of the pool that it is for."""
        with self._pump_lock:
            while True:
                with self._lock:
                    payload = self._pool.data_to_send()
                if payload is None:
                    return
                output = self.output
                if payload.pipeline_id is not None:
                    command = self.commands.get(str(payload.pipeline_id).upper())
                    if command is None:
                        continue
                    output = command.output
                with contextlib.suppress(CommandEnded):
                    for _, _, _, message in psrp.split_fragments(payload.data):
                        output.put("stdout", self._fragmenter.fragment(message), wait=False)

    # ------------------------------------------------------------ a new client

    def connect(self, data: bytes) -> bytes:
        """Answer CONNECT_RUNSPACEPOOL; output not yet received is kept."""
        self._pump()
        self._incoming.clear()
        answer: list[bytes] = []
        with self._pump_lock, self._lock:
            if self._pool.state == RunspacePoolState.Opened:
                self._pool.disconnect()
            self._pool.connect()
            for message in psrp.Defragmenter(self.limits.input_object).feed(data):
                fragment = b"".join(psrp.Fragmenter(1 << 31).fragment(message))
                self._pool.receive_data(PSRPPayload(fragment, StreamType.default, None))
                while self._pool.next_event() is not None:
                    pass
            payload = self._pool.data_to_send()
            if payload is not None:
                answer = [message for _, _, _, message in psrp.split_fragments(payload.data)]
        if not answer:
            raise Fault(SCHEMA_ERROR, "connectXml does not connect to a runspace pool.", "w:SchemaValidationError")
        # The client expects the pool's state by Receive, all the rest in the answer to Connect.
        self.output.clear()
        self.output.put("stdout", self._fragmenter.fragment(answer[-1]), wait=False)
        return b"".join(part for message in answer[:-1] for part in self._fragmenter.fragment(message))


def _statements(pipeline: ServerPipeline) -> list[Statement]:
    commands = getattr(pipeline.metadata, "commands", [])
    return [
        Statement(
            text=command.command_text,
            arguments=tuple(value for name, value in command.parameters if name is None),
            parameters={name.lstrip("-"): value for name, value in command.parameters if name is not None},
        )
        for command in commands
    ]


def _decode(text: str | bytes) -> bytes:
    try:
        return b64decode(text)
    except binascii.Error as error:
        raise Fault(SCHEMA_ERROR, f"Not base64: {error}.", "w:SchemaValidationError") from None
