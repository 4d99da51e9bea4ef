"""Points go in and come back; what is there already does not travel again."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from repository_points import PASSPHRASE, make_point, restore_file, store_files

from hvbackup.errors import InvalidRequest, PointNotFound, RepositoryExists, VerificationFailed
from hvbackup.repository import Repository
from hvbackup.repository.seams import Grid

SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def test_what_was_stored_comes_back(repository: Repository, reopen: Callable[[], Repository]) -> None:
    files = {"disk.vhdx": noise(1_000_001), "config/vm.vmcx": b"x" * 5000, "empty.bin": b""}

    point, _ = store_files(repository, files)

    with reopen() as other:
        reader = other.read(other.point(point.id))

        assert {name: restore_file(reader, name) for name in files} == files
        assert reader.read_at("disk.vhdx", 262000, 1000) == files["disk.vhdx"][262000:263000]
        assert reader.read_at("disk.vhdx", 1_000_000, 1000) == files["disk.vhdx"][-1:]


def test_an_unchanged_file_costs_nothing(repository: Repository) -> None:
    data = noise(500_000) + bytes(500_000)
    first, travelled = store_files(repository, {"disk": data}, SMALL)

    second, again = store_files(repository, {"disk": data}, SMALL)

    assert travelled == 123
    assert again == 0
    assert first.files[0].hash == second.files[0].hash
    assert second.files[0].stored_bytes == 0
    assert first.files[0].stored_bytes > 500_000


def test_a_block_that_is_needed_twice_travels_once(repository: Repository) -> None:
    block = noise(4096)

    point, travelled = store_files(repository, {"a": block * 3, "b": block + bytes(4096) + block}, SMALL)

    assert travelled == 1
    assert restore_file(repository.read(point), "b") == block + bytes(4096) + block


def test_zeros_are_told_by_their_hash_alone(repository: Repository) -> None:
    point, travelled = store_files(repository, {"disk": bytes(10_000_000)}, SMALL)
    reader = repository.read(point)

    assert travelled == 0
    assert reader.hashes("disk") == bytes(32 * 2442)
    assert reader.block("disk", 2441) == bytes(1664)


def test_ids_sort_by_time_and_have_their_form(repository: Repository) -> None:
    ids = [store_files(repository, {"f": b"1"})[0].id for _ in range(3)]

    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", point_id) for point_id in ids)
    assert [point.id for point in repository.points()] == sorted(ids)


def test_points_are_found_by_vm_by_prefix_and_not_by_guessing(repository: Repository) -> None:
    first, _ = store_files(repository, {"f": b"1"}, vm_name="Alpha")
    second, _ = store_files(repository, {"f": b"1"}, vm_name="Beta")

    assert repository.points(vm="beta") == [second]
    assert repository.points(host="other") == []
    assert repository.point(first.id[-8:]) == first
    with pytest.raises(PointNotFound, match="2 restore points fit '20'"):
        repository.point("20")
    with pytest.raises(PointNotFound, match="no restore point fits 'zzz'") as caught:
        repository.point("zzz")
    assert first.id in str(caught.value.hint)


def test_a_point_is_never_overwritten(repository: Repository) -> None:
    first, _ = store_files(repository, {"f": b"1"})
    writer = repository.begin(host="HV01", vm_id=first.vm_id, vm_name="TestVM")

    with pytest.raises(RepositoryExists):
        writer.commit(make_point(first.id))

    assert repository.points() == [first]


def test_bytes_that_differ_from_their_hash_are_refused(repository: Repository) -> None:
    writer = repository.begin(host="HV01", vm_id="1", vm_name="TestVM")
    file = writer.file("disk", 8192, source="C:\\disk", kind="disk", grid=SMALL)

    assert file.offer(0, [b"\1" * 32, b"\2" * 32]) == [0, 1]
    with pytest.raises(VerificationFailed, match=r"block 1 \(at 4096\)"):
        file.put(1, noise(4096))
    with pytest.raises(VerificationFailed, match="block 0 was lacking and was never brought"):
        file.finish()


def test_a_block_that_was_never_offered_is_missed(repository: Repository) -> None:
    writer = repository.begin(host="HV01", vm_id="1", vm_name="TestVM")
    file = writer.file("disk", 3 * 4096, source="C:\\disk", kind="disk", grid=SMALL)
    file.offer(0, [bytes(32)])
    file.offer(2, [bytes(32)])

    with pytest.raises(VerificationFailed, match="block 1 was never offered"):
        file.finish()


def test_a_point_without_all_its_blocks_does_not_come_to_be(repository: Repository) -> None:
    point = make_point()
    writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
    mine = writer.file("mine", 4096, source="C:\\mine", kind="disk", grid=SMALL)
    other = writer.file("other", 4096, source="C:\\other", kind="disk", grid=SMALL)

    assert mine.offer(0, [b"\1" * 32]) == [0]
    assert other.offer(0, [b"\1" * 32]) == []
    other.finish()
    with pytest.raises(VerificationFailed, match="mine is not finished"):
        writer.commit(point)

    assert repository.points() == []


def test_file_names_that_lead_elsewhere_are_refused(repository: Repository) -> None:
    writer = repository.begin(host="HV01", vm_id="1", vm_name="TestVM")

    for name in ("", "/etc", "a//b", "../a", "a/..", "C:disk", "a\\b", "a\0", "dot.", "space "):
        with pytest.raises(InvalidRequest):
            writer.file(name, 1, source="", kind="disk")
    writer.file("Disk.vhdx", 1, source="", kind="disk")
    with pytest.raises(InvalidRequest, match="already"):
        writer.file("disk.VHDX", 1, source="", kind="disk")


def test_chosen_blocks_are_restored_alone(repository: Repository) -> None:
    data = noise(4096) + bytes(4096) + noise(4096, 2) + noise(100, 3)
    point, _ = store_files(repository, {"disk": data}, SMALL)
    given: dict[int, bytes] = {}

    repository.read(point).restore("disk", given.__setitem__, blocks=[3, 1])

    assert given == {4096: bytes(4096), 12288: noise(100, 3)}


def test_files_read_here_are_hashed_here(repository: Repository) -> None:
    point = make_point()
    data = noise(10_000) + bytes(10_000)
    writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
    file = writer.file("disk", len(data), source="C:\\disk", kind="disk", grid=SMALL)
    for block in (4, 0, 2, 1, 3):
        file.add(block, data[block * 4096 : (block + 1) * 4096])
    file.finish()

    assert restore_file(repository.read(writer.commit(point)), "disk") == data


def test_memory_and_plain_repositories_hold_points_too(tmp_path: Path) -> None:
    data = noise(100_000)
    for location in ("memory:", tmp_path / "plain"):
        with Repository.init(location, passphrase=None) as repository:
            point, _ = store_files(repository, {"disk": data}, SMALL)

            assert repository.config.encryption == "none"
            assert restore_file(repository.read(point), "disk") == data


def test_packs_of_an_encrypted_repository_show_nothing(folder: Path, repository: Repository) -> None:
    store_files(repository, {"disk": b"canary in the coal mine " * 10_000}, vm_name="SecretName")

    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert b"canary in the coal mine" not in stored
    assert b"SecretName" not in stored
    assert PASSPHRASE.reveal().encode() not in stored
