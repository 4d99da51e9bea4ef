"""The repository engine against restic and borg: same data, same machine, one run, everything encrypted and flushed.

    python benchmarks/repository.py [--gigabytes 2] [--rounds 3] [--level 1] [--borg-level 3] [--work FOLDER] [--json]

The script makes a VHDX with an NTFS full of this machine's own files, the same disk a day later, and a sibling VM. It
needs ntfs-3g (with FUSE), mkfs.ntfs and qemu-img; restic and borg are left out by name when they are not installed.
Tools take turns; medians count. Each step is a process of its own, so CPU time and peak memory are the whole tool's.
A restore ends when the file is on the disk: peers leave it in the page cache, so it is flushed for them, and that
counts. restic compresses at its default level, borg at its own default for zstd unless another is named.
"""

# ruff: noqa: S607, S311 - tools are found by PATH; chance makes data, no secrets

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

STEPS = ("first", "unchanged", "day 2", "sibling", "restore")
#: Ratio of our speed to the peer's, and of stored bytes after day 2.
GOALS = {
    "restic": {"first": 3.5, "unchanged": 3.0, "day 2": 3.0, "restore": 1.5, "stored": 0.98},
    "borg": {"first": 3.5, "unchanged": 4.0, "day 2": 5.0, "restore": 3.0, "stored": 0.9},
}
PASSPHRASE = "benchmark"
SOURCES = ("/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/sbin")


class Cost(NamedTuple):
    """What one process took."""

    seconds: float
    cpu: float
    peak_mb: float


# ---------------------------------------------------------------- the data


class Ntfs:
    """A mounted NTFS volume in a file."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder

    def __enter__(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        subprocess.run(["ntfs-3g", "-o", "big_writes,noatime", str(self.image), str(self.folder)], check=True)
        return self.folder

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


def fill(volume: Path, size: int) -> None:
    """Copy this machine's files until `size` bytes are there."""
    done = 0
    for root in SOURCES:
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                source = Path(folder, name)
                if source.is_symlink() or not source.is_file() or any(sign in str(source) for sign in ':*?"<>|\\'):
                    continue
                target = volume / source.relative_to("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                done += source.stat().st_size
                if done >= size:
                    return


def change(volume: Path, seed: int, share: float) -> None:
    """Write over parts of some files, remove some and add some, as a day does."""
    chance = random.Random(seed)
    files = sorted(path for path in volume.rglob("*") if path.is_file() and 20_000 < path.stat().st_size < 8_000_000)
    for path in chance.sample(files, max(1, int(len(files) * share))):
        data = bytearray(path.read_bytes())
        for _ in range(max(3, len(data) // 20_000)):
            at = chance.randrange(len(data) - 200)
            data[at : at + 100] = chance.randbytes(100)
        path.write_bytes(data)
    for path in chance.sample(files, max(1, len(files) // 200)):
        path.unlink()
    for number in range(4):
        (volume / f"new-{seed}-{number}.bin").write_bytes(chance.randbytes(4_000_000))


def make_data(work: Path, size: int) -> dict[str, Path]:
    """Make the three disks, or find those of an earlier run."""
    disks = {name: work / f"{name}.vhdx" for name in ("first", "day2", "sibling")}
    if all(disk.exists() for disk in disks.values()):
        return disks
    raw = work / "disk.raw"
    raw.unlink(missing_ok=True)
    with raw.open("wb") as file:
        file.truncate(int(size * 1.25))
    geometry = ["-H", "16", "-S", "63", "-p", "2048", "-s", "512"]
    subprocess.run(["mkfs.ntfs", "-q", "-f", "-F", *geometry, str(raw)], check=True, stderr=subprocess.DEVNULL)
    mount = work / "mount"
    with Ntfs(raw, mount) as volume:
        fill(volume, size)
    to_vhdx(raw, disks["first"])
    shutil.copyfile(raw, work / "sibling.raw")
    with Ntfs(raw, mount) as volume:
        change(volume, 1, 0.02)
    to_vhdx(raw, disks["day2"])
    with Ntfs(work / "sibling.raw", mount) as volume:
        change(volume, 2, 0.06)
    to_vhdx(work / "sibling.raw", disks["sibling"])
    raw.unlink()
    (work / "sibling.raw").unlink()
    return disks


def to_vhdx(raw: Path, target: Path) -> None:
    """Make a dynamic VHDX of a raw disk."""
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic", str(raw), str(target)]
    subprocess.run(command, check=True)


# ---------------------------------------------------------------- the tools


def measured(command: list[str], environment: dict[str, str], folder: Path | None = None) -> Cost:
    """Run a program to its end and return what it took."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed with {process.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def flush(path: Path) -> float:
    """Flush a file that a tool has left in the page cache; return the seconds, which count as the tool's."""
    started = time.perf_counter()
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)
    return time.perf_counter() - started


class Tool:
    """One tool with a repository of its own."""

    name = ""

    def __init__(self, folder: Path, level: int) -> None:
        self.repository, self.level = folder / "repository", level
        home = folder / "home"
        home.mkdir(parents=True)
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "RESTIC_PASSWORD": PASSPHRASE,
            "BORG_PASSPHRASE": PASSPHRASE,
            "RESTIC_CACHE_DIR": str(home / "cache"),
        }

    def run(self, *command: str, folder: Path | None = None) -> Cost:
        """Run the tool once."""
        return measured(list(command), self.environment, folder)

    def stored(self) -> int:
        """Return the bytes of all files of the repository."""
        return sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())


class Hvbackup(Tool):
    """Ours."""

    name = "hvbackup"

    def child(self, step: str, *arguments: str) -> Cost:
        """Run one step of ours in a process of its own."""
        return self.run(sys.executable, __file__, "--child", step, str(self.repository), str(self.level), *arguments)

    def init(self) -> None:
        """Make the repository."""
        self.child("init")

    def backup(self, disk: Path, name: str) -> Cost:
        """Back a disk up."""
        return self.child("backup", str(disk), name)

    def restore(self, name: str, target: Path) -> Cost:
        """Restore it."""
        return self.child("restore", name, str(target))


class Restic(Tool):
    """restic."""

    name = "restic"

    def init(self) -> None:
        """Make the repository."""
        self.run("restic", "init", "-q", "-r", str(self.repository))

    def backup(self, disk: Path, name: str) -> Cost:
        """Back a disk up; --force reads it again although its time of change is the same."""
        return self.run(
            "restic",
            "backup",
            "-q",
            "--force",
            "-r",
            str(self.repository),
            "--tag",
            name,
            disk.name,
            folder=disk.parent,
        )

    def restore(self, name: str, target: Path) -> Cost:
        """Restore it."""
        return self.run(
            "restic", "restore", "-q", "-r", str(self.repository), "latest", "--tag", name, "-t", str(target)
        )


class Borg(Tool):
    """borg."""

    name = "borg"

    def init(self) -> None:
        """Make the repository."""
        self.run("borg", "init", "-e", "repokey", str(self.repository))

    def backup(self, disk: Path, name: str) -> Cost:
        """Back a disk up; without the files cache, which would skip it unread."""
        archive = f"{self.repository}::{name}-{time.time_ns()}"
        options = ["--compression", f"zstd,{self.level}", "--files-cache", "disabled"]
        return self.run("borg", "create", *options, archive, disk.name, folder=disk.parent)

    def restore(self, name: str, target: Path) -> Cost:
        """Restore it."""
        listing = subprocess.run(
            ["borg", "list", "--short", str(self.repository)],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        archive = next(line for line in listing.stdout.splitlines() if line.startswith(name))
        target.mkdir()
        return self.run("borg", "extract", f"{self.repository}::{archive}", folder=target)


TOOLS: tuple[type[Hvbackup | Restic | Borg], ...] = (Hvbackup, Restic, Borg)


def run_round(tool: Hvbackup | Restic | Borg, disks: dict[str, Path], scratch: Path) -> dict[str, float]:
    """Run all steps and return MB/s of source, stored MB, peak MB and CPU seconds."""
    tool.init()
    costs = {}
    costs["first"] = tool.backup(disks["first"], "first")
    first = tool.stored()
    costs["unchanged"] = tool.backup(disks["first"], "again")
    costs["day 2"] = tool.backup(disks["day2"], "day2")
    second = tool.stored()
    costs["sibling"] = tool.backup(disks["sibling"], "sibling")
    costs["restore"] = tool.restore("day2", scratch)
    restored = next(path for path in scratch.rglob("*.vhdx"))
    costs["restore"] = costs["restore"]._replace(seconds=costs["restore"].seconds + flush(restored))
    subprocess.run(["cmp", str(restored), str(disks["day2"])], check=True)
    sizes = {
        "first": disks["first"],
        "unchanged": disks["first"],
        "day 2": disks["day2"],
        "sibling": disks["sibling"],
        "restore": disks["day2"],
    }
    row: dict[str, float] = {step: sizes[step].stat().st_size / 1e6 / costs[step].seconds for step in STEPS}
    row["stored first"], row["stored"] = first / 1e6, second / 1e6
    row["peak MB"] = max(cost.peak_mb for cost in costs.values())
    row.update({f"CPU {step}": costs[step].cpu for step in STEPS})
    return row


# ---------------------------------------------------------------- our steps, in processes of their own


def child(arguments: list[str]) -> None:
    """Run one step of ours."""
    from hvbackup.repository import Repository
    from hvbackup.secrets import Secret

    step, location, level, *rest = arguments
    passphrase = Secret(PASSPHRASE)
    if step == "init":
        Repository.init(location, passphrase=passphrase, zstd_level=int(level)).close()
        return
    with Repository.open(location, passphrase=passphrase) as repository:
        child_backup(repository, *rest) if step == "backup" else child_restore(repository, *rest)


def child_backup(repository: object, disk: str, name: str) -> None:
    """Make a point of one disk."""
    from hvbackup.models import Method, RestorePoint
    from hvbackup.repository import Repository
    from hvbackup.repository.localfile import store_local_file

    assert isinstance(repository, Repository)
    writer = repository.begin(host="benchmark", vm_id=name, vm_name=name)
    store_local_file(writer, "disk.vhdx", Path(disk), kind="disk")
    writer.commit(
        RestorePoint(
            id="",
            host="benchmark",
            vm_id=name,
            vm_name=name,
            asked_at="",
            snapshot_at="",
            finished_at="",
            method_asked=Method.UNKNOWN,
            method=Method.UNKNOWN,
            consistency="crash",
        )
    )


def child_restore(repository: object, name: str, target: str) -> None:
    """Restore the disk of a point."""
    from hvbackup.jobs.requests import RestoreRequest
    from hvbackup.jobs.restore_local import restore_to_folder
    from hvbackup.repository import Repository

    assert isinstance(repository, Repository)
    point = repository.points(vm=name)[-1]
    restore_to_folder(repository.read(point), RestoreRequest(point=point.id, to=target))


# ---------------------------------------------------------------- the report


def ratios(rows: dict[str, dict[str, float]]) -> list[str]:
    """Return our figures against the peers' and the goals."""
    lines = []
    for peer, goals in GOALS.items():
        if peer not in rows:
            lines.append(f"{peer}: not installed, left out")
            continue
        for what, goal in goals.items():
            ratio = rows["hvbackup"][what] / rows[peer][what]
            reached = ratio <= goal if what == "stored" else ratio >= goal
            sign = "<=" if what == "stored" else ">="
            lines.append(f"{what} / {peer}: {ratio:.2f} (goal {sign} {goal}) {'reached' if reached else 'MISSED'}")
    peak = rows["hvbackup"]["peak MB"]
    lines.append(f"peak memory: {peak:.0f} MB (goal <= 150) {'reached' if peak <= 150 else 'MISSED'}")
    return lines


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", type=int, default=1, help="our zstd level")
    parser.add_argument(
        "--borg-level",
        type=int,
        default=3,
        help="borg's zstd level; 3 is its default",
    )
    parser.add_argument("--work", type=Path, help="folder for data, kept for the next run")
    parser.add_argument("--only", nargs="*", help="names of tools")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    missing = [program for program in ("ntfs-3g", "mkfs.ntfs", "qemu-img") if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"install {', '.join(missing)} first (apt: ntfs-3g, qemu-utils)")
    tools = [tool for tool in TOOLS if tool is Hvbackup or shutil.which(tool.name)]
    if arguments.only:
        tools = [tool for tool in tools if tool.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="hvbackup-benchmark-") as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        disks = make_data(work, int(arguments.gigabytes * 1e9))
        rows: dict[str, list[dict[str, float]]] = {tool.name: [] for tool in tools}
        for number in range(arguments.rounds):
            for tool in tools:
                folder = Path(temporary, f"{tool.name}-{number}")
                level = arguments.borg_level if tool is Borg else arguments.level
                rows[tool.name].append(run_round(tool(folder, level), disks, folder / "restored"))
                shutil.rmtree(folder)
    medians = {
        name: {key: statistics.median(row[key] for row in measured_rows) for key in measured_rows[0]}
        for name, measured_rows in rows.items()
    }
    report(medians, print_json=arguments.json)


def report(medians: dict[str, dict[str, float]], *, print_json: bool) -> None:
    """Print the table and the ratios."""
    if print_json:
        print(json.dumps(medians))
        return
    columns = list(next(iter(medians.values())))
    print("MB/s of source for the steps, MB stored, MB of peak memory, CPU seconds for the steps")
    print("".join(f"{column:>14}" for column in ("", *medians)))
    for column in columns:
        print(f"{column:>14}" + "".join(f"{row[column]:>14.1f}" for row in medians.values()))
    print(*ratios(medians), sep="\n")


if __name__ == "__main__":
    main()
