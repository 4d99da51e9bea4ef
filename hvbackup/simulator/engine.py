"""The seam between the WSMan front and what answers behind it.

The front (`server.py`) speaks HTTP, WSMan, PSRP and WinRS. Behind it one of two engines answers: Python handlers (one
for each file of `ps_scripts/`), or PowerShell itself (`bridge.py`). Both work over one `HostState`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Protocol


class HostError(Exception):
    """What a script on the host would report as its error; `error_id` is one of `ps_scripts/README.md`."""

    def __init__(self, error_id: str, message: str, details: object = None) -> None:
        super().__init__(message)
        self.error_id = error_id
        self.message = message
        self.details = details


class Stopped(Exception):
    """The client has stopped or left the call; a handler lets it pass."""


class ScriptContext(Protocol):
    """One call of one script, as a handler sees it."""

    name: str
    request: dict[str, Any]
    stopped: threading.Event
    warnings: list[str]

    def frames(self) -> Iterator[bytes]:
        """The `byte[]` objects that the client sends as pipeline input, in order."""

    def write_frame(self, data: bytes) -> None:
        """Write one `byte[]` to the output; blocks while the client does not read. Raises `Stopped`."""

    def progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record. Raises `Stopped`."""


class Handler(Protocol):
    """Answers one script: returns the answer's `data` (camelCase keys) or raises `HostError`."""

    def __call__(self, context: ScriptContext) -> dict[str, Any]:
        """Answer one call."""


class Channel(Protocol):
    """Where one command's streams go; PSRP pipelines and WinRS commands each have their own.

    Every method raises `Stopped` when the client has stopped the command.
    """

    stopped: threading.Event

    def input(self) -> Iterator[Any]:
        """The objects that the client sends, in order: `bytes` for a `byte[]`, `str` for a string."""

    def write_bytes(self, data: bytes) -> None:
        """Write one `byte[]`, not enumerated."""

    def write_output(self, value: Any) -> None:
        """Write an object."""

    def write_error(self, message: str, error_id: str) -> None:
        """Write an error that does not end the command."""

    def write_message(self, stream: str, message: str) -> None:
        """Write to the stream `verbose`, `warning`, `debug` or `information`."""

    def write_progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record; `percent` -1 when it is not known."""


class TerminatingError(Exception):
    """Ends a command as `throw` does."""

    def __init__(self, error_id: str, message: str, category: str = "OperationStopped") -> None:
        super().__init__(message)
        self.error_id = error_id
        self.message = message
        self.category = category
