"""A run that is killed anywhere: the next one finds what it left on the host and removes it; no half point exists."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hvbackup.jobs.requests import BackupRequest
from hvbackup.models import JobStatus
from hvbackup.simulator.builder import change_disk

Site = Any

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")

CHILD = """
import json, os, signal, sys
from pathlib import Path
from hvbackup.events import StepStarted
from hvbackup.jobs.host import Host
from hvbackup.jobs.requests import BackupRequest
from hvbackup.remote.connect import open_transport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.repository.repository import Repository
from hvbackup.secrets import Secret

given = json.loads(sys.argv[1])
options = ConnectionOptions(host="127.0.0.1", port=given["port"], username="Administrator", auth="basic",
                            password=Secret(os.environ["CHILD_PASSWORD"]), ca_file=given["ca_file"])
transport = open_transport(options)
calls = 0


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(event):
    if isinstance(event, StepStarted) and event.step == given.get("step"):
        die()


class Fragile:
    # Dies before it sends, or after it got the answer of, the n-th call.
    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def lane(self):
        return Fragile(self._inner.lane())

    def _count(self, run):
        global calls
        calls += 1
        mine = calls
        if given.get("before") == mine:
            die()
        answer = run()
        if given.get("after") == mine:
            die()
        return answer

    def call(self, call, **options):
        return self._count(lambda: self._inner.call(call, **options))

    def receive(self, call, sink, **options):
        return self._count(lambda: self._inner.receive(call, sink, **options))


host = Host(Fragile(transport), state_folder=Path(given["state"]))
with Repository.open(given["repository"], passphrase=None) as repository:
    host.backup(repository, BackupRequest(include=("web01",)), events=at_step)
print(calls)
host.close()
"""


def run_child(site: Site, tmp_path: Path, **how: object) -> subprocess.CompletedProcess[str]:
    import json

    given = {
        "port": site.served.server.port,
        "ca_file": site.served.ready.ca_file,
        "state": str(site.state),
        "repository": str(tmp_path / "repository"),
        **how,
    }
    return subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(given)],
        env={**os.environ, "CHILD_PASSWORD": site.served.ready.password},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def assert_the_next_run_mends_everything(site: Site, points_before: int) -> None:
    assert points_before == len(site.repository.points())
    with site.connect() as host:
        result = host.backup(site.repository, BackupRequest(include=("web01",)))
    assert [JobStatus.OK] == [job.status for job in result.jobs]
    assert () == result.warnings
    assert (0, 0, 0) == site.leftovers()
    assert [] == list((site.state / "journal").iterdir())
    assert site.repository.check(read_data=True).ok


@pytest.mark.parametrize(
    ("step", "points"), [("look", 0), ("shadow", 0), ("check", 0), ("copy", 0), ("commit", 0), ("remove", 1)]
)
def test_a_run_killed_at_a_step_is_mended_by_the_next(site: Site, tmp_path: Path, step: str, points: int) -> None:
    child = run_child(site, tmp_path, step=step)

    assert -signal.SIGKILL == child.returncode, child.stderr
    assert_the_next_run_mends_everything(site, points)


def test_cleanup_removes_what_a_killed_run_left_and_says_so(site: Site, tmp_path: Path) -> None:
    child = run_child(site, tmp_path, step="copy")
    assert -signal.SIGKILL == child.returncode, child.stderr
    assert (1, 1, 0) == site.leftovers()

    with site.connect() as host:
        seen = host.cleanup(dry_run=True)
        result = host.cleanup()

    assert [("this machine", False)] == [(each.owner, each.alive) for each in seen.leftovers]
    assert () == result.problems
    assert (0, 0, 0) == site.leftovers()


def test_the_vm_of_a_killed_run_can_be_backed_up_again_at_once(site: Site, tmp_path: Path) -> None:
    child = run_child(site, tmp_path, step="copy")
    assert -signal.SIGKILL == child.returncode, child.stderr

    with site.connect() as host:
        again = host.backup(site.repository, BackupRequest(include=("web01",)))

    assert [JobStatus.OK] == [job.status for job in again.jobs]
    assert (0, 0, 0) == site.leftovers()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_run_killed_before_or_after_any_call_is_mended_by_the_next(site: Site, tmp_path: Path, how: str) -> None:
    web01 = next(record.vm.id for record in site.served.host.read().vms if record.vm.name == "web01")
    # How many calls a copy takes varies a little, as its lanes share the work: so until one is not reached any more.
    for number in itertools.count(1):
        change_disk(site.served.host, web01, seed=f"{how} {number}")
        child = run_child(site, tmp_path, **{how: number})
        if child.returncode == 0:
            break
        assert -signal.SIGKILL == child.returncode, (number, child.stderr)
        assert_the_next_run_mends_everything(site, len(site.repository.points()))

    assert int(child.stdout) < number
    assert number > 15
