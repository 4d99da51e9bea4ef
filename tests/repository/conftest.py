"""What the tests of the repository share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repository_points import CHEAP, PASSPHRASE

from hvbackup.repository import Repository


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def make(folder: Path) -> Callable[[], Repository]:
    """Make a new encrypted repository in `folder`, with small packs."""

    def init() -> Repository:
        return Repository.init(folder, passphrase=PASSPHRASE, pack_size=65536, scrypt_log_n=CHEAP)

    return init


@pytest.fixture
def repository(make: Callable[[], Repository]) -> Iterator[Repository]:
    with make() as made:
        yield made


@pytest.fixture
def reopen(folder: Path) -> Callable[[], Repository]:
    return lambda: Repository.open(folder, passphrase=PASSPHRASE)
