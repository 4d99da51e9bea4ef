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


class ScriptContext(Protocol):
    """One call of one script, as a handler sees it."""

    name: str
    request: dict[str, Any]
    stopped: threading.Event
    warnings: list[str]

    def frames(self) -> Iterator[bytes]:
        """The `byte[]` objects that the client sends as pipeline input, in order."""

    def write_frame(self, data: bytes) -> None:
        """Write one `byte[]` to the output; blocks while the client does not read."""

    def progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record."""


class Handler(Protocol):
    """Answers one script: returns the answer's `data` (camelCase keys) or raises `HostError`."""

    def __call__(self, context: ScriptContext) -> dict[str, Any]:
        """Answer one call."""
