"""A stranger restores with the one-file extractor, which shares no code with the package."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from repository_points import CHEAP, PASSPHRASE, store_files

from hvbackup.repository import Repository
from hvbackup.repository.seams import Grid

Extract = Callable[..., "subprocess.CompletedProcess[str]"]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


@pytest.fixture
def extract(folder: Path, tmp_path: Path) -> Extract:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE.reveal() + "\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # -I: neither the package nor the working folder can be imported
        program = [sys.executable, "-I", str(folder / "extract.py"), str(folder), "--passphrase-file", str(passphrase)]
        return subprocess.run([*program, *arguments], capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.mark.parametrize("encrypted", [True, False], ids=["encrypted", "plain"])
def test_the_extractor_in_the_repository_restores_a_point(
    folder: Path, tmp_path: Path, extract: Extract, encrypted: bool
) -> None:
    block = noise(512)
    files = {
        "big": b"".join(noise(512, seed) for seed in range(1, 1300)) + bytes(512 * 1100) + block + b"tail",
        "folder/text": b"the same again " * 10_000,
        "empty": b"",
        "one": b"1",
    }
    passphrase = PASSPHRASE if encrypted else None
    with Repository.init(folder, passphrase=passphrase, pack_size=100_000, scrypt_log_n=CHEAP) as repository:
        point, _ = store_files(repository, files, Grid(block_size=512, cuts=(700, 1024, 100_001)))
    shutil.rmtree(folder / "index")

    listed = extract()
    restored = extract(point.id, "--to", str(tmp_path / "out"))

    assert listed.stdout == f"{point.id}\tHV01\tTestVM\t2026-11-25T01:30:05Z\n"
    assert restored.returncode == 0, restored.stderr
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files
    assert json.loads((tmp_path / "out/point.json").read_text())["vmName"] == "TestVM"
    guide = (tmp_path / "out/RESTORE.txt").read_text()
    assert f"python extract.py REPOSITORY {point.id} --to FOLDER" in guide
    assert r"folder/text   150000 bytes, was C:\VMs\folder/text" in guide


def test_the_extractor_says_what_is_wrong(folder: Path, tmp_path: Path, extract: Extract) -> None:
    with Repository.init(folder, passphrase=PASSPHRASE, pack_size=65536, scrypt_log_n=CHEAP) as repository:
        point, _ = store_files(repository, {"disk": noise(300_000)})
    pack = max((folder / "packs").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)

    damaged = extract(point.id, "--to", str(tmp_path / "out"))
    (tmp_path / "passphrase").write_text("wrong\n")
    refused = extract()

    assert damaged.returncode == 1
    assert "is damaged" in damaged.stderr
    assert refused.returncode == 1
    assert refused.stderr == "error: the passphrase opens none of the key slots\n"
