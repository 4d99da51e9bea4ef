"""examples/playbooks/ as they stand, on simulated hosts, under `hvbackup play` and under ansible-playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from hvbackup import Repository, Secret
from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.playbook.modules.conftest import MakeSite, Site

PROJECT = Path(__file__).resolve().parents[3]
EXAMPLES = PROJECT / "examples/playbooks"
PASSPHRASE = "wal nuss kern"
VSS_E_OBJECT_NOT_FOUND = 0x80042308
HOSTS = ("hv01.example.com", "hv02.example.com", "hv11.example.com")


class Place(NamedTuple):
    """A copy of the examples that has simulated hosts for its names, and the runner that plays it."""

    folder: Path
    sites: dict[str, Site]
    command: list[str]
    environment: dict[str, str]

    def play(self, playbook: str, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, playbook, "-i", "inventory.yml", "--vault-password-file", "vault-password", *flags,
             "-e", json.dumps({"repository": str(self.folder / "repository")})],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def points(self) -> list[tuple[str, str]]:
        with Repository.open(self.folder / "repository", passphrase=Secret(PASSPHRASE)) as repository:
            return sorted((point.vm_name, " ".join(point.tags)) for point in repository.points())


@pytest.fixture(params=["hvbackup play", "ansible-playbook", "ansible-playbook 2.17"])
def place(
    request: pytest.FixtureRequest, make_site: MakeSite, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    folder = Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))
    specifications = [
        [VmSpec(key="web01", name="web01"), VmSpec(key="legacy", name="legacy", generation=1, scsi=False)],
        [VmSpec(key="db01", name="db01")],
        [VmSpec(key="app01", name="app01")],
    ]
    sites = {name: make_site(vms, name=name) for name, vms in zip(HOSTS, specifications, strict=True)}
    (folder / "vault-password").chmod(0o600)
    (folder / "host_vars").mkdir()
    for name, site in sites.items():
        own = {
            "ansible_host": "127.0.0.1", "ansible_port": site.server.port, "ansible_user": "Administrator",
            "ansible_psrp_ca_cert": site.ca_file,
        }  # fmt: skip
        (folder / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    Repository.init(folder / "repository", passphrase=Secret(PASSPHRASE), scrypt_log_n=10).close()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "PYTHONPATH": str(PROJECT),
        "HVBACKUP_STATE_DIR": str(tmp_path / "state"), "ANSIBLE_NOCOLOR": "1", "NO_COLOR": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "hvbackup", "play"]
    if request.param != "hvbackup play":
        oldest = request.param.endswith("2.17")
        ansible: Path = request.getfixturevalue("oldest_ansible_folder" if oldest else "ansible_folder")
        install: Callable[[Path, Path], None] = request.getfixturevalue("install_collection")
        install(ansible, folder / "collections")
        command = [str(ansible / "ansible-playbook")]
        del environment["PYTHONPATH"]
    return Place(folder, sites, command, environment)


@pytest.fixture(scope="session")
def install_collection(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], None]:
    """Puts the collection beside a playbook, where ansible-playbook looks for it."""

    def install(ansible: Path, target: Path) -> None:
        collection = PROJECT / "ansible_collection"
        if not collection.is_dir():
            pytest.skip("the collection is a distribution of its own")
        if subprocess.run([ansible / "python", "-c", "import hvbackup"], capture_output=True, check=False).returncode:
            pytest.skip("hvbackup is not installed in the environment of ansible-core")
        shutil.copytree(collection, target / "ansible_collections/hvbackup/hyperv")

    return install


def test_the_nightly_backup_has_a_line_for_each_vm(place: Place) -> None:
    done = place.play("nightly-backup.yml")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert [("app01", "nightly"), ("db01", "nightly"), ("web01", "nightly")] == place.points()
    for line in (
        "hv01.example.com: 2 VMs",
        "  ok         online   guest        web01",
        "  skipped    offline  -            legacy",
        "    it would be paused (offline method), which was not allowed",
        "  ok         online   guest        app01",
    ):
        assert f'"{line}"' in done.stdout, done.stdout


def test_a_vm_that_fails_is_in_the_summary_and_in_the_exit_code(place: Place) -> None:
    with place.sites["hv02.example.com"].host.change() as record:
        record.faults.create_hresult = VSS_E_OBJECT_NOT_FOUND

    done = place.play("nightly-backup.yml")

    assert (3 if "play" in place.command else 2) == done.returncode, done.stdout + done.stderr
    assert '"  failed     online   -            db01"' in done.stdout, done.stdout
    assert [("app01", "nightly"), ("web01", "nightly")] == place.points()


def test_check_mode_of_the_nightly_backup_makes_no_point(place: Place) -> None:
    done = place.play("nightly-backup.yml", "--check", "--diff", "-e", "backup_allow_offline=true")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert '"  planned    offline  -            legacy"' in done.stdout, done.stdout
    assert [] == place.points()


def test_the_restore_drill_proves_and_leaves_nothing(place: Place) -> None:
    assert 0 == place.play("nightly-backup.yml", "--limit", "hv01.example.com,controller").returncode
    drill_host = place.sites["hv02.example.com"]
    with Repository.open(place.folder / "repository", passphrase=Secret(PASSPHRASE)) as repository:
        (point,) = (each.id for each in repository.points())

    done = place.play("restore-drill.yml")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{point} of web01: " in done.stdout
    assert ["db01"] == drill_host.vm_names()
    assert [] == [path for path in drill_host.windows_file("E:\\Drill").rglob("*") if path.is_file()]
    with Repository.open(place.folder / "repository", passphrase=Secret(PASSPHRASE)) as repository:
        assert [point] == list(repository.verified())


def test_the_restore_drill_fails_where_there_is_no_point(place: Place) -> None:
    done = place.play("restore-drill.yml")

    assert 0 != done.returncode
    assert "the repository has no restore point of 'web01'" in done.stdout + done.stderr
    assert ["db01"] == place.sites["hv02.example.com"].vm_names()


def test_the_repository_is_checked_pruned_and_collected(place: Place) -> None:
    assert 0 == place.play("nightly-backup.yml").returncode

    done = place.play("prune-and-check.yml")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert "3 restore points stay, 0 are gone" in done.stdout


def test_the_rolling_backup_goes_host_by_host_and_ends_a_cluster_at_its_first_failure(place: Place) -> None:
    with place.sites["hv01.example.com"].host.change() as record:
        record.faults.create_hresult = VSS_E_OBJECT_NOT_FOUND

    done = place.play("rolling-backup.yml")

    assert 0 != done.returncode
    assert [] == [point for point in place.points() if point[0] in ("web01", "db01")]
    with place.sites["hv01.example.com"].host.change() as record:
        record.faults.create_hresult = None
    done = place.play("rolling-backup.yml")

    assert 0 == done.returncode, done.stdout + done.stderr
    assert {("app01", "rolling cluster_b"), ("db01", "rolling cluster_a"), ("web01", "rolling cluster_a")} <= set(
        place.points()
    )
