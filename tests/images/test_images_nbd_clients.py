"""Real NBD clients (QEMU, libnbd) read what the server offers, chains and dirty logs that they refuse themselves."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from hvbackup.images.chain import Image, open_disk
from hvbackup.images.disk import Kind
from hvbackup.images.exports import exports_of
from hvbackup.images.nbd.binding import Address
from hvbackup.images.nbd.server import DiskServer
from hvbackup.images.vhd_writer import VhdBlock, VhdParent, create_vhd
from hvbackup.images.vhdx_layout import MIB, BlockState
from hvbackup.images.writer import Block, PartialBlock, VhdxParent, create_vhdx

Run: TypeAlias = Callable[..., str]
Sample: TypeAlias = Callable[[str], Path]


def program(name: str) -> Run:
    def run(*arguments: str | Path, fails: bool = False) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        done = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stdout + done.stderr

    return run


QEMU_IMG, QEMU_IO = program("qemu-img"), program("qemu-io")
NBDINFO, NBDCOPY = program("nbdinfo"), program("nbdcopy")


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


def _chain_vhdx(folder: Path) -> Path:
    """Three files: data, holes and blocks of which only some sectors are their own."""
    link = create_vhdx(folder / "base.vhdx", 12 * MIB + 512, {8: noise(1, MIB), 0: noise(2, MIB), 12: noise(3, 512)})
    every_other = b"\x55" * 256
    parent = VhdxParent(data_write_guid=link, relative_path=r".\base.vhdx")
    middle = {0: PartialBlock(noise(4, MIB), every_other)}
    link = create_vhdx(folder / "middle.avhdx", 12 * MIB + 512, middle, parent=parent)
    parent = VhdxParent(data_write_guid=link, relative_path=r".\middle.avhdx")
    blocks: dict[int, Block] = {8: BlockState.ZERO, 0: PartialBlock(noise(5, MIB), b"\xff\x0f"), 3: noise(6, MIB)}
    create_vhdx(folder / "leaf.avhdx", 12 * MIB + 512, blocks, parent=parent)
    return folder / "leaf.avhdx"


def _chain_vhd(folder: Path) -> Path:
    link = create_vhd(folder / "base.vhd", 9 * MIB, {0: noise(1, 2 * MIB), 3: noise(2, MIB)})
    parent = VhdParent(disk_id=link, relative_path=r".\base.vhd")
    blocks: dict[int, VhdBlock] = {0: PartialBlock(noise(3, 2 * MIB), b"\xf0\x01"), 1: noise(4, MIB)}
    create_vhd(folder / "leaf.avhd", 9 * MIB, blocks, parent=parent)
    return folder / "leaf.avhd"


@pytest.fixture(params=["vhdx-chain", "vhd-chain", "dynamic"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "vhdx-chain":
        return _chain_vhdx(tmp_path)
    if request.param == "vhd-chain":
        return _chain_vhd(tmp_path)
    create_vhdx(tmp_path / "disk.vhdx", 64 * MIB, {1: noise(1, 32 * MIB)}, block_size=32 * MIB)
    return tmp_path / "disk.vhdx"


@contextmanager
def served(path: Path, port: int | None = None) -> Iterator[tuple[Image, Address]]:
    with open_disk(path) as disk:
        exports = exports_of(disk.image, sector_size=disk.image.sector_size)
        with DiskServer(exports.by_name, port=port) as server:
            yield disk.image, server.address


def _flat(image: Image, folder: Path) -> Path:
    """What our own reader reads, as a flat file."""
    with (folder / "own.raw").open("wb") as file:
        for offset in range(0, image.size, MIB):
            file.write(image.read_at(offset, MIB))
    return folder / "own.raw"


@pytest.mark.parametrize("port", [None, 0], ids=["unix", "tcp"])
def test_qemu_reads_what_our_own_reader_reads(path: Path, port: int | None, tmp_path: Path) -> None:
    with served(path, port) as (image, address):
        flat = _flat(image, tmp_path)

        assert f"({image.size} bytes)" in QEMU_IMG("info", address.uri())
        assert QEMU_IMG("compare", "-f", "raw", flat, address.uri("disk")) == "Images are identical.\n"
        QEMU_IMG("convert", "-O", "raw", address.uri(), tmp_path / "copy.raw")
    assert (tmp_path / "copy.raw").read_bytes()[: flat.stat().st_size] == flat.read_bytes()


@pytest.mark.parametrize("port", [None, 0], ids=["unix", "tcp"])
def test_nbdcopy_reads_by_many_requests_and_connections_what_our_own_reader_reads(
    path: Path, port: int | None, tmp_path: Path
) -> None:
    with served(path, port) as (image, address):
        flat = _flat(image, tmp_path)

        NBDCOPY("--connections=4", "--requests=32", address.uri(), tmp_path / "copy.raw")
    assert (tmp_path / "copy.raw").read_bytes() == flat.read_bytes()


def test_the_log_that_qemu_replays_into_a_copy_is_replayed_in_what_is_served(sample: Sample, tmp_path: Path) -> None:
    path = sample("discutils-vhdx-log-replay.vhdx")
    repaired = tmp_path / "repaired.vhdx"
    shutil.copyfile(path, repaired)
    QEMU_IMG("check", "-r", "all", repaired)

    with served(path) as (image, address):
        assert QEMU_IMG("compare", "-F", "raw", repaired, address.uri()) == "Images are identical.\n"
        NBDCOPY(address.uri(), tmp_path / "copy.raw")
        with (tmp_path / "copy.raw").open("rb") as copy:
            assert all(copy.read(MIB) == image.read_at(at, MIB) for at in range(0, image.size, MIB))


def test_the_map_of_nbdinfo_is_the_allocation_map(path: Path) -> None:
    with served(path) as (image, address):
        told = json.loads(NBDINFO("--map", "--json", address.uri()))

        stretches = [(each["offset"], each["length"], each["type"]) for each in told]
        assert stretches == [(each.offset, each.length, 3 if each.kind is Kind.ZERO else 0) for each in image.extents()]


def test_the_map_of_a_volume_is_that_part_of_the_disks(tmp_path: Path) -> None:
    sgdisk = program("sgdisk")
    with (tmp_path / "disk.raw").open("wb") as file:
        file.truncate(16 * MIB)
    sgdisk("--new=1:4096:12287", "--change-name=1:some data", tmp_path / "disk.raw")
    raw = (tmp_path / "disk.raw").read_bytes()
    blocks = {number: raw[number * MIB :][:MIB] for number in (0, 15)} | {3: noise(3, MIB)}
    create_vhdx(tmp_path / "disk.vhdx", 16 * MIB, blocks)

    with served(tmp_path / "disk.vhdx") as (image, address):
        told = json.loads(NBDINFO("--map", "--json", address.uri("1")))
        listed = json.loads(NBDINFO("--list", "--json", address.uri()))
        NBDCOPY(address.uri("1"), tmp_path / "copy.raw")

        assert [(each["offset"], each["length"], each["type"]) for each in told] == [
            (0, MIB, 3),
            (MIB, MIB, 0),
            (2 * MIB, 2 * MIB, 3),
        ]
        assert [(each["export-name"], each["export-size"], each["description"]) for each in listed["exports"]] == [
            ("disk", 16 * MIB, "the whole disk"),
            ("1", 4 * MIB, "empty, some data"),
        ]
        assert (tmp_path / "copy.raw").read_bytes() == image.read_at(2 * MIB, 4 * MIB)


def test_nbdinfo_sees_an_export_that_is_read_only_and_can_be_shared(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "disk.vhdx", 2 * MIB, {0: noise(1, MIB)})

    with served(tmp_path / "disk.vhdx") as (_, address):
        told = json.loads(NBDINFO("--json", address.uri()))

    (export,) = told["exports"]
    assert told["structured"]
    assert {name for name, value in export.items() if value is True} == {
        "is_read_only", "can_multi_conn", "can_df", "can_flush",
    }  # fmt: skip
    assert export["contexts"] == ["base:allocation"]
    assert (export["block_size_minimum"], export["block_size_maximum"]) == (1, 32 * MIB)


def test_qemu_io_reads_single_bytes_and_is_not_let_write(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "disk.vhdx", 2 * MIB, {0: bytes([7]) * MIB})

    with served(tmp_path / "disk.vhdx") as (_, address):
        said = QEMU_IO("-r", "-f", "raw", "-c", "read -P 7 1048575 1", "-c", "read -P 0 1M 1M", address.uri())
        refused = QEMU_IO("-f", "raw", "-c", "write 0 512", address.uri(), fails=True)

    assert "read 1/1 bytes at offset 1048575" in said
    assert "Pattern verification failed" not in said
    assert "Permission denied" in refused


def test_a_block_that_is_gone_is_an_error_for_those_who_read_it(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    create_vhdx(path, 4 * MIB, {0: noise(1, MIB), 2: noise(2, MIB)})
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096)

    with served(path) as (_, address):
        good = QEMU_IO("-r", "-f", "raw", "-c", "read 0 1M", address.uri())
        bad = QEMU_IO("-r", "-f", "raw", "-c", "read 2M 1M", address.uri(), fails=True)

    assert "read 1048576/1048576 bytes" in good
    assert "Input/output error" in bad


def test_many_clients_at_once_read_the_same(tmp_path: Path) -> None:
    nbdcopy = shutil.which("nbdcopy")
    if nbdcopy is None:
        pytest.skip("nbdcopy is not installed")
    with served(_chain_vhdx(tmp_path)) as (image, address):
        copies = [tmp_path / f"copy{number}" for number in range(4)]
        running = [subprocess.Popen([nbdcopy, "--connections=2", address.uri(), str(copy)]) for copy in copies]
        assert [process.wait(60) for process in running] == [0, 0, 0, 0]
        content = image.read_at(0, image.size)

    assert all(copy.read_bytes() == content for copy in copies)


def test_a_stop_ends_a_client_that_is_connected(tmp_path: Path) -> None:
    create_vhdx(tmp_path / "disk.vhdx", 2 * MIB, {0: noise(1, MIB)})
    qemu_io = shutil.which("qemu-io")
    if qemu_io is None:
        pytest.skip("qemu-io is not installed")
    with served(tmp_path / "disk.vhdx") as (_, address):
        command = [qemu_io, "-r", "-f", "raw", address.uri()]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"read 0 512\n")
        client.stdin.flush()
        while b"read 512/512" not in client.stdout.readline():
            assert client.poll() is None
    said, _ = client.communicate(b"read 4096 512\nquit\n", timeout=60)

    assert b"read failed" in said
