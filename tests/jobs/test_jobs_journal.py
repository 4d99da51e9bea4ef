from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hvbackup.jobs.journal import Journal, SideEffect, abandoned_runs, run_is_alive, workstation

EFFECT = SideEffect(kind="scratch", host="HV01", scratch="C:\\ProgramData\\hvbackup\\runs\\r")

DIES = """
import os, signal, sys
from pathlib import Path
from hvbackup.jobs.journal import Journal, SideEffect
journal = Journal("run-1", Path(sys.argv[1]))
number = journal.begin(SideEffect(kind="scratch", host="HV01", scratch="S1"))
journal.begin(SideEffect(kind="scratch", host="hv02", scratch="S2"))
journal.undone(number) if sys.argv[2] == "undone" else None
os.kill(os.getpid(), signal.SIGKILL)
"""


def die(folder: Path, how: str) -> None:
    done = subprocess.run([sys.executable, "-c", DIES, str(folder), how], check=False)
    assert -signal.SIGKILL == done.returncode


def test_a_run_that_undid_everything_leaves_no_file(tmp_path: Path) -> None:
    with Journal("r", tmp_path) as journal, journal.effect(EFFECT):
        assert [tmp_path / "journal" / "r.jsonl"] == list((tmp_path / "journal").iterdir())

    assert [] == list((tmp_path / "journal").iterdir())


def test_a_living_run_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    with Journal("r", tmp_path) as journal, journal.effect(EFFECT):
        assert [] == abandoned_runs("HV01", tmp_path)
        assert run_is_alive("r", tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_what_a_killed_run_left_is_found_by_host_and_closed_once(tmp_path: Path) -> None:
    die(tmp_path, "left")

    assert not run_is_alive("run-1", tmp_path)
    (run,) = abandoned_runs("hv01", tmp_path)
    assert ["S1", "S2"] == [effect.scratch for effect in run.effects.values()]
    run.undone(1)
    run.close()

    assert [] == abandoned_runs("HV01", tmp_path)
    (other,) = abandoned_runs("HV02", tmp_path)
    other.undone(2)
    other.close()
    assert [] == list((tmp_path / "journal").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_what_was_undone_before_the_kill_is_not_found(tmp_path: Path) -> None:
    die(tmp_path, "undone")

    assert [] == abandoned_runs("HV01", tmp_path)


def test_half_a_line_at_the_end_of_a_journal_is_an_effect_that_had_not_begun(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "x.jsonl").write_bytes(b'{"begin": 1, "effect": {"kind"')

    assert [] == abandoned_runs("HV01", tmp_path)
    assert [] == list(folder.iterdir())


def test_the_machine_keeps_its_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path))

    assert workstation() == workstation()
    assert 36 == len(workstation()["id"])
