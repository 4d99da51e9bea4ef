"""Whatever is stored, on whatever grid, comes back; and many threads at once do no harm."""

from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st
from repository_points import CHEAP, PASSPHRASE, cut, hash_block, make_point, restore_file, store_files

from hvbackup.models import RestorePoint
from hvbackup.repository import Repository
from hvbackup.repository.geometry import Layout
from hvbackup.repository.seams import Grid

SMALL = Grid(block_size=4096)

grids = st.builds(
    lambda size, cuts: Grid(block_size=size, cuts=tuple(sorted(cuts))),
    st.sampled_from([512, 513, 1000, 4096]),
    st.sets(st.integers(0, 60_000), max_size=8),
)


def run(kind: int, length: int) -> bytes:
    return random.Random(kind).randbytes(length) if kind > 1 else bytes([kind]) * length  # noqa: S311


#: Few kinds of runs, so that blocks repeat; zeros often.
contents = st.lists(
    st.builds(run, st.sampled_from([0, 0, 1, 2, 255]), st.sampled_from([1, 511, 512, 4096, 9000])), max_size=12
).map(b"".join)


@given(contents, grids)
def test_blocks_lie_where_a_simple_cutter_puts_them(data: bytes, grid: Grid) -> None:
    layout = Layout(len(data), grid)
    blocks = cut(data, grid)

    assert layout.blocks == len(blocks)
    extents = [layout.extent(block) for block in range(layout.blocks)]
    assert [data[offset : offset + length] for offset, length in extents] == blocks
    assert [layout.block_at(offset) for offset, _ in extents] == list(range(layout.blocks))
    assert [layout.block_at(offset + length - 1) for offset, length in extents] == list(range(layout.blocks))
    assert cut(data, layout.grid) == blocks


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(contents, grids), max_size=3), st.booleans(), st.data())
def test_any_files_come_back(files: list[tuple[bytes, Grid]], encrypted: bool, data: st.DataObject) -> None:
    passphrase = PASSPHRASE if encrypted else None
    with Repository.init("memory:", passphrase=passphrase, pack_size=20_000, scrypt_log_n=CHEAP) as repository:
        point = make_point()
        writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
        for number, (content, grid) in enumerate(files):
            file = writer.file(str(number), len(content), source="x", kind="disk", grid=grid)
            blocks = cut(content, grid)
            for block in data.draw(st.permutations(range(len(blocks)))):
                for lacking in file.offer(block, [hash_block(blocks[block])]):
                    file.put(lacking, blocks[lacking])
            file.finish()
        committed = writer.commit(point)
        reader = repository.read(committed)

        for number, (content, grid) in enumerate(files):
            name = str(number)
            hashes = b"".join(hash_block(block) for block in cut(content, grid))
            start = data.draw(st.integers(0, len(content)))
            size = data.draw(st.integers(0, 9000))

            assert restore_file(reader, name) == content
            assert reader.read_at(name, start, size) == content[start : start + size]
            assert reader.hashes(name) == hashes
            assert committed.files[number].hash == hashlib.sha256(hashes).hexdigest()
            assert cut(content, reader.grid(name)) == cut(content, grid)
        assert repository.check(read_data=True).problems == ()


def test_a_file_of_many_lists_comes_back() -> None:
    block = random.Random(3).randbytes(512)  # noqa: S311
    data = bytearray(512 * 3000)
    for number in (0, 1023, 1024, 2047, 2048, 2999):
        data[number * 512 : (number + 1) * 512] = number.to_bytes(4, "big") + block[4:]
    with Repository.init("memory:", passphrase=None) as repository:
        point, travelled = store_files(repository, {"disk": bytes(data)}, Grid(block_size=512))
        reader = repository.read(point)

        assert travelled == 6
        assert restore_file(reader, "disk") == data
        assert reader.block("disk", 2048) == data[2048 * 512 : 2049 * 512]


def test_threads_bring_the_blocks_of_several_points_at_once() -> None:
    source = random.Random(4)  # noqa: S311
    shared = [source.randbytes(4096) for _ in range(60)]
    disks = [b"".join(source.choices(shared, k=80)) + source.randbytes(40_000) for _ in range(4)]
    brought: list[bytes] = []
    lock = threading.Lock()

    with Repository.init("memory:", passphrase=PASSPHRASE, pack_size=30_000, scrypt_log_n=CHEAP) as repository:

        def back_up(number: int) -> RestorePoint:
            point = make_point(vm_name=f"vm{number}")
            writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
            blocks = cut(disks[number], SMALL)
            file = writer.file("disk", len(disks[number]), source="x", kind="disk", grid=SMALL)

            def lane(first: int) -> None:
                part = range(first, min(first + 10, len(blocks)))
                for lacking in file.offer(first, [hash_block(blocks[block]) for block in part]):
                    file.put(lacking, blocks[lacking])
                    with lock:
                        brought.append(blocks[lacking])

            with ThreadPoolExecutor(4) as lanes:
                list(lanes.map(lane, range(0, len(blocks), 10)))
            file.finish()
            return writer.commit(point)

        with ThreadPoolExecutor(4) as jobs:
            points = list(jobs.map(back_up, range(4)))

        for number, point in enumerate(points):
            assert restore_file(repository.read(point), "disk") == disks[number]
        assert repository.check(read_data=True).problems == ()
        assert set(brought) == {block for disk in disks for block in cut(disk, SMALL)}


def test_many_threads_and_few_buffers_do_not_wait_for_ever() -> None:
    source = random.Random(6)  # noqa: S311
    blocks = [source.randbytes(512) for _ in range(2000)]
    with Repository.init("memory:", passphrase=PASSPHRASE, pack_size=4000, scrypt_log_n=CHEAP) as repository:
        point = make_point()
        writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
        file = writer.file("disk", len(blocks) * 512, source="x", kind="disk", grid=Grid(block_size=512))
        with ThreadPoolExecutor(16) as lanes:
            list(lanes.map(lambda number: file.add(number, blocks[number]), range(2000)))
        file.finish()

        assert restore_file(repository.read(writer.commit(point)), "disk") == b"".join(blocks)
