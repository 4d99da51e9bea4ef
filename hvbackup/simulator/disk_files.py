"""VHDX files of the simulated host: written, described, read and changed in place.

Layout of what is written: headers, log, metadata and BAT in the first 4 MiB, then the blocks, 1 MiB each ([MS-VHDX]).
"""

from __future__ import annotations

import ntpath
import struct
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hvbackup.images import vhdx_layout as layout

MIB = 1 << 20
_LOG, _METADATA, _BAT, _DATA = MIB, 2 * MIB, 3 * MIB, 4 * MIB
_IDENTITY = uuid.UUID("9e0f51b6-5b0d-4b05-8d0a-3c1f6f6ab3d1")


class DiskFile(NamedTuple):
    """What Get-VHD says of a VHD or VHDX file."""

    format: str
    type: str
    size: int
    file_size: int
    identifier: str
    block_size: int
    logical_sector: int
    physical_sector: int
    parent: str | None


class _Vhdx(NamedTuple):
    metadata: layout.Metadata
    bat: list[int]


def write_vhdx(
    path: Path, size: int, blocks: Mapping[int, bytes], *, identity: str, parent: tuple[Path, str] | None = None
) -> None:
    """Write a dynamic VHDX of `size` bytes, or a differencing one.

    Args:
        blocks: The blocks (1 MiB each) that are present, by number.
        identity: Seeds the GUIDs, so that the same host is built twice alike.
        parent: The parent's file and its Windows path.
    """
    data_write = uuid.uuid5(_IDENTITY, f"{identity}/data")
    locator = _parent_locator(*parent) if parent else {}
    metadata = layout.Metadata(
        MIB, False, parent is not None, size, uuid.uuid5(_IDENTITY, f"{identity}/disk"), 512, 4096, locator
    )
    shape = metadata.bat_shape
    bat = [0] * shape.entry_count
    with path.open("wb") as file:
        for place, number in enumerate(sorted(blocks)):
            offset = _DATA + place * MIB
            file.seek(offset)
            file.write(blocks[number].ljust(MIB, b"\0"))
            bat[shape.payload_entry(number)] = offset | layout.BlockState.FULLY_PRESENT
        file.truncate(_DATA + len(blocks) * MIB)
        _write_at(file, 0, layout.pack_file_identifier("hvbackup simulator"))
        for sequence, offset in enumerate(layout.HEADER_OFFSETS, 1):
            header = layout.Header(sequence, data_write, data_write, layout.NO_GUID, MIB, _LOG)
            _write_at(file, offset, layout.pack_header(header))
        regions = {
            layout.BAT_REGION: layout.Region(_BAT, MIB),
            layout.METADATA_REGION: layout.Region(_METADATA, MIB),
        }
        for offset in layout.REGION_TABLE_OFFSETS:
            _write_at(file, offset, layout.pack_region_table(regions))
        _write_at(file, _METADATA, layout.pack_metadata(metadata))
        _write_at(file, _BAT, struct.pack(f"<{len(bat)}Q", *bat))


def _parent_locator(file: Path, windows_path: str) -> dict[str, str]:
    with file.open("rb") as parent:
        parent.seek(layout.HEADER_OFFSETS[1] + 32)
        linkage = uuid.UUID(bytes_le=parent.read(16))
    return {
        "parent_linkage": f"{{{linkage}}}",
        "relative_path": ".\\" + ntpath.basename(windows_path),
        "absolute_win32_path": windows_path,
    }


def _write_at(file: BinaryIO, offset: int, data: bytes) -> None:
    file.seek(offset)
    file.write(data)


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _open(file: BinaryIO) -> _Vhdx:
    """Read the structures of a VHDX; `ValueError` when it is none."""
    if _read_at(file, 0, 8) != layout.FILE_SIGNATURE:
        raise ValueError("The file or directory is corrupted and unreadable.")
    table = _read_at(file, layout.REGION_TABLE_OFFSETS[0], 8192)
    regions = {}
    for at in range(16, 16 + 32 * min(struct.unpack_from("<I", table, 8)[0], 200), 32):
        regions[uuid.UUID(bytes_le=table[at : at + 16])] = struct.unpack_from("<QI", table, at + 16)
    base = regions[layout.METADATA_REGION][0]
    items = dict(_metadata_items(_read_at(file, base, regions[layout.METADATA_REGION][1])))
    block_size, flags = struct.unpack("<II", items[layout.FILE_PARAMETERS])
    metadata = layout.Metadata(
        block_size=block_size,
        leave_blocks_allocated=bool(flags & 1),
        has_parent=bool(flags & 2),
        virtual_size=struct.unpack("<Q", items[layout.VIRTUAL_DISK_SIZE])[0],
        disk_id=uuid.UUID(bytes_le=items[layout.VIRTUAL_DISK_ID]),
        logical_sector_size=struct.unpack("<I", items[layout.LOGICAL_SECTOR_SIZE])[0],
        physical_sector_size=struct.unpack("<I", items[layout.PHYSICAL_SECTOR_SIZE])[0],
        parent_locator=dict(_locator_entries(items.get(layout.PARENT_LOCATOR, b""))),
    )
    count = metadata.bat_shape.entry_count
    return _Vhdx(metadata, list(struct.unpack(f"<{count}Q", _read_at(file, regions[layout.BAT_REGION][0], count * 8))))


def _metadata_items(raw: bytes) -> Iterator[tuple[uuid.UUID, bytes]]:
    for at in range(32, 32 + 32 * struct.unpack_from("<H", raw, 10)[0], 32):
        offset, length = struct.unpack_from("<II", raw, at + 16)
        yield uuid.UUID(bytes_le=raw[at : at + 16]), raw[offset : offset + length]


def _locator_entries(raw: bytes) -> Iterator[tuple[str, str]]:
    for at in range(20, 20 + 12 * (struct.unpack_from("<H", raw, 18)[0] if raw else 0), 12):
        key, value, key_length, value_length = struct.unpack_from("<IIHH", raw, at)
        yield raw[key : key + key_length].decode("utf-16-le"), raw[value : value + value_length].decode("utf-16-le")


def describe(path: Path) -> DiskFile:
    """Return what Get-VHD would say; `ValueError` when the file is no VHDX or VHD."""
    file_size = path.stat().st_size
    with path.open("rb") as file:
        if _read_at(file, max(file_size - 512, 0), 8) == b"conectix":
            return _describe_vhd(_read_at(file, file_size - 512, 512), file_size)
        try:
            metadata = _open(file).metadata
        except (KeyError, struct.error):
            raise ValueError("The file or directory is corrupted and unreadable.") from None
    fixed = metadata.leave_blocks_allocated
    return DiskFile(
        format="VHDX",
        type="Differencing" if metadata.has_parent else "Fixed" if fixed else "Dynamic",
        size=metadata.virtual_size,
        file_size=file_size,
        identifier=str(metadata.disk_id),
        block_size=0 if fixed else metadata.block_size,
        logical_sector=metadata.logical_sector_size,
        physical_sector=metadata.physical_sector_size,
        parent=metadata.parent_locator.get("absolute_win32_path"),
    )


def _describe_vhd(footer: bytes, file_size: int) -> DiskFile:
    kind = {2: "Fixed", 3: "Dynamic", 4: "Differencing"}.get(struct.unpack_from(">I", footer, 60)[0], "Unknown")
    size = struct.unpack_from(">Q", footer, 48)[0]
    identifier = str(uuid.UUID(bytes=footer[68:84]))
    return DiskFile("VHD", kind, size, file_size, identifier, 0 if kind == "Fixed" else 2 * MIB, 512, 512, None)


def read_disk(chain: list[Path], offset: int, size: int) -> bytes:
    """Return bytes of the virtual disk; `chain` is the VHDX and its parents, leaf first.

    Blocks of sector bitmaps (partially present) are not written by this simulator and are read as fully present.
    """
    with chain[0].open("rb") as file:
        vhdx = _open(file)
        shape, parts, end = vhdx.metadata.bat_shape, [], min(offset + size, vhdx.metadata.virtual_size)
        while offset < end:
            number, inner = divmod(offset, shape.block_size)
            length = min(shape.block_size - inner, end - offset)
            entry = vhdx.bat[shape.payload_entry(number)]
            if entry & 7 in (layout.BlockState.FULLY_PRESENT, layout.BlockState.PARTIALLY_PRESENT):
                parts.append(_read_at(file, (entry >> 20 << 20) + inner, length).ljust(length, b"\0"))
            elif entry & 7 == layout.BlockState.NOT_PRESENT and shape.differencing and len(chain) > 1:
                parts.append(read_disk(chain[1:], offset, length))
            else:
                parts.append(bytes(length))
            offset += length
    return b"".join(parts)


def overwrite_blocks(path: Path, changes: Mapping[int, bytes]) -> int:
    """Overwrite the beginnings of blocks that are present; return how many bytes were written."""
    written = 0
    with path.open("r+b") as file:
        vhdx = _open(file)
        shape = vhdx.metadata.bat_shape
        for number, data in changes.items():
            entry = vhdx.bat[shape.payload_entry(number)]
            if entry & 7 != layout.BlockState.FULLY_PRESENT:
                raise ValueError(f"block {number} of {path.name} is not present")
            _write_at(file, entry >> 20 << 20, data[: shape.block_size])
            written += len(data[: shape.block_size])
    return written


def present_blocks(path: Path) -> list[int]:
    """Return the numbers of the blocks that the file holds itself."""
    with path.open("rb") as file:
        vhdx = _open(file)
    shape = vhdx.metadata.bat_shape
    return [n for n in range(shape.block_count) if vhdx.bat[shape.payload_entry(n)] & 7 == 6]
