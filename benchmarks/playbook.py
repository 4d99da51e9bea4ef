"""One playbook, 60 hosts, 3 tasks each: `hvbackup play` against ansible-playbook on one simulator, in one run.

    python benchmarks/playbook.py [--hosts 60] [--forks 10] [--servers 4] [--tasks light|vms] [--rounds 1] [--json]

Needs ansible-core with hvbackup in its environment: TEST_ANSIBLE_BIN names the folder with ansible-playbook. Both
runners connect to the same simulated hosts, over TLS, with the same number of forks, and do the same: `light` is
`host_info`, `assert`, `cleanup`; `vms` is `host_info`, `vm_info`, `debug`. Several names of the inventory stand for one
simulated host. The simulated hosts are processes of their own, and share the processors of this machine with the
runners, which real hosts do not. Wall time counts from the start of a runner to its end; its own processor time is told
beside it.

Goal: at least 5 times less wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
GOAL = 5.0
PLAYS = {
    "light": """\
- hosts: all
  gather_facts: false
  tasks:
    - hvbackup.hyperv.host_info:
      register: host
    - ansible.builtin.assert:
        that: host.fit
        quiet: true
    - hvbackup.hyperv.cleanup:
""",
    "vms": """\
- hosts: all
  gather_facts: false
  tasks:
    - hvbackup.hyperv.host_info:
      register: host
    - hvbackup.hyperv.vm_info:
      register: found
    - ansible.builtin.debug:
        msg: "{{ host.computer_name }}: {{ found.vms | length }} VMs"
""",
}


def main() -> int:
    """Run the benchmark and return its exit code: 1 when the goal is missed, 2 without Ansible."""
    parser = argparse.ArgumentParser(description="hvbackup play against ansible-playbook.")
    parser.add_argument("--hosts", type=int, default=60)
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--servers", type=int, default=4, help="simulated hosts behind the names")
    parser.add_argument("--tasks", choices=PLAYS, default="light")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ansible = ansible_playbook()
    if ansible is None:
        print("ansible-playbook is not installed; set TEST_ANSIBLE_BIN", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        places = [served(stack, folder / f"host{number}") for number in range(arguments.servers)]
        write_files(folder, places, arguments.hosts, PLAYS[arguments.tasks])
        commands = {
            "hvbackup play": [sys.executable, "-m", "hvbackup", "play"],
            "ansible-playbook": [str(ansible)],
        }
        measured: dict[str, list[tuple[float, float]]] = {runner: [] for runner in commands}
        for _ in range(arguments.rounds):  # in turn, so that both see the same load
            for runner, command in commands.items():
                flags = ["play.yml", "-i", "inventory.yml", "--forks", str(arguments.forks)]
                measured[runner].append(timed([*command, *flags], folder))
    return report(measured, arguments)


def ansible_playbook() -> Path | None:
    """Return the program, or None."""
    named = os.environ.get("TEST_ANSIBLE_BIN")
    for place in (Path(named) if named else None, PROJECT / ".venv-ansible" / "bin"):
        if place is not None and (place / "ansible-playbook").is_file():
            return place / "ansible-playbook"
    found = shutil.which("ansible-playbook")
    return Path(found) if found else None


def served(stack: ExitStack, folder: Path) -> dict[str, Any]:
    """Start a simulated host in a process of its own, and return how to connect."""
    command = [sys.executable, "-m", "hvbackup", "simulator", "serve", "--json", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=PROJECT)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    return ready


def write_files(folder: Path, places: list[dict[str, Any]], hosts: int, play: str) -> None:
    """Write playbook and inventory, and put the collection where ansible-playbook looks for it."""
    from urllib.parse import urlsplit

    entries = {}
    for number in range(hosts):
        place = places[number % len(places)]
        entries[f"hv{number:03}"] = {
            "ansible_host": "127.0.0.1",
            "ansible_port": urlsplit(place["endpoint"]).port,
            "ansible_user": place["username"],
            "ansible_password": place["password"],
            "ansible_psrp_ca_cert": place["ca_file"],
        }
    inventory = {"all": {"vars": {"ansible_connection": "psrp"}, "hosts": entries}}
    (folder / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    (folder / "play.yml").write_text(play, encoding="utf-8")
    shutil.copytree(PROJECT / "ansible_collection", folder / "collections/ansible_collections/hvbackup/hyperv")


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a runner, check that every host was well, and return its seconds by the clock and of processors."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "HVBACKUP_STATE_DIR": str(folder / "state"),
    }
    if command[1:2] == ["-m"]:
        environment["PYTHONPATH"] = str(PROJECT)
    used, began = processor_seconds(), time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "failed=0" in done.stdout
    return seconds, processor_seconds() - used


def processor_seconds() -> float:
    """Return what the processes that have ended have used so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(measured: dict[str, list[tuple[float, float]]], arguments: argparse.Namespace) -> int:
    """Say what was measured; the best of the rounds counts."""
    best = {runner: min(times)[0] for runner, times in measured.items()}
    processor = {runner: min(times)[1] for runner, times in measured.items()}
    ratio = best["ansible-playbook"] / best["hvbackup play"]
    if arguments.json:
        print(
            json.dumps(
                {
                    "hosts": arguments.hosts,
                    "forks": arguments.forks,
                    "seconds": best,
                    "processor": processor,
                    "ratio": ratio,
                }
            )
        )
    else:
        kind = f"3 tasks ({arguments.tasks})"
        print(f"{arguments.hosts} hosts x {kind}, {arguments.forks} forks, {os.cpu_count()} processors")
        for runner, value in best.items():
            print(f"  {runner:18} {value:6.1f} s, of the processor {processor[runner]:.1f} s")
        print(f"  ratio {ratio:.1f}, goal {GOAL:g}: {'met' if ratio >= GOAL else 'MISSED'}")
    return 0 if ratio >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
