"""`host_info`, `writer_info`, `backup_point_info` against a simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvbackup.remote.options import ConnectionOptions

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeRunner, Runner, Site


def test_a_host_says_what_it_is_and_that_it_is_fit(run: Runner) -> None:
    result = run("host_info")

    assert ("HV01", True, True, None, None, False) == tuple(
        result[name] for name in ("computer_name", "elevated", "fit", "unfit_reason", "unfit_cure", "changed")
    )
    assert result["hyper_v"]["installed"] is True
    assert {"size_bytes", "free_bytes", "paths"} <= set(result["volumes"][0])


def test_a_host_that_is_not_fit_says_why_and_what_to_do(run: Runner, site: Site) -> None:
    with site.host.change() as record:
        record.machine.product_type = 1

    result = run("host_info")

    assert result["fit"] is False
    assert "client Windows has no Hyper-V VSS writer" in result["unfit_reason"]
    assert "Only Windows Server can be backed up through VSS." == result["unfit_cure"]


def test_an_argument_that_is_none_of_the_module_is_refused(run: Runner) -> None:
    reply = run.reply("host_info", gather="all")

    assert (True, 5) == (reply.result["failed"], reply.exit_code)
    assert "gather: no such argument (there are none at all)" == reply.result["msg"]


def test_the_hyper_v_writer_is_told_by_itself_and_components_only_when_asked_for(run: Runner) -> None:
    result = run("writer_info")

    assert "Microsoft Hyper-V VSS Writer" == result["hyperv_writer"]["name"]
    assert ("STABLE", True, None) == tuple(result["hyperv_writer"][name] for name in ("state", "healthy", "components"))
    assert [] == result["unhealthy"]

    full = run("writer_info", components="yes")["hyperv_writer"]
    assert full["component_count"] == len(full["components"]) >= 2


def test_restore_points_are_listed_without_connecting_to_any_host(
    run: Runner, runner: MakeRunner, repository: dict[str, Any]
) -> None:
    points = [run("vm_backup", include="web01", tags="nightly", **repository)["vms"][0]["point_id"] for _ in (1, 2)]
    here = runner(ConnectionOptions(transport="local"), "localhost")

    assert points == [point["point_id"] for point in here("backup_point_info", **repository)["points"]]
    newest = here("backup_point_info", newest=True, vm="WEB01", from_host="hv01", **repository)["points"]
    assert [points[1]] == [point["point_id"] for point in newest]
    assert ("HV01", "web01", "guest", ["nightly"], None, False) == tuple(
        newest[0][name] for name in ("host", "vm_name", "consistency", "tags", "verified_at", "pinned")
    )
    assert [] == here("backup_point_info", vm="nobody", **repository)["points"]


def test_a_module_for_hosts_is_refused_on_this_machine(runner: MakeRunner) -> None:
    reply = runner(ConnectionOptions(transport="local"), "localhost").reply("host_info")

    assert reply.result["failed"] is True
    assert "localhost is this machine, which is no Hyper-V host" == reply.result["msg"]
    assert "do not delegate" in reply.result["hint"]
