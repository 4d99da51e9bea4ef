"""What the tests of the images room share: images of real programs, and programs as witnesses."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "../shared/data/hyperv_images"
QEMU_IMG = shutil.which("qemu-img") or ""

QemuImg: TypeAlias = Callable[..., str]
Sample: TypeAlias = Callable[[str], Path]


@pytest.fixture(scope="session")
def qemu_img() -> QemuImg:
    """Run qemu-img and return what it writes; the test is skipped where it is not installed."""
    if not QEMU_IMG:
        pytest.skip("qemu-img is not installed")

    def run(*arguments: str | Path) -> str:
        command = [QEMU_IMG, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Unpack an image that Hyper-V wrote; the test is skipped where the samples are not."""
    folder = tmp_path_factory.mktemp("samples")

    def unpack(name: str) -> Path:
        packed, target = SAMPLES / f"{name}.gz", folder / name
        if not packed.exists():
            pytest.skip(f"the sample {name} is not here (../shared/data/hyperv_images)")
        if not target.exists():
            target.write_bytes(gzip.decompress(packed.read_bytes()))
        return target

    return unpack
