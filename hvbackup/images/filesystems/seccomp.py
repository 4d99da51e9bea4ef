"""A filter for system calls (Linux): this process may use memory, look at the clock, and use the files it has open.

Anything else - open, socket, connect, fork, exec, kill - is answered with EPERM. Numbers from the kernel's tables
(arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h); the form of the filter from seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import NamedTuple

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_KILL = 0x80000000
_RLIMIT_CPU = 0

# classic BPF: load a word of the call's description, compare and jump, return
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_SECOND_ARGUMENT = 0, 4, 24
#: Numbers from here on are the x32 calls of x86-64.
_X32 = 0x40000000


class _Architecture(NamedTuple):
    """A processor: its number for the filter, the calls that are allowed, and the one that sets limits."""

    audit: int
    allowed: tuple[int, ...]
    set_limit: int


# fmt: off
_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, (
        0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20,  # read write close fstat lseek mmap mprotect munmap brk
        # rt_sigaction rt_sigprocmask rt_sigreturn readv writev
        24, 25, 28, 35, 39, 60, 96, 98, 99, 131,           # sched_yield mremap madvise nanosleep getpid exit
        # gettimeofday getrusage sysinfo sigaltstack
        186, 201, 202, 204, 219, 228, 229, 230, 231,           # gettid time futex sched_getaffinity restart_syscall
        # clock_gettime clock_getres clock_nanosleep exit_group
        318, 324, 334,                                         # getrandom membarrier rseq
    ), 302),
    "aarch64": _Architecture(0xC00000B7, (
        57, 62, 63, 64, 65, 66, 80, 93, 94, 98,        # close lseek read write readv writev fstat
        # exit exit_group futex
        101, 113, 114, 115, 123, 124, 128, 132, 134, 135, 139,  # nanosleep clock_gettime clock_getres
        # clock_nanosleep sched_getaffinity sched_yield restart_syscall sigaltstack rt_sigaction rt_sigprocmask
        # rt_sigreturn
        165, 169, 172, 178, 179, 214, 215, 216, 222, 226, 233, 278, 283, 293,  # getrusage gettimeofday getpid gettid
        # sysinfo brk munmap mremap mmap mprotect madvise getrandom membarrier rseq
    ), 261),
}
# fmt: on


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def allow_only_computing(libc: ctypes.CDLL) -> bool:
    """Set the filter, which cannot be taken off again; return whether it is set. Needs PR_SET_NO_NEW_PRIVS before."""
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    filter_ = build_filter(architecture)
    program = _Program(len(filter_) // 8, filter_)
    done: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def build_filter(architecture: _Architecture) -> bytes:
    """The filter as the kernel wants it: instructions of 8 bytes."""
    allowed = architecture.allowed
    lines = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_JUMP_IF_AT_LEAST, len(allowed) + 3, 0, _X32),
        *((_JUMP_IF_EQUAL, len(allowed) + 3 - index, 0, number) for index, number in enumerate(allowed)),
        # prlimit64: the process may only move its own limit of processor time
        (_JUMP_IF_EQUAL, 0, 2, architecture.set_limit),
        (_LOAD, 0, 0, _AT_SECOND_ARGUMENT),
        (_JUMP_IF_EQUAL, 1, 0, _RLIMIT_CPU),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
