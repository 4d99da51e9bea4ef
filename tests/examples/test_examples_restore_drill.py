"""examples/restore_drill.py against a simulated host that has been backed up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from hvbackup.repository.repository import Repository
from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.examples.conftest import Done, MakeSite, Run, Site, StartSite

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WEB01 = "582d7e2e-9d6b-5d60-b72c-3990f340cded"
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class BackedUp(NamedTuple):
    """A host, and the repository that holds its VMs."""

    site: Site
    repository: Path


def back_up(site: Site, folder: Path, run_python_in: Run) -> BackedUp:
    """Back a host up by the other example."""
    repository = folder / "repository"
    Repository.init(repository, passphrase=None).close()
    script = EXAMPLES / "nightly_backup.py"
    done = run_python_in(folder, script, f"127.0.0.1:{site.port}", *options(site, repository))
    assert 0 == done.code, done.err
    return BackedUp(site, repository)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, start_site: StartSite, run_python_in: Run) -> Iterator[BackedUp]:
    """For tests that leave the host and the repository as they were."""
    folder = tmp_path_factory.mktemp("drills")
    with ExitStack() as stack:
        vms = [VmSpec(key="web01", name="web01"), VmSpec(key="db01", name="db01", disks=("D", "E"))]
        yield back_up(start_site(stack, folder / "host", vms), folder, run_python_in)


@pytest.fixture
def site(shared: BackedUp) -> Site:
    return shared.site


@pytest.fixture
def repository(shared: BackedUp) -> Path:
    return shared.repository


def options(site: Site, repository: Path) -> tuple[object, ...]:
    return (
        "--repository", repository, "--passphrase-from", "none", "--user", "Administrator",
        "--password-from", "env:HOST_PASSWORD", "--ca-file", site.ca_file,
    )  # fmt: skip


def drill(run_python: Run, site: Site, repository: Path, vm: str, *more: str) -> Done:
    return run_python(
        EXAMPLES / "restore_drill.py", "127.0.0.1", vm, "--port", site.port, "--path", r"E:\Drill",
        *options(site, repository), *more,
    )  # fmt: skip


def drill_files(site: Site) -> list[Path]:
    folder = site.windows_file(r"E:\Drill")
    return sorted(folder.rglob("*")) if folder.exists() else []


def test_the_vm_is_rebuilt_checked_reported_and_removed_with_its_files(
    run_python: Run, site: Site, repository: Path
) -> None:
    done = drill(run_python, site, repository, "db01")

    assert 0 == done.code, done.out + done.err
    lines = done.out.splitlines()
    assert re.fullmatch(r"point     \d{8}T\d{6}Z-[0-9a-f]{8}: db01 of HV01, online, guest", lines[0])
    assert lines[1].startswith("verified  5 files, ")
    assert re.fullmatch(rf"rebuilt   db01-drill \({GUID}\), 2 files below E:\\Drill", lines[2])
    assert [
        "checked   2 disks attached, network disconnected, state Off",
        "removed   db01-drill and its files",
        "PASSED",
    ] == lines[3:]
    assert ["db01", "web01"] == site.vm_names()
    assert [] == drill_files(site)
    assert ["vm-created", "vm-removed"] == [
        entry.event for entry in site.host.read().history if entry.text == "db01-drill" or entry.subject in lines[2]
    ]


def test_a_kept_vm_has_another_id_and_no_network_and_the_next_drill_does_not_touch_it(
    run_python: Run, run_python_in: Run, make_site: MakeSite, tmp_path: Path
) -> None:
    site, repository = back_up(make_site([VmSpec(key="web01", name="web01")]), tmp_path, run_python_in)

    done = drill(run_python, site, repository, WEB01, "--keep", "--name", "proof")

    assert 0 == done.code, done.out + done.err
    assert "kept      proof, as asked\nPASSED\n" in done.out
    assert ["proof", "web01"] == site.vm_names()
    built = next(record.vm for record in site.host.read().vms if record.vm.name == "proof")
    assert WEB01 != built.id
    assert [None] == [adapter.switch_name for adapter in built.network_adapters]
    assert "Off" == built.state
    assert built.disks[0].path
    assert built.disks[0].path.startswith("E:\\Drill\\proof\\")

    before = [(path, path.stat().st_mtime_ns) for path in drill_files(site)]
    done = drill(run_python, site, repository, "web01", "--name", "proof")

    assert 1 == done.code
    assert "FAILED: another VM on the host has the name 'proof'" in done.out
    assert before == [(path, path.stat().st_mtime_ns) for path in drill_files(site)]
    assert ["proof", "web01"] == site.vm_names()


def test_a_hurt_restore_point_fails_before_the_host_is_touched(
    run_python: Run, site: Site, repository: Path, tmp_path: Path
) -> None:
    hurt = Path(shutil.copytree(repository, tmp_path / "hurt"))
    for pack in (hurt / "packs").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            # Everywhere: a pack holds blocks of several VMs, in an order that is not the same each time.
            data[200::4096] = bytes(byte ^ 0xFF for byte in data[200::4096])
            pack.write_bytes(data)

    done = drill(run_python, site, hurt, "web01")

    assert 1 == done.code
    assert "cannot be trusted" in done.out
    assert "rebuilt" not in done.out
    assert ["db01", "web01"] == site.vm_names()


def test_a_vm_without_restore_point_is_named(run_python: Run, site: Site, repository: Path) -> None:
    done = drill(run_python, site, repository, "nobody")

    assert 2 == done.code, done.err
    assert "FAILED: the repository has no restore point of 'nobody'" in done.out


def test_a_host_that_does_not_answer_is_exit_code_4(
    run_python: Run, site: Site, repository: Path, unused_port: int
) -> None:
    done = drill(run_python, site, repository, "web01", "--port", str(unused_port))

    assert 4 == done.code
    assert f"FAILED: 127.0.0.1:{unused_port} " in done.out
