"""A folder of this machine becomes a restore point, and comes back as it was."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import (
    BackupError,
    Cancelled,
    HvBackupError,
    ImageDamaged,
    InvalidRequest,
    RepositoryLocked,
    SourceChanged,
)
from hvbackup.events import Cancellation, Event, Note, Progress
from hvbackup.images.chain import open_image
from hvbackup.images.vhd_writer import create_vhd
from hvbackup.images.writer import VhdxParent, create_vhdx
from hvbackup.jobs.host import restore_files, verify
from hvbackup.jobs.import_folder import ImportResult, import_folder
from hvbackup.jobs.journal import Journal
from hvbackup.jobs.local_folder import LocalFile, list_folder
from hvbackup.jobs.requests import ImportRequest, RestoreRequest
from hvbackup.jobs.vm_lease import vm_lease
from hvbackup.repository.localfile import store_local_file
from hvbackup.repository.repository import Repository

MIB = 1024 * 1024
VM_ID = "8a4f7a5c-0b1d-4c5e-9f00-00112233aabb"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    with Repository.init(tmp_path / "repository", passphrase=None) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "export"
    place.mkdir()
    return place


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def bring(repository: Repository, folder: Path, **request: Any) -> ImportResult:
    wanted = {"vm_name": "web01", "host": "HV01", **request}
    return import_folder(repository, ImportRequest(folder=str(folder), **wanted))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(repository: Repository, folder: Path, error: type[HvBackupError], match: str) -> HvBackupError:
    with pytest.raises(error, match=match) as caught:
        bring(repository, folder)
    assert [] == repository.points()
    return caught.value


# ---------------------------------------------------------------- there and back


def test_everything_comes_back_byte_for_byte(repository: Repository, folder: Path, tmp_path: Path) -> None:
    (folder / "Virtual Machines").mkdir()
    (folder / "Virtual Hard Disks" / "deep" / "er").mkdir(parents=True)
    (folder / "Virtual Machines" / f"{VM_ID.upper()}.vmcx").write_bytes(noise(5000))
    create_vhdx(folder / "Virtual Hard Disks" / "disk [1] 'ü' 你好.vhdx", 8 * MIB, {1: noise(MIB), 5: noise(MIB, 2)})
    create_vhd(folder / "Virtual Hard Disks" / "dynamic.vhd", 8 * MIB, {0: noise(2 * MIB, 3), 2: noise(MIB, 4)})
    create_vhd(folder / "Virtual Hard Disks" / "fixed.vhd", 2 * MIB, {0: noise(MIB, 5)}, fixed=True)
    with (folder / "Virtual Hard Disks" / "deep" / "er" / "sparse.bin").open("wb") as sparse:
        sparse.truncate(64 * MIB + 17)
        sparse.seek(33 * MIB + 5)
        sparse.write(b"in the middle")
    (folder / "empty").write_bytes(b"")
    (folder / "$odd #name%20; -rf.txt").write_bytes(b"x" * 4097)

    result = bring(repository, folder)
    restore_files(repository, RestoreRequest(point=result.point.id, to=str(tmp_path / "back")))

    assert contents(folder) == contents(tmp_path / "back")
    assert not verify(repository, result.point.id).problems
    assert {"disk": 3, "configuration": 3, "state": 1} == {
        kind: sum(file.kind == kind for file in result.point.files) for kind in ("disk", "configuration", "state")
    }


def test_the_point_says_that_it_was_imported_and_that_nothing_else_is_known(
    repository: Repository, folder: Path
) -> None:
    create_vhdx(folder / "disk.vhdx", 2 * MIB, {0: b"x"})

    point = bring(repository, folder, tags=("from-archive",)).point

    assert ("unknown", "unknown", "crash") == (point.method.value, point.method_asked.value, point.consistency)
    assert ("web01", "HV01", ("from-archive",)) == (point.vm_name, point.host, point.tags)
    assert f"from {folder} of {socket.gethostname()}" in point.evidence[0]
    assert "1 disk image(s) checked, none damaged" in point.evidence[2]
    assert str(folder / "disk.vhdx") == point.files[0].source
    assert [point] == repository.points()


def test_an_exported_vm_keeps_its_id_and_others_get_one_by_host_and_name(
    repository: Repository, folder: Path, tmp_path: Path
) -> None:
    (folder / "disk.bin").write_bytes(b"1")
    first, second = bring(repository, folder), bring(repository, folder, host="hv01")
    other = bring(repository, folder, vm_name="web02")
    given = bring(repository, folder, vm_id=f"{{{VM_ID.upper()}}}")
    (folder / "Virtual Machines").mkdir()
    (folder / "Snapshots").mkdir()
    (folder / "Virtual Machines" / f"{VM_ID.upper()}.vmcx").write_bytes(b"2")
    (folder / "Snapshots" / "11111111-2222-3333-4444-555555555555.vmcx").write_bytes(b"3")
    exported = bring(repository, folder)

    assert first.point.vm_id == second.point.vm_id != other.point.vm_id
    assert VM_ID == given.point.vm_id == exported.point.vm_id
    with pytest.raises(InvalidRequest, match="is no GUID"):
        bring(repository, folder, vm_id="web01")


def test_two_exported_vms_in_one_folder_are_not_taken_for_one(repository: Repository, folder: Path) -> None:
    for name in (VM_ID, "11111111-2222-3333-4444-555555555555"):
        place = folder / name / "Virtual Machines"
        place.mkdir(parents=True)
        (place / f"{name}.vmcx").write_bytes(b"2")

    assert_refused(repository, folder, InvalidRequest, "configurations of 2 VMs")


def test_a_second_import_stores_only_what_changed(repository: Repository, folder: Path) -> None:
    disk = folder / "disk.bin"
    disk.write_bytes(noise(4 * MIB))
    first = bring(repository, folder)
    with disk.open("r+b") as file:
        file.seek(MIB)
        file.write(noise(1000, 2))

    second = bring(repository, folder)

    assert 4 * MIB < first.stored_bytes
    assert 256 * 1024 < second.stored_bytes < 300 * 1024


def test_a_differencing_disk_is_imported_with_its_parent(repository: Repository, folder: Path, tmp_path: Path) -> None:
    base = create_vhdx(folder / "base.vhdx", 4 * MIB, {0: noise(MIB)})
    parent = VhdxParent(data_write_guid=base, relative_path=".\\base.vhdx", absolute_path="D:\\VMs\\base.vhdx")
    create_vhdx(folder / "child.avhdx", 4 * MIB, {1: noise(MIB, 2)}, parent=parent)
    good = bring(repository, folder)
    (folder / "base.vhdx").unlink()
    create_vhdx(folder / "base.vhdx", 4 * MIB, {0: noise(MIB, 3)})
    doubtful = bring(repository, folder)
    (folder / "base.vhdx").rename(tmp_path / "base.vhdx")

    with pytest.raises(ImageDamaged, match=r"the first: child\.avhdx: the parent .* was not found"):
        bring(repository, folder)
    assert () == good.point.warnings
    assert "doubtful: child.avhdx" in doubtful.point.warnings[0]


def test_progress_ends_at_the_size_of_all_files(repository: Repository, folder: Path) -> None:
    (folder / "a").write_bytes(noise(3 * MIB))
    (folder / "b").write_bytes(b"12345")
    events: list[Event] = []

    import_folder(repository, ImportRequest(folder=str(folder), vm_name="web01"), events=events.append)

    steps = [event for event in events if isinstance(event, Progress)]
    assert (3 * MIB + 5, 3 * MIB + 5) == (max(event.done for event in steps), steps[-1].total)
    assert {"a", "b"} == {event.item for event in steps}


# ---------------------------------------------------------------- what is refused


def test_links_are_refused_and_named(repository: Repository, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not yours")
    (folder / "disk.bin").write_bytes(b"1")
    (folder / "link").symlink_to(tmp_path / "secret")
    assert_refused(repository, folder, InvalidRequest, "link is a link")
    (folder / "link").unlink()
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert_refused(repository, folder, InvalidRequest, "loop is a link")
    (folder / "loop").unlink()
    (tmp_path / "alias").symlink_to(folder, target_is_directory=True)

    assert 1 == len(bring(repository, tmp_path / "alias").point.files)


def test_pipes_are_refused_without_waiting_for_a_writer(repository: Repository, folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    assert_refused(repository, folder, InvalidRequest, "pipe is no file")


@pytest.mark.parametrize(
    "name", ["a:b", "trailing.", "trailing ", "que?stion", "back\\slash", os.fsdecode(b"\xff.bin")]
)
def test_names_that_windows_cannot_hold_are_refused(repository: Repository, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"1")

    assert_refused(repository, folder, InvalidRequest, "cannot hold")


def test_names_that_differ_in_case_only_are_refused(repository: Repository, folder: Path) -> None:
    (folder / "Disk.bin").write_bytes(b"1")
    (folder / "disk.bin").write_bytes(b"2")

    assert_refused(repository, folder, InvalidRequest, "differ in case only")


@pytest.mark.parametrize("what", ["missing", "file", "empty", "repository"])
def test_folders_that_are_none_to_import(repository: Repository, folder: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_bytes(b"1")
    places = {"missing": folder / "no", "file": tmp_path / "file", "empty": folder, "repository": tmp_path}
    texts = {
        "missing": "not a folder",
        "file": "not a folder",
        "empty": "holds no files",
        "repository": "holds the repository itself",
    }

    assert_refused(repository, places[what], InvalidRequest, texts[what])


def test_a_damaged_image_is_refused_with_a_cure(repository: Repository, folder: Path) -> None:
    create_vhdx(folder / "good.vhdx", 4 * MIB, {0: noise(MIB)})
    create_vhdx(folder / "short.vhdx", 4 * MIB, {0: noise(MIB), 2: noise(MIB)})
    with (folder / "short.vhdx").open("r+b") as file:
        file.truncate(file.seek(0, os.SEEK_END) - MIB)
    (folder / "none.vhdx").write_bytes(b"not a disk" * 1000)

    error = assert_refused(repository, folder, ImageDamaged, "problem")

    assert "short.vhdx" in str(error) or "none.vhdx" in str(error)
    assert error.hint is not None
    assert "good copy" in error.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_without_read_permission_is_named(repository: Repository, folder: Path) -> None:
    (folder / "closed.bin").write_bytes(b"1")
    (folder / "closed.bin").chmod(0)

    assert_refused(repository, folder, BackupError, r"closed\.bin cannot be read: Permission denied")


def test_a_file_that_cannot_be_read_is_named(
    repository: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bad.bin").write_bytes(noise(MIB))
    real = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "bad.bin":
            raise OSError(5, "Input/output error")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)

    assert_refused(repository, folder, BackupError, r"bad\.bin cannot be read: Input/output error")


def write_more(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


CHANGES: dict[str, Callable[[Path], object]] = {
    "written to": write_more,
    "cut short": lambda path: os.truncate(path, 100),
    "gone": lambda path: path.unlink(),
    "joined by another": lambda path: (path.parent / "new").write_bytes(b"1"),
    "touched": lambda path: os.utime(path, (1, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_changes_while_it_is_read_makes_no_point(
    repository: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    (folder / "a.bin").write_bytes(noise(MIB))
    (folder / "b.bin").write_bytes(noise(MIB, 2))

    def store(writer: Any, name: str, path: Path, **options: Any) -> Any:
        if name == "b.bin":
            CHANGES[change](folder / "a.bin")
        return store_local_file(writer, name, path, **options)

    monkeypatch.setattr("hvbackup.jobs.import_folder.store_local_file", store)

    assert_refused(repository, folder, SourceChanged, "changed while it was read")


def test_a_file_that_is_written_to_while_it_is_read_makes_no_point(repository: Repository, folder: Path) -> None:
    disk = folder / "a.bin"
    disk.write_bytes(noise(8 * MIB))
    done: list[int] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and not done:
            done.append(event.done)
            write_more(disk)

    with pytest.raises(SourceChanged, match=r"a\.bin was written to"):
        import_folder(repository, ImportRequest(folder=str(folder), vm_name="web01"), events=on_event)
    assert [] == repository.points()


def test_a_stop_leaves_no_point_and_no_lease(repository: Repository, folder: Path) -> None:
    (folder / "a.bin").write_bytes(noise(8 * MIB))
    cancel = Cancellation()

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            cancel.set()

    with pytest.raises(Cancelled):
        import_folder(repository, ImportRequest(folder=str(folder), vm_name="a"), events=on_event, cancel=cancel)
    assert [] == repository.points()

    assert 1 == len(import_folder(repository, ImportRequest(folder=str(folder), vm_name="a")).point.files)


def test_nobody_else_may_work_on_the_vm(repository: Repository, folder: Path, tmp_path: Path) -> None:
    (folder / "a.bin").write_bytes(b"1")
    with (
        Journal("20261125T013000Z-00000001") as journal,
        vm_lease(repository, journal, host="HV01", vm_id=VM_ID),
        pytest.raises(RepositoryLocked, match="is in use by"),
    ):
        bring(repository, folder, vm_id=VM_ID)


def test_the_lease_of_an_import_that_was_killed_is_released_by_the_next(
    repository: Repository, folder: Path, tmp_path: Path
) -> None:
    (folder / "a.bin").write_bytes(noise(MIB))
    program = (
        "import os, sys\n"
        "from hvbackup.events import Progress\n"
        "from hvbackup.jobs.import_folder import import_folder\n"
        "from hvbackup.jobs.requests import ImportRequest\n"
        "from hvbackup.repository.repository import Repository\n"
        "request = ImportRequest(folder=sys.argv[2], vm_name='web01', host='HV01')\n"
        "die = lambda event: os._exit(9) if isinstance(event, Progress) else None\n"
        "import_folder(Repository.open(sys.argv[1], passphrase=None), request, events=die)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "repository"), str(folder)],
        env={**os.environ, "HVBACKUP_STATE_DIR": str(tmp_path / "state")},
        check=False,
    )

    result = bring(repository, folder)

    assert 9 == killed.returncode
    assert [result.point] == repository.points()


def test_empty_folders_are_told_of(repository: Repository, folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"1")
    (folder / "nothing" / "in here").mkdir(parents=True)

    assert ("nothing/in here: an empty folder, which a restore point does not keep",) == bring(repository, folder).notes


def test_files_are_listed_sorted_whatever_the_file_system_does(folder: Path) -> None:
    for name in ("b", "a", "c/d"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"1")

    assert ["a", "b", "c/d"] == [file.name for file in list_folder(folder).files]
    assert isinstance(list_folder(folder).files[0], LocalFile)


def test_problems_with_images_are_told_one_by_one(repository: Repository, folder: Path) -> None:
    for name in ("one.vhdx", "two.vhdx"):
        (folder / name).write_bytes(b"not a disk")
    events: list[Event] = []

    with pytest.raises(ImageDamaged):
        import_folder(repository, ImportRequest(folder=str(folder), vm_name="web01"), events=events.append)

    told = [event.text for event in events if isinstance(event, Note)]
    assert ["one.vhdx", "two.vhdx"] == [text.split(":")[0] for text in told]


def test_an_imported_disk_can_be_looked_into_without_restoring_it(repository: Repository, folder: Path) -> None:
    content = noise(MIB)
    create_vhdx(folder / "disk.vhdx", 8 * MIB, {3: content})
    point = bring(repository, folder).point

    with repository.read(point).open("disk.vhdx") as file:
        disk = open_image(file)

        assert 8 * MIB == disk.size
        assert content == disk.read_at(3 * MIB, MIB)
        assert bytes(MIB) == disk.read_at(4 * MIB, MIB)
