"""Whatever object is altered, cut short, missing or in another's place: it is found, and never restored as good."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from repository_points import CHEAP, PASSPHRASE, restore_file, store_files

from hvbackup.errors import FormatUnsupported, HvBackupError, KeyRefused, RepositoryDamaged, RepositoryNotFound
from hvbackup.repository import Repository
from hvbackup.repository.seams import Grid
from hvbackup.secrets import Secret

GRID = Grid(block_size=512, cuts=(700,))
RANDOM = random.Random(5)  # noqa: S311
FILES = {"disk": RANDOM.randbytes(600 * 512), "text": b"all work and no play " * 500}
OTHER = {"small": RANDOM.randbytes(5000)}


@pytest.fixture(scope="module", params=["encrypted", "plain"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "original"
    passphrase = PASSPHRASE if request.param == "encrypted" else None
    with Repository.init(folder, passphrase=passphrase, pack_size=100_000, scrypt_log_n=CHEAP) as repository:
        store_files(repository, FILES, GRID)
        store_files(repository, OTHER | {"text": FILES["text"]}, GRID, vm_name="Small")
    shutil.rmtree(folder / "staging")
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


def open_copy(folder: Path) -> Repository:
    plain = not (folder / "keys").exists()
    return Repository.open(folder, passphrase=None if plain else PASSPHRASE)


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def found_by_check(folder: Path) -> bool:
    """Whether opening or a full check finds something wrong."""
    try:
        with open_copy(folder) as repository:
            return not repository.check(read_data=True).ok
    except HvBackupError:
        return True


def restores_right_or_not_at_all(folder: Path) -> None:
    """Every file of every point that can be listed comes back as it was, or an error says why not."""
    try:
        with open_copy(folder) as repository:
            for point in repository.points(on_damage=lambda _error: None):
                for file in point.files:
                    try:
                        assert restore_file(repository.read(point), file.name) == (FILES | OTHER)[file.name]
                    except RepositoryDamaged:
                        continue
    except (RepositoryNotFound, RepositoryDamaged, KeyRefused, FormatUnsupported):
        pass


def flips(path: Path, *, every: bool) -> list[int]:
    """Positions of an object: all of them, or its ends and some by chance."""
    size = path.stat().st_size
    if every:
        return list(range(0, size, 1 if size < 3000 else 97))
    chance = random.Random(size)  # noqa: S311
    return sorted({9, size - 1, size - 20, *(chance.randrange(size) for _ in range(3))} & set(range(size)))


def test_an_untouched_repository_has_no_problems(copy: Path) -> None:
    with open_copy(copy) as repository:
        report = repository.check(read_data=True)

    assert report.problems == ()
    assert report.points == 2
    assert report.bytes_read == sum(path.stat().st_size for path in (copy / "packs").rglob("*") if path.is_file())


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "every"])
def test_every_flipped_bit_is_found_and_never_restored_as_good(copy: Path, every: bool) -> None:
    missed = []
    for path in objects(copy):
        data = path.read_bytes()
        for position in flips(path, every=every):
            altered = bytearray(data)
            altered[position] ^= 1 << (position % 8)
            path.write_bytes(altered)
            if not found_by_check(copy):
                missed.append((path.relative_to(copy), position))
            if position % 3 == 0:
                restores_right_or_not_at_all(copy)
        path.write_bytes(data)

    assert missed == []


def test_a_key_slot_with_a_key_that_nobody_knows_is_found(copy: Path) -> None:
    if not (copy / "keys").exists():
        pytest.skip("a repository without encryption has no key slots")
    (slot,) = (path for path in (copy / "keys").rglob("*") if path.is_file())
    slot.write_bytes(slot.read_bytes().replace(b'"label":', b'"lcbel":'))

    with open_copy(copy) as repository:
        report = repository.check()

    assert [(problem.object, problem.text) for problem in report.problems] == [
        (slot.relative_to(copy).as_posix(), "the key slot was altered")
    ]


def test_every_object_that_is_cut_short_longer_empty_or_missing_is_found(copy: Path) -> None:
    missed = []
    newest = max(objects(copy / "points"))
    for path in objects(copy):
        data = path.read_bytes()
        for name, altered in {
            "cut": data[:-1], "half": data[: len(data) // 2], "longer": data + b"\0", "empty": b"", "missing": None
        }.items():  # fmt: skip
            if altered is None:
                path.unlink()
            else:
                path.write_bytes(altered)
            # The newest point leaves no trace when it is removed: nothing names it.
            if not found_by_check(copy) and not (path == newest and not altered):
                missed.append((name, path.relative_to(copy)))
            restores_right_or_not_at_all(copy)
        path.write_bytes(data)

    assert missed == []


@pytest.mark.parametrize("kind", ["packs", "points", "index"])
def test_objects_that_changed_places_are_found(copy: Path, kind: str) -> None:
    first, second = sorted(objects(copy / kind), key=lambda path: path.stat().st_size)[:2]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)

    assert found_by_check(copy)
    restores_right_or_not_at_all(copy)


def test_check_says_which_points_and_files_are_hurt(copy: Path) -> None:
    pack = max(objects(copy / "packs"), key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[1000] ^= 1
    pack.write_bytes(data)

    with open_copy(copy) as repository:
        big = repository.points(vm="TestVM")[0]
        report = repository.check(read_data=True)

        assert [problem.object for problem in report.problems] == [str(pack.relative_to(copy).as_posix())]
        assert report.problems[0].points == (big.id,)
        assert report.problems[0].files == (f"{big.id}/disk",)
        assert "the block at " in report.problems[0].text
        assert restore_file(repository.read(big), "text") == FILES["text"]


def test_a_lost_index_is_made_again_from_the_packs(copy: Path) -> None:
    shutil.rmtree(copy / "index")

    with open_copy(copy) as repository:
        assert {name: restore_file(repository.read(repository.points()[0]), name) for name in FILES} == FILES
        assert [problem.object for problem in repository.check().problems] == ["index/"]
        assert repository.rebuild_index() == len(objects(copy / "packs"))
    with open_copy(copy) as repository:
        assert repository.check(read_data=True).ok


def test_a_backup_stores_again_what_was_lost(copy: Path) -> None:
    for path in objects(copy / "packs"):
        path.unlink()

    with open_copy(copy) as repository:
        point, travelled = store_files(repository, FILES, GRID)

        assert travelled > 600
        assert restore_file(repository.read(point), "disk") == FILES["disk"]
    with open_copy(copy) as repository:
        # The new packs hold what the old points need as well.
        assert restore_file(repository.read(repository.points()[0]), "disk") == FILES["disk"]


def test_a_point_that_somebody_removed_is_missed(copy: Path) -> None:
    oldest = min(objects(copy / "points"))
    oldest.unlink()

    with open_copy(copy) as repository:
        problems = repository.check().problems

    assert [problem.object for problem in problems] == [f"points/{oldest.name}"]
    assert "knows of it" in problems[0].text


def test_unknown_versions_and_features_are_refused_by_name(copy: Path) -> None:
    path = copy / "hvbackup.repository"
    line = path.read_bytes()

    path.write_bytes(line.replace(b'"version":1', b'"version":2'))
    with pytest.raises(FormatUnsupported, match="format version 2"):
        open_copy(copy)
    path.write_bytes(line.replace(b'"features":[]', b'"features":["erasure-coding"]'))
    with pytest.raises(FormatUnsupported, match="erasure-coding"):
        open_copy(copy)


def test_passphrases(folder: Path, make: Callable[[], Repository]) -> None:
    with make() as repository:
        store_files(repository, {"f": b"1"})
        slot = next(iter(repository.key_slots()))
        repository.add_passphrase(Secret("second"), label="safe", scrypt_log_n=CHEAP)
        repository.remove_passphrase(slot)

    with pytest.raises(KeyRefused, match="does not open"):
        Repository.open(folder, passphrase=PASSPHRASE)
    with pytest.raises(KeyRefused, match="is encrypted"):
        Repository.open(folder, passphrase=None)
    with Repository.open(folder, passphrase=Secret("second")) as repository:
        assert len(repository.points()) == 1


def test_a_plain_repository_in_place_of_an_encrypted_one_is_refused(tmp_path: Path) -> None:
    Repository.init(tmp_path / "r", passphrase=None).close()

    with pytest.raises(KeyRefused, match="says that it is not encrypted"):
        Repository.open(tmp_path / "r", passphrase=PASSPHRASE)
