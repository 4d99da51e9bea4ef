"""Every play of the corpus does here what it does under ansible-core: tasks, statuses, results, recaps, exit codes.

What ansible-core does was recorded (`record_corpus.py`), so that the comparison needs it neither here nor on Windows;
where it is installed, the recording is compared with it: a part always, all of it with `-m slow`.
"""

from __future__ import annotations

from pathlib import Path

import oldest_differences
import pytest
from play_corpus import Case, cases, record_ansible, record_here, recorded
from random_plays import random_case

CASES = cases()
RECORDED = recorded()
#: Every so manieth case is asked of ansible-core in the default run.
_STEP = 25


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_play_does_here_what_it_does_under_ansible_core(case: Case, tmp_path: Path) -> None:
    then, record = RECORDED[case.id]
    assert case == then, "the case has changed: record it again with record_corpus.py"
    assert record_here(case, tmp_path) == record


def test_the_names_of_cases_are_unique_and_all_are_recorded() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) == set(RECORDED)


def test_a_part_of_the_recording_is_what_ansible_core_does(ansible_folder: Path, tmp_path: Path) -> None:
    _compare(ansible_folder, CASES[::_STEP], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_recording_is_what_ansible_core_does(ansible_folder: Path, tmp_path: Path) -> None:
    _compare(ansible_folder, CASES, tmp_path)


def test_a_part_of_what_the_oldest_ansible_core_does_otherwise_is_known(
    oldest_ansible_folder: Path, tmp_path: Path
) -> None:
    _compare_oldest(oldest_ansible_folder, CASES[::_STEP], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_the_oldest_ansible_core_does_otherwise_is_known(oldest_ansible_folder: Path, tmp_path: Path) -> None:
    _compare_oldest(oldest_ansible_folder, CASES, tmp_path)


def _compare_oldest(ansible_folder: Path, wanted: list[Case], folder: Path) -> None:
    records = zip(wanted, record_ansible(ansible_folder, wanted, folder), strict=True)
    differing = {case.id for case, record in records if record != RECORDED[case.id][1]}
    assert differing == oldest_differences.ALL & {case.id for case in wanted}


@pytest.mark.parametrize(
    "seeds", [range(8), pytest.param(range(8, 200), marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_playbooks_by_chance_do_here_what_they_do_under_ansible_core(
    ansible_folder: Path, tmp_path: Path, seeds: range
) -> None:
    chosen = [random_case(seed) for seed in seeds]
    home = tmp_path / "ansible"
    home.mkdir()
    for case, record in zip(chosen, record_ansible(ansible_folder, chosen, home), strict=True):
        assert (case.id, record_here(case, tmp_path)) == (case.id, record)


def _compare(ansible_folder: Path, wanted: list[Case], folder: Path) -> None:
    for case, record in zip(wanted, record_ansible(ansible_folder, wanted, folder), strict=True):
        assert (case.id, record) == (case.id, RECORDED[case.id][1])
