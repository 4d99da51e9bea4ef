"""Files inside an NTFS volume: hvbackup against 7-Zip and ntfs-3g where they are installed; same bytes, one run.

    python benchmarks/images_files.py [--list 50000] [--small 10000] [--megabytes 1024] [--json]

Needs mkfs.ntfs and ntfs-3g, and the right to mount with FUSE. The volume lies in the page cache, so what is measured is
the programs. Each reads the files and throws them away, except 7-Zip, which can only write many files to disk (to a
folder beside the volume). Ratios are speeds relative to hvbackup in a process of its own; above 1 is faster than that.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.images.filesystems.engines import open_file_system
from hvbackup.images.filesystems.sandbox import open_in_sandbox
from hvbackup.images.source import FileSource

MIB = 1 << 20
WORK = ("list", "small files", "large file")
OURS = "hvbackup, sandbox"
Results = dict[str, dict[str, float]]


def program(name: str) -> str:
    """Where a program is; those of the system are not always in PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or name


@contextmanager
def mounted(volume: Path, *options: str) -> Iterator[Path]:
    """Mount the volume by ntfs-3g."""
    point = volume.with_suffix(".mounted")
    point.mkdir(exist_ok=True)
    subprocess.run([program("ntfs-3g"), *options, str(volume), str(point)], check=True, capture_output=True)
    try:
        yield point
    finally:
        subprocess.run([program("umount"), str(point)], check=True)


def make_volume(folder: Path, listed: int, small: int, megabytes: int) -> Path:
    """Write a volume: a tree of tiny files, many small ones, and a large one."""
    volume = folder / "volume"
    with volume.open("wb") as file:
        file.truncate((listed * 2 // 1024 + small * 24 // 1024 + megabytes + 256) * MIB)
    subprocess.run([program("mkfs.ntfs"), "-q", "-F", "-f", str(volume)], check=True, capture_output=True)
    chance = random.Random(1)  # noqa: S311 - not for secrets
    with mounted(volume, "-o", "big_writes") as root:
        for number in range(listed):
            path = root / "tree" / f"{number // 2500:02}" / f"{number // 50 % 50:02}"
            path.mkdir(parents=True, exist_ok=True)
            (path / f"t{number:05}.txt").write_bytes(b"tree file %d\n" % number)
        for number in range(small):
            path = root / "small" / f"{number // 500:03}"
            path.mkdir(parents=True, exist_ok=True)
            (path / f"f{number:05}.dat").write_bytes(chance.randbytes(chance.randrange(200, 20_000)))
        with (root / "large").open("wb") as file:
            for _ in range(megabytes):
                file.write(chance.randbytes(MIB))
    return volume


def seconds(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def walk(files: FileSystem, folder: str) -> Iterator[Entry]:
    """All entries below a folder."""
    for entry in files.entries(folder):
        yield entry
        if entry.kind is EntryKind.FOLDER:
            yield from walk(files, entry.path)


def read_all(files: FileSystem, path: str) -> None:
    """Read a file and throw it away."""
    source = files.open(path)
    for offset in range(0, source.size, MIB):
        source.read_at(offset, MIB)


def read_small(files: FileSystem) -> None:
    """Read all small files in the order in which they lie."""
    found = [entry for entry in walk(files, "/small") if entry.kind is EntryKind.FILE]
    found.sort(key=lambda entry: entry.first_extent or 0)
    for entry in found:
        read_all(files, entry.path)


def measure_ours(volume: Path, opener: Callable[[FileSource, str], FileSystem]) -> dict[str, float]:
    """By hvbackup, opened anew for each piece of work."""

    def timed(work: Callable[[FileSystem], object]) -> float:
        with FileSource(volume) as source, opener(source, "ntfs") as files:
            return seconds(lambda: work(files))

    return {
        "list": timed(lambda files: sum(1 for _ in walk(files, "/"))),
        "small files": timed(read_small),
        "large file": timed(lambda files: read_all(files, "/large")),
    }


def measure_7zip(volume: Path) -> dict[str, float]:
    """By 7-Zip."""
    out = volume.with_suffix(".extracted")

    def run(*arguments: str) -> float:
        command = [program("7z"), *arguments]
        return seconds(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    try:
        return {
            "list": run("l", "-slt", "-tntfs", str(volume)),
            "small files": run("x", "-tntfs", str(volume), f"-o{out}", "small"),
            "large file": run("x", "-tntfs", "-so", str(volume), "large"),
        }
    finally:
        shutil.rmtree(out, ignore_errors=True)


def measure_ntfs3g(volume: Path) -> dict[str, float]:
    """By ntfs-3g and FUSE."""

    def list_all(root: Path) -> None:
        for folder, _, names in os.walk(root):
            for name in names:
                (Path(folder) / name).stat()

    def read_files(paths: Iterator[Path]) -> None:
        for path in paths:
            with path.open("rb", buffering=0) as file:
                while file.read(MIB):
                    pass

    with mounted(volume, "-o", "ro") as root:
        return {
            "list": seconds(lambda: list_all(root)),
            "small files": seconds(lambda: read_files(path for path in (root / "small").rglob("*.dat"))),
            "large file": seconds(lambda: read_files(iter([root / "large"]))),
        }


def measure(volume: Path) -> Results:
    """All methods that are installed, one after the other."""
    results: Results = {
        "hvbackup, this process": measure_ours(volume, open_file_system),
        OURS: measure_ours(volume, open_in_sandbox),
    }
    if shutil.which("7z"):
        results["7-Zip"] = measure_7zip(volume)
    results["ntfs-3g, FUSE"] = measure_ntfs3g(volume)
    return results


def main() -> int:
    """Run all and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=int, default=50_000, help="tiny files that are only listed")
    parser.add_argument("--small", type=int, default=10_000, help="files of up to 20 KB that are read")
    parser.add_argument("--megabytes", type=int, default=1024, help="size of the large file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = measure(make_volume(Path(name), options.list, options.small, options.megabytes))
    ours = results[OURS]
    ratios = {name: {work: ours[work] / result[work] for work in WORK} for name, result in results.items()}
    if options.json:
        print(json.dumps({"seconds": results, "ratios": ratios}))
        return 0
    print(
        f"{os.cpu_count()} cores; {options.list + options.small} files listed, {options.small} small files read,",
        end=" ",
    )
    print(f"{options.megabytes} MiB in the large one; seconds (speed relative to `{OURS}`)")
    for name, result in results.items():
        print(f"{name:24}" + "".join(f"  {work} {result[work]:7.2f} ({ratios[name][work]:5.2f})" for work in WORK))
    return 0


if __name__ == "__main__":
    sys.exit(main())
