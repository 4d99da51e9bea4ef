"""A job object around this process (Windows): its memory, and no second process.

Structures and numbers from the documentation of `JOBOBJECT_EXTENDED_LIMIT_INFORMATION` (winnt.h). Unverified: it was
never run on Windows.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

_EXTENDED_LIMIT_INFORMATION = 9
_LIMIT_ACTIVE_PROCESS = 0x0008
_LIMIT_PROCESS_MEMORY = 0x0100
_LIMIT_DIE_ON_UNHANDLED_EXCEPTION = 0x0400


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", c_int64),
        ("PerJobUserTimeLimit", c_int64),
        ("LimitFlags", c_uint32),
        ("MinimumWorkingSetSize", c_size_t),
        ("MaximumWorkingSetSize", c_size_t),
        ("ActiveProcessLimit", c_uint32),
        ("Affinity", c_size_t),
        ("PriorityClass", c_uint32),
        ("SchedulingClass", c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", c_uint64 * 6),
        ("ProcessMemoryLimit", c_size_t),
        ("JobMemoryLimit", c_size_t),
        ("PeakProcessMemoryUsed", c_size_t),
        ("PeakJobMemoryUsed", c_size_t),
    )


def confine_by_job(memory_bytes: int, kernel: Any = None) -> tuple[str, ...]:
    """Put this process into a job of its own; return the names of the limits, none when Windows refused.

    The handle of the job stays open as long as the process lives. A job inside another one needs Windows 8 or later.
    """
    kernel = kernel or ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.CreateJobObjectW.restype = c_void_p
    kernel.GetCurrentProcess.restype = c_void_p
    job = kernel.CreateJobObjectW(None, None)
    if not job:
        return ()
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = (
        _LIMIT_ACTIVE_PROCESS | _LIMIT_PROCESS_MEMORY | _LIMIT_DIE_ON_UNHANDLED_EXCEPTION
    )
    limits.BasicLimitInformation.ActiveProcessLimit = 1
    limits.ProcessMemoryLimit = memory_bytes
    size = ctypes.sizeof(limits)
    if not kernel.SetInformationJobObject(
        c_void_p(job), _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), c_uint32(size)
    ):
        return ()
    if not kernel.AssignProcessToJobObject(c_void_p(job), c_void_p(kernel.GetCurrentProcess())):
        return ()
    return ("memory", "processes")
