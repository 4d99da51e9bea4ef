"""An NBD server and clients of all manners: good ones, many, silent, greedy and hostile ones; it stops whole."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvbackup.errors import EntryNotFound, ImageDamaged, InvalidRequest
from hvbackup.events import Cancellation, Event, Note
from hvbackup.images.exports import Export
from hvbackup.images.nbd.binding import Address
from hvbackup.images.nbd.server import MAX_CLIENTS, DiskServer
from hvbackup.images.nbd.serving import Served, serve_disk
from hvbackup.images.source import BytesSource

MIB = 1024 * 1024
READ, WRITE, DISCONNECT = 0, 1, 2
SIMPLE = struct.Struct(">IIQ")
SECONDS = 20.0

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")


_STRANGERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _know_the_strangers() -> None:
    _STRANGERS.clear()
    _STRANGERS.update(threading.enumerate())


class Client:
    """Speaks NBD badly or well, as it is told; simple replies only."""

    def __init__(self, address: Address) -> None:
        if address.path is not None:
            self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.line.settimeout(SECONDS)
            self.line.connect(str(address.path))
        else:
            self.line = socket.create_connection((address.host, address.port), timeout=SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.line.recv(size - len(data))
            if not piece:
                raise EOFError(data)
            data += piece
        return data

    def begin(self, export: str = "") -> int:
        """Greet, and take an export by its name; return its size."""
        assert self.take(18) == b"NBDMAGICIHAVEOPT\0\3"
        name = export.encode()
        self.line.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, len(name)) + name)
        size: int = struct.unpack(">QH", self.take(10))[0]
        return size

    def ask(self, command: int, offset: int, length: int, cookie: int = 1) -> None:
        self.line.sendall(struct.pack(">IHHQQI", 0x25609513, 0, command, cookie, offset, length))

    def read(self, offset: int, length: int) -> bytes | int:
        """The data, or the number of the error."""
        self.ask(READ, offset, length, cookie=offset)
        magic, error, cookie = SIMPLE.unpack(self.take(16))
        assert (magic, cookie) == (0x67446698, offset)
        return error if error else self.take(length)

    def is_cut(self) -> bool:
        """Whether the server hung up, after whatever it still had to say."""
        with suppress(ConnectionError):
            while self.line.recv(65536):
                pass
        return True


class Notes:
    """Keeps what the server has to say."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.came = threading.Event()

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Note)
        self.texts.append(event.text)
        self.came.set()


CONTENT = bytes(range(256)) * 4096 * 4  # 4 MiB
DISK = {"": Export(BytesSource(CONTENT)), "1": Export(BytesSource(CONTENT[:100]))}


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, notes: Notes) -> Iterator[Address]:
    with DiskServer(DISK, port=0 if request.param == "tcp" else None, events=notes) as server:
        yield server.address


def test_each_export_is_read_under_its_name(address: Address) -> None:
    with Client(address) as disk, Client(address) as volume:
        assert (disk.begin(), volume.begin("1")) == (4 * MIB, 100)
        assert disk.read(255, 3) == b"\xff\0\1"
        assert volume.read(90, 10) == CONTENT[90:100]
        assert disk.read(0, 4 * MIB) == CONTENT


def test_a_read_that_fails_fails_alone_and_is_noted(address: Address, notes: Notes) -> None:
    class Damaged(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            if offset == 4096:
                raise ImageDamaged("the block is gone")
            return super().read_at(offset, size)

    with DiskServer({"": Export(Damaged(CONTENT))}, events=notes) as server, Client(server.address) as client:
        client.begin()
        assert client.read(4096, 512) == 5
        assert client.read(0, 4) == CONTENT[:4]
        assert notes.texts == ["disk: 512 bytes at 4096 cannot be read: the block is gone"]


def test_a_file_that_was_cut_while_it_is_served_is_an_error_not_zeros(notes: Notes) -> None:
    class Cut(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            return super().read_at(offset, size)[:-1]

    with DiskServer({"": Export(Cut(CONTENT))}, events=notes) as server, Client(server.address) as client:
        client.begin()
        assert client.read(0, 4) == 5


def test_a_mistake_of_ours_ends_one_connection_and_not_the_server(caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            return super().read_at(offset, size) if offset else b"" + None  # type: ignore[operator]

    with DiskServer({"": Export(Wrong(CONTENT))}) as server:
        with Client(server.address) as client:
            client.begin()
            client.ask(READ, 0, 4)
            assert client.is_cut()
        with Client(server.address) as client:
            client.begin()
            assert client.read(1, 2) == b"\1\2"
    assert "could not be answered" in caplog.text


def test_notes_that_cannot_be_shown_stop_nothing() -> None:
    def broken(_: Event) -> None:
        raise BrokenPipeError("nobody reads")

    with DiskServer(DISK, events=broken) as server:
        clients = [Client(server.address) for _ in range(MAX_CLIENTS)]
        with Client(server.address) as late:
            assert late.is_cut()
        clients[0].line.sendall(b"\xff" * 4)
        assert clients[0].is_cut()
        assert clients[1].begin() == 4 * MIB
        for client in clients:
            client.line.close()


@pytest.mark.parametrize("length", [0, 512, MIB + 1])
def test_a_write_is_refused_and_the_line_stays_in_step(address: Address, length: int) -> None:
    with Client(address) as client:
        client.begin()
        client.ask(WRITE, 0, length, cookie=9)
        client.line.sendall(b"w" * length)
        assert SIMPLE.unpack(client.take(16)) == (0x67446698, 1, 9)
        assert client.read(0, 4) == b"\0\1\2\3"


def test_a_quick_read_does_not_wait_for_a_slow_one() -> None:
    go_on = threading.Event()

    class Slow(BytesSource):
        def read_at(self, offset: int, size: int) -> bytes:
            assert offset or go_on.wait(SECONDS)
            return super().read_at(offset, size)

    with DiskServer({"": Export(Slow(CONTENT))}) as server, Client(server.address) as client:
        client.begin()
        client.ask(READ, 0, 1, cookie=1)
        client.ask(READ, 7, 1, cookie=2)
        assert client.take(17) == SIMPLE.pack(0x67446698, 0, 2) + b"\7"
        go_on.set()
        assert client.take(17) == SIMPLE.pack(0x67446698, 0, 1) + b"\0"


def test_a_client_that_takes_no_answers_holds_up_nobody_and_no_stop() -> None:
    server = DiskServer(DISK)
    address = server.start()
    with Client(address) as greedy, Client(address) as other:
        greedy.begin()
        greedy.line.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                greedy.ask(READ, 0, 4 * MIB)
        other.begin()
        assert other.read(0, 4 * MIB) == CONTENT
        server.stop()
        assert not _threads()
        assert other.is_cut()


def test_a_client_that_never_says_what_it_wants_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvbackup.images.nbd.connection.NEGOTIATION_SECONDS", 0.2)
    with DiskServer(DISK) as server, Client(server.address) as client:
        assert client.is_cut()


def test_more_clients_than_can_be_served_are_sent_away(notes: Notes) -> None:
    with DiskServer(DISK, events=notes) as server:
        clients = [Client(server.address) for _ in range(MAX_CLIENTS)]
        for client in clients:
            client.begin()
        with Client(server.address) as late:
            assert late.is_cut()
        assert notes.came.wait(SECONDS)
        assert notes.texts == [f"a client was sent away: there are {MAX_CLIENTS} already"]
        assert [client.read(0, 2) for client in clients] == [b"\0\1"] * MAX_CLIENTS
        for client in clients:
            client.line.close()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"\xff\xff\xff\xff", "client flags 0xffffffff that were not offered"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "client flags 0x47455420 that were not offered"),
        (b"\0\0\0\3" + b"IHAVEOPS" + bytes(8), "an option that does not begin as one"),
        (b"\0\0\0\3" + b"IHAVEOPT" + b"\0\0\0\7" + b"\x7f\xff\xff\xff", "option 7 with 2147483647 bytes"),
        (b"\0\0\0\3" + b"IHAVEOPT" + b"\0\0\0\1\0\0\0\1\xff", "a name that is not UTF-8"),
        (b"\0\0\0\3" + b"IHAVEOPT" + b"\0\0\0\1\0\0\0\1x", "there is no export 'x'"),
    ],
)
def test_a_client_that_negotiates_nonsense_is_sent_away(address: Address, notes: Notes, sent: bytes, said: str) -> None:
    with Client(address) as client:
        client.line.sendall(sent)
        assert client.is_cut()
        assert notes.came.wait(SECONDS)
        assert said in notes.texts[0]
    with Client(address) as client:
        client.begin()
        assert client.read(0, 2) == b"\0\1"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"x" * 28, "a request that does not begin as one"),
        (struct.pack(">IHHQQI", 0x25609513, 0, WRITE, 1, 0, 0xFFFFFFFF), "a write of 4294967295 bytes"),
    ],
)
def test_a_client_that_requests_nonsense_is_sent_away(address: Address, notes: Notes, sent: bytes, said: str) -> None:
    with Client(address) as client:
        client.begin()
        client.line.sendall(sent)
        assert client.is_cut()
        assert notes.came.wait(SECONDS)
        assert said in notes.texts[0]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blobs=st.lists(st.binary(max_size=64), max_size=4), begins=st.booleans())
def test_no_bytes_of_a_client_stop_the_server(address: Address, blobs: list[bytes], begins: bool) -> None:
    with Client(address) as client, suppress(ConnectionError):
        if begins:
            client.begin()
        for blob in blobs:
            client.line.sendall(blob)
    with Client(address) as client:
        client.begin()
        assert client.read(3, 1) == b"\3"


def test_answers_under_way_are_sent_before_a_good_bye_is_taken(address: Address) -> None:
    with Client(address) as client:
        client.begin()
        client.ask(READ, 1, 1)
        client.ask(DISCONNECT, 0, 0)
        assert client.take(17)[-1:] == b"\1"
        assert client.is_cut()


# ---------------------------------------------------------------- beginning and end


def _threads() -> list[str]:
    """Threads that the test has started: servers of other tests of this process may have some of their own."""
    return [thread.name for thread in threading.enumerate() if thread not in _STRANGERS]


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the number of open files is not told here")
def test_nothing_is_left_open_after_many_clients_and_a_stop_with_some_of_them_there() -> None:
    with DiskServer(DISK) as server, Client(server.address) as client:  # what is opened once and kept
        client.begin()
    before = _descriptors()

    server = DiskServer(DISK)
    address = server.start()
    for _ in range(30):
        with Client(address) as client:
            client.begin()
            assert client.read(0, 2) == b"\0\1"
    connected = [Client(address) for _ in range(3)]
    connected[0].begin()
    server.stop()
    server.stop()

    assert all(client.is_cut() for client in connected)
    for client in connected:
        client.line.close()
    assert _threads() == []
    assert _descriptors() == before
    assert address.path is not None
    assert not address.path.parent.exists()


def test_the_socket_is_for_its_user_alone(tmp_path: Path) -> None:
    with DiskServer(DISK, socket=tmp_path / "named") as named, DiskServer(DISK) as unnamed:
        assert stat.S_IMODE((tmp_path / "named").stat().st_mode) == 0o600
        assert named.address.uri("a b/ü") == f"nbd+unix:///a%20b/%C3%BC?socket={tmp_path}/named"
        path = unnamed.address.path
        assert path is not None
        assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com", "", "127.0.0.1.example.com"])  # noqa: S104
def test_nothing_but_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(InvalidRequest, match="not an address of loopback"):
        DiskServer(DISK, port=0, host=host).start()


def test_a_port_that_is_taken_is_refused() -> None:
    with DiskServer(DISK, port=0) as server, pytest.raises(InvalidRequest, match="cannot be listened on"):
        DiskServer(DISK, port=server.address.port).start()


def test_a_socket_and_a_port_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="one of them"):
        DiskServer(DISK, socket=tmp_path / "s", port=0).start()


def test_what_is_in_the_place_of_the_socket_is_kept_unless_it_is_a_dead_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))

    for name in ("file", "link"):
        with pytest.raises(InvalidRequest, match="is there already"):
            DiskServer(DISK, socket=tmp_path / name).start()
    with DiskServer(DISK, socket=tmp_path / "dead") as server:
        with pytest.raises(InvalidRequest, match="is there already"):
            DiskServer(DISK, socket=tmp_path / "dead").start()
        with Client(server.address) as client:
            assert client.begin() == 4 * MIB
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["missing/socket", "x" * 200])
def test_a_place_where_no_socket_can_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be listened on"):
        DiskServer(DISK, socket=tmp_path / name).start()


def _serve(disk: BytesSource, during: Callable[[Served], None], *names: str) -> None:
    cancel = Cancellation()

    def ready(served: Served) -> None:
        during(served)
        cancel.set()

    serve_disk(disk, names=names, ready=ready, cancel=cancel)


def test_a_disk_is_served_until_it_is_cancelled() -> None:
    seen: list[Served] = []

    _serve(BytesSource(bytes(MIB)), seen.append)

    (served,) = seen
    assert served.uri == f"nbd+unix:///?socket={served.socket}"
    assert [(each.name, each.size_bytes, each.description) for each in served.exports] == [
        ("disk", MIB, "the whole disk"),
        ("0", MIB, "empty"),
    ]
    assert not Path(str(served.socket)).exists()


def test_the_disk_alone_is_served_where_its_volumes_cannot_be_told() -> None:
    table = bytearray(MIB)
    for sector, first in ((0, 10), (10, 20), (30, 20)):  # extended partitions that turn in a circle
        struct.pack_into("<B3xB3xII", table, sector * 512 + 462, 0, 5, first, 100)
        table[sector * 512 + 510 : sector * 512 + 512] = b"\x55\xaa"
    seen: list[Served] = []

    _serve(BytesSource(bytes(table)), seen.append)

    assert [each.name for each in seen[0].exports] == ["disk"]
    assert seen[0].notes[0].startswith("only the whole disk is offered: ")


def test_chosen_names_are_served_alone_and_the_first_one_is_the_default() -> None:
    seen: list[Served] = []

    _serve(BytesSource(bytes(MIB)), seen.append, "0")

    assert [each.name for each in seen[0].exports] == ["0"]
    with pytest.raises(EntryNotFound, match="no volume `7`") as caught:
        _serve(BytesSource(bytes(MIB)), seen.append, "7")
    assert caught.value.hint == "It has: disk, 0."
