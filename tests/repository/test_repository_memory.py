"""Memory does not grow with the repository."""

from __future__ import annotations

import random
import secrets
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from repository_points import CHEAP, PASSPHRASE, make_point

from hvbackup.repository import Repository
from hvbackup.repository import format as f
from hvbackup.repository import index as index_module
from hvbackup.repository.crypto import Keys
from hvbackup.repository.index import Index
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import Store, open_store

VM_ID = make_point().vm_id


def peak_of(work: Callable[[], Any]) -> int:
    """Bytes that Python had at most while it worked, above what it had before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def write_segments(store: Store, keys: Keys, segments: int, records: int) -> list[bytes]:
    """Write an index of blocks that do not exist; return some of their ids."""
    chance, ids = random.Random(1), []  # noqa: S311
    for _ in range(segments):
        pack = f.PackInfo(chance.randbytes(16), 1000, f.PACK_DATA)
        entries = [f.Entry(chance.randbytes(32), 32, 100, 262144, True) for _ in range(records)]
        name = f"{f.INDEX}{secrets.token_hex(16)}"
        payload = f.write_segment([pack], [f.write_record(entry, pack.id) for entry in entries])
        store.put(name, keys.seal(f.SEALED_INDEX, name, payload, compress=False))
        ids += [entries[0].id, entries[-1].id]
    return ids


def test_an_index_four_times_as_large_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "LOADED_RUNS", 8)
    monkeypatch.setattr(index_module, "MAPPED_SIZE", 16384)
    peaks = []
    for segments in (8, 32):
        store, keys = open_store("memory:"), Keys(None)
        ids = write_segments(store, keys, segments, 1200)
        index = Index(store, keys)
        peaks.append(peak_of(index.load))

        assert index.count == segments * 1200
        assert all(index.find(block_id) is not None for block_id in ids)
        assert index.find(secrets.token_bytes(32)) is None

    assert peaks[1] < peaks[0] * 1.6, peaks


def test_a_file_ten_times_as_large_takes_no_more_memory() -> None:
    grid = Grid(block_size=512)
    peaks = []
    for blocks in (4_000, 40_000):
        with Repository.init("memory:", passphrase=PASSPHRASE, pack_size=65536, scrypt_log_n=CHEAP) as repository:

            def back_up(repository: Repository = repository, blocks: int = blocks) -> None:
                writer = repository.begin(host="HV01", vm_id=VM_ID, vm_name="TestVM")
                file = writer.file("disk", blocks * 512, source="x", kind="disk", grid=grid)
                for first in range(0, blocks, 1000):
                    file.offer(first, [bytes([1]) * 31 + bytes([number % 7]) for number in range(first, first + 1000)])

            peaks.append(peak_of(back_up))

    assert peaks[1] < peaks[0] + 500_000, peaks
