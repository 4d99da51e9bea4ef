"""Connections that stay open from one task to the next."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from hvbackup import Secret
from hvbackup.events import discard
from hvbackup.playbook.modules.kept_hosts import KeptHosts

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeRunner, Site


def test_the_second_task_needs_no_logon(site: Site, runner: MakeRunner) -> None:
    with KeptHosts() as kept:
        run = runner(site.options, kept=kept)
        before = site.server.requests
        first = run("host_info")
        for_first = site.server.requests - before
        second = run("host_info")
        for_second = site.server.requests - before - for_first

    assert first.keys() == second.keys()
    assert for_second < for_first / 2


def test_two_tasks_at_once_never_share_a_connection(site: Site) -> None:
    with KeptHosts() as kept:
        with kept.host(site.options, discard) as one, kept.host(site.options, discard) as two:
            assert one is not two
            assert {"HV01"} == {each.facts().computer_name for each in (one, two)}
        with kept.host(site.options, discard) as three:
            assert three in (one, two)


def test_other_options_are_another_connection(site: Site) -> None:
    other = msgspec.structs.replace(site.options, password=Secret("other"))
    with KeptHosts() as kept:
        with kept.host(site.options, discard) as one:
            pass
        with kept.host(other, discard) as two:
            assert one is not two


def test_a_connection_that_a_failure_went_through_is_not_kept(site: Site, runner: MakeRunner) -> None:
    with KeptHosts() as kept:
        run = runner(site.options, kept=kept)
        assert run.reply("vm_info", include="nobody").result["failed"] is True
        with kept.host(site.options, discard) as one:
            pass
        assert run.reply("vhd_mount", path="E:\\none.vhdx").result["failed"] is True
        with kept.host(site.options, discard) as two:
            assert one is not two


def test_one_that_broke_while_it_was_idle_is_mended(site: Site, runner: MakeRunner) -> None:
    with KeptHosts() as kept:
        run = runner(site.options, kept=kept)
        run("host_info")
        site.server.faults.drop_connection()

        assert "HV01" == run("host_info")["computer_name"]


def test_each_task_warns_of_its_connection(site: Site, runner: MakeRunner) -> None:
    options = msgspec.structs.replace(site.options, verify=False, ca_file=None)
    with KeptHosts() as kept:
        run = runner(options, kept=kept)
        warnings: list[Any] = [run("host_info")["warnings"] for _ in range(2)]

    assert 1 == len(warnings[0])
    assert warnings[0] == warnings[1]


def test_many_tasks_in_many_threads_are_well(site: Site, runner: MakeRunner) -> None:
    with KeptHosts() as kept, ThreadPoolExecutor(4) as pool:
        run = runner(site.options, kept=kept)
        names = [each["computer_name"] for each in pool.map(lambda _: run("host_info"), range(12))]

    assert ["HV01"] * 12 == names
