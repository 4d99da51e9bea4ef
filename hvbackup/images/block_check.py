"""Look at each entry of a block allocation table: does it point where a block can be, and to nobody else's place?"""

from __future__ import annotations

from itertools import pairwise

from hvbackup.images import vhd_layout, vhdx_layout
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_layout import DynamicHeader
from hvbackup.images.vhdx import Vhdx
from hvbackup.images.vhdx_layout import MIB, BlockState

#: A table full of nonsense is not listed to its end.
MOST_PROBLEMS = 20
_MAX_FILE_SIZE = 128 << 40


class VhdxBlockCheck:
    """Looks at each entry of the block allocation table of a VHDX."""

    def __init__(self, disk: Vhdx) -> None:
        self._disk = disk
        self._shape = disk.shape
        self._used = bytearray()  # one bit for each MiB of the file
        self.present = 0
        self.end = MIB
        self._partial_chunks: set[int] = set()
        self._bitmap_chunks: set[int] = set()

    def run(self) -> list[str]:
        """Return the problems; stops when there are many."""
        problems: list[str] = []
        if self._disk.file.size > _MAX_FILE_SIZE:
            return [f"the file is {self._disk.file.size} bytes long; no VHDX is"]
        for region in (*self._disk.regions.values(), vhdx_layout.Region(0, MIB)):
            self._take(region.offset, region.length)
            self.end = max(self.end, region.offset + region.length)
        if self._disk.header.log_length:
            self._take(self._disk.header.log_offset, self._disk.header.log_length)
        for first, page in self._disk.bat_pages():
            for index, entry in enumerate(page, start=first):
                if entry and (problem := self._entry_problem(index, entry)):
                    problems.append(problem)
                    if len(problems) == MOST_PROBLEMS:
                        return problems
        lacking = sorted(self._partial_chunks - self._bitmap_chunks)
        return problems + [
            f"blocks of chunk {chunk} are partially present, and their sector bitmap is missing" for chunk in lacking
        ]

    def _entry_problem(self, index: int, entry: int) -> str | None:
        shape, state, place = self._shape, entry & 7, (entry >> 20) * MIB
        chunk, within = divmod(index, shape.chunk_ratio + 1)
        block = chunk * shape.chunk_ratio + within
        if within == shape.chunk_ratio:
            return self._bitmap_problem(chunk, state, place)
        name = f"block {block}"
        if block >= shape.block_count:
            return f"{name} lies behind the end of the disk" if state else None
        if entry & 0xFFFF8:
            return f"{name} has reserved bits set in the block allocation table"
        if state in (BlockState.NOT_PRESENT, BlockState.UNDEFINED, BlockState.ZERO, BlockState.UNMAPPED):
            return None
        if state == BlockState.PARTIALLY_PRESENT and shape.differencing:
            self._partial_chunks.add(chunk)
        elif state != BlockState.FULLY_PRESENT:
            return f"{name} has the state {state}, which no such file has"
        self.present += 1
        needed = min(shape.block_size, shape.virtual_size - block * shape.block_size)
        return self._place_problem(name, place, shape.block_size, needed)

    def _bitmap_problem(self, chunk: int, state: int, place: int) -> str | None:
        if state == BlockState.NOT_PRESENT:
            return None
        if state != BlockState.FULLY_PRESENT or not self._shape.differencing:
            return f"the sector bitmap of chunk {chunk} has the state {state}, which no such file has"
        self._bitmap_chunks.add(chunk)
        return self._place_problem(f"the sector bitmap of chunk {chunk}", place, MIB, MIB)

    def _place_problem(self, name: str, place: int, length: int, needed: int) -> str | None:
        self.end = max(self.end, place + needed)
        if place + needed > self._disk.file.size:
            return f"{name} ends at {place + needed}, and the file at {self._disk.file.size}"
        if not self._take(place, length):
            return f"{name} overlaps something else in the file"
        return None

    def _take(self, offset: int, length: int) -> bool:
        """Mark a place as used; False when some of it was used already. All places are whole MiB."""
        first, count = offset // MIB, -(-length // MIB)
        if first + count > _MAX_FILE_SIZE // MIB:
            return True  # behind the end of the file, which is a problem by itself
        low, high = first >> 3, (first + count + 7) >> 3
        if high > len(self._used):
            self._used.extend(bytes(max(high, 2 * len(self._used)) - len(self._used)))
        mask = ((1 << count) - 1) << (first & 7)
        used = int.from_bytes(self._used[low:high], "little")
        self._used[low:high] = (used | mask).to_bytes(high - low, "little")
        return not used & mask


class VhdBlockCheck:
    """Looks at each entry of the block allocation table of a VHD."""

    def __init__(self, disk: Vhd, header: DynamicHeader) -> None:
        self._disk = disk
        self._length = header.bitmap_size + header.block_size
        self._table_offset = header.table_offset
        self._tables_end = header.table_offset + disk.block_count * 4
        self.end = header.table_offset + header.entry_count * 4
        self.places: list[tuple[int, int]] = []

    def run(self) -> list[str]:
        """Return the problems; stops when there are many."""
        problems: list[str] = []
        if self._table_offset < vhd_layout.FOOTER_SIZE + vhd_layout.HEADER_SIZE:
            problems.append("the block allocation table overlaps the headers")
        limit = self._disk.source.size - vhd_layout.FOOTER_SIZE
        for block, place in self._disk.block_places():
            self.places.append((place, block))
            self.end = max(self.end, place + self._length)
            if place < self._tables_end:
                problems.append(f"block {block} overlaps the block allocation table or the headers")
            elif place + self._length > limit:
                problems.append(f"block {block} ends at {place + self._length}, and the blocks of the file at {limit}")
            if len(problems) >= MOST_PROBLEMS:
                return problems
        self.places.sort()
        for (place, block), (following, other) in pairwise(self.places):
            if place + self._length > following:
                problems.append(f"block {block} and block {other} overlap in the file")
        return problems
