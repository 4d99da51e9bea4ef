"""A demo host in a folder, and a way to ask its handlers as a client would: through JSON and `parse_answer`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hvbackup.models import Model
from hvbackup.remote.contract import Answer, Call, parse_answer
from hvbackup.simulator.builder import build_host, copy_host
from hvbackup.simulator.engine import HostError
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.state import HostState, VmRecord

AnswerT = TypeVar("AnswerT", bound=Model)
SCRATCH = "C:\\ProgramData\\hvbackup\\runs\\job1"


class Context:
    """What a handler sees of one call."""

    def __init__(self, name: str, request: dict[str, Any], frames: tuple[bytes, ...]) -> None:
        self.name = name
        self.request = request
        self.stopped = threading.Event()
        self.warnings: list[str] = []
        self.input = frames
        self.output: list[bytes] = []
        self.percents: list[int] = []

    def frames(self) -> Iterator[bytes]:
        yield from self.input

    def write_frame(self, data: bytes) -> None:
        self.output.append(data)

    def progress(self, activity: str, status: str, percent: int) -> None:
        self.percents.append(percent)


class Asker:
    """Asks the handlers of one host; `context` is that of the last call."""

    def __init__(self, host: HostState) -> None:
        self.host = host
        self._handlers = handlers(host)
        self.context = Context("", {}, ())

    def __call__(self, call: Call[AnswerT], *frames: bytes) -> Answer[AnswerT]:
        return parse_answer(call, self.raw(call.script, json.loads(call.encode()), *frames), host="HV01")

    def raw(self, script: str, request: dict[str, Any], *frames: bytes) -> str:
        """The JSON text that a script would write."""
        self.context = Context(script, request, frames)
        try:
            data = self._handlers[script](self.context)
        except HostError as error:
            told = {"id": error.error_id, "message": error.message, "details": error.details}
            return json.dumps({"contract": 1, "ok": False, "error": told})
        return json.dumps({"contract": 1, "ok": True, "data": data, "warnings": self.context.warnings})

    def vm(self, name: str) -> VmRecord:
        """The VM with this name."""
        (found,) = [record for record in self.host.read().vms if record.vm.name == name]
        return found

    def local(self, path: str) -> Path:
        """Where a path of a drive lies on this machine."""
        return self.host.folder / path.replace(":\\", "/", 1).replace("\\", "/")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> HostState:
    """The demo host, not to be changed."""
    return build_host(tmp_path_factory.mktemp("template") / "host")


@pytest.fixture
def host(template: HostState, tmp_path: Path) -> HostState:
    """The demo host."""
    return copy_host(template, tmp_path / "host")


@pytest.fixture(scope="session")
def ask_only(template: HostState) -> Asker:
    """Asks the demo host that is not to be changed."""
    return Asker(template)


@pytest.fixture
def ask(host: HostState) -> Asker:
    """Asks the demo host."""
    return Asker(host)


@pytest.fixture
def make_ask(tmp_path: Path) -> Callable[[str], Asker]:
    """Builds a host of another profile and asks it."""
    return lambda profile: Asker(build_host(tmp_path / profile, profile=profile))
