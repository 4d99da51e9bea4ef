"""Ctrl-C while a repository is at work, even while it waits for a rate limit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hvbackup.repository.repository import Repository

MIB = 1024 * 1024


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise on Windows")
def test_an_import_that_waits_for_its_rate_stops_at_once_and_leaves_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Repository.init(tmp_path / "repository", passphrase=None, pack_size=MIB).close()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.bin").write_bytes(random.Random(1).randbytes(12 * MIB))  # noqa: S311
    place = ("--repository", str(tmp_path / "repository"), "--passphrase-from", "none")
    arguments = [sys.executable, "-m", "hvbackup", "repository", "import", str(folder), "--vm", "web01", *place]

    began = time.monotonic()
    with subprocess.Popen([*arguments, "--limit-rate", "20K"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        packs = tmp_path / "repository" / "packs"
        while not any(path.is_file() for path in packs.rglob("*")):  # the first pack is through, the second one waits
            assert process.poll() is None
            assert time.monotonic() - began < 60
            threading.Event().wait(0.02)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60)[1]

    assert 130 == process.returncode, errors
    assert "stopped by the user" in errors
    with Repository.open(tmp_path / "repository", passphrase=None) as repository:
        assert [] == repository.points()
        assert [] == repository.held_leases()
        assert repository.check(read_data=True).ok
