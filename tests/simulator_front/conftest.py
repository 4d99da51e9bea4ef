"""Servers for the tests of the simulated host's front."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from front_clients import HANDLERS, PASSWORD, SCRIPTS, StartServer, register_commands

from hvbackup.simulator.server import WSManServer


@pytest.fixture(autouse=True)
def _no_trust_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def scripts_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, text in SCRIPTS.items():
        (folder / f"{name}.ps1").write_text(text)
    return folder


@pytest.fixture
def start_server(scripts_folder: Path) -> Iterator[StartServer]:
    """Start servers with the handlers of this file; afterwards no thread of theirs may be left."""
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def start(**options: Any) -> WSManServer:
            settings: dict[str, Any] = {
                "handlers": HANDLERS,
                "scripts": scripts_folder,
                "accounts": {"Administrator": PASSWORD},
                **options,
            }
            server = stack.enter_context(WSManServer(**settings))
            register_commands(server)
            return server

        yield start
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture
def server(start_server: StartServer) -> WSManServer:
    return start_server()
