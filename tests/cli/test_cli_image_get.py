"""`hvbackup image get`: files out of disks, again after a stop, and what could not be brought."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.images import extracted_file
from hvbackup.images.writer import create_vhdx
from hvbackup.simulator.small_disk import own_content, write_small_disk

Invoke = Callable[..., Any]
Options = tuple[str, ...]
MIB = 1024 * 1024
LEDGER = "".join(f"booking,{number:06},open\n" for number in range(1, 12001)).encode()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The small disk: one NTFS volume with four files."""
    write_small_disk(tmp_path / "disk.vhdx", variant=1)
    return tmp_path / "disk.vhdx"


MakeDisk = Callable[[dict[str, bytes]], bytes]


@pytest.fixture
def ext_volume(tmp_path: Path) -> MakeDisk:
    """Make an ext4 volume of 8 MiB with some files."""
    program = shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        pytest.skip("mkfs.ext4 is not installed")

    def make(files: dict[str, bytes]) -> bytes:
        tree = tmp_path / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        raw = tmp_path / "volume.raw"
        with raw.open("wb") as file:
            file.truncate(8 * MIB)
        subprocess.run([program, "-q", "-F", "-d", str(tree), str(raw)], check=True, capture_output=True)
        return raw.read_bytes()

    return make


def write_disk(path: Path, *volumes: bytes) -> None:
    """Write a disk with an MBR and one partition for each volume, all of whole MiB."""
    table, content, start = b"", bytearray(MIB), MIB
    for volume in volumes:
        sectors = (start // 512).to_bytes(4, "little") + (len(volume) // 512).to_bytes(4, "little")
        table += b"\0\0\0\0\x83\0\0\0" + sectors
        content += volume
        start += len(volume)
    content[446 : 446 + len(table)] = table
    content[510:512] = b"\x55\xaa"
    blocks = {number: bytes(content[number * MIB : (number + 1) * MIB]) for number in range(len(content) // MIB)}
    create_vhdx(path, len(content), blocks)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_come_out_byte_for_byte(invoke: Invoke, disk: Path, tmp_path: Path) -> None:
    done = invoke("image", "get", "disk.vhdx", "1:/ledger.csv", "**/machine*", "-o", "out")

    assert (0, "out: 2 files, 238 KiB\n") == (done.code, done.out)
    assert {"ledger.csv": LEDGER, "machine.txt": own_content(1)} == contents(tmp_path / "out")


def test_a_volume_comes_out_whole(invoke: Invoke, disk: Path, tmp_path: Path) -> None:
    done = invoke("image", "get", "disk.vhdx", "1:/", "-o", "out", "--json", "--hashes")

    assert 0 == done.code
    assert {"Grüße 你好.txt", "ledger.csv", "machine.txt", "read me.txt"} == set(contents(tmp_path / "out"))
    records = {record["path"]: record for record in done.of_type("file")}
    assert ("ok", 240000) == (records["/ledger.csv"]["status"], records["/ledger.csv"]["sizeBytes"])
    assert 64 == len(records["/ledger.csv"]["sha256"])
    assert {"type": "summary", "exitCode": 0, "ok": 4, "kept": 0, "failed": 0, "skipped": 0} == {
        key: value for key, value in done.records[-1].items() if key != "sizeBytes"
    }


def test_a_second_run_keeps_what_is_there_and_brings_the_rest(invoke: Invoke, disk: Path, tmp_path: Path) -> None:
    invoke("image", "get", "disk.vhdx", "1:/", "-o", "out")
    (tmp_path / "out" / "machine.txt").unlink()

    done = invoke("image", "get", "disk.vhdx", "1:/", "-o", "out", "--json")

    assert {"/machine.txt": "ok", "/ledger.csv": "kept", "/read me.txt": "kept", "/Grüße 你好.txt": "kept"} == {
        record["path"]: record["status"] for record in done.of_type("file")
    }


def test_other_files_are_not_written_over_unless_it_is_allowed(invoke: Invoke, disk: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ledger.csv").write_bytes(b"mine")

    some = invoke("image", "get", "disk.vhdx", "1:/ledger.csv", "1:/machine.txt", "-o", "out")
    only = invoke("image", "get", "disk.vhdx", "1:/ledger.csv", "-o", "out", "--json")
    mine = (tmp_path / "out" / "ledger.csv").read_bytes()
    replaced = invoke("image", "get", "disk.vhdx", "1:/ledger.csv", "-o", "out", "--replace")

    assert 3 == some.code
    assert "failed: 1:/ledger.csv: " in some.out
    assert "out: 1 file, 4 KiB, 1 FAILED" in some.out
    assert (1, 1) == (only.code, only.records[-1]["exitCode"])
    assert b"mine" == mine
    assert (0, LEDGER) == (replaced.code, (tmp_path / "out" / "ledger.csv").read_bytes())


def test_a_lost_file_is_found_in_three_commands(
    invoke: Invoke, disk: Path, in_repository: Options, tmp_path: Path
) -> None:
    (tmp_path / "vm").mkdir()
    disk.rename(tmp_path / "vm" / "disk.vhdx")
    assert 0 == invoke("repository", "import", str(tmp_path / "vm"), "--vm", "web01", *in_repository).code

    point = invoke("points", "--json", *in_repository).records[0]["id"]
    place = invoke("image", "ls", "--point", point, "**/*ledger*", "--json", *in_repository).records[0]["place"]
    done = invoke("image", "get", "--point", point, place, "-o", "found", *in_repository)

    assert 0 == done.code
    assert {"ledger.csv": LEDGER} == contents(tmp_path / "found")
    assert "consistency: crash" in done.err


def test_folders_come_with_all_that_is_in_them(invoke: Invoke, ext_volume: MakeDisk, tmp_path: Path) -> None:
    files = {"home/anna/a.txt": b"a", "home/anna/deep/er/b.txt": b"b", "home/bernd/c.txt": b"c"}
    write_disk(tmp_path / "linux.vhdx", ext_volume(files))

    done = invoke("image", "get", "linux.vhdx", "/home/anna", "-o", "out")

    assert 0 == done.code
    assert {"anna/a.txt": b"a", "anna/deep/er/b.txt": b"b"} == contents(tmp_path / "out")


def test_files_of_several_volumes_go_to_a_folder_for_each(invoke: Invoke, ext_volume: MakeDisk, tmp_path: Path) -> None:
    first = ext_volume({"home/report [1].txt": b"first", "only.txt": b"only"})
    write_disk(tmp_path / "linux.vhdx", first, ext_volume({"home/report [1].txt": b"second"}))

    both = invoke("image", "get", "linux.vhdx", "/home/report [1].txt", "-o", "both")
    one = invoke("image", "get", "linux.vhdx", "/only.txt", "-o", "one")
    named = invoke("image", "get", "linux.vhdx", "2:/home/*", "-o", "named")

    assert (0, 0, 0) == (both.code, one.code, named.code)
    assert {"volume-1/report [1].txt": b"first", "volume-2/report [1].txt": b"second"} == contents(tmp_path / "both")
    assert {"only.txt": b"only"} == contents(tmp_path / "one")
    assert {"home/report [1].txt": b"second"} == contents(tmp_path / "named")


def test_a_damaged_folder_does_not_keep_the_rest(invoke: Invoke, ext_volume: MakeDisk, tmp_path: Path) -> None:
    volume = bytearray(ext_volume({"good/a.txt": b"a" * 5000, "bad/b.txt": b"b"}))
    entry = volume.index(b"b.txt") - 8  # the entry of `b.txt`: inode, length of the entry, length of the name, type
    volume[entry + 4 : entry + 6] = b"\1\0"
    write_disk(tmp_path / "linux.vhdx", bytes(volume))

    done = invoke("image", "get", "linux.vhdx", "/", "-o", "out", "--json")
    listed = invoke("image", "ls", "linux.vhdx", "-R", "/", "--json")

    assert 3 == done.code
    assert b"a" * 5000 == contents(tmp_path / "out")["good/a.txt"]
    assert any(record["path"].startswith("/bad") for record in done.of_type("file") if record["status"] == "failed")
    assert (3, True) == (listed.code, bool(listed.of_type("unreadable")))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("disk.vhdx", "-o", "out"), 2, "no files are named"),
        (("disk.vhdx", "1:/a"), 2, "Missing option '--output'"),
        (("disk.vhdx", "1:/ledger.csv", "1:/nothing", "-o", "out"), 1, "/ has no entry `nothing`"),
        (("disk.vhdx", "/no*", "-o", "out"), 1, "nothing fits '/no*' in disk.vhdx"),
        (("disk.vhdx", "9:/", "-o", "out"), 1, "the disk has no volume '9'"),
        (("disk.vhdx", "1:/ledger.csv", "-o", "disk.vhdx"), 1, "disk.vhdx"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_written(
    invoke: Invoke, disk: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = invoke("image", "get", *arguments)

    assert (code, 1) == (done.code, done.err.count("error: ")), done.err
    assert says in done.err
    assert not (tmp_path / "out").exists()


def test_json_is_pure(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "get", "disk.vhdx", r"C:\*", "-o", "out", "--json")

    assert all(isinstance(json.loads(line)["type"], str) for line in done.out.splitlines())
    assert {"file", "extracted", "summary"} <= {record["type"] for record in done.records}


# ---------------------------------------------------------------- when it is stopped, or there is no more room


def big_disk(path: Path, make: MakeDisk) -> dict[str, bytes]:
    """Write a disk with forty files of 150 kB."""
    files = {f"many/{number:02}.bin": bytes([number + 1]) * 150_000 for number in range(40)}
    write_disk(path, make(files))
    return files


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_ctrl_c_leaves_whole_files_only_and_a_second_run_brings_the_rest(
    invoke: Invoke, ext_volume: MakeDisk, tmp_path: Path
) -> None:
    files = big_disk(tmp_path / "disk.img", ext_volume)
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("HVBACKUP_", "COV_"))}
    command = [sys.executable, "-m", "hvbackup", "image", "get", "disk.img", "1:/many", "-o", "out", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while '"file"' not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        lines += process.stdout.read().splitlines()

    records = [json.loads(line) for line in lines if line.strip()]
    assert process.returncode in (0, 130)  # 0: it was done before it heard
    assert process.returncode == records[-1].get("exitCode", 130)
    there = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files_in(tmp_path / "out")}
    assert there.items() <= files.items()

    again = invoke("image", "get", "disk.img", "1:/many", "-o", "out", "--json")

    assert 0 == again.code
    assert files == {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files_in(tmp_path / "out")
    }


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, unfinished ones too."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_more_room_ends_it_with_an_exit_code_of_its_own(
    invoke: Invoke, ext_volume: MakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = big_disk(tmp_path / "disk.img", ext_volume)
    written: list[int] = []
    write_all = extracted_file.write_all

    def until_full(file: Any, data: Any) -> None:
        written.append(len(data))
        if len(written) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(file, data)

    monkeypatch.setattr(extracted_file, "write_all", until_full)

    done = invoke("image", "get", "disk.img", "1:/many", "-o", "out", "--json")

    assert 4 == done.code
    assert "there is no room left" in done.of_type("error")[0]["message"]
    assert 4 == done.records[-1]["exitCode"]
    kept = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files_in(tmp_path / "out")}
    assert 5 == len(kept)
    assert kept.items() <= files.items()
