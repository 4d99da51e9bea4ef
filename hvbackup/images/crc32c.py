"""CRC-32C (Castagnoli), the checksum of VHDX ([MS-VHDX] 2.2 and 2.3), in plain Python."""

from __future__ import annotations

from array import array
from functools import lru_cache
from itertools import islice

_POLYNOMIAL = 0x82F63B78  # reflected
_ALL_ONES = 0xFFFFFFFF


@lru_cache(maxsize=1)
def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ _POLYNOMIAL if crc & 1 else crc >> 1
        table.append(crc)
    return table


@lru_cache(maxsize=1)
def _word_tables() -> tuple[list[int], list[int]]:
    """Tables that move the state on by two bytes, and by four, for each value of 16 bits."""
    by_byte = _byte_table()
    two = []
    for value in range(0x10000):
        state = by_byte[value & 0xFF] ^ (value >> 8)
        two.append(by_byte[state & 0xFF] ^ (state >> 8))
    four = [two[state & 0xFFFF] ^ (state >> 16) for state in two]
    return two, four


@lru_cache(maxsize=32)
def _after_zeros(exponent: int) -> tuple[int, ...]:
    """What 2**exponent bytes of zeros make of each single bit of the state (CRC is linear over GF(2))."""
    if exponent == 0:
        table = _byte_table()
        return tuple(table[(1 << bit) & 0xFF] ^ ((1 << bit) >> 8) for bit in range(32))
    half = _after_zeros(exponent - 1)
    return tuple(_apply(half, state) for state in half)


def _apply(matrix: tuple[int, ...], state: int) -> int:
    result, bit = 0, 0
    while state:
        if state & 1:
            result ^= matrix[bit]
        state >>= 1
        bit += 1
    return result


def _skip_zeros(state: int, count: int) -> int:
    exponent = 0
    while count:
        if count & 1:
            state = _apply(_after_zeros(exponent), state)
        count >>= 1
        exponent += 1
    return state


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """Return the CRC-32C of `data`.

    Zeros at the end cost nothing: the tables of VHDX are mostly that. The rest goes at tens of MiB a second.
    """
    content = bytes(data).rstrip(b"\0")
    whole = len(content) & ~3
    state = _ALL_ONES
    if whole:
        two, four = _word_tables()
        words = array("I", content[:whole])
        if array("I", b"\1\0\0\0")[0] != 1:  # a big-endian machine
            words.byteswap()
        for word in words:
            mixed = state ^ word
            state = four[mixed & 0xFFFF] ^ two[mixed >> 16]
    by_byte = _byte_table()
    for byte in islice(content, whole, None):
        state = by_byte[(state ^ byte) & 0xFF] ^ (state >> 8)
    return _skip_zeros(state, len(data) - len(content)) ^ _ALL_ONES
