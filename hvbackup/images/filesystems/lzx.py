"""LZX as WIM files and WOF use it ([MS-PATCH] 2 describes the format; wimlib's `lzx_decompress.c` what WIM changes).

libfwnt 2026 decodes some chunks of x86 code to wrong bytes without an error, and refuses others, so this is ours.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from hvbackup.errors import ImageDamaged

CHUNK_BYTES = 32768
_SLOTS = 30
_MAIN_SYMBOLS = 256 + 8 * _SLOTS
_LENGTH_SYMBOLS = 249
_PRE_SYMBOLS, _ALIGNED_SYMBOLS = 20, 8
_VERBATIM, _ALIGNED, _UNCOMPRESSED = 1, 2, 3
_X86_FILE_BYTES = 12_000_000
_X86_TAIL = 10

_EXTRA_BITS = [0, 0, 0, 0] + [slot // 2 - 1 for slot in range(4, _SLOTS)]
_BASES = [0]
for _bits in _EXTRA_BITS:
    _BASES.append(_BASES[-1] + (1 << _bits))


class _Code(NamedTuple):
    """A Huffman code as a table: the next `bits` bits give length and symbol at once."""

    bits: int
    table: list[tuple[int, int]]


def decompress(data: bytes, size: int) -> bytes:
    """Decompress one chunk.

    Args:
        size: Bytes that come out, at most 32768.

    Raises:
        ImageDamaged: The chunk is damaged.
    """
    try:
        return _Decoder(data).run(size)
    except (IndexError, struct.error) as error:
        raise _damaged() from error


def _damaged() -> ImageDamaged:
    return ImageDamaged("a chunk compressed with LZX is damaged")


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._held = 0
        self._count = 0
        self._main_lengths = [0] * _MAIN_SYMBOLS
        self._length_lengths = [0] * _LENGTH_SYMBOLS
        self._recent = [1, 1, 1]
        self._out = bytearray()

    def run(self, size: int) -> bytes:
        while len(self._out) < size:
            kind = self._read(3)
            block = CHUNK_BYTES if self._read(1) else self._read(16)
            if not block or len(self._out) + block > size or kind not in (_VERBATIM, _ALIGNED, _UNCOMPRESSED):
                raise _damaged()
            if kind == _UNCOMPRESSED:
                self._copy_block(block)
            else:
                self._decode_block(block, aligned=kind == _ALIGNED)
        _undo_x86(self._out)
        return bytes(self._out)

    # ------------------------------------------------------------ bits

    def _fill(self, bits: int) -> None:
        """Hold at least so many bits: words of 16, from the upper bit on; zeros behind the end."""
        while self._count < bits:
            word = int.from_bytes(self._data[self._at : self._at + 2], "little")
            if self._at > len(self._data) + 4:
                raise _damaged()
            self._at += 2
            self._held = (self._held & ((1 << self._count) - 1)) << 16 | word
            self._count += 16

    def _read(self, bits: int) -> int:
        if not bits:
            return 0
        self._fill(bits)
        self._count -= bits
        return self._held >> self._count & ((1 << bits) - 1)

    def _symbol(self, code: _Code) -> int:
        self._fill(code.bits)
        length, symbol = code.table[self._held >> (self._count - code.bits) & ((1 << code.bits) - 1)]
        if not length:
            raise _damaged()
        self._count -= length
        return symbol

    # ------------------------------------------------------------ codes

    def _update(self, lengths: list[int], first: int, last: int) -> None:
        """Read lengths as differences to those of the block before."""
        code = _make_code([self._read(4) for _ in range(_PRE_SYMBOLS)])
        at = first
        while at < last:
            symbol = self._symbol(code)
            if symbol < 17:
                lengths[at] = (lengths[at] - symbol) % 17
                at += 1
                continue
            if symbol == 19:
                count = 4 + self._read(1)
                value = (lengths[at] - self._symbol(code)) % 17
            else:
                count = 4 + self._read(4) if symbol == 17 else 20 + self._read(5)
                value = 0
            count = min(count, last - at)
            lengths[at : at + count] = [value] * count
            at += count

    # ------------------------------------------------------------ blocks

    def _copy_block(self, size: int) -> None:
        self._fill(1)
        # the rest of the word in use is skipped, all of it where it just begins; later ones were held too early
        self._at -= 2 * ((self._count - 1) // 16)
        self._held = self._count = 0
        self._recent = list(struct.unpack_from("<III", self._data, self._at))
        start = self._at + 12
        self._out += self._data[start : start + size]
        if start + size > len(self._data):
            raise _damaged()
        self._at = start + size + (size & 1)

    def _decode_block(self, size: int, *, aligned: bool) -> None:
        aligned_code = _make_code([self._read(3) for _ in range(_ALIGNED_SYMBOLS)]) if aligned else None
        self._update(self._main_lengths, 0, 256)
        self._update(self._main_lengths, 256, _MAIN_SYMBOLS)
        self._update(self._length_lengths, 0, _LENGTH_SYMBOLS)
        main, lengths = _make_code(self._main_lengths), _make_code(self._length_lengths)
        out = self._out
        end = len(out) + size
        while len(out) < end:
            symbol = self._symbol(main)
            if symbol < 256:
                out.append(symbol)
                continue
            length = (symbol & 7) + 2
            if length == 9:
                length += self._symbol(lengths)
            offset = self._offset((symbol - 256) >> 3, aligned_code)
            if offset > len(out) or len(out) + length > end:
                raise _damaged()
            start = len(out) - offset
            if offset >= length:
                out += out[start : start + length]
            else:
                out += (out[start:] * (length // offset + 1))[:length]

    def _offset(self, slot: int, aligned: _Code | None) -> int:
        recent = self._recent
        if slot < 3:
            recent[0], recent[slot] = recent[slot], recent[0]
            return recent[0]
        bits = _EXTRA_BITS[slot]
        if aligned is not None and bits >= 3:
            extra = self._read(bits - 3) << 3
            extra |= self._symbol(aligned)
        else:
            extra = self._read(bits)
        offset = _BASES[slot] + extra - 2
        self._recent = [offset, recent[0], recent[1]]
        return offset


def _make_code(lengths: list[int]) -> _Code:
    """The canonical code of some lengths."""
    bits = max(lengths)
    if not bits:
        return _Code(1, [(0, 0), (0, 0)])
    table: list[tuple[int, int]] = []
    for length in range(1, bits + 1):
        for symbol, own in enumerate(lengths):
            if own == length:
                table += [(length, symbol)] * (1 << (bits - length))
    if len(table) > 1 << bits:
        raise _damaged()
    table += [(0, 0)] * ((1 << bits) - len(table))
    return _Code(bits, table)


def _undo_x86(out: bytearray) -> None:
    """Turn targets of calls (E8) back to relative ones; places count from the beginning of the chunk."""
    at = out.find(0xE8)
    while 0 <= at < len(out) - _X86_TAIL:
        target = struct.unpack_from("<i", out, at + 1)[0]
        if 0 <= target < _X86_FILE_BYTES:
            struct.pack_into("<i", out, at + 1, target - at)
        elif -at <= target < 0:
            struct.pack_into("<i", out, at + 1, target + _X86_FILE_BYTES)
        at = out.find(0xE8, at + 5)
