"""Whether the journal of XFS ends in the record that unmounting writes ("XFS Algorithms & Data Structures", ch. 17)."""

from __future__ import annotations

import struct

from hvbackup.images.filesystems.adapter import SourceFile

_BLOCK = 512
_RECORD_MAGIC = 0xFEEDBABE
_UNMOUNT_FLAG = 0x20
_MAX_RECORD_BLOCKS = 8 * 64 + 8


def log_is_clean(file: SourceFile, offset: int, size: int) -> bool:
    """Tell whether nothing of the journal waits to be replayed.

    Each block of the journal begins with the number of the round in which it was written, records with a magic before
    it; the head is where that number falls.

    Args:
        offset: Of the journal in the volume.
        size: Of the journal in bytes; 0 for one on another device, of which nothing can be told.
    """
    blocks = size // _BLOCK
    if not blocks:
        return True
    newest = _round(file, offset, 0)
    low, high = 0, blocks
    if _round(file, offset, blocks - 1) != newest:
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _round(file, offset, middle) == newest else (low, middle)
    head = high
    for place in range(head - 1, max(-1, head - 1 - _MAX_RECORD_BLOCKS), -1):
        block = file.read_at(offset + place * _BLOCK, _BLOCK)
        if struct.unpack_from(">I", block)[0] == _RECORD_MAGIC:
            return _is_unmount(file, offset, place, block)
    return False


def _round(file: SourceFile, offset: int, place: int) -> int:
    first, second = struct.unpack(">II", file.read_at(offset + place * _BLOCK, 8))
    return int(second if first == _RECORD_MAGIC else first)


def _is_unmount(file: SourceFile, offset: int, place: int, header: bytes) -> bool:
    if struct.unpack_from(">I", header, 40)[0] != 1:  # h_num_logops
        return False
    operation = file.read_at(offset + (place + 1) * _BLOCK, 16)
    return bool(operation[9] & _UNMOUNT_FLAG)
