"""What a bulk pipeline puts out: frames to the sink, a few texts, the rest to pypsrp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pypsrp.messages import MessageType, ProgressRecord
from pypsrp.powershell import PowerShell

from hvbackup.errors import ConnectionLost, ContractViolated
from hvbackup.remote.fragments import PIPELINE_OUTPUT, BytesBroken, Message, read_byte_array, whole_fragment
from hvbackup.remote.watch import Watch

#: A script answers one document; an inventory of thousands of VMs stays far below this many characters.
_TEXT_LIMIT = 256 << 20
#: Object id of what is handed on to pypsrp; never met by what it receives itself.
_HANDED_ON = 1 << 62


class Output:
    """Takes the output of one pipeline.

    Attributes:
        texts: The texts so far.
        watch: Begins anew with each object that was taken.
    """

    def __init__(
        self,
        powershell: PowerShell,
        sink: Callable[[bytes], None] | None,
        watch: Watch,
        on_progress: Callable[[ProgressRecord], None] | None,
    ) -> None:
        transport: Any = powershell.runspace_pool.connection.transport
        self.powershell = powershell
        self.texts: list[str] = []
        self._characters = 0
        self._host, self._port = transport.server, transport.port
        self.watch = watch
        self._sink, self._on_progress = sink, on_progress

    def take(self, message: Message) -> None:
        """Take one message of the pipeline."""
        kind, body, whole = message
        if kind == PIPELINE_OUTPUT:
            frame = read_byte_array(body)
            if frame is not None:
                self.take_object(frame)
                return
        pool: Any = self.powershell.runspace_pool
        fragment = whole_fragment(_HANDED_ON, whole)
        for answered, value in pool._parse_responses(fragment, self.powershell):  # noqa: SLF001 - open_line looks for it
            if answered == MessageType.PIPELINE_OUTPUT:
                self.take_object(value.data.data)
        self.drain_streams()

    def take_object(self, item: object) -> None:
        """Take one object of the output stream."""
        self.watch.check()
        if isinstance(item, bytes):
            if self._sink is None:
                raise self.violated("bytes, where only an answer is due")
            self._sink(item)
        elif isinstance(item, str):
            self._characters += len(item)
            if self._characters > _TEXT_LIMIT:
                raise self.violated(f"more than {_TEXT_LIMIT} characters of text")
            self.texts.append(item)
        elif item is not None:
            raise self.violated(f"an object of type {type(item).__name__}")
        self.watch.restart()

    def drain_streams(self) -> None:
        """Hand progress on and drop what nobody reads."""
        streams = self.powershell.streams
        records, streams.progress = streams.progress, []
        streams.verbose.clear()
        streams.debug.clear()
        streams.information.clear()
        if self._on_progress is not None:
            for record in records:
                self._on_progress(record)

    def violated(self, reason: str) -> ContractViolated:
        """Return the error for output that no script of ours writes."""
        return ContractViolated(
            f"a script on {self._host} did not answer by the contract: {reason}",
            host=self._host,
            port=self._port,
            hint="This is a bug, or something on the host writes into PowerShell's output.",
        )

    def lost(self, reason: str) -> ConnectionLost:
        """Return the error for a transfer that broke off."""
        return ConnectionLost(
            f"the transfer with {self._host}:{self._port} broke off: {reason}",
            host=self._host,
            port=self._port,
            hint="Try again; then look at the network and at the host.",
        )

    def broken(self, error: BytesBroken) -> ConnectionLost | ContractViolated:
        """Return the error for bytes that do not fit together."""
        return self.lost(str(error)) if error.lost else self.violated(str(error))
