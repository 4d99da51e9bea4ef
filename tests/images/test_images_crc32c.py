"""CRC-32C, held to published values."""

from __future__ import annotations

import pytest

from hvbackup.images.crc32c import crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0x00000000),
        (b"a", 0xC1D04330),
        (b"123456789", 0xE3069283),
        # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_crc32c_has_the_published_values(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


def test_crc32c_of_zeros_at_the_end_is_that_of_the_bytes_one_by_one() -> None:
    assert crc32c(b"regi" + bytes(65532)) == 0x916E09EF


def test_crc32c_takes_views() -> None:
    assert crc32c(memoryview(b"123456789")) == 0xE3069283
