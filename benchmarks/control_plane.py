"""Small calls by our transports against plain pypsrp and pywinrm, over TLS, in one run; and a large inventory.

    python benchmarks/control_plane.py [--calls 30] [--vms 500] [--round-trip 10] [--json]

The simulated host runs in a process of its own, counts the HTTP requests that it gets (the round trips), and adds the
round trip to each. Its scripts answer at once: a real host adds the start of a process for each new pool or `run_ps`.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

#: Round trips of the inventory after the connection is there.
INVENTORY_GOAL = 3
#: How much more memory ten more inventories may take, in MiB.
MEMORY_GOAL = 8


def serve(delay: float, vms: int) -> None:
    """Serve; each line on standard input is answered by the number of requests so far."""
    from hvbackup.simulator.builder import build_host
    from hvbackup.simulator.handlers import handlers
    from hvbackup.simulator.server import WSManServer
    from hvbackup.simulator.vm_specs import many

    with tempfile.TemporaryDirectory() as folder:
        answers = dict(handlers(build_host(folder, vms=many(vms))))
        # The small call costs the host nothing, like the `hostname` of the others.
        answers["Get-HvbLeftover"] = lambda _context: {"leftovers": []}
        with WSManServer(tls=True, handlers=answers) as server:
            server.faults.delay = delay
            place = {"port": server.port, "username": server.username, "password": server.password}
            print(json.dumps({**place, "ca_file": str(server.ca_file)}), flush=True)
            for _ in sys.stdin:
                print(server.requests, flush=True)


class Host:
    """The simulated host, seen from here."""

    def __init__(self, delay_ms: float, vms: int) -> None:
        command = [sys.executable, __file__, "--serve", str(delay_ms / 1000), "--vms", str(vms)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.place: dict[str, Any] = json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def requests(self) -> int:
        """How many requests it has had so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        """End it; connections of this process may be open still."""
        self._process.kill()
        self._process.communicate()


class Method(NamedTuple):
    """A way to ask something small."""

    name: str
    ours: bool
    run: Callable[[], object]


def plain_methods(place: dict[str, Any]) -> Iterator[Method]:
    """Use the libraries as their documentation shows them."""
    import winrm
    from pypsrp.client import Client

    client = Client(
        "127.0.0.1",
        port=place["port"],
        username=place["username"],
        password=place["password"],
        auth="basic",
        cert_validation=place["ca_file"],
        no_proxy=True,
    )
    session = winrm.Session(
        f"https://127.0.0.1:{place['port']}/wsman",
        auth=(place["username"], place["password"]),
        transport="basic",
        ca_trust_path=place["ca_file"],
    )
    yield Method("pypsrp Client.execute_ps", False, lambda: client.execute_ps("hostname"))
    yield Method("pywinrm Session.run_ps", False, lambda: session.run_ps("hostname"))


def our_transports(place: dict[str, Any]) -> dict[str, Any]:
    """Return our transports by their names."""
    from hvbackup.remote.options import ConnectionOptions
    from hvbackup.remote.psrp import PsrpTransport
    from hvbackup.remote.winrs import WinrsTransport
    from hvbackup.secrets import Secret

    options = ConnectionOptions(
        host="127.0.0.1",
        port=place["port"],
        username=place["username"],
        password=Secret(place["password"]),
        auth="basic",
        ca_file=place["ca_file"],
    )
    return {"psrp": PsrpTransport(options), "winrs": WinrsTransport(options)}


def measure_calls(host: Host, transports: dict[str, Any], calls: int) -> list[dict[str, Any]]:
    """Ask by each method in turn; return a row for each."""
    from hvbackup.remote.calls import GetLeftover

    methods = [*plain_methods(host.place)]
    for name, transport in transports.items():
        methods.append(Method(f"hvbackup {name}", True, functools.partial(transport.call, GetLeftover())))
    times: dict[str, list[float]] = {method.name: [] for method in methods}
    cpu, requests = dict.fromkeys(times, 0.0), dict.fromkeys(times, 0)
    for method in methods:
        method.run()  # connects
    for _ in range(calls):
        for method in methods:
            before, used, begun = host.requests(), time.process_time(), time.perf_counter()
            method.run()
            times[method.name].append(time.perf_counter() - begun)
            cpu[method.name] += time.process_time() - used
            requests[method.name] += host.requests() - before
    return [
        {
            "method": method.name,
            "ours": method.ours,
            "milliseconds": round(1000 * statistics.median(times[method.name]), 1),
            "cpu_milliseconds": round(1000 * cpu[method.name] / calls, 1),
            "round_trips": round(requests[method.name] / calls, 1),
        }
        for method in methods
    ]


def measure_inventory(host: Host, transports: dict[str, Any], vms: int) -> list[dict[str, Any]]:
    """List all VMs several times; return a row for each transport."""
    from hvbackup.remote.calls import GetVm

    rows = []
    for name, transport in transports.items():
        seconds, round_trips, memory = [], [], []
        for _ in range(12):
            before, begun = host.requests(), time.perf_counter()
            assert len(transport.call(GetVm()).data.vms) == vms
            seconds.append(time.perf_counter() - begun)
            round_trips.append(host.requests() - before)
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        grown = memory[-1] - memory[1]
        rows.append(
            {
                "method": f"hvbackup {name}",
                "vms": vms,
                "milliseconds": round(1000 * statistics.median(seconds), 1),
                "round_trips": statistics.median(round_trips),
                "goal_round_trips": INVENTORY_GOAL,
                "grown_mib": round(grown, 1),
                "reached": statistics.median(round_trips) <= INVENTORY_GOAL and grown <= MEMORY_GOAL,
            }
        )
    return rows


def show(calls: list[dict[str, Any]], inventory: list[dict[str, Any]]) -> None:
    """Print tables for people."""
    print(f"{'one small call':28} {'ms':>8} {'CPU ms':>8} {'round trips':>12}")
    for row in calls:
        print(f"{row['method']:28} {row['milliseconds']:>8} {row['cpu_milliseconds']:>8} {row['round_trips']:>12}")
    print(f"\n{'inventory':28} {'ms':>8} {'round trips':>12} {'memory grown':>14}")
    for row in inventory:
        name = f"{row['method']}, {row['vms']} VMs"
        print(f"{name:28} {row['milliseconds']:>8} {row['round_trips']:>12} {row['grown_mib']:>10} MiB")


def main() -> int:
    """Run the benchmark; 1 when PSRP's inventory misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=30, help="calls by each method (default: 30)")
    parser.add_argument("--vms", type=int, default=500, help="VMs of the inventory (default: 500)")
    parser.add_argument("--round-trip", type=float, default=10, metavar="MS", help="default: 10")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.vms)
        return 0
    host = Host(options.round_trip, options.vms)
    try:
        transports = our_transports(host.place)
        calls = measure_calls(host, transports, options.calls)
        inventory = measure_inventory(host, transports, options.vms)
        for transport in transports.values():
            transport.close()
    finally:
        host.close()
    if options.json:
        print(json.dumps({"round_trip_ms": options.round_trip, "calls": calls, "inventory": inventory}, indent=2))
    else:
        show(calls, inventory)
    return 0 if inventory[0]["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
