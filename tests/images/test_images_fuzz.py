"""Damaged and hostile images give one `ImageError` or some answer: no crash, no hang, no memory out of proportion."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from uuid import UUID

import pytest

from hvbackup.errors import ImageError
from hvbackup.images import vhd_layout, vhdx_layout
from hvbackup.images.chain import Image, open_image
from hvbackup.images.check import check_image
from hvbackup.images.disk import Kind
from hvbackup.images.exports import Export
from hvbackup.images.grid import grid_cuts
from hvbackup.images.nbd.negotiation import Agreement
from hvbackup.images.nbd.protocol import Command, Request
from hvbackup.images.nbd.requests import Refused, answer
from hvbackup.images.partitions import read_partitions
from hvbackup.images.source import BytesSource
from hvbackup.images.vhd_writer import VhdParent, create_vhd
from hvbackup.images.vhdx_layout import MIB
from hvbackup.images.writer import Block, PartialBlock, VhdxParent, create_vhdx
from hvbackup.simulator.small_disk import small_disk_blocks

GUID = "0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1"
#: Numbers that break arithmetic.
NASTY = (0, 1, 7, 511, 512, 4095, MIB, MIB + 1, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 44, (1 << 63) - 1, (1 << 64) - 1)


class TamperedSource:
    """A sound image with some bytes changed; a copy of the image for each of thousands of cases would take too long."""

    def __init__(self, image: bytes, size: int | None = None) -> None:
        self._image = image
        self._patches: dict[int, bytes] = {}
        self.size = len(image) if size is None else size

    def patch(self, offset: int, data: bytes) -> None:
        self._patches[offset] = data

    def read_at(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self.size - offset))
        data = bytearray(self._image[offset : offset + size])
        for at, patch in self._patches.items():
            first, last = max(at, offset), min(at + len(patch), offset + len(data))
            if first < last:
                data[first - offset : last - offset] = patch[first - at : last - at]
        return bytes(data)


def _images(folder: Path) -> Iterator[tuple[str, bytes]]:
    parent = VhdxParent(data_write_guid=GUID, relative_path=r".\base.vhdx", absolute_path=r"C:\base.vhdx")
    create_vhdx(folder / "dynamic", 4 * MIB, {0: b"a" * MIB, 2: b"b" * MIB})
    blocks: dict[int, Block] = {0: PartialBlock(b"a" * MIB, b"\x55" * 256), 2: b"b"}
    create_vhdx(folder / "child", 4 * MIB, blocks, parent=parent)
    create_vhd(folder / "vhd", 4 * MIB, {0: b"a" * MIB, 2: b"b" * MIB}, block_size=MIB)
    old_parent = VhdParent(disk_id=GUID, relative_path=r".\base.vhd", absolute_path=r"C:\base.vhd")
    create_vhd(
        folder / "avhd", 4 * MIB, {0: PartialBlock(b"a" * MIB, b"\x55" * 256)}, block_size=MIB, parent=old_parent
    )
    for name in ("dynamic", "child", "vhd", "avhd"):
        yield name, (folder / name).read_bytes()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return dict(_images(tmp_path_factory.mktemp("fuzz")))


def _exercise(source: TamperedSource) -> None:
    """Do all that one does with an image; only `ImageError` may come out."""
    actions: tuple[Callable[[TamperedSource], object], ...] = (_open_and_read, check_image, grid_cuts)
    for action in actions:
        with suppress(ImageError):
            action(source)


def _open_and_read(source: TamperedSource) -> None:
    disk = open_image(source)
    list(islice(disk.extents(), 100_000))
    for offset in (0, MIB - 100, max(0, disk.size - 100)):
        disk.read_at(offset, 2 * MIB)
    read_partitions(disk)


def _tamper(chance: random.Random, source: TamperedSource, offset: int, length: int, order: str) -> None:
    """Change one field of a structure: a nasty number, or random bytes."""
    at = offset + chance.randrange(0, length, chance.choice((1, 2, 4, 8)))
    if chance.random() < 0.7:
        width = chance.choice((2, 4, 8))
        source.patch(at, (chance.choice(NASTY) & ((1 << 8 * width) - 1)).to_bytes(width, order))  # type: ignore[arg-type]
    else:
        source.patch(at, chance.randbytes(chance.choice((1, 2, 4, 8, 16))))


def _tampered_vhdx(chance: random.Random, image: bytes) -> TamperedSource:
    source = TamperedSource(image, chance.choice((None, None, None, chance.randrange(len(image)))))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(5)
        if place == 0:  # both headers, with a checksum that is right
            _tamper(chance, source, 0x20000 + 8, 72, "little")
        elif place == 1:
            _tamper(chance, source, 0x30000 + 8, 72, "little")
        elif place == 2:  # metadata table
            _tamper(chance, source, 2 * MIB + 8, 24 + 32 * 6, "little")
        elif place == 3:  # metadata items
            _tamper(chance, source, 2 * MIB + 65536, 300, "little")
        else:
            entry = chance.choice((0, 1, 2, 3, 4096))
            value = chance.choice((*range(8), chance.randrange(1 << 64))) | chance.choice(NASTY) << 20
            source.patch(3 * MIB + 8 * entry, (value & ((1 << 64) - 1)).to_bytes(8, "little"))
    if chance.random() < 0.9:
        for offset, size in ((0x20000, 4096), (0x30000, 65536)):
            source.patch(offset, vhdx_layout.with_checksum(source.read_at(offset, size).ljust(size, b"\0")))
    return source


def _tampered_vhd(chance: random.Random, image: bytes) -> TamperedSource:
    source = TamperedSource(image, chance.choice((None, None, None, chance.randrange(len(image)))))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(4)
        if place == 0:
            _tamper(chance, source, len(image) - 512 + 8, 80, "big")
        elif place == 1:
            _tamper(chance, source, 512 + 8, 60, "big")
        elif place == 2:
            _tamper(chance, source, 512 + 576, 48, "big")
        else:
            source.patch(1536 + 4 * chance.randrange(4), struct.pack(">I", chance.choice(NASTY) & 0xFFFF_FFFF))
    if chance.random() < 0.9:
        for offset, size, at in ((len(image) - 512, 512, 64), (512, 1024, 36)):
            raw = bytearray(source.read_at(offset, size).ljust(size, b"\0"))
            struct.pack_into(">I", raw, at, vhd_layout.checksum(raw, at))
            source.patch(offset, bytes(raw))
    return source


def _fuzz(images: dict[str, bytes], name: str, seeds: range) -> None:
    for seed in seeds:
        source = _tampered(random.Random(f"{name} {seed}"), images, name)  # noqa: S311 - test data
        started = time.process_time()
        try:
            _exercise(source)
        except BaseException as error:
            raise AssertionError(f"{name}, seed {seed}: {error!r}") from error
        assert time.process_time() - started < 20, f"{name}, seed {seed}"


NAMES = ["dynamic", "child", "vhd", "avhd"]


@pytest.mark.parametrize("name", NAMES)
def test_tampered_images_give_an_image_error_or_an_answer(images: dict[str, bytes], name: str) -> None:
    _fuzz(images, name, range(40))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_tampered_images_give_an_image_error_or_an_answer_many_times(images: dict[str, bytes], name: str) -> None:
    _fuzz(images, name, range(40, 3000))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_tampered_images_take_little_memory(images: dict[str, bytes], name: str) -> None:
    tracemalloc.start()
    try:
        _fuzz(images, name, range(10_000, 10_150))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100 * MIB


PARENTS = {"dynamic": None, "child": "dynamic", "vhd": None, "avhd": "vhd"}


def _tampered(chance: random.Random, images: dict[str, bytes], name: str) -> TamperedSource:
    return (_tampered_vhd if name.endswith("vhd") else _tampered_vhdx)(chance, images[name])


def _agree(chance: random.Random, disk: Image) -> None:
    """The map of a part has no gaps, and what it says to be zeros is read as zeros, by NBD too."""
    start = chance.choice((0, MIB - 512, chance.randrange(disk.size or 1), max(0, disk.size - MIB)))
    end = min(disk.size, start + chance.choice((1, 512, 4096, MIB, 3 * MIB)))
    at = start
    for extent in disk.extents(start, end):
        assert extent.offset == at
        at = extent.end
        if extent.kind is Kind.ZERO:
            assert disk.read_at(extent.offset, extent.length) == bytes(extent.length)
    assert at == max(start, end)
    assert len(disk.read_at(start, end - start)) == max(0, end - start)
    agreement = Agreement("", Export(disk), structured=True, allocation=True)
    for command in (Command.READ, Command.BLOCK_STATUS):
        with suppress(Refused):
            assert list(answer(agreement, Request(0, command, 7, start, max(1, end - start))))


@pytest.mark.parametrize("rounds", [40, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_tampered_chains_have_maps_that_agree_with_what_is_read(
    images: dict[str, bytes], name: str, rounds: int
) -> None:
    for seed in range(rounds):
        chance = random.Random(f"chain {name} {seed}")  # noqa: S311 - test data
        below = PARENTS[name]
        with suppress(ImageError):
            parent = open_image(_tampered(chance, images, below)) if below else None
            _agree(chance, open_image(_tampered(chance, images, name), parent))


def _tables() -> Iterator[bytes]:
    """A GPT and an MBR with logical partitions, on small disks."""
    small = dict(small_disk_blocks(1))
    yield small[0][: 64 * 512].ljust(MIB, b"\0")
    disk = bytearray(MIB)
    for place, entries in ((0, [(7, 8, 8), (5, 100, 900)]), (100, [(7, 1, 9), (5, 50, 9)]), (150, [(0x83, 2, 7)])):
        for number, (kind, first, count) in enumerate(entries):
            struct.pack_into("<B3xB3xII", disk, place * 512 + 446 + 16 * number, 0, kind, first, count)
        disk[place * 512 + 510 : place * 512 + 512] = b"\x55\xaa"
    yield bytes(disk)


@pytest.mark.parametrize("rounds", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_tampered_partition_tables_give_an_image_error_or_an_answer(rounds: int) -> None:
    for table in _tables():
        for seed in range(rounds):
            chance = random.Random(seed)  # noqa: S311 - test data
            source = TamperedSource(table)
            for _ in range(chance.randint(1, 4)):
                place = chance.choice(((446, 66), (512, 92), (1024, 256), (51200 + 446, 66), (76800 + 446, 66)))
                _tamper(chance, source, *place, "little")
            if chance.random() < 0.8:  # checksums that are right, of nonsense
                header = bytearray(source.read_at(512, 512))
                count, size = struct.unpack_from("<II", header, 80)
                entries = source.read_at(1024, min(count * size, MIB))
                struct.pack_into("<I", header, 88, zlib.crc32(entries))
                struct.pack_into("<I", header, 16, 0)
                struct.pack_into("<I", header, 16, zlib.crc32(header[: struct.unpack_from("<I", header, 12)[0]]))
                source.patch(512, bytes(header))
            with suppress(ImageError):
                assert read_partitions(source).style in ("gpt", "mbr", "none")


@pytest.mark.parametrize("rounds", [60, pytest.param(4000, marks=pytest.mark.slow)])
def test_tampered_logs_give_an_image_error_or_an_answer(images: dict[str, bytes], rounds: int) -> None:
    writes = b"".join(
        struct.pack("<4s4x8sQQ", kind, (4096).to_bytes(8, "little"), 4 * MIB + 4096 * n, 5)
        for n, kind in enumerate((b"desc", b"zero", b"desc"))
    )
    data = struct.pack("<4sI", b"data", 0) + b"d" * 4084 + struct.pack("<I", 5)
    head = struct.pack("<4sIIIQI4x", b"loge", 0, 3 * 4096, 0, 5, 3) + UUID(GUID).bytes_le
    head += struct.pack("<QQ", 5 * MIB, 7 * MIB) + writes
    entry = head.ljust(4096, b"\0") + data + data
    for seed in range(rounds):
        chance = random.Random(seed)  # noqa: S311 - test data
        source = TamperedSource(images["dynamic"])
        guid = UUID(GUID)
        header = vhdx_layout.Header(9, guid, guid, guid, MIB, MIB)
        source.patch(0x20000, vhdx_layout.pack_header(header))
        tampered = TamperedSource(entry)
        for _ in range(chance.randint(0, 2)):
            _tamper(chance, tampered, *chance.choice(((8, 150), (4096, 8), (8192, 8))), "little")
        source.patch(MIB, vhdx_layout.with_checksum(tampered.read_at(0, len(entry))))
        _exercise(source)


@pytest.mark.parametrize("size", [0, 1, 8, 511, 512, 513, 1024, 1536, 65536, 70000, 131072, 200000, 1000000, MIB])
@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_was_cut_early_is_refused(images: dict[str, bytes], name: str, size: int) -> None:
    with suppress(ImageError):
        assert check_image(BytesSource(images[name][:size])).problems
