"""Listens, and gives each client a connection of its own."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from hvbackup.events import EventSink, discard
from hvbackup.images.exports import Export
from hvbackup.images.nbd.binding import Address, Binding
from hvbackup.images.nbd.connection import Connection, tell

_log = logging.getLogger(__name__)

#: Clients at a time; each may take some 64 MiB and five threads at worst.
MAX_CLIENTS = 16
_STOP_SECONDS = 10.0
_ACCEPT_AGAIN_SECONDS = 1.0


class DiskServer:
    """A read-only NBD server. Use it in `with`, or call `start` and `stop`.

    Args:
        exports: What is offered, by name; the empty name is the default.
        socket: Where the Unix socket shall be (mode 0600).
        port: TCP port on loopback, 0 for any that is free. With neither there is a Unix socket in a new private folder.
        host: Address of loopback.
        events: Gets a note for each read that failed and for each client that was sent away, from many threads.

    Raises:
        InvalidRequest: From `start`: the place is taken or cannot be, or the address is not loopback.
    """

    def __init__(
        self,
        exports: Mapping[str, Export],
        *,
        socket: Path | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        events: EventSink = discard,
    ) -> None:
        self._exports = dict(exports)
        self._place = (socket, port, host)
        self._events = events
        self._binding: Binding | None = None
        self._accepting: threading.Thread | None = None
        self._stopping = threading.Event()
        self._clients: dict[Connection, threading.Thread] = {}
        self._changing = threading.Lock()

    @property
    def address(self) -> Address:
        """Where it listens, once it was started."""
        if self._binding is None:
            raise ValueError("the server was not started")
        return self._binding.address

    def start(self) -> Address:
        """Listen, and serve from threads. Returns where."""
        self._binding = Binding(*self._place)
        self._alarm, self._asleep = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, args=(self._binding,), name="nbd", daemon=True)
        self._accepting.start()
        return self._binding.address

    def stop(self) -> None:
        """Stop listening, cut all connections, and wait for their threads. Stopping twice is no error."""
        if self._binding is None or self._accepting is None or self._stopping.is_set():
            return
        self._stopping.set()
        self._alarm.send(b"!")
        self._accepting.join()
        self._binding.close()
        with self._changing:
            clients = dict(self._clients)
        for connection in clients:
            connection.drop()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in clients.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._alarm.close()
        self._asleep.close()

    def __enter__(self) -> DiskServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ------------------------------------------------------------ clients

    def _accept(self, binding: Binding) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._asleep, selectors.EVENT_READ)
            selector.register(binding.listener, selectors.EVENT_READ)
            while True:
                selector.select()
                if self._stopping.is_set():
                    return
                try:
                    client, _ = binding.listener.accept()
                except OSError as error:  # it left again, or there are no descriptors left
                    _log.warning("a client could not be taken: %s", error)
                    self._stopping.wait(_ACCEPT_AGAIN_SECONDS)
                else:
                    self._take(client)

    def _take(self, client: socket.socket) -> None:
        with self._changing:
            if len(self._clients) >= MAX_CLIENTS:
                client.close()
                refused = True
            else:
                refused = False
                connection = Connection(client, self._exports, self._events)
                thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
                self._clients[connection] = thread
        if refused:
            tell(self._events, f"a client was sent away: there are {MAX_CLIENTS} already")
            return
        with contextlib.suppress(OSError):  # Unix sockets have no such option
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread.start()

    def _run(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._changing:
                del self._clients[connection]
