"""`repository` and `cleanup`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hvbackup import ConnectionOptions, Repository, Secret
from hvbackup.jobs.journal import marker

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeRunner, Runner

PASSPHRASE = "wal nuss kern"


@pytest.fixture
def here(runner: MakeRunner) -> Runner:
    """Modules on this machine: nothing listens anywhere."""
    return runner(ConnectionOptions(transport="local"), "localhost")


def test_a_repository_is_made_once(here: Runner, tmp_path: Path) -> None:
    place = tmp_path / "new"
    arguments: dict[str, Any] = {"repository": str(place), "passphrase": PASSPHRASE}

    planned = here("repository", check=True, diff=True, **arguments)
    assert (True, True, False) == (planned["changed"], planned["created"], place.exists())
    assert {"before": "no repository\n", "after": f"a repository at {place}\n"} == planned["diff"]
    made = here("repository", **arguments)
    again = here("repository", **arguments)

    assert (True, True) == (made["changed"], made["created"])
    assert (False, False) == (again["changed"], again["created"])
    assert PASSPHRASE not in json.dumps([planned, made, again])
    Repository.open(place, passphrase=Secret(PASSPHRASE)).close()


def test_a_folder_with_something_else_in_it_is_refused(here: Runner, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")

    reply = here.reply("repository", repository=str(tmp_path / "full"), passphrase_from="none")

    assert (True, "RepositoryExists") == (reply.result["failed"], reply.result["error_type"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give exactly one of passphrase and passphrase_from"),
        ({"passphrase": "x", "passphrase_from": "none"}, "give exactly one of passphrase and passphrase_from"),
        ({"passphrase_from": "prompt"}, "nobody can be asked for a passphrase while a playbook runs"),
        ({"passphrase_from": "hunter2"}, "this is not a reference to a secret"),
        ({"passphrase_from": "none", "limit_rate": "fast"}, "'fast' is no rate in bytes per second"),
    ],
)
def test_the_passphrase_comes_from_exactly_one_place(
    here: Runner, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    reply = here.reply("repository", repository=str(tmp_path / "new"), **arguments)

    assert reply.result["failed"] is True
    assert message in reply.result["msg"]
    assert "hunter2" not in json.dumps(reply.result)
    assert not (tmp_path / "new").exists()


def test_pruning_deletes_what_no_rule_keeps(run: Runner, here: Runner, repository: dict[str, Any]) -> None:
    points = [run("vm_backup", include="web01", **repository)["vms"][0]["point_id"] for _ in range(3)]
    arguments = {"state": "prune", "keep_last": "2", "timezone": "UTC", **repository}

    planned = here("repository", check=True, diff=True, **arguments)
    result = here("repository", **arguments)

    assert planned["changed"] is result["changed"] is True
    assert points[:1] == [each["point_id"] for each in planned["removed"]]
    assert planned["removed"] == result["removed"]
    assert [["last"], ["newest", "last"]] == [each["kept_by"] for each in result["kept"]]
    assert 3 == len(planned["diff"]["before"].splitlines())
    assert 2 == len(planned["diff"]["after"].splitlines())
    assert here("repository", **arguments)["changed"] is False
    with Repository.open(repository["repository"], passphrase=None) as opened:
        assert points[1:] == [point.id for point in opened.points()]


def test_pruning_without_a_rule_or_in_no_calendar_is_refused(here: Runner, repository: dict[str, Any]) -> None:
    reply = here.reply("repository", state="prune", **repository)
    assert ("no rule says what to keep", 5) == (reply.result["msg"], reply.exit_code)

    reply = here.reply("repository", state="prune", keep_last=1, timezone="Mars", **repository)
    assert ("'Mars' is no time zone known here", 2) == (reply.result["msg"], reply.exit_code)


def test_collecting_says_what_is_condemned_and_deleted(here: Runner, backed_up: dict[str, Any]) -> None:
    assert here("repository", state="collect", **backed_up)["changed"] is False
    with Repository.open(backed_up["repository"], passphrase=None) as opened:
        opened._delete_point(opened.points()[0].id)

    planned = here("repository", state="collect", grace="0m", check=True, **backed_up)
    result = here("repository", state="collect", grace="0m", diff=True, **backed_up)

    assert (True, True, False) == (planned["changed"], planned["collected"]["dry_run"], result["collected"]["dry_run"])
    assert result["changed"] is True
    assert planned["collected"]["condemned_packs"] == result["collected"]["condemned_packs"] > 0
    assert result["diff"]["before"] != result["diff"]["after"]


def test_a_check_that_finds_something_fails_with_all_that_it_found(here: Runner, backed_up: dict[str, Any]) -> None:
    good = here("repository", state="check", read_data="yes", **backed_up)
    assert (False, [], 1) == (good["changed"], good["problems"], good["points"])
    assert good["read_bytes"] > 0
    for pack in Path(backed_up["repository"], "packs").rglob("*"):
        if pack.is_file():
            pack.unlink()

    reply = here.reply("repository", state="check", **backed_up)

    assert (True, 1) == (reply.result["failed"], reply.exit_code)
    assert reply.result["problems"]
    assert "problem(s), the first: " in reply.result["msg"]


def test_a_host_without_leftovers_is_clean_already(run: Runner) -> None:
    assert (False, [], []) == tuple(
        run("cleanup", older_than="1d")[name] for name in ("changed", "leftovers", "undone")
    )


def test_what_a_dead_run_of_this_machine_has_left_is_removed_and_told(
    run: Runner, leave_behind: Callable[[dict[str, Any]], str]
) -> None:
    scratch = leave_behind(marker("20261125T010000Z-aaaaaaaa", "backup"))

    planned = run("cleanup", check=True, diff=True)
    assert (True, [True]) == (planned["changed"], [each["removed"] for each in planned["leftovers"]])
    assert f"{scratch}\n" == planned["diff"]["before"]
    result = run("cleanup")

    assert (True, [("this machine", scratch, True)], []) == (
        result["changed"],
        [(each["owner"], each["scratch"], each["removed"]) for each in result["leftovers"]],
        result["problems"],
    )
    assert (False, []) == tuple(run("cleanup")[name] for name in ("changed", "leftovers"))


def test_what_another_machine_has_left_stays_until_its_run_is_named(
    run: Runner, leave_behind: Callable[[dict[str, Any]], str]
) -> None:
    number = "20261125T010000Z-bbbbbbbb"
    scratch = leave_behind({"runId": number, "workstation": {"id": "another", "name": "PC7"}})

    wishes: tuple[dict[str, Any], ...] = ({}, {"older_than": "1d"}, {"run_id": "20261125T010000Z-cccccccc"})
    for arguments in wishes:
        result = run("cleanup", **arguments)
        assert (False, [("PC7", None, False)]) == (
            result["changed"],
            [(each["owner"], each["alive"], each["removed"]) for each in result["leftovers"]],
        )
    assert [True] == [each["removed"] for each in run("cleanup", check=True, run_id=number)["leftovers"]]
    result = run("cleanup", run_id=number)

    assert (True, [scratch]) == (result["changed"], [each["scratch"] for each in result["leftovers"]])
