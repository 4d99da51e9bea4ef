"""The streams of one PSRP pipeline."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Protocol
from xml.sax.saxutils import escape

from psrpcore import ServerPipeline
from psrpcore.types import (
    DebugRecord,
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorRecord,
    NETException,
    PipelineState,
    PSInvocationState,
    PSRPMessageType,
    VerboseRecord,
    WarningRecord,
)
from pybase64 import b64encode

from hvbackup.simulator.engine import TerminatingError
from hvbackup.simulator.wsman_shell import Command

_RECORDS = {
    "verbose": (VerboseRecord, PSRPMessageType.VerboseRecord),
    "warning": (WarningRecord, PSRPMessageType.WarningRecord),
    "debug": (DebugRecord, PSRPMessageType.DebugRecord),
}


class PipelineWriter(Protocol):
    """What the shell does for the pipelines of its pool."""

    def call_pipeline(
        self, command: Command, pipeline: ServerPipeline, method: str, *arguments: Any, **more: Any
    ) -> None:
        """Call one of psrpcore's writing methods."""

    def write_raw(self, command: Command, clixml: bytes) -> None:
        """Write ready-made CLIXML as one output object."""


class PipelineChannel:
    """`Channel` of a pipeline."""

    def __init__(self, shell: PipelineWriter, command: Command, pipeline: ServerPipeline) -> None:
        self._shell = shell
        self._command = command
        self._pipeline = pipeline
        self.stopped: threading.Event = command.stopped

    def input(self) -> Iterator[Any]:
        """The objects that the client sends."""
        return iter(self._command.input)

    def write_bytes(self, data: bytes) -> None:
        """Write one `byte[]`; round psrpcore, because bulk output must be fast."""
        self._shell.write_raw(self._command, b"".join([b"<BA>", b64encode(data), b"</BA>"]))

    def write_output(self, value: Any) -> None:
        """Write an object; plain text goes round psrpcore too."""
        if isinstance(value, bytes):
            self.write_bytes(value)
        elif isinstance(value, str) and value.isprintable() and "_x" not in value:
            self._shell.write_raw(self._command, f"<S>{escape(value)}</S>".encode())
        else:
            self._call("write_output", value)

    def write_error(self, message: str, error_id: str) -> None:
        """Write a non-terminating error."""
        self._call(
            "write_error",
            NETException(Message=message),
            ErrorCategoryInfo(Category=ErrorCategory.NotSpecified),
            fully_qualified_error_id=error_id,
        )

    def write_message(self, stream: str, message: str) -> None:
        """Write to the stream `verbose`, `warning`, `debug` or `information`."""
        if stream == "information":
            self._call("write_information", message, "")
            return
        record, kind = _RECORDS[stream]
        value = record(Message=message, InvocationInfo=None, PipelineIterationInfo=None)
        value.serialize_extended_info = False
        value.PSObject.to_string = message  # psrpcore leaves it out; PowerShell's clients show it.
        self._call("prepare_message", value, message_type=kind)

    def write_progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record."""
        self._call("write_progress", activity, 0, status or " ", percent_complete=percent)

    def _call(self, method: str, *arguments: Any, **more: Any) -> None:
        self._shell.call_pipeline(self._command, self._pipeline, method, *arguments, **more)


def fail_pipeline(pipeline: ServerPipeline, error: TerminatingError) -> None:
    """End a pipeline by a terminating error; psrpcore has no method for that."""
    try:
        category = ErrorCategory[error.category]
    except KeyError:
        category = ErrorCategory.NotSpecified
    record = ErrorRecord(
        Exception=NETException(Message=error.message),
        FullyQualifiedErrorId=error.error_id,
        CategoryInfo=ErrorCategoryInfo(Category=category, Reason="RuntimeException"),
    )
    state = PipelineState(PipelineState=int(PSInvocationState.Failed))
    state.ExceptionAsErrorRecord = record
    pipeline.prepare_message(state)
    pipeline.state = PSInvocationState.Failed
