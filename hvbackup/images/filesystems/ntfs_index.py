"""The names in a folder of NTFS, by our own look at its index ($I30).

libfsntfs 20260827 leaves out what lies in blocks of an index that are smaller than a cluster, and says nothing: such
blocks are numbered by 512 bytes, not by clusters (volumes with clusters above 4 KiB, which Windows recommends for large
files). Here all blocks that the index's bitmap names are read, in their order; no tree is walked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from hvbackup.errors import ImageDamaged
from hvbackup.images.ntfs_record import Attribute, Run, attributes, without_fixups

_ATTRIBUTE_LIST, _INDEX_ROOT, _INDEX_ALLOCATION, _BITMAP = 0x20, 0x90, 0xA0, 0xB0
_INDEX_NAME = "$I30"
_NUMBER = (1 << 48) - 1
_ROOT_HEADER, _BLOCK_HEADER = 16, 24
_LAST = 2
_DOS_NAME = 2
_NAME_AT = 66
#: The largest block of an index, and the longest bitmap and list of attributes that make sense.
_LARGEST_BLOCK, _LARGEST_VALUE = 64 * 1024, 16 * 1024 * 1024


class IndexEntry(NamedTuple):
    """A name in a folder, and the MFT number with sequence number that it stands for."""

    name: str
    reference: int


class FolderIndex:
    """Reads the indexes of a volume's folders.

    Args:
        read_at: Bytes of the volume.
        record: Gives a record of the MFT by its number.
        cluster_bytes: Length of a cluster.
    """

    def __init__(
        self, read_at: Callable[[int, int], bytes], record: Callable[[int], bytes], cluster_bytes: int
    ) -> None:
        self._read_at = read_at
        self._record = record
        self._cluster = cluster_bytes

    def block_bytes(self, folder: int) -> int:
        """How long the blocks of a folder's index are; 0 where there is no index."""
        root = next((each for each in attributes(self._record(folder)) if each.kind == _INDEX_ROOT), None)
        return 0 if root is None or root.value is None or len(root.value) < 12 else _block_bytes(root.value)

    def entries(self, folder: int) -> Iterator[IndexEntry]:
        """Yield what is in a folder, each file once by its long name.

        Raises:
            ImageDamaged: The index makes no sense; of one with damaged blocks, after what is in all others.
        """
        found = list(self._attributes(folder))
        root = next((each.value for each in found if each.kind == _INDEX_ROOT), None)
        if root is None or len(root) < _ROOT_HEADER + 16:
            raise ImageDamaged("the folder has no index")
        yield from _names(root, _ROOT_HEADER)
        pieces = [each for each in found if each.kind == _INDEX_ALLOCATION]
        if pieces:
            used = b"".join(self._value(each) for each in found if each.kind == _BITMAP)
            yield from self._in_blocks(pieces, _block_bytes(root), used)

    def _attributes(self, folder: int) -> Iterator[Attribute]:
        """The attributes of a folder's index, those in other records of the MFT too."""
        own = list(attributes(self._record(folder)))
        yield from (each for each in own if each.name == _INDEX_NAME)
        others: set[int] = set()
        for attribute in own:
            if attribute.kind == _ATTRIBUTE_LIST:
                others.update(_listed(self._value(attribute)))
        for number in sorted(others - {folder}):
            yield from (each for each in attributes(self._record(number)) if each.name == _INDEX_NAME)

    def _value(self, attribute: Attribute) -> bytes:
        if attribute.value is not None:
            return attribute.value
        if attribute.size > _LARGEST_VALUE:
            raise ImageDamaged("an attribute of the folder is longer than can be")
        return b"".join(self._pieces(attribute.runs, _LARGEST_BLOCK))[: attribute.size]

    def _pieces(self, runs: Iterable[Run], size: int) -> Iterator[bytes]:
        """The bytes of runs, in pieces of `size` that lie in one run each."""
        for run in runs:
            length = run.clusters * self._cluster
            for at in range(0, length, size):
                want = min(size, length - at)
                piece = bytes(want) if run.first is None else self._read_at(run.first * self._cluster + at, want)
                if len(piece) != want:
                    raise ImageDamaged("the index of the folder leads out of the volume")
                yield piece

    def _in_blocks(self, pieces: list[Attribute], block: int, used: bytes) -> Iterator[IndexEntry]:
        size = min(max(each.size for each in pieces), 8 * len(used) * block)
        runs = [run for each in sorted(pieces, key=lambda each: each.first) for run in each.runs]
        if sum(run.clusters for run in runs) * self._cluster < size or not 512 <= block <= _LARGEST_BLOCK:
            raise ImageDamaged("the index of the folder is not all there")
        pending = b""
        number = 0
        damage: ImageDamaged | None = None
        for piece in self._pieces(runs, _LARGEST_BLOCK):
            if number * block >= size:
                break
            pending += piece
            while len(pending) >= block and number * block < size:
                if used[number // 8] >> number % 8 & 1:
                    try:
                        yield from _block_names(pending[:block])
                    except ImageDamaged as error:
                        damage = error
                pending, number = pending[block:], number + 1
        if damage is not None:
            raise damage


def _block_bytes(root: bytes) -> int:
    size: int = struct.unpack_from("<I", root, 8)[0]
    return size


def _listed(value: bytes) -> Iterator[int]:
    """The records that a list of attributes names for the index."""
    at = 0
    while at + 26 <= len(value):
        length = struct.unpack_from("<H", value, at + 4)[0]
        name = value[at + value[at + 7] : at + value[at + 7] + 2 * value[at + 6]].decode("utf-16-le", "replace")
        if length < 26:
            raise ImageDamaged("the list of attributes of the folder makes no sense")
        if name == _INDEX_NAME:
            yield struct.unpack_from("<Q", value, at + 16)[0] & _NUMBER
        at += length


def _block_names(block: bytes) -> Iterator[IndexEntry]:
    if block[:4] != b"INDX":
        raise ImageDamaged("a block of the index is damaged")
    return _names(bytes(without_fixups(block)), _BLOCK_HEADER)


def _names(node: bytes, header: int) -> Iterator[IndexEntry]:
    """The names in a node of an index: those of a tree's inner nodes are names like all others."""
    first, used = struct.unpack_from("<II", node, header)
    at, end = header + first, header + used
    if end > len(node):
        raise ImageDamaged("a block of the index makes no sense")
    while at + 16 <= end:
        reference, length, key_length, flags = struct.unpack_from("<QHHI", node, at)
        if flags & _LAST:
            return
        key = node[at + 16 : at + 16 + key_length]
        if length < 16 or len(key) < _NAME_AT or len(key) < _NAME_AT + 2 * key[64]:
            raise ImageDamaged("an entry of the index makes no sense")
        if key[65] != _DOS_NAME:
            name = key[_NAME_AT : _NAME_AT + 2 * key[64]].decode("utf-16-le", "surrogatepass")
            yield IndexEntry(name, reference)
        at += length
    raise ImageDamaged("a block of the index has no end")
