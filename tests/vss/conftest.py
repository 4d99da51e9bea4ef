"""A transport that asks the simulated host's handlers without a network between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hvbackup.events import Cancellation, EventSink
from hvbackup.models import HostFacts, Model
from hvbackup.remote.calls import GetHost
from hvbackup.remote.contract import Answer, Call, parse_answer
from hvbackup.remote.session import Transport
from hvbackup.simulator.builder import build_host
from hvbackup.simulator.engine import Handler, HostError
from hvbackup.simulator.handlers import handlers
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vm_specs import VmSpec

AnswerT = TypeVar("AnswerT", bound=Model)

#: VMs: on one volume, on two, and one that is off.
SPECS = (
    VmSpec(key="one", name="one", without_files=True),
    VmSpec(key="two", name="two [x]", disks=("D", "E"), without_files=True),
    VmSpec(key="off", name="off", state="Off", without_files=True),
)


class _Context:
    def __init__(self, name: str, request: dict[str, Any]) -> None:
        self.name = name
        self.request = request
        self.stopped = threading.Event()
        self.warnings: list[str] = []

    def frames(self) -> Iterator[bytes]:
        return iter(())

    def write_frame(self, data: bytes) -> None:
        raise AssertionError("no bulk script is asked here")

    def progress(self, activity: str, status: str, percent: int) -> None:
        pass


class DirectTransport:
    """`Transport` without a network; `calls` are the scripts asked, `before` is told of each call first."""

    host = "hv01"
    port = 5986

    def __init__(self, state: HostState) -> None:
        self.state = state
        self.calls: list[Call[Any]] = []
        self.before: Callable[[Call[Any]], None] = lambda _call: None
        self._handlers: dict[str, Handler] = handlers(state)

    def call(
        self,
        call: Call[AnswerT],
        *,
        timeout: float = 300.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        self.calls.append(call)
        self.before(call)
        try:
            data = self._handlers[call.script](_Context(call.script, json.loads(call.encode())))
            document: dict[str, Any] = {"contract": 1, "ok": True, "data": data}
        except HostError as error:
            document = {"contract": 1, "ok": False, "error": {"id": error.error_id, "message": error.message}}
        return parse_answer(call, json.dumps(document), host=self.host, port=self.port)

    def receive(
        self,
        call: Call[AnswerT],
        sink: Callable[[bytes], None],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        raise AssertionError("no bulk script is asked here")

    def send(
        self,
        call: Call[AnswerT],
        frames: Iterable[bytes],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        raise AssertionError("no bulk script is asked here")

    def lane(self) -> Transport:
        return DirectTransport(self.state)

    def close(self) -> None:
        pass


@pytest.fixture
def state(tmp_path: Path) -> HostState:
    return build_host(tmp_path / "host", vms=SPECS)


@pytest.fixture
def transport(state: HostState) -> DirectTransport:
    return DirectTransport(state)


@pytest.fixture
def facts(transport: DirectTransport) -> HostFacts:
    found = transport.call(GetHost(writers=True)).data
    transport.calls.clear()
    return found
