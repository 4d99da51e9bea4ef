"""The log of a VHDX file: found, proven and replayed in memory ([MS-VHDX] 2.3).

A file that was copied while it was in use may hold its newest metadata only in the log. The file itself is never
written: what the log says is laid over it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias
from uuid import UUID

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.source import Source, read_exactly
from hvbackup.images.vhdx_layout import MIB, Header, has_good_checksum

LOG_SECTOR = 4096
MAX_LOG_LENGTH = 256 * MIB
_ENTRY_HEADER = 64
_DESCRIPTOR = 32
_HIGHEST_OFFSET = 1 << 56

#: Where in the file, and the bytes of a sector or a number of zeros.
_Write: TypeAlias = tuple[int, bytes | int]


class _Entry(NamedTuple):
    """An entry of the log (2.3.1) whose checksum is right."""

    offset: int
    tail: int
    sequence: int
    descriptors: int
    flushed_size: int
    last_size: int
    raw: bytes


class LoggedSource:
    """A file with a log laid over it: a `Source` of what the file would be after a replay."""

    def __init__(self, source: Source, entries: Sequence[_Entry]) -> None:
        self.source = source
        self.entries = len(entries)
        self._size = max([source.size, *(entry.last_size for entry in entries)])
        writes = [write for entry in entries for write in _writes(entry)]
        self._sectors = _lasting_sectors(writes)
        self._order = sorted(self._sectors)
        self._zeros = _union((target, content) for target, content in writes if isinstance(content, int))

    @property
    def size(self) -> int:
        """Length of the file after the replay."""
        return self._size

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`."""
        size = max(0, min(size, self._size - offset))
        data = self.source.read_at(offset, size)
        end = offset + size
        sectors = self._order[bisect_left(self._order, offset - LOG_SECTOR + 1) : bisect_left(self._order, end)]
        zeros = self._zeros[max(0, bisect_left(self._zeros, (offset, 0)) - 1) : bisect_left(self._zeros, (end, 0))]
        if not sectors and not zeros and len(data) == size:
            return data
        patched = bytearray(data).ljust(size, b"\0")
        for zeros_at, zeros_end in zeros:
            first, last = max(zeros_at, offset), min(zeros_end, end)
            if first < last:
                patched[first - offset : last - offset] = bytes(last - first)
        for sector in sectors:
            first, last = max(sector, offset), min(sector + LOG_SECTOR, end)
            patched[first - offset : last - offset] = self._sectors[sector][first - sector : last - sector]
        return bytes(patched)

    def changes(self) -> list[_Write]:
        """What a replay writes, in this order: (offset, number of zero bytes), then (offset, bytes)."""
        zeros: list[_Write] = [(first, last - first) for first, last in self._zeros]
        return zeros + [(sector, self._sectors[sector]) for sector in self._order]


def _writes(entry: _Entry) -> Iterator[_Write]:
    """What one entry writes: (offset, bytes of a sector) or (offset, number of zeros)."""
    data_at = _header_sectors(entry.descriptors) * LOG_SECTOR
    for index in range(entry.descriptors):
        at = _ENTRY_HEADER + _DESCRIPTOR * index
        signature, trailing, leading, target, sequence = struct.unpack_from("<4s4s8sQQ", entry.raw, at)
        content: bytes | int
        if signature == b"desc":
            content = leading + entry.raw[data_at + 8 : data_at + 4092] + trailing
            data_at += LOG_SECTOR
        else:
            content = int.from_bytes(leading, "little")
        end = target + (content if isinstance(content, int) else LOG_SECTOR)
        if sequence != entry.sequence or target % LOG_SECTOR or end % LOG_SECTOR or end > _HIGHEST_OFFSET:
            raise ImageDamaged(f"VHDX log entry {entry.sequence} has a descriptor that is not valid")
        yield target, content


def _lasting_sectors(writes: Sequence[_Write]) -> dict[int, bytes]:
    """The sectors that no later write of zeros covers, each as it was written last."""
    sectors: dict[int, tuple[int, bytes]] = {}
    zeros = []
    for when, (target, content) in enumerate(writes):
        if isinstance(content, int):
            zeros.append((target, when, target + content))
        else:
            sectors[target] = (when, content)
    zeros.sort(reverse=True)
    lasting: dict[int, bytes] = {}
    covering: list[tuple[int, int]] = []  # (-when, end) of the zeros that began at or before the sector, newest first
    for target in sorted(sectors):
        while zeros and zeros[-1][0] <= target:
            _, when, end = zeros.pop()
            heappush(covering, (-when, end))
        while covering and covering[0][1] <= target:
            heappop(covering)
        if not covering or -covering[0][0] < sectors[target][0]:
            lasting[target] = sectors[target][1]
    return lasting


def _union(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join (offset, length) that touch or overlap, as ascending (first, end)."""
    union: list[tuple[int, int]] = []
    for first, length in sorted(ranges):
        if union and first <= union[-1][1]:
            union[-1] = (union[-1][0], max(first + length, union[-1][1]))
        else:
            union.append((first, first + length))
    return union


def replay(source: Source, header: Header) -> LoggedSource:
    """Return the file as it is after the replay of its log; `header.log_guid` is not zero.

    Raises:
        ImageDamaged: The header names a log that does not hold one valid sequence of entries, or the file is shorter
            than the log says it was.
        ImageUnsupported: The log is of an unknown version or larger than 256 MiB.
    """
    if header.log_version != 0:
        raise ImageUnsupported(f"VHDX log of the unknown version {header.log_version}")
    if header.log_length > MAX_LOG_LENGTH:
        raise ImageUnsupported(f"VHDX log of {header.log_length} bytes; logs are replayed up to 256 MiB")
    if not header.log_length or header.log_length % MIB or header.log_offset % MIB or header.log_offset < MIB:
        raise ImageDamaged("VHDX header places the log where none can be")
    log = read_exactly(source, header.log_offset, header.log_length, "the log")
    sequence = _active_sequence(_find_entries(log, header.log_guid), len(log))
    if not sequence:
        raise ImageDamaged(
            "VHDX header names a log to replay, and the log holds no valid sequence of entries",
            hint="The file was not copied as one whole state; copy it again from a shadow copy.",
        )
    if source.size < sequence[-1].flushed_size:
        raise ImageDamaged(
            f"VHDX file is {source.size} bytes long; its log says that it had at least {sequence[-1].flushed_size}",
            hint="The file was cut short, perhaps by a copy that did not end.",
        )
    return LoggedSource(source, sequence)


def _header_sectors(descriptors: int) -> int:
    return -(-(_ENTRY_HEADER + _DESCRIPTOR * descriptors) // LOG_SECTOR)


def _find_entries(log: bytes, log_guid: UUID) -> dict[int, _Entry]:
    """All valid entries by their place. They cannot overlap, so this looks at each byte a bounded number of times."""
    entries = {}
    for offset in range(0, len(log), LOG_SECTOR):
        entry = _parse_entry(log, offset, log_guid)
        if entry:
            entries[offset] = entry
    return entries


def _parse_entry(log: bytes, offset: int, log_guid: UUID) -> _Entry | None:
    if log[offset : offset + 4] != b"loge" or log[offset + 32 : offset + 48] != log_guid.bytes_le:
        return None
    length, tail, sequence, descriptors = struct.unpack_from("<IIQI", log, offset + 8)
    flushed, last = struct.unpack_from("<QQ", log, offset + 48)
    if length % LOG_SECTOR or not LOG_SECTOR <= length <= len(log) or sequence == 0 or tail % LOG_SECTOR:
        return None
    if tail >= len(log) or last >= _HIGHEST_OFFSET or _header_sectors(descriptors) * LOG_SECTOR > length:
        return None
    if not _has_entry_shape(log, offset, length, _header_sectors(descriptors)):
        return None
    raw = log[offset : offset + length]
    raw += log[: length - len(raw)]  # the log is a ring
    if not has_good_checksum(raw) or not _has_whole_data(raw, sequence, descriptors):
        return None
    return _Entry(offset, tail, sequence, descriptors, flushed, last, raw)


def _has_entry_shape(log: bytes, offset: int, length: int, header_sectors: int) -> bool:
    """Whether each sector begins as its place in the entry wants it.

    Cheap, and it ends at the next entry: so hostile logs of many entries that claim the same bytes cost nothing.
    """
    for number in range(1, length // LOG_SECTOR):
        at = (offset + number * LOG_SECTOR) % len(log)
        wanted = (b"desc", b"zero") if number < header_sectors else (b"data",)
        if log[at : at + 4] not in wanted:
            return False
    return True


def _has_whole_data(raw: bytes, sequence: int, descriptors: int) -> bool:
    """Whether the data sectors are as many as the descriptors say, and all of this entry (a torn write mixes them)."""
    high, low = sequence >> 32, sequence & 0xFFFFFFFF
    at = _header_sectors(descriptors) * LOG_SECTOR
    for index in range(descriptors):
        signature = raw[_ENTRY_HEADER + _DESCRIPTOR * index :][:4]
        if signature == b"zero":
            continue
        if signature != b"desc" or at + LOG_SECTOR > len(raw):
            return False
        if struct.unpack_from("<I", raw, at + 4)[0] != high or struct.unpack_from("<I", raw, at + 4092)[0] != low:
            return False
        at += LOG_SECTOR
    return at == len(raw)


def _active_sequence(entries: dict[int, _Entry], log_length: int) -> list[_Entry]:
    """The newest sequence from its tail to its head (2.3.2); empty when there is none."""
    run_of: dict[int, tuple[list[_Entry], int]] = {}
    for entry in sorted(entries.values(), key=lambda entry: entry.sequence):
        if entry.offset in run_of:
            continue
        run: list[_Entry] = []
        following: _Entry | None = entry
        while following is not None and following.offset not in run_of:
            run_of[following.offset] = (run, len(run))
            run.append(following)
            candidate = entries.get((following.offset + len(following.raw)) % log_length)
            continues = candidate is not None and candidate.sequence == following.sequence + 1
            following = candidate if continues else None
    for head in sorted(entries.values(), key=lambda entry: entry.sequence, reverse=True):
        run, index = run_of[head.offset]
        tail_run, tail_index = run_of.get(head.tail, (None, 0))
        if tail_run is run and tail_index <= index:
            return run[tail_index : index + 1]
    return []
