"""What other rooms may rely on: the protocols of a repository's writers and readers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from hvbackup.events import Cancellation
from hvbackup.models import Model, PointFile, RestorePoint


class Grid(Model, frozen=True, kw_only=True):
    """How a file is cut into blocks: `block_size` bytes each, starting at 0 and anew at each offset of `cuts`."""

    block_size: int = 262144
    cuts: tuple[int, ...] = ()


class FileWriter(Protocol):
    """Takes one file of a point: hashes first, then the bytes of the blocks that are lacking. Thread-safe."""

    def offer(self, first_block: int, hashes: Sequence[bytes]) -> list[int]:
        """Name the SHA-256 of blocks from `first_block` on; return the block numbers whose bytes are lacking.

        32 zero bytes stand for a block of zeros, which needs no bytes. A block that another thread or file has been
        told to bring is not asked for twice.
        """

    def put(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Bring the bytes of one block; they must have the hash that was offered (`VerificationFailed` if not)."""

    def finish(self) -> PointFile:
        """Check that every block is known and return the file's entry."""


class PointWriter(Protocol):
    """Builds one restore point. Nothing exists before `commit`; leaving without it leaves no point."""

    def file(
        self, name: str, size: int, *, source: str, kind: str, grid: Grid = ..., modified_at: str | None = None
    ) -> FileWriter:
        """Begin a file."""

    def commit(self, point: RestorePoint) -> RestorePoint:
        """Make everything durable, check the lease, write the point last, read it back, and return it.

        `point.files` and `point.tool_version` are filled in here. Raises `LeaseLost` and then nothing exists.
        """

    def abort(self) -> None:
        """Give up; blocks already stored are reused or collected later."""


class PointReader(Protocol):
    """Reads one restore point. Thread-safe."""

    point: RestorePoint

    def grid(self, name: str) -> Grid:
        """The grid of a file."""

    def hashes(self, name: str) -> bytes:
        """The SHA-256 of the file's blocks, 32 bytes each, in order; zeros for a block of zeros."""

    def iterate_hashes(self, name: str) -> Iterator[bytes]:
        """The same in parts of some hashes each: those of a disk of 10 TB are 1.3 GB together."""

    def block(self, name: str, block: int) -> bytes:
        """The bytes of one block, checked."""

    def read_at(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a file, checked; fewer at its end."""

    def open(self, name: str) -> io.RawIOBase:
        """A file as a seekable, read-only, thread-safe file object with read-ahead and cache; `with` closes it."""

    def restore(
        self,
        name: str,
        sink: Callable[[int, bytes], None],
        *,
        blocks: Sequence[int] | None = None,
        cancel: Cancellation | None = None,
    ) -> None:
        """Give (offset, bytes) of every block that is not zeros, or of chosen `blocks`, in the order of the packs."""
