"""Handlers of the scripts that list, hash, read, write and remove files."""

from __future__ import annotations

import hashlib
import ntpath
import os
import re
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hvbackup.remote.calls import GetBlockHash, GetFile, ReadBlock, RemoveFile, WriteFile
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.script_requests import (
    allocated,
    beside,
    full_path,
    modified_at,
    need_writable,
    open_for_reading,
    read_request,
    room_on,
    take_room,
)
from hvbackup.simulator.state import HostState
from hvbackup.simulator.volumes import local_path

_MAX_BLOCK = 64 << 20
_HASHES_PER_FRAME = 1024
_FRAME_HEAD = struct.Struct("<QIB32s")
_NOT_A_FILESPEC = re.compile(r'[\x00-\x1f<>:"/\\|]')


def get_file(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Get-HvbFile."""
    call = read_request(context, GetFile)
    files: list[dict[str, Any]] = []
    missing: list[int] = []
    seen: set[str] = set()
    for number, root in enumerate(call.roots):
        if not root.filespec or _NOT_A_FILESPEC.search(root.filespec):
            raise HostError("PathRefused", f"'{root.filespec}' is not a file specification.")
        pattern = re.escape(root.filespec).replace(r"\*", ".*").replace(r"\?", ".")
        matches = re.compile("" if root.filespec == "*.*" else rf"\A{pattern}\Z", re.IGNORECASE | re.DOTALL)
        count = 0
        for path, local in _files_below(host, full_path(root.path), recurse=root.recurse):
            if not matches.search(ntpath.basename(path)):
                continue
            count += 1
            if path.casefold() not in seen:
                seen.add(path.casefold())
                files.append(
                    {
                        "path": path,
                        "sizeBytes": local.stat().st_size,
                        "modifiedAt": modified_at(local),
                        "root": number,
                    }
                )
        if not count:
            missing.append(number)
    return {"files": files, "missingRoots": missing}


def _files_below(host: HostState, path: str, *, recurse: bool) -> Iterator[tuple[str, Path]]:
    """The files of a folder and, level by level, of those below it; links are left out."""
    folders = [(path, local_path(host.folder, path))]
    while folders:
        path, local = folders.pop(0)
        if not local.is_dir():
            continue
        for entry in sorted(os.scandir(local), key=lambda item: item.name.casefold()):
            inner = ntpath.join(path, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if recurse:
                    folders.append((inner, Path(entry.path)))
            elif entry.is_file(follow_symlinks=False):
                yield inner, Path(entry.path)


def _stretches(size: int, cuts: tuple[int, ...], block_size: int) -> Iterator[tuple[int, int]]:
    """The offset and length of each block: anew at each cut."""
    start = 0
    for end in [*(cut for cut in cuts if cut < size), size]:
        while start < end:
            length = min(block_size, end - start)
            yield start, length
            start += length


def get_block_hash(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Get-HvbBlockHash."""
    call = read_request(context, GetBlockHash)
    if not 512 <= call.block_size <= _MAX_BLOCK or call.first_block < 0 or (call.block_count or 0) < 0:
        raise HostError("RequestRefused", "blockSize must be 512 to 67108864, firstBlock and blockCount not negative.")
    if list(call.cuts) != sorted(set(call.cuts)) or any(cut <= 0 for cut in call.cuts):
        raise HostError("RequestRefused", "cuts must be offsets in ascending order.")
    _, local = open_for_reading(host, call.path)
    size = local.stat().st_size
    last = None if call.block_count is None else call.first_block + call.block_count
    wanted = list(_stretches(size, call.cuts, call.block_size))[call.first_block : last]
    wait = host.read().faults.seconds_per_hash_frame
    zero_blocks = 0
    hashes = bytearray()
    with local.open("rb") as file:
        for number, (offset, length) in enumerate(wanted, 1):
            file.seek(offset)
            digest = _block_hash(file.read(length))
            zero_blocks += digest == bytes(32)
            hashes += digest
            if number % _HASHES_PER_FRAME == 0 or number == len(wanted):
                context.stopped.wait(wait)
                context.write_frame(bytes(hashes))
                hashes.clear()
                context.progress("Hashing", call.path, 100 * (offset + length) // size)
    return {
        "sizeBytes": size,
        "blocks": len(wanted),
        "zeroBlocks": zero_blocks,
        "modifiedAt": modified_at(local),
    }


def _block_hash(data: bytes) -> bytes:
    """SHA-256, or 32 zero bytes for a block of zeros."""
    return hashlib.sha256(data).digest() if data.count(0) != len(data) else bytes(32)


def read_block(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Read-HvbBlock."""
    call = read_request(context, ReadBlock)
    full, local = open_for_reading(host, call.path)
    size = local.stat().st_size
    for offset, length in call.blocks:
        if offset < 0 or not 1 <= length <= _MAX_BLOCK or offset + length > size:
            raise HostError(
                "RequestRefused", f"The block at {offset} of {length} bytes is not within '{full}' ({size} bytes)."
            )
    read = sent = 0
    with local.open("rb") as file:
        for offset, length in call.blocks:
            file.seek(offset)
            data = file.read(length)
            frame = b"\0" + data
            if call.compress:
                packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
                packed = b"\1" + packer.compress(data) + packer.flush()
                frame = min(frame, packed, key=len)
            context.write_frame(frame)
            read += length
            sent += len(frame)
    return {"blocks": len(call.blocks), "bytes": read, "sentBytes": sent}


def write_file(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Write-HvbFile."""
    call = read_request(context, WriteFile)
    if call.size_bytes < 0:
        raise HostError("RequestRefused", "sizeBytes must not be negative.")
    modified = _parse_time(call.modified_at) if call.modified_at else None
    path = full_path(call.path)
    local = local_path(host.folder, path)
    need_writable(host, local)
    if local.is_dir():
        raise HostError("PathRefused", f"'{path}' is a folder.")
    if local.exists() and not call.replace:
        raise HostError("FileExists", f"'{path}' is there already.")
    part = beside(local, ".hvbpart")
    if not call.first and not part.exists():
        raise HostError("FileMissing", f"'{path}.hvbpart' is not there; the first call makes it.")
    naming = False
    try:
        blocks, written = _write_part(host, context, call, path, part)
        if call.last:
            if modified is not None:
                os.utime(part, (modified, modified))
            naming = not call.first
            _give_name(host, path, part, local)
    except BaseException:
        if part.exists() and not naming:
            _remove(host, path, part)
        raise
    return {"path": path, "blocks": blocks, "bytes": written, "finished": call.last}


def _give_name(host: HostState, path: str, part: Path, local: Path) -> None:
    if path.casefold() in host.read().faults.files_in_use:
        raise HostError("FileInUse", f"'{path}' is used by another process.")
    part.replace(local)


def _write_part(host: HostState, context: ScriptContext, call: WriteFile, path: str, part: Path) -> tuple[int, int]:
    if call.first:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"")
        os.truncate(part, call.size_bytes)
    elif part.stat().st_size != call.size_bytes:
        raise HostError("RequestRefused", f"'{path}.hvbpart' is not {call.size_bytes} bytes long.")
    blocks = written = 0
    room = room_on(host.read(), path)
    with part.open("r+b") as file:
        for frame in context.frames():
            offset, data = _frame_block(frame, call.size_bytes)
            if written + len(data) > room:
                raise HostError("StorageFull", f"There is not enough space on the disk for '{path}'.")
            file.seek(offset)
            file.write(data)
            blocks += 1
            written += len(data)
    with host.change() as state:
        take_room(state, path, written)
    return blocks, written


def _frame_block(frame: bytes, size: int) -> tuple[int, bytes]:
    """Return the offset and the plain bytes of a frame, checked."""
    if len(frame) <= _FRAME_HEAD.size:
        raise HostError("RequestRefused", f"A frame of {len(frame)} bytes is too short.")
    offset, length, codec, digest = _FRAME_HEAD.unpack_from(frame)
    data = frame[_FRAME_HEAD.size :]
    if not 1 <= length <= _MAX_BLOCK or offset + length > size:
        raise HostError(
            "RequestRefused", f"The block at {offset} of {length} bytes is not within the file ({size} bytes)."
        )
    if codec == 1:
        data = _unpacked(data, length)
        if len(data) != length:
            raise HostError("BlockMismatch", f"The block at {offset} did not unpack to {length} bytes.")
    elif codec != 0 or len(data) != length:
        raise HostError("RequestRefused", f"The frame of the block at {offset} is malformed.")
    if hashlib.sha256(data).digest() != digest:
        raise HostError("BlockMismatch", f"The block at {offset} did not arrive with the hash that it was sent with.")
    return offset, data


def _unpacked(data: bytes, length: int) -> bytes:
    """Raw DEFLATE, one byte more than asked for at most; empty when it is none."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, length + 1)
    except zlib.error:
        return b""


def _parse_time(text: str) -> float:
    # Python 3.10 takes three or six digits of a second, NTFS gives seven.
    plain = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00"))
    plain = re.sub(r"\.(\d{1,5})(?=[+-]|$)", lambda match: "." + match[1].ljust(6, "0"), plain)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise HostError("RequestRefused", f"modifiedAt is not a time: '{text}'.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _remove(host: HostState, path: str, local: Path) -> None:
    """Remove a file and give its room back."""
    size = allocated(local)
    local.unlink()
    with host.change() as state:
        take_room(state, path, -size)


def remove_file(host: HostState, context: ScriptContext) -> dict[str, Any]:
    """Remove-HvbFile."""
    call = read_request(context, RemoveFile)
    files = [full_path(path) for path in call.files]
    folders = [full_path(path) for path in call.folders]
    for path in files:
        local = local_path(host.folder, path)
        need_writable(host, local)
        if local.is_dir():
            raise HostError("PathRefused", f"'{path}' is a folder.")
        if local.is_symlink():
            raise HostError("PathRefused", f"'{path}' is a link.")
    for path in folders:
        local = local_path(host.folder, path)
        if local.is_symlink():
            raise HostError("PathRefused", f"'{path}' is a link or a mount point.")
        if local.is_file():
            raise HostError("PathRefused", f"'{path}' is a file.")
    removed = []
    for path in files:
        local = local_path(host.folder, path)
        if local.exists():
            _remove(host, path, local)
            removed.append(path)
    for path in folders:
        local = local_path(host.folder, path)
        if local.is_dir() and not any(local.iterdir()):
            local.rmdir()
            removed.append(path)
    return {"removed": removed}
