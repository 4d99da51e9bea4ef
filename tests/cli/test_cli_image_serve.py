"""`hvbackup image serve` and `mount`: begun, told, used and stopped, as a process of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hvbackup.simulator.small_disk import write_small_disk

Invoke = Callable[..., Any]
PROJECT = Path(__file__).resolve().parents[2]

needs_fuse = pytest.mark.skipif(
    not os.access("/dev/fuse", os.R_OK | os.W_OK)
    or importlib.util.find_spec("mfusepy") is None
    or not (shutil.which("fusermount3") or shutil.which("fusermount")),
    reason="FUSE or mfusepy is not here",
)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The small disk: one NTFS volume with four files."""
    write_small_disk(tmp_path / "disk.vhdx", variant=1)
    return tmp_path / "disk.vhdx"


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A command that stays until it is stopped, and its first line."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "HVBACKUP_STATE_DIR": str(folder / "state")}
    with subprocess.Popen(
        [sys.executable, "-m", "hvbackup", "image", *arguments, "--json"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline()
            yield json.loads(first or process.stderr.read()), process
        finally:
            if process.poll() is None:
                process.kill()


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def test_a_disk_and_its_volume_are_served_until_ctrl_c(disk: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk.sock"

    with running(tmp_path, "serve", "disk.vhdx", "--socket", str(place)) as (first, process):
        assert ("serving", str(place)) == (first["type"], first["socket"])
        assert [("disk", 67108864), ("1", 65011712)] == [(each["name"], each["sizeBytes"]) for each in first["exports"]]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))
            assert b"NBDMAGIC" == client.recv(8)
        assert (0, '{"type":"summary","exitCode":0}\n') == stop(process)
    assert not place.exists()


def test_one_volume_can_be_served_alone_on_loopback(disk: Path, tmp_path: Path) -> None:
    with running(tmp_path, "serve", "disk.vhdx", "1", "--port", "0") as (first, process):
        assert ["1"] == [each["name"] for each in first["exports"]]
        assert first["uri"].startswith("nbd://127.0.0.1:")
        assert 0 == stop(process)[0]


def test_what_cannot_be_served_is_one_error(invoke: Invoke, disk: Path) -> None:
    unknown = invoke("image", "serve", "disk.vhdx", "9", "--port", "0")
    both = invoke("image", "serve", "disk.vhdx", "--port", "0", "--socket", "x.sock")

    assert (1, True) == (unknown.code, "no volume `9`" in unknown.err)
    assert (2, True) == (both.code, "one of them" in both.err)


@needs_fuse
def test_the_files_of_a_volume_are_mounted_until_ctrl_c(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "look").mkdir()

    with running(tmp_path, "mount", "disk.vhdx", "1", "look") as (first, process):
        assert ("mounted", str(tmp_path / "look")) == (first["type"], first["folder"])
        assert {"Grüße 你好.txt", "ledger.csv", "machine.txt", "read me.txt"} == {
            path.name for path in (tmp_path / "look").iterdir()
        }
        assert (tmp_path / "look" / "ledger.csv").read_text().startswith("booking,000001,open\n")
        assert (0, '{"type":"summary","exitCode":0}\n') == stop(process)
    assert [] == list((tmp_path / "look").iterdir())


@needs_fuse
def test_the_volumes_of_a_disk_are_mounted_as_flat_files(disk: Path, tmp_path: Path) -> None:
    (tmp_path / "look").mkdir()

    with running(tmp_path, "mount", "disk.vhdx", "--volumes", "look") as (first, process):
        assert ["disk.raw", "1.raw"] == first["files"]
        with (tmp_path / "look" / "1.raw").open("rb") as volume:
            assert b"NTFS    " == volume.read(11)[3:]
        assert 0 == stop(process)[0]


def test_mount_needs_a_folder(invoke: Invoke) -> None:
    done = invoke("image", "mount")

    assert (2, True) == (done.code, "no folder is named" in done.err)


@needs_fuse
def test_mount_refuses_a_folder_that_is_not_empty(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "mount", "disk.vhdx", ".")

    assert (2, True) == (done.code, "is not empty" in done.err)
