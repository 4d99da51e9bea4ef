"""examples/nightly_backup.py against two simulated hosts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.repository.repository import Repository
from hvbackup.simulator.vm_specs import VmSpec

if TYPE_CHECKING:
    from tests.examples.conftest import Done, MakeSite, Run, Site

SCRIPT = Path(__file__).resolve().parents[2] / "examples/nightly_backup.py"
POINT = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
NOT_ALLOWED = "it would be paused (offline method), which was not allowed"


@pytest.fixture
def first(make_site: MakeSite) -> Site:
    """A host with an Online VM and a running Offline one."""
    return make_site(
        [VmSpec(key="web01", name="web01"), VmSpec(key="legacy", name="legacy", generation=1, scsi=False)],
        name="first",
    )


@pytest.fixture
def second(make_site: MakeSite) -> Site:
    """A host with one Online VM."""
    return make_site([VmSpec(key="db02", name="db02")], name="second")


@pytest.fixture
def authorities(tmp_path: Path, first: Site, second: Site) -> Path:
    """One file with the authorities of both hosts, as a site has it."""
    place = tmp_path / "authorities.pem"
    place.write_text(first.ca_file.read_text() + second.ca_file.read_text())
    return place


def nightly(run_python: Run, repository: Path, authorities: Path, *more: str) -> Done:
    return run_python(
        SCRIPT, "--repository", repository, "--passphrase-from", "none", "--user", "Administrator",
        "--password-from", "env:HOST_PASSWORD", "--ca-file", authorities, *more,
    )  # fmt: skip


def table(done: Done) -> list[list[str]]:
    return [re.split(r"\s{2,}", line) for line in done.out.splitlines()]


def points_of(repository: Path) -> list[str]:
    with Repository.open(repository, passphrase=None) as opened:
        return sorted(point.vm_name for point in opened.points())


def test_every_vm_of_every_host_has_its_line_and_its_restore_point(
    run_python: Run, repository: Path, first: Site, second: Site, authorities: Path
) -> None:
    hosts = (f"127.0.0.1:{first.port}", f"localhost:{second.port}")

    done = nightly(run_python, repository, authorities, *hosts, "--allow-offline")

    assert 0 == done.code, done.err
    rows = table(done)
    assert ["HOST", "VM", "STATUS", "METHOD", "CONSISTENCY", "SENT", "RESTORE POINT OR REASON"] == rows[0]
    assert [
        [hosts[0], "legacy", "ok", "offline", "saved-state"],
        [hosts[0], "web01", "ok", "online", "guest"],
        [hosts[1], "db02", "ok", "online", "guest"],
    ] == sorted(row[:5] for row in rows[1:])
    assert all(re.fullmatch(POINT, row[6]) for row in rows[1:])
    assert ["db02", "legacy", "web01"] == points_of(repository)
    assert "\n127.0.0.1 web01: creating the shadow set" in "\n" + done.err
    assert "\nlocalhost db02: ok" in done.err


def test_offline_vms_are_skipped_unless_pausing_is_allowed(
    run_python: Run, repository: Path, first: Site, authorities: Path
) -> None:
    done = nightly(run_python, repository, authorities, f"127.0.0.1:{first.port}")

    assert 0 == done.code, done.err
    assert {"legacy": ["skipped", NOT_ALLOWED], "web01": ["ok"]} == {
        row[1]: [row[2], row[6]] if row[2] == "skipped" else [row[2]] for row in table(done)[1:]
    }
    assert ["web01"] == points_of(repository)


def test_a_host_that_does_not_answer_fails_alone_and_the_exit_code_says_partial(
    run_python: Run, repository: Path, second: Site, authorities: Path, unused_port: int
) -> None:
    done = nightly(run_python, repository, authorities, f"127.0.0.1:{unused_port}", f"localhost:{second.port}")

    assert 3 == done.code
    rows = table(done)[1:]
    assert [f"127.0.0.1:{unused_port}", "-", "failed", "-", "-", "-"] == rows[0][:6]
    assert f"127.0.0.1:{unused_port} refuses the connection: nothing listens there" == rows[0][6]
    assert ["db02", "ok"] == rows[1][1:3]
    assert ["db02"] == points_of(repository)


def test_when_all_fail_the_exit_code_is_1(run_python: Run, repository: Path, second: Site, authorities: Path) -> None:
    with second.host.change() as record:
        record.faults.create_hresult = 0x80042308  # VSS_E_OBJECT_NOT_FOUND

    done = nightly(run_python, repository, authorities, f"localhost:{second.port}")

    assert 1 == done.code
    assert ["db02", "failed"] == table(done)[1][1:3]
    assert [] == points_of(repository)


def test_a_repository_that_is_not_there_stops_it_before_any_host_is_asked(
    run_python: Run, tmp_path: Path, second: Site, authorities: Path
) -> None:
    done = nightly(run_python, tmp_path / "nowhere", authorities, f"localhost:{second.port}")

    assert (4, "") == (done.code, done.out)
    assert done.err.startswith("error: ")


def test_the_encrypted_repository_takes_its_passphrase_from_a_file_that_only_its_owner_reads(
    run_python: Run, tmp_path: Path, second: Site, authorities: Path
) -> None:
    from hvbackup.secrets import Secret

    passphrase = tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("wal nuss kern\n")
    Repository.init(tmp_path / "sealed", passphrase=Secret("wal nuss kern"), scrypt_log_n=10).close()
    options = ("--user", "Administrator", "--password-from", "env:HOST_PASSWORD", "--ca-file", authorities)
    asked = (f"localhost:{second.port}", "--repository", tmp_path / "sealed", "--passphrase-from", f"file:{passphrase}")

    done = run_python(SCRIPT, *asked, *options)

    assert 0 == done.code, done.err
    assert ["db02", "ok"] == table(done)[1][1:3]


def test_a_host_named_twice_is_a_usage_error(run_python: Run, repository: Path) -> None:
    done = run_python(SCRIPT, "hv01", "hv01", "--repository", repository, "--passphrase-from", "none")

    assert 2 == done.code
    assert "a host is named twice" in done.err
