"""examples/offline_report.py against a simulated host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.examples.conftest import Done, MakeSite, Run, Site

SCRIPT = Path(__file__).resolve().parents[2] / "examples/offline_report.py"
WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"
LEGACY = "26c51402-f457-5470-8127-b8bce77b531b"
FAR01 = "3cb0ebcf-f155-5a05-bf49-999d40208802"
BUILD01 = VmSpec(key="build01", name="build01", state="Off").vm_id


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(
        [
            VmSpec(key="web01", name="web01"),
            VmSpec(key="legacy", name="legacy", generation=1, scsi=False),
            VmSpec(key="build01", name="build01", state="Off"),
            VmSpec(key="far01", name="far01", checkpoint_letter="E"),
        ]
    )


def report(run_python: Run, site: Site, *more: str) -> Done:
    return run_python(
        SCRIPT, "127.0.0.1", "--port", site.port, "--ca-file", site.ca_file, "--user", "Administrator",
        "--password-from", "env:HOST_PASSWORD", *more,
    )  # fmt: skip


def test_each_vm_that_is_not_online_has_its_reason_and_its_cure(run_python: Run, site: Site) -> None:
    done = report(run_python, site)

    assert (0, "") == (done.code, done.err)
    lines = done.out.splitlines()
    assert f"ONLINE   web01  ({WEB01})" == lines[0]
    assert f"OFFLINE  legacy  ({LEGACY})" == lines[1]
    assert lines[2].startswith("    because: The VM has a SCSI controller (generation 1, from Windows Server 2012 R2)")
    vm = f"Get-VM -Id {LEGACY}"
    assert f"        Stop-VM -VM ({vm}); Add-VMScsiController -VM ({vm}); Start-VM -VM ({vm})" == lines[3]
    assert f"OFFLINE  build01  ({BUILD01})" == lines[4]
    assert "    because: The VM is running - its state is Off" == lines[5]
    assert f"        Start-VM -VM (Get-VM -Id {BUILD01})" == lines[6]
    assert "1 of 4 VMs stay running while they are backed up." == lines[-1]


def test_what_only_the_writer_knows_is_told_as_perhaps(run_python: Run, site: Site) -> None:
    lines = report(run_python, site).out.splitlines()

    of_far01 = lines[lines.index(f"OFFLINE  far01  ({FAR01})") + 1 : -1]
    assert of_far01[0].startswith("    perhaps: The checkpoint location is on the volume of the VM's disks")
    assert (
        rf"        Set-VM -VM (Get-VM -Id {FAR01}) -SnapshotFileLocation 'D:\Hyper-V\far01\Virtual Hard Disks'"
        == of_far01[1]
    )
    assert not [line for line in of_far01 if "because" in line]


def test_programs_get_the_same_as_json(run_python: Run, site: Site) -> None:
    done = report(run_python, site, "--json")

    assert (0, "") == (done.code, done.err)
    found = json.loads(done.out)
    assert ["web01", "legacy", "build01", "far01"] == [each["vm"] for each in found]
    assert ["online", "offline", "offline", "offline"] == [each["method"] for each in found]
    assert {
        "vm": "web01",
        "id": WEB01,
        "method": "online",
        "byWriter": "online",
        "byConditions": "online",
        "because": [],
        "perhaps": [],
    } == found[0]
    assert [["scsi-controller"], ["vm-running"], []] == [
        [reason["condition"] for reason in each["because"]] for each in found[1:]
    ]


def test_a_wrong_password_is_one_sentence_and_exit_code_7(run_python: Run, site: Site) -> None:
    done = run_python(
        SCRIPT, "127.0.0.1", "--port", site.port, "--ca-file", site.ca_file, "--user", "Administrator",
        "--password-from", "env:HOST_PASSWORD", HOST_PASSWORD="not this one",
    )  # fmt: skip

    assert (7, "") == (done.code, done.out)
    assert 1 == len(done.err.splitlines())
    assert done.err.startswith("error: 127.0.0.1")
    assert "not this one" not in done.err


def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_repeated(run_python: Run, site: Site) -> None:
    done = run_python(SCRIPT, "127.0.0.1", "--user", "Administrator", "--password-from", "hunter2")

    assert (5, "") == (done.code, done.out)
    assert "hunter2" not in done.err


def test_a_user_without_a_password_reference_is_a_usage_error(run_python: Run) -> None:
    done = run_python(SCRIPT, "127.0.0.1", "--user", "Administrator")

    assert 2 == done.code
    assert "--user and --password-from belong together" in done.err
