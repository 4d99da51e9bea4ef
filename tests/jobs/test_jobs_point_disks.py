"""Disks inside restore points: which one is meant, and that it reads as the same chain does on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hvbackup import browse, browse_point
from hvbackup.errors import HvBackupError, InvalidRequest, ParentMismatch, ParentMissing, PointNotFound
from hvbackup.images.check import check_chain
from hvbackup.images.writer import VhdxParent, create_vhdx
from hvbackup.jobs.point_disks import choose_disk, find_point, leaf_disks, open_point_disk, recovery_disks
from hvbackup.models import Method, RestorePoint, Vm
from hvbackup.repository.localfile import store_local_file
from hvbackup.repository.reader import BlockPointReader
from hvbackup.repository.repository import Repository
from hvbackup.simulator.small_disk import (
    OWN_CONTENT_OFFSET,
    OWN_CONTENT_SIZE,
    SMALL_DISK_BLOCK,
    SMALL_DISK_SIZE,
    small_disk_blocks,
    write_small_disk,
)

NEW_TEXT = b"written after the checkpoint\r\n".ljust(OWN_CONTENT_SIZE, b".")
MakePoint = Callable[..., BlockPointReader]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with Repository.init(tmp_path / "repository", passphrase=None) as made:
        yield made


@pytest.fixture
def make_stored(repository: Repository) -> MakePoint:
    """Make a point of the files of a folder, whatever is in them: disks that no backup would have made, too."""

    def make(folder: Path, *, vm_name: str = "web01", vm: Vm | None = None) -> BlockPointReader:
        writer = repository.begin(host="HV01", vm_id=f"id of {vm_name}", vm_name=vm_name)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            kind = "disk" if "vhd" in path.suffix else "configuration"
            store_local_file(writer, path.relative_to(folder).as_posix(), path, kind=kind)
        point = RestorePoint(
            id="",
            host="HV01",
            vm_id=f"id of {vm_name}",
            vm_name=vm_name,
            asked_at="2026-11-25T01:30:00Z",
            snapshot_at="2026-11-25T01:30:05Z",
            finished_at="2026-11-25T01:31:00Z",
            method_asked=Method.ONLINE,
            method=Method.ONLINE,
            consistency="guest",
            vm=vm,
        )
        return repository.read(writer.commit(point))

    return make


def write_child(path: Path, parent_id: str, parent_path: str) -> str:
    """Write a differencing disk on the small disk that holds another `machine.txt`."""
    number, inside = divmod(OWN_CONTENT_OFFSET, SMALL_DISK_BLOCK)
    block = bytearray(dict(small_disk_blocks(1))[number])
    block[inside : inside + OWN_CONTENT_SIZE] = NEW_TEXT
    parent = VhdxParent(data_write_guid=parent_id, relative_path=parent_path)
    return create_vhdx(path, SMALL_DISK_SIZE, {number: bytes(block)}, parent=parent)


@pytest.fixture
def vm_folder(tmp_path: Path) -> Path:
    """A VM with a checkpoint: `base.vhdx` below `leaf.avhdx`, and another VM's `base.vhdx` in another folder."""
    folder = tmp_path / "vm"
    (folder / "a other").mkdir(parents=True)
    (folder / "disks").mkdir()
    write_small_disk(folder / "a other" / "base.vhdx", variant=2)
    base = write_small_disk(folder / "disks" / "base.vhdx", variant=1)
    write_child(folder / "disks" / "leaf.avhdx", base, ".\\base.vhdx")
    (folder / "settings.vmcx").write_bytes(b"no disk")
    return folder


def test_a_chain_in_a_point_reads_as_on_this_machine(vm_folder: Path, make_stored: MakePoint) -> None:
    reader = make_stored(vm_folder)

    with open_point_disk(reader, "leaf.avhdx") as stored, browse(vm_folder / "disks" / "leaf.avhdx") as local:
        assert ["disks/leaf.avhdx", "disks/base.vhdx"] == [file.name for file in stored.files]
        assert () == check_chain([file.source for file in stored.files]).problems
        assert NEW_TEXT == stored.image.read_at(OWN_CONTENT_OFFSET, OWN_CONTENT_SIZE)
        assert local.image.read_at(0, SMALL_DISK_SIZE) == stored.image.read_at(0, SMALL_DISK_SIZE)
        assert list(local.image.extents()) == list(stored.image.extents())


def test_of_several_parents_with_the_name_the_one_whose_id_fits_is_taken(
    vm_folder: Path, make_stored: MakePoint
) -> None:
    (vm_folder / "disks" / "base.vhdx").rename(vm_folder / "z.vhdx")
    (vm_folder / "z").mkdir()
    (vm_folder / "z.vhdx").rename(vm_folder / "z" / "base.vhdx")

    with open_point_disk(make_stored(vm_folder), "leaf.avhdx") as disk:
        assert ["disks/leaf.avhdx", "z/base.vhdx"] == [file.name for file in disk.files]


def test_a_parent_that_does_not_fit_is_refused_unless_it_is_allowed(vm_folder: Path, make_stored: MakePoint) -> None:
    (vm_folder / "disks" / "base.vhdx").unlink()
    reader = make_stored(vm_folder)

    with pytest.raises(ParentMismatch):
        open_point_disk(reader, "leaf.avhdx")
    with open_point_disk(reader, "leaf.avhdx", allow_mismatch=True) as disk:
        assert ["disks/leaf.avhdx", "a other/base.vhdx"] == [file.name for file in disk.files]
    with open_point_disk(reader, "leaf.avhdx", leaf_at_least=True) as leaf:
        assert ["disks/leaf.avhdx"] == [file.name for file in leaf.files]
        assert isinstance(leaf.broken, ParentMismatch)


def test_a_missing_parent_is_one_error_that_names_it(vm_folder: Path, make_stored: MakePoint) -> None:
    (vm_folder / "disks" / "base.vhdx").unlink()
    shutil.rmtree(vm_folder / "a other")

    with pytest.raises(ParentMissing) as caught:
        open_point_disk(make_stored(vm_folder), "leaf.avhdx")

    assert r"the parent of disks/leaf.avhdx is not in the restore point: .\base.vhdx" == str(caught.value)


def test_disks_that_others_lie_on_are_no_disks_of_their_own(vm_folder: Path, make_stored: MakePoint) -> None:
    reader = make_stored(vm_folder)

    assert ["a other/base.vhdx", "disks/leaf.avhdx"] == [file.name for file in leaf_disks(reader)]


def test_the_only_disk_need_not_be_named(vm_folder: Path, make_stored: MakePoint) -> None:
    shutil.rmtree(vm_folder / "a other")

    assert "disks/leaf.avhdx" == choose_disk(make_stored(vm_folder), None).name


def test_of_a_backup_the_attached_disk_is_the_one(
    vm_folder: Path, make_stored: MakePoint, make_vm: Callable[..., Vm]
) -> None:
    vm = make_vm()
    (disk,) = vm.disks
    attached = type(disk)(
        controller_type="SCSI", controller_number=0, controller_location=0, path=str(vm_folder / "disks/BASE.vhdx")
    )
    reader = make_stored(vm_folder, vm=make_vm(disks=(attached,)))

    assert "disks/base.vhdx" == choose_disk(reader, None).name


def test_what_the_guests_writers_wrote_for_the_backup_is_known_by_its_name(
    vm_folder: Path, make_stored: MakePoint
) -> None:
    (vm_folder / "disks" / "leaf.avhdx").rename(vm_folder / "disks" / "base-AutoRecovery.avhdx")
    reader = make_stored(vm_folder)

    assert ("disks/base-AutoRecovery.avhdx",) == recovery_disks(reader.point, "disks/base.vhdx")
    assert () == recovery_disks(reader.point, "a other/base.vhdx")
    assert () == recovery_disks(reader.point, "disks/base-AutoRecovery.avhdx")
    with open_point_disk(reader, "base-AutoRecovery.avhdx") as disk:
        assert NEW_TEXT == disk.image.read_at(OWN_CONTENT_OFFSET, OWN_CONTENT_SIZE)


@pytest.mark.parametrize(
    ("name", "found"),
    [("leaf.avhdx", "disks/leaf.avhdx"), ("*.avhdx", "disks/leaf.avhdx"), ("DISKS/base.vhdx", "disks/base.vhdx")],
)
def test_a_disk_is_named_by_its_name_or_the_end_of_it(
    vm_folder: Path, make_stored: MakePoint, name: str, found: str
) -> None:
    assert found == choose_disk(make_stored(vm_folder), name).name


def test_a_disk_is_named_by_its_full_path_on_the_host(vm_folder: Path, make_stored: MakePoint) -> None:
    source = str(vm_folder / "a other" / "base.vhdx")

    assert "a other/base.vhdx" == choose_disk(make_stored(vm_folder), source.upper()).name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "has 2 disks"),
        ("base.vhdx", "has 2 disks that fit 'base.vhdx'"),
        ("x.vhdx", "has no disk 'x.vhdx'"),
        ("settings.vmcx", "has no disk 'settings.vmcx'"),
    ],
)
def test_what_means_no_disk_or_several_is_an_error_that_names_them(
    vm_folder: Path, make_stored: MakePoint, name: str | None, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        choose_disk(make_stored(vm_folder), name)

    assert "a other/base.vhdx" in str(caught.value.hint)


def test_a_point_without_disks_says_so(tmp_path: Path, make_stored: MakePoint) -> None:
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm" / "settings.vmcx").write_bytes(b"no disk")

    with pytest.raises(InvalidRequest, match="holds no disks"):
        choose_disk(make_stored(tmp_path / "vm"), None)


def test_the_latest_point_of_a_vm_is_found_by_its_name(
    vm_folder: Path, make_stored: MakePoint, repository: Repository
) -> None:
    make_stored(vm_folder)
    newest = make_stored(vm_folder).point.id
    assert newest == find_point(repository, "latest").id
    other = make_stored(vm_folder, vm_name="db01").point.id

    assert newest == find_point(repository, "latest:web01").id
    assert other == find_point(repository, "latest:DB01").id
    assert other == find_point(repository, other[:20]).id


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("latest", "'latest' means several VMs: db01 .*, web01 ", "latest:GUID"),
        ("latest:nobody", "no restore point of a VM 'nobody'", "There are points of db01, web01."),
        ("19990101", "no restore point fits '19990101'", "near it are "),
    ],
)
def test_a_point_that_is_not_clear_is_one_error(
    vm_folder: Path, make_stored: MakePoint, repository: Repository, text: str, says: str, hint: str
) -> None:
    make_stored(vm_folder)
    make_stored(vm_folder, vm_name="db01")

    with pytest.raises(PointNotFound, match=says) as caught:
        find_point(repository, text)

    assert hint in str(caught.value.hint)


def test_an_empty_repository_has_no_latest_point(repository: Repository) -> None:
    with pytest.raises(PointNotFound, match="no restore points yet"):
        find_point(repository, "latest")


def test_a_disk_of_a_point_is_browsed_like_a_file(
    vm_folder: Path, make_stored: MakePoint, repository: Repository
) -> None:
    make_stored(vm_folder)

    with browse_point(repository, "latest:web01", "leaf.avhdx") as disk:
        assert [("1", "ntfs", "Data", None)] == [
            (each.name, each.kind, each.label, each.unreadable) for each in disk.volumes
        ]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no file "),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"x" * 5000), "signature of neither a VHDX nor a VHD"),
    ],
)
def test_what_is_no_disk_of_this_machine_is_one_error(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "disk.vhdx")

    with pytest.raises(HvBackupError, match=says):
        browse(tmp_path / "disk.vhdx")
