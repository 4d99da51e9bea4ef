"""What is removed from a host, and what must not be: the work of others, of the living, and of other hosts."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import ConfigurationError, HvBackupError
from hvbackup.jobs.cleanup import clean_abandoned, clean_host
from hvbackup.jobs.journal import Journal, SideEffect, abandoned_runs, marker, run_is_alive, workstation
from hvbackup.models import HostFacts
from hvbackup.remote.calls import (
    FilesRemoved,
    GetHost,
    GetLeftover,
    Leftover,
    LeftoverList,
    RemoveFile,
    RemoveScratch,
    ScratchRemoved,
)
from hvbackup.remote.contract import Answer

SCRATCH = r"C:\ProgramData\hvbackup\runs\r"


class FakeHost:
    """A host with one leftover that remembers what it was asked to remove."""

    host = "HV01"

    def __init__(self, facts: HostFacts, leftover: Leftover | None = None, *, port: int = 5986) -> None:
        self.port = port
        self.removed: list[str] = []
        self._facts = facts
        self._leftover = leftover

    def call(self, call: Any, **_: object) -> Answer[Any]:
        if isinstance(call, GetHost):
            return Answer(self._facts)
        if isinstance(call, GetLeftover):
            return Answer(LeftoverList(leftovers=(self._leftover,) if self._leftover else ()))
        if isinstance(call, RemoveFile):
            self.removed += call.files
            return Answer(FilesRemoved(removed=call.files))
        assert isinstance(call, RemoveScratch)
        self.removed.append(call.scratch)
        return Answer(ScratchRemoved(removed=True))


def left(run_id: str, folder: Path, created_at: str = "2026-11-25T00:00:00Z") -> Leftover:
    return Leftover(scratch=SCRATCH, created_at=created_at, marker=marker(run_id, "backup", folder))


def abandon(folder: Path, *effects: SideEffect) -> None:
    """Leave the journal of a run that died."""
    journal = Journal("20261125T000000Z-0a0b0c0d", folder)
    for effect in effects:
        journal.begin(effect)
    journal.close()


PART = r"D:\VMs\web01.vhdx.hvbpart"


def test_files_are_removed_only_on_the_host_that_they_are_on_not_on_another_behind_the_same_name(
    facts: HostFacts, tmp_path: Path
) -> None:
    abandon(tmp_path, SideEffect(kind="files", host="hv01", port=15986, files=(PART,)))
    other: Any = FakeHost(facts, port=5986)
    right: Any = FakeHost(facts, port=15986)

    assert () == clean_abandoned(other, folder=tmp_path)
    assert [] == other.removed
    assert () == clean_abandoned(right, folder=tmp_path)
    assert [PART] == right.removed
    assert [] == list((tmp_path / "journal").iterdir())


def test_complete_files_of_a_vm_that_was_being_made_are_named_and_never_removed(
    facts: HostFacts, tmp_path: Path
) -> None:
    abandon(tmp_path, SideEffect(kind="build", host="HV01", port=5986, files=(r"D:\VMs\web01.vhdx",)))
    host: Any = FakeHost(facts)

    (told,) = clean_abandoned(host, folder=tmp_path)

    assert r"D:\VMs\web01.vhdx" in told
    assert [PART] == host.removed


def test_the_run_of_another_state_folder_of_this_machine_is_not_taken_for_a_dead_one(
    facts: HostFacts, tmp_path: Path
) -> None:
    with Journal("run-1", tmp_path / "service"):
        host: Any = FakeHost(facts, left("run-1", tmp_path / "service"))
        seen = clean_host(host, folder=tmp_path / "admin")

    assert (None, False) == (seen.leftovers[0].alive, seen.leftovers[0].removed)
    assert [] == host.removed


def test_age_is_told_by_the_clock_of_the_host(facts: HostFacts, tmp_path: Path) -> None:
    # The host's clock says 01:00; this machine's says whatever it likes.
    young: Any = FakeHost(facts, left("r", tmp_path / "other", "2026-11-25T00:30:00.1234567Z"))
    old: Any = FakeHost(facts, left("r", tmp_path / "other", "2026-11-24T00:30:00.1234567Z"))
    vague: Any = FakeHost(facts, left("r", tmp_path / "other", "yesterday"))

    for host in (young, old, vague):
        clean_host(host, older_than=timedelta(hours=12), folder=tmp_path)

    assert ([], [SCRATCH], []) == (young.removed, old.removed, vague.removed)


class FakeRepository:
    """A repository that remembers which leases were given back."""

    class config:  # noqa: N801 - as the attribute of a repository
        id = "R1"

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget_lease(self, scope: str, *, owner: str | None = None) -> bool:
        del owner
        self.forgotten.append(scope)
        return True


def test_a_lease_stays_noted_until_somebody_with_its_repository_comes(facts: HostFacts, tmp_path: Path) -> None:
    abandon(tmp_path, SideEffect(kind="lease", host="HV01", repository="R1", scope="vm/1", owner="x"))
    host: Any = FakeHost(facts)
    repository: Any = FakeRepository()

    assert () == clean_abandoned(host, folder=tmp_path)
    assert () == clean_abandoned(host, repository=repository, folder=tmp_path)

    assert ["vm/1"] == repository.forgotten
    assert [] == list((tmp_path / "journal").iterdir())


def test_a_lease_that_has_run_out_is_forgotten(facts: HostFacts, tmp_path: Path) -> None:
    abandon(tmp_path, SideEffect(kind="lease", host="HV01", repository="R1", scope="vm/1", owner="x"))
    (path,) = (tmp_path / "journal").iterdir()
    os.utime(path, (0, 0))
    host: Any = FakeHost(facts)

    clean_abandoned(host, folder=tmp_path)

    assert [] == list((tmp_path / "journal").iterdir())


# ---------------------------------------------------------------- the journal itself


def test_a_journal_that_another_run_looks_at_while_it_begins_is_neither_removed_nor_lost(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "just-begun.jsonl").touch()

    assert [] == abandoned_runs("HV01", tmp_path)
    assert ["just-begun.jsonl"] == [path.name for path in (tmp_path / "journal").iterdir()]


@pytest.mark.parametrize("line", [b"1\n", b"[]\n", b'{"begin":1,"effect":{"kind":5}}\n', b"\0\0\n", b'{"begin":1}\n'])
def test_a_journal_with_nonsense_in_it_stops_nobody(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "odd.jsonl").write_bytes(line)

    assert [] == abandoned_runs("HV01", tmp_path)


def test_a_run_id_from_a_host_opens_no_other_file(tmp_path: Path) -> None:
    assert not run_is_alive("../../etc/passwd", tmp_path)
    assert not run_is_alive("a\0b", tmp_path)


def test_a_state_folder_that_cannot_be_used_is_told_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file where a folder should be")

    for attempt in (lambda: Journal("r", tmp_path / "state"), lambda: workstation(tmp_path / "state")):
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        assert "HVBACKUP_STATE_DIR" in str(caught.value.hint)
        assert isinstance(caught.value, HvBackupError)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_noted_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    journal = Journal("r", tmp_path)
    journal.close()

    with Path("/dev/full").open("wb", buffering=0) as full:
        journal._stream = full
        with pytest.raises(ConfigurationError, match="No space left"):
            journal.begin(SideEffect(kind="scratch", host="HV01"))
