"""What the process that parses a file system may use."""

from __future__ import annotations

from hvbackup.models import Model

MIB = 1024 * 1024


class Limits(Model, frozen=True, kw_only=True):
    """What the process that parses a file system may use.

    Attributes:
        memory_bytes: Memory that it may take above what it has when it is ready.
        seconds: Longest time for one request, without the time in which it waits for the volume.
        start_seconds: Longest time to start it and to have its limits set.
        restarts: How often a process that died is replaced, for one open file system.
    """

    memory_bytes: int = 512 * MIB
    seconds: float = 60
    start_seconds: float = 60
    restarts: int = 100
