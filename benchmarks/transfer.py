"""Block bytes by our bulk path against pypsrp's own loops, over TLS, in one run.

    python benchmarks/transfer.py [--megabytes 64] [--rounds 3] [--lanes 4] [--json]

The simulated host runs in a process of its own and answers at once, so what is measured is the protocol and the two
programs that speak it. The round trip is added by the host to each request. Every method moves the same blocks of
256 KiB that do not shrink; connections and lanes are open before the clock starts; methods take turns, medians count.
A real host spends time of its own: PowerShell packs and unpacks each object there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

BLOCK = 256 << 10
#: A host takes 50 MB of input for one command, as base64; our path uses as many blocks.
COMMAND_BLOCKS = 96
PATH = r"C:\bench.vhdx"
ROUND_TRIPS = (0, 10)
GOALS = {"down": 3.0, "up": 2.0}


# ---------------------------------------------------------------- the host, in a process of its own


def serve(delay: float) -> None:
    """Serve until standard input ends."""
    from hvbackup.simulator.engine import ScriptContext
    from hvbackup.simulator.python_engine import PlainCall
    from hvbackup.simulator.server import WSManServer

    data = os.urandom(BLOCK)

    def read(context: ScriptContext) -> dict[str, Any]:
        blocks = context.request["blocks"]
        for _, length in blocks:
            context.write_frame(b"\0" + data[:length])
        return {"blocks": len(blocks), "bytes": len(blocks) * BLOCK, "sentBytes": len(blocks) * BLOCK}

    def write(context: ScriptContext) -> dict[str, Any]:
        taken = sum(1 for _ in context.frames())
        return {"path": PATH, "blocks": taken, "bytes": taken * BLOCK, "finished": context.request["last"]}

    with WSManServer(tls=True, handlers={"Read-HvbBlock": read, "Write-HvbFile": write}) as server:

        @server.script(r"read (\d+)")
        def plain_read(call: PlainCall) -> None:
            for _ in range(int(call.match[1])):
                call.channel.write_bytes(b"\0" + data)

        @server.script("write")
        def plain_write(call: PlainCall) -> None:
            call.channel.write_output(str(sum(1 for _ in call.channel.input())))

        server.faults.delay = delay
        place = {"port": server.port, "username": server.username, "password": server.password}
        print(json.dumps({**place, "ca_file": str(server.ca_file)}), flush=True)
        sys.stdin.read()


# ---------------------------------------------------------------- the methods


class Method(NamedTuple):
    """A way to move blocks; `run` moves so many of them."""

    direction: str
    name: str
    ours: bool
    run: Callable[[int], None]


def pypsrp_methods(place: dict[str, Any]) -> Iterator[Method]:
    """Use pypsrp as its documentation shows it, with a pool that is open already."""
    from pypsrp.complex_objects import PSInvocationState
    from pypsrp.powershell import PowerShell, RunspacePool
    from pypsrp.wsman import WSMan

    wsman = WSMan(
        "127.0.0.1",
        port=place["port"],
        username=place["username"],
        password=place["password"],
        auth="basic",
        cert_validation=place["ca_file"],
        no_proxy=True,
    )
    pool = RunspacePool(wsman)
    pool.open()

    def invoke(count: int) -> None:
        with PowerShell(pool) as powershell:
            powershell.add_script(f"read {count}")
            assert len(powershell.invoke()) == count

    def poll(count: int) -> None:
        seen = 0
        with PowerShell(pool) as powershell:
            powershell.add_script(f"read {count}")
            powershell.begin_invoke()
            while powershell.state == PSInvocationState.RUNNING:
                powershell.poll_invoke()
                seen += len(powershell.output)
                powershell.output.clear()
        assert seen == count

    def pipeline_input(count: int) -> None:
        data = os.urandom(BLOCK)
        for start in range(0, count, COMMAND_BLOCKS):
            now = min(COMMAND_BLOCKS, count - start)
            with PowerShell(pool) as powershell:
                powershell.add_script("write")
                assert powershell.invoke(input=(data for _ in range(now))) == [str(now)]

    yield Method("down", "pypsrp invoke()", False, invoke)
    yield Method("down", "pypsrp poll_invoke(), drained", False, poll)
    yield Method("up", "pypsrp pipeline input", False, pipeline_input)


def our_methods(place: dict[str, Any], lanes: int) -> Iterator[Method]:
    """Our bulk path, over one lane and over several."""
    from hvbackup.remote.fanout import Lanes, read_blocks, write_blocks
    from hvbackup.remote.options import ConnectionOptions
    from hvbackup.remote.psrp import PsrpTransport
    from hvbackup.secrets import Secret

    transport = PsrpTransport(
        ConnectionOptions(
            host="127.0.0.1",
            port=place["port"],
            username=place["username"],
            password=Secret(place["password"]),
            auth="basic",
            ca_file=place["ca_file"],
        )
    )

    def method(direction: str, opened: Lanes, name: str) -> Method:
        def down(count: int) -> None:
            blocks = [(number * BLOCK, BLOCK) for number in range(count)]
            summary = read_blocks(transport, PATH, blocks, lambda _index, _data: None, lanes=opened, compress=False)
            assert summary.blocks == count

        def up(count: int) -> None:
            data = os.urandom(BLOCK)
            blocks = ((number * BLOCK, data) for number in range(count))
            summary = write_blocks(transport, PATH, count * BLOCK, blocks, lanes=opened, compress=False)
            assert summary.blocks == count

        return Method(direction, name, True, down if direction == "down" else up)

    one, several = Lanes(transport, 1), Lanes(transport, lanes)
    for direction in ("down", "up"):
        yield method(direction, one, "bulk path, 1 lane")
        yield method(direction, several, f"bulk path, {lanes} lanes")


# ---------------------------------------------------------------- measuring


def measure(delay_ms: int, megabytes: int, rounds: int, lanes: int) -> list[dict[str, Any]]:
    """Run every method `rounds` times in turn against one host; return a row for each."""
    command = [sys.executable, __file__, "--serve", str(delay_ms / 1000)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        place = json.loads(host.stdout.readline())
        methods = [*pypsrp_methods(place), *our_methods(place, lanes)]
        count = (megabytes << 20) // BLOCK
        samples: dict[Method, list[tuple[float, float]]] = {method: [] for method in methods}
        for method in methods:
            method.run(lanes * 32)  # opens what it needs
        for _ in range(rounds):
            for method in methods:
                cpu, wall = time.process_time(), time.perf_counter()
                method.run(count)
                samples[method].append((time.perf_counter() - wall, time.process_time() - cpu))
        host.stdin.close()
        host.kill()  # connections of this process are open still
    total = count * BLOCK / 1e6
    rows = []
    for method, found in samples.items():
        wall, cpu = (statistics.median(sample[part] for sample in found) for part in (0, 1))
        rows.append(
            {
                "direction": method.direction,
                "round_trip_ms": delay_ms,
                "method": method.name,
                "ours": method.ours,
                "mb_per_second": round(total / wall, 1),
                "mb_per_cpu_second": round(total / cpu, 1),
                "seconds": [round(sample[0], 3) for sample in found],
            }
        )
    return rows


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put our best beside pypsrp's best, for each direction and round trip."""
    found = []
    for direction, goal in GOALS.items():
        for delay in sorted({row["round_trip_ms"] for row in rows}):
            here = [row for row in rows if row["direction"] == direction and row["round_trip_ms"] == delay]
            ours = max((row for row in here if row["ours"]), key=lambda row: float(row["mb_per_second"]))
            theirs = max((row for row in here if not row["ours"]), key=lambda row: float(row["mb_per_second"]))
            found.append(
                {
                    "direction": direction,
                    "round_trip_ms": delay,
                    "method": ours["method"],
                    "against": theirs["method"],
                    "times_wall": round(ours["mb_per_second"] / theirs["mb_per_second"], 2),
                    "times_cpu": round(ours["mb_per_cpu_second"] / theirs["mb_per_cpu_second"], 2),
                    "goal": goal,
                    "reached": ours["mb_per_second"] >= goal * theirs["mb_per_second"],
                }
            )
    return found


def show(rows: list[dict[str, Any]], comparisons: list[dict[str, Any]]) -> None:
    """Print tables for people."""
    print(f"{'':5} {'round trip':>10}  {'method':32} {'MB/s':>8} {'MB per client CPU s':>20}")
    for row in sorted(rows, key=lambda row: (row["direction"], row["round_trip_ms"])):
        print(
            f"{row['direction']:5} {row['round_trip_ms']:>7} ms  {row['method']:32} {row['mb_per_second']:>8}"
            f" {row['mb_per_cpu_second']:>20}"
        )
    print()
    for each in comparisons:
        print(
            f"{each['direction']:5} {each['round_trip_ms']:>7} ms  {each['times_wall']} times as fast as "
            f"{each['against']} ({each['times_cpu']} times for each CPU second); goal {each['goal']}: "
            f"{'reached' if each['reached'] else 'MISSED'}"
        )


def main() -> int:
    """Run the benchmark; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=64, help="MiB in each run (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each method (default: 3)")
    parser.add_argument("--lanes", type=int, default=4, help="lanes of the bulk path (default: 4)")
    parser.add_argument("--round-trips", type=int, nargs="+", default=ROUND_TRIPS, metavar="MS", help="default: 0 10")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return 0
    rows: list[dict[str, Any]] = []
    for delay in options.round_trips:
        rows += measure(delay, options.megabytes, options.rounds, options.lanes)
    comparisons = compare(rows)
    if options.json:
        print(json.dumps({"rows": rows, "comparisons": comparisons}, indent=2))
    else:
        show(rows, comparisons)
    return 0 if all(each["reached"] for each in comparisons) else 1


if __name__ == "__main__":
    sys.exit(main())
