"""Damaged file systems in the sandbox: clear errors, never a hang, never anything outside the destination."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import Cancelled, ImageError, ReaderDied
from hvbackup.events import Cancellation, Event, Progress
from hvbackup.images.extraction import ExtractionOptions, extract
from hvbackup.images.filesystems.limits import Limits
from hvbackup.images.filesystems.sandbox import open_in_sandbox
from hvbackup.images.source import BytesSource

if TYPE_CHECKING:
    from tests.images.images_volumes import empty_file
    from tests.images.images_volumes import run as program
else:
    from images_volumes import empty_file
    from images_volumes import run as program

MIB = 1024 * 1024
ROUNDS = 60
LIMITS = Limits(seconds=5, restarts=3)


def made(kind: str, folder: Path) -> bytes:
    """A small volume with some files, by the programs that make such volumes."""
    tree, image = folder / "tree", empty_file(folder / "image", 16 * MIB)
    (tree / "docs/old").mkdir(parents=True)
    for number in range(60):
        (tree / "docs" / f"file {number}").write_bytes(bytes([number]) * number * 97)
    (tree / "docs/old/big").write_bytes(bytes(range(256)) * 2000)
    if kind == "ext4":
        program("mke2fs", "-q", "-t", "ext4", "-d", tree, image)
    elif kind == "fat16":
        program("mkfs.vfat", "-F", "16", image)
        program("mcopy", "-s", "-i", image, tree / "docs", "::/")
    elif kind == "exfat":
        program("mkfs.exfat", image)
    elif kind == "ntfs":
        program("mkfs.ntfs", "-F", "-Q", "-q", image)
        for number in range(20):
            program("ntfscp", "-f", image, tree / "docs" / f"file {number}", f"/file {number}")
    return image.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ext4", "fat16", "exfat", "ntfs"])
def test_a_damaged_volume_gives_errors_and_never_a_hang(kind: str, tmp_path: Path) -> None:
    whole = made(kind, tmp_path)
    used = [at for at in range(0, len(whole), 512) if any(whole[at : at + 512])]
    deaths = 0
    for seed in range(ROUNDS):
        chance = random.Random(seed)  # noqa: S311 - test data
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 4, 40, 400))):
            at = chance.choice(used) + chance.randrange(512)
            damaged[at] = chance.choice((0, 0xFF, damaged[at] ^ 1 << chance.randrange(8), chance.randrange(256)))
        began = time.monotonic()
        cancel = Cancellation()

        def stop_when_endless(event: Event, cancel: Cancellation = cancel) -> None:
            """A damaged length makes a file of terabytes of holes, which is what a guest would see, too."""
            if isinstance(event, Progress) and event.done > 256 * MIB:
                cancel.set()

        try:
            with open_in_sandbox(BytesSource(damaged), kind, limits=LIMITS, cancel=cancel) as files:
                options = ExtractionOptions(links="keep")
                out = tmp_path / f"out{seed}"
                result = extract(files, "/", out, options=options, events=stop_when_endless, cancel=cancel)
                deaths += any("process that reads" in (record.reason or "") for record in result.records)
        except ReaderDied:
            deaths += 1
        except (ImageError, Cancelled):
            continue
        assert time.monotonic() - began < 60, f"seed {seed}"
        assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("out")) == ["image", "tree"]
    assert deaths < ROUNDS
