"""Memory of the host stays flat, however much passes through."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from front_clients import opened_pool
from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell

HERE = Path(__file__).resolve().parent
SERVE = """
import json, sys
from front_clients import PASSWORD, register_commands
from hvbackup.simulator.server import WSManServer
with WSManServer(accounts={"Administrator": PASSWORD}) as server:
    register_commands(server)
    print(json.dumps({"port": server.port}), flush=True)
    sys.stdin.read()
"""


class Remote:
    """What a client needs to know of a server in another process."""

    ca_file = None

    def __init__(self, port: int) -> None:
        self.port = port


@contextmanager
def process() -> Iterator[tuple[Any, int]]:
    environment = {"PYTHONPATH": f"{HERE}:{HERE.parents[1]}", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as child:
        assert child.stdout is not None
        yield Remote(json.loads(child.stdout.readline())["port"]), child.pid
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(20) == 0


def peak_mebibytes(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.mark.slow
def test_what_goes_out_costs_the_host_no_more_than_its_queue() -> None:
    with process() as (server, process_id), opened_pool(server) as pool:
        before = peak_mebibytes(process_id)
        powershell = PowerShell(pool).add_script("send 800 262144")
        powershell.begin_invoke()
        size = 0
        while powershell.state == PSInvocationState.RUNNING:
            powershell.poll_invoke(timeout=5)
            size += sum(map(len, powershell.output))
            powershell.output.clear()
        powershell.close()

        assert size == 800 * 262144
        assert peak_mebibytes(process_id) - before < 40


@pytest.mark.slow
def test_what_comes_in_costs_the_host_no_more_than_its_queue() -> None:
    with process() as (server, process_id), opened_pool(server) as pool:
        before = peak_mebibytes(process_id)
        for _ in range(3):
            with PowerShell(pool) as powershell:
                output = powershell.add_script("count-input").invoke(b"x" * 1_000_000 for _ in range(35))
                assert output == ["35 35000000"]

        assert peak_mebibytes(process_id) - before < 40
