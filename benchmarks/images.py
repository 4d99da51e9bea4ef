"""The disk layer of `hvbackup.images` against a flat file: same bytes, same machine, one run.

    python benchmarks/images.py [--megabytes 512] [--rounds 5] [--json]

Files are made anew and lie in the page cache, so what is measured is the program, not the disk. Methods take turns; the
best of the rounds counts. Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hvbackup.images.chain import open_disk
from hvbackup.images.check import check_image
from hvbackup.images.disk import Kind
from hvbackup.images.source import FileSource, Source
from hvbackup.images.vhd_writer import create_vhd
from hvbackup.images.writer import VhdxParent, create_vhdx

MIB = 1 << 20
#: Speed as a part of that of the flat file, at least; seconds for a disk of 64 TiB, at most.
GOALS = {"VHDX, blocks of 1 MiB": 0.8, "VHDX, blocks of 32 MiB": 0.8}
MAP_GOAL = 10.0


def make_images(folder: Path, megabytes: int) -> dict[str, Path]:
    """Write the same bytes as flat file and as images of several kinds."""
    data = random.Random(1).randbytes(MIB)  # noqa: S311 - not for secrets
    with (folder / "flat").open("wb") as file:
        for _ in range(megabytes):
            file.write(data)
    whole = dict.fromkeys(range(megabytes), data)
    shuffled = list(whole.items())
    random.Random(2).shuffle(shuffled)  # noqa: S311 - not for secrets
    size = megabytes * MIB
    link = create_vhdx(folder / "1m.vhdx", size, whole)
    create_vhdx(folder / "32m.vhdx", size, ((n, data * 32) for n in range(megabytes // 32)), block_size=32 * MIB)
    create_vhdx(folder / "shuffled.vhdx", size, shuffled)
    create_vhd(folder / "dynamic.vhd", size, ((n, data * 2) for n in range(megabytes // 2)))
    parent = VhdxParent(data_write_guid=link, relative_path=r".\1m.vhdx")
    create_vhdx(folder / "child.avhdx", size, dict.fromkeys(range(0, megabytes, 2), data), parent=parent)
    return {
        "flat file": folder / "flat",
        "VHDX, blocks of 1 MiB": folder / "1m.vhdx",
        "VHDX, blocks of 32 MiB": folder / "32m.vhdx",
        "VHDX, blocks in any order": folder / "shuffled.vhdx",
        "VHD, dynamic": folder / "dynamic.vhd",
        "AVHDX, every second block": folder / "child.avhdx",
    }


def seconds(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_through(source: Source, piece: int) -> None:
    """Read everything in order."""
    for offset in range(0, source.size, piece):
        source.read_at(offset, piece)


def measure(paths: dict[str, Path], rounds: int) -> dict[str, dict[str, float]]:
    """MB/s in pieces of 1 MiB, and microseconds for a read of 4 KiB anywhere."""
    results: dict[str, dict[str, float]] = {name: {"mb_s": 0.0, "small_us": float("inf")} for name in paths}
    with ExitStack() as files:
        sources: dict[str, Source] = {"flat file": files.enter_context(FileSource(paths["flat file"]))}
        for name, path in list(paths.items())[1:]:
            sources[name] = files.enter_context(open_disk(path)).image
        chance = random.Random(3)  # noqa: S311 - not for secrets
        places = [chance.randrange(sources["flat file"].size - 4096) for _ in range(5000)]
        for _ in range(rounds):
            for name, source in sources.items():
                speed = source.size / seconds(lambda source=source: read_through(source, MIB)) / 1e6  # type: ignore[misc]
                small = seconds(lambda source=source: [source.read_at(at, 4096) for at in places])  # type: ignore[misc]
                results[name]["mb_s"] = max(results[name]["mb_s"], speed)
                results[name]["small_us"] = min(results[name]["small_us"], small / len(places) * 1e6)
    return results


def measure_huge(folder: Path) -> dict[str, float]:
    """Check a sparse disk of 64 TiB and make its map: seconds, and peak memory of this process."""
    path = folder / "huge.vhdx"
    create_vhdx(path, 64 << 40, {number * 1_000_003 % (1 << 26): b"x" for number in range(300)})
    with FileSource(path) as source:
        check = seconds(lambda: check_image(source))
    with open_disk(path) as disk:
        started = time.perf_counter()
        data = sum(extent.kind is Kind.DATA for extent in disk.image.extents())
        listed = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"check_s": check, "map_s": listed, "data_extents": data, "peak_mib": peak}


def main() -> int:
    """Run all and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512, help="size of the disks; a multiple of 32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        huge = measure_huge(Path(name))
        results = measure(make_images(Path(name), options.megabytes), options.rounds)
    flat = results["flat file"]["mb_s"]
    ratios = {name: result["mb_s"] / flat for name, result in results.items()}
    missed = [name for name, goal in GOALS.items() if ratios[name] < goal]
    missed += ["map of 64 TiB"] if huge["map_s"] > MAP_GOAL else []
    report: dict[str, Any] = {"results": results, "ratios": ratios, "huge": huge, "missed": missed}
    if options.json:
        print(json.dumps(report))
    else:
        print(f"{os.cpu_count()} cores, {options.megabytes} MiB, best of {options.rounds}")
        for name, result in results.items():
            print(f"{name:28} {result['mb_s']:8.0f} MB/s  {ratios[name]:5.2f}  {result['small_us']:6.1f} us for 4 KiB")
        print(f"64 TiB, sparse: checked in {huge['check_s']:.1f} s, mapped in {huge['map_s']:.1f} s,", end=" ")
        print(f"peak memory {huge['peak_mib']:.0f} MiB")
        print("missed: " + ", ".join(missed) if missed else "all goals met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
