"""Limits that the process which parses a file system sets itself before it sees the first byte of a disk.

What each system gives is in `docs/sandbox.md`; only Linux is tested. Limits that a system does not take are left out,
and `confine` says which it took. The deadline of each request is kept by the other process, which kills this one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

from hvbackup.images.filesystems.job_object import confine_by_job
from hvbackup.images.filesystems.seccomp import allow_only_computing

if sys.platform != "win32":
    import resource

_PR_SET_NO_NEW_PRIVS = 38
#: Addresses of a process of Python, where the system does not say how many there are.
_USUAL_ADDRESSES = 1024 * 1024 * 1024


def confine(memory_bytes: int, seconds: float) -> tuple[str, ...]:
    """Limit this process for ever; return the names of the limits that the system took."""
    if sys.platform == "win32":
        return confine_by_job(memory_bytes)
    taken = _confine_by_resources(memory_bytes, seconds)
    if sys.platform == "linux":
        taken += _confine_by_linux()
    return tuple(taken)


def allow_processor(seconds: float) -> None:
    """Let this process use processor time for one more request, where the system counts it."""
    if sys.platform != "win32":
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


if sys.platform != "win32":

    def _confine_by_resources(memory_bytes: int, seconds: float) -> list[str]:
        allow_processor(seconds)
        wanted = [
            ("memory", resource.RLIMIT_AS, _address_space() + memory_bytes),
            ("files", resource.RLIMIT_NOFILE, 0),
            ("file-size", resource.RLIMIT_FSIZE, 0),
            ("core", resource.RLIMIT_CORE, 0),
        ]
        if hasattr(resource, "RLIMIT_NPROC"):
            wanted.append(("processes", resource.RLIMIT_NPROC, 0))
        taken = ["processor-time"]
        for name, which, limit in wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(which, (limit, limit))
                taken.append(name)
        return taken


def _address_space() -> int:
    """Bytes of addresses that this process has now; a guess where the system does not say it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _USUAL_ADDRESSES


def _confine_by_linux() -> list[str]:
    libc = ctypes.CDLL(None, use_errno=True)
    taken = []
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        taken.append("no-new-privileges")
        if allow_only_computing(libc):
            taken.append("system-calls")
    return taken
