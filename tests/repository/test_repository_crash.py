"""Whatever happens in the middle: finished points restore, unfinished ones do not exist, the next backup works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from faulty_store import CountingStore
from repository_points import CHEAP, PASSPHRASE, restore_file, store_files

from hvbackup.errors import HvBackupError, StoreUnavailable
from hvbackup.repository import Repository
from hvbackup.repository.folder import FolderStore
from hvbackup.repository.seams import Grid
from hvbackup.repository.store import open_store

SMALL = Grid(block_size=4096)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


FIRST = noise(150_000, 1)
SECOND = FIRST[:80_000] + noise(150_000, 2)


def open_small(location: Any) -> Repository:
    return Repository.open(location, passphrase=PASSPHRASE)


def assert_sound(store: Any, *, second: str = "may exist") -> None:
    """The repository is consistent, the first point restores, and the second is whole or not there."""
    with open_small(store) as repository:
        assert repository.check(read_data=True).problems == ()
        points = repository.points()
        wanted = {"first": FIRST, "second": SECOND}
        for point in points:
            reader = repository.read(point)
            assert restore_file(reader, "disk") == wanted[point.vm_name]
        assert points[0].vm_name == "first"
        if second == "must not exist":
            assert len(points) == 1
        # and the next backup does its work, with what is there
        again, _ = store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
        assert restore_file(repository.read(again), "disk") == SECOND


def fresh_store() -> CountingStore:
    counting = CountingStore(open_store("memory:"))
    with Repository.init(counting, passphrase=PASSPHRASE, pack_size=32768, scrypt_log_n=CHEAP) as repository:
        store_files(repository, {"disk": FIRST}, SMALL, vm_name="first")
    counting.calls.clear()
    return counting


def count_calls() -> int:
    counting = fresh_store()
    with open_small(counting) as repository:
        store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
    return len(counting.calls)


def test_an_error_at_any_store_call_leaves_a_sound_repository() -> None:
    for step in range(count_calls() + 3):
        counting = fresh_store()

        def fail(number: int, what: str, name: str, step: int = step) -> None:
            if number == step:
                raise StoreUnavailable(f"{what} {name}: no answer")

        counting.fail = fail
        error: HvBackupError | None = None
        try:
            with open_small(counting) as repository:
                store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
        except HvBackupError as caught:
            error = caught

        assert_sound(counting.store, second="must not exist" if error else "may exist")


def test_a_dead_network_from_any_store_call_on_leaves_a_sound_repository() -> None:
    for step in range(count_calls() + 3):
        counting = fresh_store()

        def fail(number: int, what: str, name: str, step: int = step) -> None:
            if number >= step:
                raise StoreUnavailable(f"{what} {name}: no answer")

        counting.fail = fail
        try:
            with open_small(counting) as repository:
                store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
        except HvBackupError:
            pass

        assert_sound(counting.store)


CHILD = """
import os, signal, sys
sys.path[:0] = [sys.argv[3]]
from faulty_store import CountingStore
from repository_points import store_files
from test_repository_crash import SECOND, SMALL, open_small
from hvbackup.repository.folder import FolderStore
from pathlib import Path
counting = CountingStore(FolderStore(Path(sys.argv[1])))
die_at = int(sys.argv[2])
def fail(number, what, name):
    if number == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
counting.fail = fail
with open_small(counting) as repository:
    store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
print("survived")
"""


STEPS = [pytest.param(step, marks=() if step % 9 == 3 else pytest.mark.slow) for step in range(60)]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_kill_minus_nine_at_any_store_call_leaves_a_sound_repository(folder: Path, step: int) -> None:
    with Repository.init(folder, passphrase=PASSPHRASE, pack_size=32768, scrypt_log_n=CHEAP) as repository:
        store_files(repository, {"disk": FIRST}, SMALL, vm_name="first")

    program = [sys.executable, "-c", CHILD, str(folder), str(step), str(Path(__file__).parent)]
    child = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)

    assert (child.returncode, child.stdout) in ((-signal.SIGKILL, ""), (0, "survived\n")), child.stderr
    assert_sound(folder)


class Disk:
    """A disk with a volatile cache: remembers what was flushed, by watching the steps that the store takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.flushed: dict[int, bytes] = {}
        self.names: dict[Path, int] = {}
        self.steps = 0
        self.cut_at: int | None = None
        real = os.fsync
        lock = threading.Lock()

        def fsync(descriptor: int) -> None:
            with lock:
                flush(descriptor)

        def flush(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if self.cut_at == self.steps:
                self.cut_at = -1
            if self.cut_at == -1:
                raise OSError(5, "the power is off")
            self.steps += 1
            real(descriptor)
            status = os.fstat(descriptor)
            if path.is_dir():
                self.names = {name: inode for name, inode in self.names.items() if name.parent != path}
                self.names.update({entry: entry.stat().st_ino for entry in path.iterdir()})
            else:
                self.flushed[status.st_ino] = path.read_bytes()

        monkeypatch.setattr("hvbackup.repository.folder.os.fsync", fsync)

    def after_power_cut(self, target: Path) -> Path:
        """Write what the disk would hold: only flushed names, with only flushed bytes."""
        target.mkdir()
        for name in sorted(self.names):
            copy = target / name.relative_to(self.root)
            if not copy.parent.is_dir():
                continue  # the name of its folder was never flushed
            if name.is_dir():
                copy.mkdir()
            else:
                copy.write_bytes(self.flushed.get(self.names[name], b""))
        return target


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see which file is flushed")
def test_a_power_cut_between_any_two_flushes_leaves_a_sound_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = 0
    while True:
        root = tmp_path / f"before-{step}"
        root.mkdir()
        with monkeypatch.context() as patch:
            disk = Disk(patch, root)
            with Repository.init(FolderStore(root), passphrase=PASSPHRASE, pack_size=65536, scrypt_log_n=CHEAP) as made:
                store_files(made, {"disk": FIRST}, SMALL, vm_name="first")
            disk.cut_at = disk.steps + step
            survived = True
            try:
                with open_small(FolderStore(root)) as repository:
                    store_files(repository, {"disk": SECOND}, SMALL, vm_name="second")
            except HvBackupError:
                survived = False
        assert_sound(disk.after_power_cut(tmp_path / f"after-{step}"), second="may exist")
        if survived and disk.cut_at != -1:
            break
        step += 1

    assert step > 10
