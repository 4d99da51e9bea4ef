"""A file is on the disk when its flusher has ended, and a write that the disk refused is never forgotten."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from hvbackup.jobs.flushing import Flusher

FLUSH = "fdatasync" if hasattr(os, "fdatasync") else "fsync"


def test_what_is_written_is_flushed_while_more_is_written(tmp_path: Path, mocker: MockerFixture) -> None:
    flushed = threading.Event()
    mocker.patch.object(os, FLUSH, side_effect=lambda _descriptor: flushed.set())
    with (tmp_path / "disk").open("wb") as file, Flusher(file.fileno(), every=10) as flusher:
        flusher.wrote(6)
        assert not flushed.is_set()
        flusher.wrote(4)
        assert flushed.wait(10)


def test_everything_is_flushed_at_the_end(tmp_path: Path, mocker: MockerFixture) -> None:
    fsync = mocker.patch.object(os, "fsync")
    with (tmp_path / "disk").open("wb") as file:
        with Flusher(file.fileno()) as flusher:
            flusher.wrote(1)
        fsync.assert_called_once_with(file.fileno())


def test_a_flush_that_failed_between_is_told_even_if_the_last_one_succeeds(
    tmp_path: Path, mocker: MockerFixture
) -> None:
    refused = threading.Event()

    def refuse(_descriptor: int) -> None:
        refused.set()
        raise OSError(errno.EIO, "the disk is broken")

    mocker.patch.object(os, FLUSH, side_effect=refuse)
    with (tmp_path / "disk").open("wb") as file, pytest.raises(OSError, match="the disk is broken"):
        _write_until(refused, file.fileno())


def _write_until(refused: threading.Event, descriptor: int) -> None:
    with Flusher(descriptor, every=1) as flusher:
        flusher.wrote(1)
        assert refused.wait(10)


def test_an_error_of_the_writer_comes_out_as_it_is(tmp_path: Path) -> None:
    with (tmp_path / "disk").open("wb") as file, pytest.raises(ValueError, match="mine"), Flusher(file.fileno()):
        raise ValueError("mine")
