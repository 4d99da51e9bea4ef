"""Numbers, partial checks, files of this machine, and what is told on the way."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from repository_points import CHEAP, PASSPHRASE, make_point, restore_file, store_files

from hvbackup.errors import Cancelled, InvalidRequest, SourceChanged
from hvbackup.events import Cancellation, Event, Progress
from hvbackup.repository import Repository
from hvbackup.repository.localfile import store_local_file
from hvbackup.repository.seams import Grid
from hvbackup.secrets import Secret

SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def test_stats_count_points_and_bytes_for_each_vm(repository: Repository) -> None:
    store_files(repository, {"disk": noise(40_960)}, SMALL, vm_name="Alpha")
    last, _ = store_files(repository, {"disk": noise(40_960)}, SMALL, vm_name="Alpha")

    stats = repository.stats()

    assert (stats.points, stats.source_bytes, stats.encryption) == (2, 81_920, "aes-256-gcm")
    assert stats.blocks == 11  # ten of the disk, one list
    assert [(row.vm_name, row.points, row.last) for row in stats.vms] == [("Alpha", 2, last.id)]
    assert 40_960 < stats.vms[0].stored_bytes <= stats.pack_bytes


def test_a_check_can_read_a_share_of_the_packs_and_tells_how_far_it_is(repository: Repository) -> None:
    store_files(repository, {"disk": noise(1_000_000)}, SMALL)
    events: list[Event] = []

    whole = repository.check(read_data=True, events=events.append)
    part = repository.check(read_data=True, percent=25)
    none = repository.check(read_data=True, since=datetime.now(timezone.utc) + timedelta(days=1))

    progress = [event for event in events if isinstance(event, Progress) and event.unit == "bytes"]
    assert progress[-1].done == progress[-1].total == whole.bytes_read
    assert 0 < part.bytes_read < whole.bytes_read / 2
    assert none.bytes_read == 0
    assert whole.ok
    assert whole.blocks == 246


def test_a_check_can_be_stopped(repository: Repository) -> None:
    store_files(repository, {"disk": noise(100_000)}, SMALL)
    cancel = Cancellation()
    cancel.set()

    with pytest.raises(Cancelled):
        repository.check(read_data=True, cancel=cancel)


def test_a_restore_can_be_stopped(repository: Repository) -> None:
    point, _ = store_files(repository, {"disk": noise(100_000)}, SMALL)
    cancel = Cancellation()

    with pytest.raises(Cancelled):
        repository.read(point).restore("disk", lambda _offset, _data: cancel.set(), cancel=cancel)


def test_a_file_of_this_machine_is_stored_by_threads_and_comes_back(repository: Repository, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(noise(700_000) + bytes(700_000) + noise(123, 2))
    point = make_point()
    writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
    done: list[int] = []

    entry = store_local_file(writer, "disk.vhdx", path, kind="disk", grid=SMALL, progress=done.append)
    committed = writer.commit(point)

    assert committed.files == (entry,)
    assert sum(done) == entry.size_bytes == 1_400_123
    assert entry.source == str(path)
    assert restore_file(repository.read(committed), "disk.vhdx") == path.read_bytes()


def test_a_file_that_changes_while_it_is_read_is_refused(repository: Repository, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(noise(100_000))
    writer = repository.begin(host="HV01", vm_id="1", vm_name="TestVM")

    def write(_size: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(SourceChanged, match="written to while it was read"):
        store_local_file(writer, "disk.vhdx", path, kind="disk", grid=SMALL, progress=write)


def test_an_unfinished_point_leaves_blocks_that_the_next_one_uses(
    make: Callable[[], Repository], reopen: Callable[[], Repository]
) -> None:
    data = noise(400_000)
    with make() as repository:
        writer = repository.begin(host="HV01", vm_id="1", vm_name="TestVM")
        file = writer.file("disk", len(data), source="x", kind="disk", grid=SMALL)
        for block, start in enumerate(range(0, len(data), 4096)):
            file.add(block, data[start : start + 4096])
        writer.abort()
        with pytest.raises(InvalidRequest, match="given up already"):
            writer.commit(make_point())
    with reopen() as repository:
        assert repository.points() == []
        _, travelled = store_files(repository, {"disk": data}, SMALL)

    assert 0 <= travelled < 30


def test_secrets_are_in_no_error_and_no_object(tmp_path: Path) -> None:
    secret = Secret("canary passphrase")
    Repository.init(tmp_path / "r", passphrase=secret, scrypt_log_n=CHEAP).close()

    with pytest.raises(Exception, match="does not open") as caught:
        Repository.open(tmp_path / "r", passphrase=Secret("another canary"))

    assert "canary" not in str(caught.value) + repr(caught.value.__cause__)
    assert not any(b"canary" in path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file())
    with pytest.raises(InvalidRequest, match="empty passphrase"):
        Repository.init(tmp_path / "other", passphrase=Secret(""))
    assert PASSPHRASE
