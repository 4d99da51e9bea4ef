"""Every play of the corpus does here what it does under ansible-core: tasks, statuses, results, recaps, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from play_corpus import Case, Record, cases, record_ansible, record_here

CASES = cases()


@pytest.fixture(scope="session")
def recorded(ansible_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """What ansible-core does with each case."""
    records = record_ansible(ansible_folder, CASES, tmp_path_factory.mktemp("corpus"))
    return {case.id: record for case, record in zip(CASES, records, strict=True)}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_a_play_does_here_what_it_does_under_ansible_core(
    case: Case, recorded: dict[str, Record], tmp_path: Path
) -> None:
    assert record_here(case, tmp_path) == recorded[case.id]


def test_the_names_of_cases_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
