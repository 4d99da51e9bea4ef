"""The socket that a server listens on: a Unix socket for its user alone, or loopback."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from hvbackup.errors import InvalidRequest

_BACKLOG = 16
HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX")


class Address(NamedTuple):
    """Where a server listens: a Unix socket, or an address and a port."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    def uri(self, export: str = "") -> str:
        """The NBD URI of an export, as qemu, nbdinfo and nbdcopy take it."""
        name = quote(export)
        if self.path is not None:
            return f"nbd+unix:///{name}?socket={quote(str(self.path))}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"nbd://{host}:{self.port}/{name}"


class Binding:
    """A listening socket; `close` takes away what it made.

    Args:
        path: Where the Unix socket shall be; only its user may connect.
        port: TCP port on loopback; 0 for any that is free.
        host: Address of loopback. Without `path` and `port` there will be a Unix socket in a new private folder, or a
            free port where the system has no Unix sockets.

    Raises:
        InvalidRequest: The place is taken or cannot be, or the address is not loopback.
    """

    def __init__(self, path: Path | None = None, port: int | None = None, host: str = "127.0.0.1") -> None:
        if path is not None and port is not None:
            raise InvalidRequest("a Unix socket and a port: one of them")
        self._folder: Path | None = None
        if path is None and port is None and HAS_UNIX_SOCKETS:
            self._folder = Path(tempfile.mkdtemp(prefix="hvbackup-nbd-"))  # for its user alone (0700)
            path = self._folder / "disk.sock"
        try:
            if path is not None:
                self.listener = _unix(path.absolute())
                self.address = Address(path=path.absolute())
            else:
                self.listener = _loopback(host, port or 0)
                self.address = Address(host=host, port=self.listener.getsockname()[1])
        except BaseException:
            self._remove_folder()
            raise

    def close(self) -> None:
        """Stop listening; the Unix socket and its private folder are removed. Closing twice is no error."""
        if self.listener.fileno() < 0:
            return
        self.listener.close()
        if self.address.path is not None:
            self.address.path.unlink(missing_ok=True)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _loopback(host: str, port: int) -> socket.socket:
    """NBD as served here knows no passwords and no encryption: it must not leave the machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise InvalidRequest(
            f"{host} is not an address of loopback, and whoever can connect can read the disk",
            hint="Serve on 127.0.0.1 and forward the port by SSH.",
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise InvalidRequest(f"port {port} cannot be listened on: {error}", hint="Choose another one, or 0.") from error


def _unix(path: Path) -> socket.socket:
    if not HAS_UNIX_SOCKETS:
        raise InvalidRequest("this system has no Unix sockets", hint="Serve on a port of loopback.")
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(OSError):  # Linux makes the file with this mode, so that nobody is quicker than chmod
            os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidRequest(
            f"{path} cannot be listened on: {error}",
            hint="The folder must be there, and the whole path have no more than some 100 bytes.",
        ) from error
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that a dead server left; refuse whatever else is there."""
    if not os.path.lexists(path):
        return
    if path.is_socket() and not path.is_symlink():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
                return
            except OSError:
                pass
    raise InvalidRequest(f"{path} is there already", hint="Choose another name, or remove it first.")
