"""Links to hosts for the tests of the remote room: every transport, to the simulated host or to a real PowerShell."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from hvbackup.events import Cancellation, EventSink
from hvbackup.models import Model
from hvbackup.remote.connect import open_transport
from hvbackup.remote.contract import Answer, Call
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.scripts import script_text
from hvbackup.remote.session import Transport
from hvbackup.secrets import Secret
from hvbackup.simulator.bridge import PowerShellProgram
from hvbackup.simulator.engine import Handler, HostError, ScriptContext, TerminatingError
from hvbackup.simulator.python_engine import PlainCall
from hvbackup.simulator.server import WSManServer

PASSWORD = "Correct-Horse-7"
FOLDER = Path(__file__).resolve().parent / "scripts"
#: These do what no script of ours does; the simulated host runs them as plain commands.
UNRULY = ("Test-Throw", "Test-Nothing", "Test-Twice", "Test-Chatter")


# ---------------------------------------------------------------- calls


class Text(Model, frozen=True, kw_only=True):
    text: str


class Amount(Model, frozen=True, kw_only=True):
    frames: int
    bytes: int
    sum_of_first: int = 0


class Echo(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Echo"
    answer: ClassVar[type[Model]] = Text
    idempotent: ClassVar[bool] = True
    text: str


class EchoOnce(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Echo"
    answer: ClassVar[type[Model]] = Text
    text: str


class Frames(Call[Amount], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Frames"
    answer: ClassVar[type[Model]] = Amount
    idempotent: ClassVar[bool] = True
    count: int
    size: int


class Input(Call[Amount], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Input"
    answer: ClassVar[type[Model]] = Amount


class Counting(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Progress"
    answer: ClassVar[type[Model]] = Text


class Failing(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Failure"
    answer: ClassVar[type[Model]] = Text
    id: str
    message: str


class Slow(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Slow"
    answer: ClassVar[type[Model]] = Text
    sign: str
    frames: bool = False


class Unruly(Call[Text], frozen=True, kw_only=True):
    answer: ClassVar[type[Model]] = Text


class Throw(Unruly, frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Throw"


class Nothing(Unruly, frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Nothing"


class Twice(Unruly, frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Twice"


class Chatter(Unruly, frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Chatter"


class Leak(Unruly, frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Leak"


def test_script(name: str) -> str:
    path = FOLDER / f"{name}.ps1"
    return path.read_text(encoding="ascii") if path.is_file() else script_text(name)


test_script.__test__ = False  # type: ignore[attr-defined]


# ---------------------------------------------------------------- the simulated host's side of the scripts


def _echo(context: ScriptContext) -> dict[str, Any]:
    context.warnings.append("echoed")
    return {"text": context.request["text"]}


def _frames(context: ScriptContext) -> dict[str, Any]:
    count, size = context.request["count"], context.request["size"]
    for number in range(count):
        context.write_frame(bytes([number % 256]) * min(4, size) + bytes(max(0, size - 4)))
    return {"frames": count, "bytes": count * size}


def _input(context: ScriptContext) -> dict[str, Any]:
    sizes, total = [], 0
    for frame in context.frames():
        sizes.append(len(frame))
        total += frame[0] if frame else 0
    return {"frames": len(sizes), "bytes": sum(sizes), "sumOfFirst": total}


def _count(context: ScriptContext) -> dict[str, Any]:
    for percent in (10, 20, -1):
        context.progress("Counting", f"step {percent}", percent)
    return {"text": "counted"}


def _fail(context: ScriptContext) -> dict[str, Any]:
    raise HostError(context.request["id"], context.request["message"], {"place": "here"})


def _slow(context: ScriptContext) -> dict[str, Any]:
    sign = Path(context.request["sign"])
    sign.write_text("started")
    try:
        while context.request["frames"]:
            context.write_frame(bytes(65536))
        context.stopped.wait(600)
    finally:
        sign.write_text("stopped")
    return {"text": "woke up"}


HANDLERS: dict[str, Handler] = {
    "Test-Echo": _echo,
    "Test-Frames": _frames,
    "Test-Input": _input,
    "Test-Progress": _count,
    "Test-Failure": _fail,
    "Test-Slow": _slow,
}


def _unruly(name: str) -> Callable[[PlainCall], None]:
    def run(call: PlainCall) -> None:
        channel = call.channel
        if name == "Test-Throw":
            raise TerminatingError("Unforeseen", "the script broke")
        if name == "Test-Nothing":
            channel.write_error("a quiet complaint", "Complaint")
        if name == "Test-Chatter":
            channel.write_output("Welcome to this host")
        if name == "Test-Twice":
            for text in ("one", "two"):
                channel.write_output(f'{{"contract":1,"ok":true,"data":{{"text":"{text}"}},"warnings":[]}}')

    return run


# ---------------------------------------------------------------- links


class Link:
    """A way to a host, and a look behind the scenes there."""

    def __init__(self, name: str, options: ConnectionOptions, server: WSManServer | None, folder: Path) -> None:
        self.name, self.options, self.server, self.folder = name, options, server, folder
        self._open: list[Transport] = []
        self.transport = self.open()

    def open(self, events: EventSink | None = None, **changes: Any) -> Transport:
        """Open another transport; closed at the end of the test."""
        chosen = {name: getattr(self.options, name) for name in self.options.__struct_fields__} | changes
        transport = open_transport(
            ConnectionOptions(**chosen), events=events or (lambda event: None), scripts=test_script
        )
        self._open.append(transport)
        return transport

    def close(self) -> None:
        """Close everything."""
        for transport in self._open:
            transport.close()

    def echo(self, text: str, *, once: bool = False, **more: Any) -> Answer[Text]:
        """Ask for a text back; `once` by a call that is not idempotent."""
        return self.transport.call((EchoOnce if once else Echo)(text=text), **more)

    def frames(self, sink: Callable[[bytes], None], count: int, size: int, **more: Any) -> Answer[Amount]:
        """Ask for frames."""
        return self.transport.receive(Frames(count=count, size=size), sink, **more)

    def send(self, frames: Iterable[bytes], **more: Any) -> Answer[Amount]:
        """Send frames."""
        return self.transport.send(Input(), frames, **more)

    def send_to_frames(self) -> Answer[Amount]:
        """Ask a script that sends frames, but take only its answer."""
        return self.transport.call(Frames(count=1, size=10))

    def echo_on(self, transport: Transport, text: str) -> str:
        """Ask for a text back by another transport."""
        return transport.call(Echo(text=text)).data.text

    def count(self, **more: Any) -> Answer[Text]:
        """Ask for progress."""
        return self.transport.call(Counting(), **more)

    def fail(self, error_id: str, message: str) -> Answer[Text]:
        """Ask for an error."""
        return self.transport.call(Failing(id=error_id, message=message))

    def misbehave(self, name: str) -> Answer[Text]:
        """Ask a script that does not keep the contract."""
        kinds: dict[str, type[Unruly]] = {"throw": Throw, "nothing": Nothing, "twice": Twice, "chatter": Chatter}
        return self.transport.call(kinds[name]())

    def look_for_leak(self) -> str:
        """Ask whether a variable of an earlier call is still there."""
        return self.transport.call(Leak()).data.text

    def expect_wrong_answer(self) -> Answer[Any]:
        """Ask for one kind of answer and get another."""
        return self.transport.receive(WrongFrames(count=0, size=1), lambda frame: None)

    def slow(self, **more: Any) -> Answer[Text]:
        """Ask a script that never ends by itself."""
        return self.transport.call(Slow(sign=str(self.sign)), **more)

    def slow_receive(self, sink: Callable[[bytes], None], *, frames: bool, **more: Any) -> Answer[Text]:
        """Ask a bulk script that never ends by itself."""
        return self.transport.receive(Slow(sign=str(self.sign), frames=frames), sink, **more)

    @property
    def sign(self) -> Path:
        """The file by which the slow script shows that it runs."""
        return self.folder / "sign"

    @property
    def short_timeout(self) -> int:
        """Seconds in which the slow script begins for certain; a process takes longer than a pipeline."""
        return 2 if self.server is not None else 20

    def has_started(self) -> bool:
        """Whether the slow script runs, waiting for it."""
        return wait_until(lambda: self.sign.exists() and self.sign.read_text() != "")

    def has_stopped(self) -> bool:
        """Whether the slow script runs no longer, waiting for its end."""
        if not self.sign.exists():
            return True  # It was stopped before its first line.
        if self.server is not None and self.server.engine == "python":
            return wait_until(lambda: self.sign.read_text() == "stopped")
        return wait_until(lambda: not Path("/proc", self.sign.read_text()).exists())

    def cancel_when_started(self) -> Cancellation:
        """Return a cancellation that is set as soon as the slow script runs."""
        cancel = Cancellation()

        def watch() -> None:
            self.has_started()
            cancel.set()

        threading.Thread(target=watch).start()
        return cancel

    def nothing_is_left(self) -> bool:
        """Whether the host has no shell and no command of ours."""
        server = self.server
        return server is None or wait_until(lambda: not server.service.shells)


class WrongFrames(Call[Text], frozen=True, kw_only=True):
    script: ClassVar[str] = "Test-Frames"
    answer: ClassVar[type[Model]] = Text
    count: int
    size: int


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Look until a condition holds; return whether it does."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > end:
            return False
        pause.wait(0.02)
    return True


@cache
def powershell_engine() -> str | None:
    """A real PowerShell for `local`, or None."""
    shared = Path(__file__).resolve().parents[2] / "../shared/tools/pwsh/pwsh"
    named = os.environ.get("HVBACKUP_PWSH")
    return named or (str(shared.resolve()) if shared.is_file() else None)


class ServerMaker(Protocol):
    def __call__(self, *, tls: bool) -> WSManServer: ...


@pytest.fixture(scope="session")
def scripts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("scripts")
    for name in ("_Prelude", "_Bootstrap", *(path.stem for path in FOLDER.glob("*.ps1") if path.stem not in UNRULY)):
        (folder / f"{name}.ps1").write_text(test_script(name), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def new_server(scripts_folder: Path) -> Iterator[ServerMaker]:
    servers = []

    def make(*, tls: bool) -> WSManServer:
        server = WSManServer(handlers=HANDLERS, scripts=scripts_folder, tls=tls, accounts={"Administrator": PASSWORD})
        for name in UNRULY:
            server.script(re.escape(test_script(name).strip()))(_unruly(name))
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def tls_server(new_server: ServerMaker) -> WSManServer:
    return new_server(tls=True)


@pytest.fixture(scope="session")
def plain_server(new_server: ServerMaker) -> WSManServer:
    return new_server(tls=False)


def options_for(server: WSManServer, transport: str, auth: str) -> ConnectionOptions:
    """Options for the account of a server."""
    tls = server.ca_file is not None
    shared: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "transport": transport,
        "auth": auth,
        "tls": tls,
        "ca_file": str(server.ca_file) if tls else None,
        "connect_timeout": 10.0,
    }
    if auth == "certificate":
        files = server.authority.client("Administrator")
        shared |= {"client_certificate": str(files.certificate), "client_key": str(files.key)}
    else:
        shared |= {"username": "Administrator", "password": Secret(PASSWORD)}
    return ConnectionOptions(**shared)


WAYS = ("psrp basic tls", "psrp ntlm http", "winrs basic tls", "local")


#: A process for each call takes its time: by default these show that `local` works, the others run with -m slow.
LOCAL_BY_DEFAULT = (
    "test_text_survives_whatever_is_in_it",
    "test_frames_come_in_order_and_the_answer_after_them",
    "test_frames_go_in_in_order",
    "test_progress_becomes_events_in_percent",
    "test_the_error_of_a_script_is_the_class_of_its_id_with_all_its_facts",
    "test_a_script_that_breaks_without_an_answer_fails_with_its_text",
    "test_a_stop_ends_what_runs_on_the_host_and_the_next_call_works",
    "test_what_the_sink_raises_stops_the_script_and_comes_out_unchanged",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most tests of `local` to the long profile."""
    for item in items:
        way = item.callspec.params.get("link") if hasattr(item, "callspec") else None
        if way == "local" and getattr(item, "originalname", "") not in LOCAL_BY_DEFAULT:
            item.add_marker(pytest.mark.slow)


def make_link(way: str, request: pytest.FixtureRequest, folder: Path) -> Link:
    """Make a link by the name of its way."""
    if way == "local":
        engine = powershell_engine()
        if engine is None:
            pytest.skip("local: no PowerShell engine (../shared/tools/pwsh or HVBACKUP_PWSH)")
        return Link(way, ConnectionOptions(transport="local", powershell=engine), None, folder)
    transport, auth, scheme = way.split()
    fixtures = {"tls": "tls_server", "http": "plain_server", "powershell": "powershell_server"}
    server: WSManServer = request.getfixturevalue(fixtures[scheme])
    return Link(way, options_for(server, transport, auth), server, folder)


@pytest.fixture(scope="session")
def powershell_server() -> Iterator[WSManServer]:
    """A host on which PowerShell itself runs what clients send."""
    engine = powershell_engine()
    if engine is None:
        pytest.skip("no PowerShell engine behind WinRM (../shared/tools/pwsh or HVBACKUP_PWSH)")
    server = WSManServer(
        accounts={"Administrator": PASSWORD}, tls=True, engine="pwsh", powershell=PowerShellProgram(Path(engine))
    )
    yield server
    server.stop()


@pytest.fixture
def new_link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Link]]:
    """Make a link by the name of its way: transport, method of logging on, scheme."""
    made: list[Link] = []

    def make(way: str) -> Link:
        made.append(make_link(way, request, tmp_path))
        return made[-1]

    yield make
    for link in made:
        link.close()


@pytest.fixture(params=WAYS)
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Link]:
    """Each transport, by each way of logging on."""
    made = make_link(request.param, request, tmp_path)
    yield made
    made.close()
    assert made.nothing_is_left()


@pytest.fixture
def new_server_link(new_server: ServerMaker, tmp_path: Path) -> Iterator[Callable[[str], Link]]:
    """Make a link to a host of its own, whose faults may be set."""
    made: list[tuple[Link, WSManServer]] = []

    def make(way: str) -> Link:
        transport, auth, scheme = way.split()
        server = new_server(tls=scheme == "tls")
        made.append((Link(way, options_for(server, transport, auth), server, tmp_path), server))
        return made[-1][0]

    yield make
    for link, server in made:
        server.faults.clear()
        link.close()
        server.stop()


@pytest.fixture(params=["psrp basic tls", "psrp ntlm http", "winrs basic tls", "winrs ntlm http"])
def faulty(request: pytest.FixtureRequest, new_server_link: Callable[[str], Link]) -> Link:
    """Each remote transport, with TLS and with sealing."""
    return new_server_link(request.param)
