"""What all handlers of scripts share: requests, paths and times by the rules of `ps_scripts/_Prelude.ps1`."""

from __future__ import annotations

import errno
import ntpath
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hvbackup.models import decodable
from hvbackup.remote.contract import Call
from hvbackup.simulator.engine import HostError, ScriptContext, Stopped
from hvbackup.simulator.state import HostRecord, HostState
from hvbackup.simulator.volumes import MalformedPath, child, has_link, local_path

CallT = TypeVar("CallT", bound=Call[Any])

_ROOT = re.compile(
    r"(?:[A-Za-z]:|\\\\\?\\Volume\{[0-9A-Fa-f-]{36}\}|\\\\\?\\GLOBALROOT\\Device\\[A-Za-z0-9]+)(?=\\)", re.IGNORECASE
)
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/|?*]')
_ERRORS = {
    errno.ENOENT: "FileMissing",
    errno.ENOTDIR: "FileMissing",
    errno.EEXIST: "FileExists",
    errno.ENOSPC: "StorageFull",
    errno.ETXTBSY: "FileInUse",
    errno.EBUSY: "FileInUse",
}

HandlerFunction = Callable[[HostState, ScriptContext], dict[str, Any]]


def read_request(context: ScriptContext, call: type[CallT]) -> CallT:
    """Return the request as its typed call; unknown keys and wrong types are `RequestRefused`."""
    known = {field.encode_name: field for field in msgspec.structs.fields(call)}
    for key in context.request:
        if key not in known:
            raise HostError("RequestRefused", f"The request has an unknown key '{key}'.")
    # A key without a value means the default.
    given = {key: value for key, value in context.request.items() if value is not None or known[key].required}
    try:
        typed: CallT = msgspec.convert(given, type=decodable(call))
    except msgspec.ValidationError as error:
        raise HostError("RequestRefused", f"The request is malformed: {error}") from None
    return typed


def plain_id(text: str) -> str:
    """Return a GUID in lower case without braces; `RequestRefused` when it is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise HostError("RequestRefused", f"'{text}' is not an id.") from None


def full_path(path: str) -> str:
    """Return an absolute path of this host without a backslash at its end; `PathRefused` for all else."""
    match = _ROOT.match(path)
    if match is None:
        raise HostError("PathRefused", f"'{path}' is not an absolute path on this host.")
    rest = path[match.end() :].rstrip("\\")
    for name in rest.split("\\")[1:]:
        if not name or name.endswith((".", " ")) or _NOT_IN_NAMES.search(name):
            raise HostError("PathRefused", f"'{path}' has a part that is not the name of a file or folder: '{name}'.")
    return match[0] + (rest or "\\")


def scratch_path(record: HostRecord, folder: Path, path: str) -> str:
    """Return a folder directly below the scratch root; `PathRefused` for another one, or when a link leads to it."""
    full = full_path(path)
    root = record.machine.scratch_root
    if ntpath.dirname(full).lower() != root.lower():
        raise HostError("PathRefused", f"'{path}' is not a folder directly below '{root}'.")
    if has_link(folder, full):
        raise HostError("PathRefused", f"a link leads to '{full}'.")
    return full


def open_for_reading(host: HostState, path: str) -> tuple[str, Path]:
    """Return a file's full path and its place on this machine; `PathRefused` for a folder, `FileMissing`."""
    full = full_path(path)
    local = local_path(host.folder, full)
    if local.is_dir():
        raise HostError("PathRefused", f"'{full}' is a folder.")
    if not local.exists():
        raise HostError("FileMissing", f"Could not find file '{full}'.")
    return full, local


def need_writable(host: HostState, local: Path) -> None:
    """What Windows says to whoever writes into a shadow copy (ERROR_WRITE_PROTECT)."""
    if (host.folder / "GLOBALROOT") in local.parent.resolve().parents:
        raise HostError("Unexpected", "The media is write protected.")


def tree(local: Path, path: str) -> Iterator[tuple[str, Path]]:
    """Everything in a folder, a folder before what is in it; links are listed and not entered."""
    for entry in sorted(os.scandir(local), key=lambda item: item.name.casefold()):
        inner, name = Path(entry.path), ntpath.join(path, entry.name)
        yield name, inner
        if entry.is_dir(follow_symlinks=False):
            yield from tree(inner, name)


def remove_tree(local: Path, path: str) -> None:
    """Remove a folder and what is in it; `PathRefused`, and nothing removed, when a link is in it."""
    entries = list(tree(local, path))
    for name, entry in entries:
        if entry.is_symlink():
            raise HostError("PathRefused", f"'{name}' is a link or a mount point; nothing was removed.")
    for _, entry in reversed(entries):
        if entry.is_dir():
            entry.rmdir()
        else:
            entry.unlink()
    local.rmdir()


def iso_time(seconds: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC, to the 100 nanoseconds that NTFS keeps."""
    moment = datetime.fromtimestamp(int(seconds), timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{int(seconds % 1 * 10**7):07d}Z"


def modified_at(local: Path) -> str:
    """When a file was written last."""
    nanoseconds = local.stat().st_mtime_ns
    moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9 // 100:07d}Z"


def need_hyper_v(record: HostRecord) -> None:
    """`HyperVMissing` without the role, and what Hyper-V says to those who are no administrators."""
    if not record.machine.hyper_v:
        raise HostError("HyperVMissing", "This host has no Hyper-V role: the service vmms is not there.")
    if not record.machine.elevated:
        raise HostError(
            "Unexpected",
            "You do not have the required permission to complete this task. Contact the administrator of the "
            f"authorization policy for the computer '{record.machine.computer_name}'.",
        )


def room_on(record: HostRecord, path: str) -> int:
    """The bytes that are free on the volume of a path."""
    volume = record.volume_of(path)
    if volume is None:
        raise HostError("FileMissing", f"Could not find a part of the path '{path}'.")
    return volume.free_bytes


def take_room(record: HostRecord, path: str, size: int) -> None:
    """Take room from the volume of a path for what was written; a negative size gives it back."""
    volume = record.volume_of(path)
    if volume is not None:
        volume.free_bytes = min(max(0, volume.free_bytes - size), volume.size_bytes)


def allocated(local: Path) -> int:
    """The room that a file takes on its volume."""
    status = local.stat()
    return int(getattr(status, "st_blocks", 0)) * 512 or status.st_size


@contextmanager
def host_errors() -> Iterator[None]:
    """Turn what Python says about files into what the scripts say."""
    try:
        yield
    except MalformedPath as error:
        raise HostError("PathRefused", str(error)) from None
    except OSError as error:
        raise HostError(_ERRORS.get(error.errno or 0, "Unexpected"), str(error)) from None


def stop_point(host: HostState, context: ScriptContext, point: str) -> None:
    """Do what the faults of the host's state say for this point of a script."""
    action = host.read().faults.stop_at.get(f"{context.name}:{point}")
    if action == "hang":
        context.stopped.wait()
        raise Stopped
    if action == "fail":
        raise HostError("Unexpected", f"The simulated host was told to fail at the {point} of {context.name}.")


def beside(local: Path, suffix: str) -> Path:
    """The file of the same name with a suffix, in any case."""
    return child(local.parent, local.name + suffix)
