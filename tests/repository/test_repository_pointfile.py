"""A file of a restore point as a file object."""

from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faulty_store import CountingStore
from repository_points import CHEAP, PASSPHRASE, store_files

from hvbackup.errors import InvalidRequest, RepositoryDamaged
from hvbackup.repository import Repository
from hvbackup.repository.folder import FolderStore
from hvbackup.repository.geometry import Layout
from hvbackup.repository.pointfile import AHEAD_PAGES, KEPT_PAGES, PAGE_BYTES, OpenedPointFile
from hvbackup.repository.seams import Grid

MIB = 1024 * 1024
SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def opened(repository: Repository, data: bytes, grid: Grid | None = None) -> OpenedPointFile:
    point, _ = store_files(repository, {"disk": data}, grid)
    return repository.read(point).open("disk")


@pytest.mark.parametrize("grid", [Grid(), SMALL, Grid(block_size=65536, cuts=(5, 70_000, 1_500_001))])
def test_reads_anywhere_give_what_was_stored(repository: Repository, grid: Grid) -> None:
    data = noise(2_000_003)[:1_200_000] + bytes(300_000) + noise(500_003, 2)
    chance = random.Random(7)  # noqa: S311

    with opened(repository, data, grid) as file:
        for _ in range(60):
            offset, size = chance.randrange(len(data) + 10), chance.randrange(400_000)
            assert file.seek(offset) == offset
            assert file.read(size) == data[offset : offset + size]
            assert file.tell() == offset + len(data[offset : offset + size])
            assert file.read_at(offset, size) == data[offset : offset + size]


def test_it_behaves_as_a_file_of_python(repository: Repository, tmp_path: Path) -> None:
    data = noise(700_000)

    with opened(repository, data) as file:
        assert (file.readable(), file.seekable(), file.writable(), file.size) == (True, True, False, 700_000)
        assert file.seek(-5, os.SEEK_END) == 699_995
        assert file.read() == data[-5:]
        assert (file.read(10), file.readall()) == (b"", b"")
        assert file.seek(1_000_000) == 1_000_000
        assert file.read(1) == b""
        assert file.seek(-999_999, os.SEEK_CUR) == 1
        assert file.readall() == data[1:]
        for wrong in ((-1, os.SEEK_SET), (0, 7)):
            with pytest.raises(ValueError, match="cannot seek"):
                file.seek(*wrong)
        with pytest.raises(InvalidRequest):
            file.read_at(-1, 1)


def test_a_buffered_reader_and_libraries_take_it(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "readme").write_bytes(b"hello\nworld\n" * 50_000)
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "readme", "readme")

    with opened(repository, archive.read_bytes()) as file, io.BufferedReader(file) as buffered:
        with tarfile.open(fileobj=buffered) as tar:
            member = tar.extractfile("readme")
            assert member is not None
            assert member.readline() == b"hello\n"
            assert member.read() == b"world\n" + b"hello\nworld\n" * 49_999
        buffered.seek(0)
        with (tmp_path / "copy").open("wb") as copy:
            shutil.copyfileobj(buffered, copy)

    assert (tmp_path / "copy").read_bytes() == archive.read_bytes()


def test_an_empty_file_can_be_opened(repository: Repository) -> None:
    with opened(repository, b"") as file:
        assert (file.read(), file.read_at(0, 10), file.size) == (b"", b"", 0)


def test_a_closed_file_refuses_to_be_read(repository: Repository) -> None:
    file = opened(repository, b"123")
    file.close()
    file.close()

    for use in (file.read, file.tell, lambda: file.seek(0), lambda: file.read_at(0, 1)):
        with pytest.raises(ValueError, match="closed file"):
            use()


def test_a_file_that_the_point_does_not_have_is_named(repository: Repository) -> None:
    point, _ = store_files(repository, {"disk": b"1"})

    with pytest.raises(InvalidRequest, match="has no file 'other'"):
        repository.read(point).open("other")


def test_threads_that_share_the_position_get_every_byte_once(repository: Repository) -> None:
    data = noise(3 * MIB)

    with opened(repository, data) as file:

        def read_all() -> list[bytes]:
            return list(iter(lambda: file.read(10_007), b""))

        with ThreadPoolExecutor(4) as executor:
            parts = [part for future in [executor.submit(read_all) for _ in range(4)] for part in future.result()]

    assert sorted(parts) == sorted(data[at : at + 10_007] for at in range(0, len(data), 10_007))


def test_threads_read_side_by_side_without_a_position(repository: Repository) -> None:
    data = noise(5 * MIB)

    with opened(repository, data) as file, ThreadPoolExecutor(4) as executor:
        offsets = [random.Random(n).randrange(len(data)) for n in range(100)]  # noqa: S311
        parts = list(executor.map(lambda offset: file.read_at(offset, 50_000), offsets))

    assert parts == [data[offset : offset + 50_000] for offset in offsets]


def test_a_damaged_block_is_an_error_and_the_rest_can_be_read(
    folder: Path, make: Callable[[], Repository], reopen: Callable[[], Repository]
) -> None:
    data = noise(3 * PAGE_BYTES)
    with make() as repository:
        point, _ = store_files(repository, {"disk": data}, Grid(block_size=65536))
    pack = max((path for path in (folder / "packs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = pack.read_bytes()
    pack.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    good = bad = 0
    with reopen() as repository, repository.read(point).open("disk") as file:
        for offset in range(0, len(data), PAGE_BYTES):
            try:
                assert file.read_at(offset, PAGE_BYTES) == data[offset : offset + PAGE_BYTES]
                good += 1
            except RepositoryDamaged:
                bad += 1

    assert (good, bad) == (2, 1)


# ---------------------------------------------------------------- read-ahead and cache


class Blocks:
    """Stands for the point: notes what is read."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.changed = threading.Condition()

    def __call__(self, first: int, count: int) -> bytes:
        with self.changed:
            self.read.append(first)
            self.changed.notify_all()
        return bytes([first % 251]) * (count * PAGE_BYTES)

    def await_read(self, page: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: page in self.read, 20)


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.fixture
def pages(blocks: Blocks) -> OpenedPointFile:
    """A file of 100 blocks, each as long as a page."""
    return OpenedPointFile("disk", Layout(100 * PAGE_BYTES, Grid(block_size=PAGE_BYTES)), blocks)


def test_who_goes_straight_on_finds_the_next_pages_there(pages: OpenedPointFile, blocks: Blocks) -> None:
    with pages:
        pages.read_at(0, 10)
        pages.read_at(PAGE_BYTES, 10)
        for page in range(2, 2 + AHEAD_PAGES):
            blocks.await_read(page)

        for page in range(2, 2 + AHEAD_PAGES):
            assert pages.read_at(page * PAGE_BYTES, 1) == bytes([page])

    assert all(blocks.read.count(page) == 1 for page in range(2 + AHEAD_PAGES))


def test_who_jumps_about_reads_nothing_but_what_is_asked_for(pages: OpenedPointFile, blocks: Blocks) -> None:
    with pages:
        for page in (0, 50, 7, 99, 20):
            pages.read_at(page * PAGE_BYTES + 5, 10)

    assert blocks.read == [0, 50, 7, 99, 20]


def test_pages_are_kept_and_their_number_is_bounded(pages: OpenedPointFile, blocks: Blocks) -> None:
    with pages:
        for page in range(0, 4 * KEPT_PAGES, 2):
            pages.read_at(page * PAGE_BYTES, 1)
            pages.read_at(page * PAGE_BYTES + 77, 1)
        assert len(blocks.read) == 2 * KEPT_PAGES
        assert len(pages._pages) == KEPT_PAGES
        pages.read_at(0, 1)

    assert blocks.read[-1] == 0
    assert not pages._pages


def test_a_page_that_could_not_be_fetched_ahead_is_tried_again_when_it_is_wanted() -> None:
    failing = threading.Event()
    failing.set()
    tried: list[int] = []

    def read(first: int, count: int) -> bytes:
        tried.append(first)
        if first >= 2 and failing.is_set():
            raise RepositoryDamaged("not now")
        return bytes(count * PAGE_BYTES)

    with OpenedPointFile("disk", Layout(5 * PAGE_BYTES, Grid(block_size=PAGE_BYTES)), read) as file:
        file.read_at(0, 1)
        file.read_at(PAGE_BYTES, 1)
        with pytest.raises(RepositoryDamaged):
            file.read_at(2 * PAGE_BYTES, 1)
        failing.clear()

        assert file.read_at(2 * PAGE_BYTES, 1) == b"\0"
    assert tried.count(2) >= 2


def test_a_page_costs_one_request(tmp_path: Path) -> None:
    store = CountingStore(FolderStore(tmp_path / "repository", create=True))
    requests: list[str] = []
    with (
        Repository.init(store, passphrase=PASSPHRASE, scrypt_log_n=CHEAP) as repository,
        opened(repository, noise(4 * PAGE_BYTES), Grid(block_size=32768)) as file,
    ):
        file.read_at(2 * PAGE_BYTES, 1)
        store.fail = lambda _number, what, _name: requests.append(what)
        file.read_at(0, PAGE_BYTES)
        store.fail = lambda _number, _what, _name: None

    assert requests == ["get"]
