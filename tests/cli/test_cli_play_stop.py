"""Ctrl-C while a playbook backs up: it ends in order, with what it came to, and leaves the hosts as they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hvbackup.repository.repository import Repository
from hvbackup.simulator.simulated_host import ServedHost
from hvbackup.simulator.volumes import local_path


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_ctrl_c_ends_a_backup_in_order(
    served: ServedHost, inventory_of: Callable[[dict[str, ServedHost]], str], tmp_path: Path
) -> None:
    with served.host.change() as record:
        record.faults.stop_at["Get-HvbBlockHash:start"] = "hang"
    Repository.init(tmp_path / "repository", passphrase=None).close()
    (tmp_path / "site.yml").write_text(
        """\
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - hvbackup.hyperv.vm_backup: {include: [web01], repository: repository, passphrase_from: none}
      rescue:
        - ansible.builtin.debug: {msg: rescued}
    - ansible.builtin.debug: {msg: later}
""",
        encoding="utf-8",
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("HVBACKUP_", "COV_"))}
    environment |= {"HVBACKUP_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    command = [sys.executable, "-m", "hvbackup", "play", "site.yml", "-i", inventory_of({"hv01": served}), "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        began = time.monotonic()
        while not served.host.read().shadow_copies:
            assert process.poll() is None
            assert time.monotonic() - began < 60
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert 130 == process.returncode, errors
    records = [json.loads(line) for line in output.splitlines()]
    assert (130, True) == (records[-1]["exitCode"], records[-1]["interrupted"])
    assert ["hvbackup.hyperv.vm_backup"] == [each["task"] for each in records if each["type"] == "task_result"]
    assert () == tuple(served.host.read().shadow_copies)
    root = local_path(served.host.folder, served.host.read().machine.scratch_root)
    assert not root.exists() or [] == list(root.iterdir())
    with Repository.open(tmp_path / "repository", passphrase=None) as repository:
        assert [] == repository.points()
        assert [] == repository.held_leases()
