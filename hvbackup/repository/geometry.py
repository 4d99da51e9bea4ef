"""Where the blocks of a file begin and end."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from hvbackup.errors import InvalidRequest
from hvbackup.repository import format as f
from hvbackup.repository.seams import Grid


class Layout:
    """The blocks of a file of `size` bytes on a grid: `block_size` each, anew at 0 and at each cut.

    Cuts that change nothing (beyond the end, or where a block begins anyway) are dropped, so `cuts` may be fewer than
    those of the grid; the blocks are the same.

    Raises:
        InvalidRequest: A size or cut that cannot be.
    """

    def __init__(self, size: int, grid: Grid) -> None:
        if size < 0:
            raise InvalidRequest(f"a file cannot have {size} bytes")
        if not f.MIN_BLOCK_SIZE <= grid.block_size <= f.MAX_BLOCK_SIZE:
            raise InvalidRequest(
                f"a block size of {grid.block_size} is not between {f.MIN_BLOCK_SIZE} and {f.MAX_BLOCK_SIZE}"
            )
        self.size = size
        self.block_size = grid.block_size
        #: Offsets at which the grid begins, and the number of the block that begins there.
        self._starts = array("Q", [0])
        self._numbers = array("Q", [0])
        last = -1
        for cut in grid.cuts:
            if cut <= last:
                raise InvalidRequest(f"the cuts of a grid must ascend; {cut} follows {last}")
            last = cut
            distance = cut - self._starts[-1]
            if distance % grid.block_size and cut < size:
                self._numbers.append(self._numbers[-1] + -(-distance // grid.block_size))
                self._starts.append(cut)
        self.blocks = self._numbers[-1] + -(-(size - self._starts[-1]) // grid.block_size)

    @property
    def cuts(self) -> tuple[int, ...]:
        """The cuts that matter."""
        return tuple(self._starts[1:])

    @property
    def grid(self) -> Grid:
        """The grid, with the cuts that matter."""
        return Grid(block_size=self.block_size, cuts=self.cuts)

    def extent(self, block: int) -> tuple[int, int]:
        """Return offset and length of a block.

        Raises:
            IndexError: There is no such block.
        """
        if not 0 <= block < self.blocks:
            raise IndexError(f"block {block} of {self.blocks}")
        part = bisect_right(self._numbers, block) - 1
        offset = self._starts[part] + (block - self._numbers[part]) * self.block_size
        end = self._starts[part + 1] if part + 1 < len(self._starts) else self.size
        return offset, min(self.block_size, end - offset)

    def block_at(self, offset: int) -> int:
        """Return the number of the block that holds the byte at `offset`, which must be inside the file."""
        part = bisect_right(self._starts, offset) - 1
        return self._numbers[part] + (offset - self._starts[part]) // self.block_size
