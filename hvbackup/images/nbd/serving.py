"""Serve a disk until somebody says stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.images.exports import Exports, chosen_exports, exports_of
from hvbackup.images.nbd.server import DiskServer
from hvbackup.images.source import Source
from hvbackup.models import Model

_FOREVER = 3600.0


class ServedExport(Model, frozen=True, kw_only=True):
    """One name under which something is served; `uri` is what NBD clients take."""

    name: str
    uri: str
    size_bytes: int
    description: str


class Served(Model, frozen=True, kw_only=True):
    """What is served, and where.

    Attributes:
        socket: Path of the Unix socket, or None.
        port: TCP port on 127.0.0.1, or None.
        uri: Of the default export.
        exports: The disk first, then its volumes.
        notes: What is not served, and why.
    """

    socket: str | None
    port: int | None
    uri: str
    exports: tuple[ServedExport, ...]
    notes: tuple[str, ...] = ()


def serve_disk(
    disk: Source,
    *,
    sector_size: int = 512,
    companions: Sequence[Source] = (),
    names: Sequence[str] = (),
    socket: Path | None = None,
    port: int | None = None,
    ready: Callable[[Served], None],
    cancel: Cancellation,
    events: EventSink = discard,
) -> None:
    """Serve a disk and its volumes, read-only, until `cancel` is set; that is the good end.

    Args:
        disk: The disk; its reads come from several threads.
        sector_size: Bytes of a logical sector of the disk.
        companions: Other disks of the same VM, on which parts of logical volumes may lie.
        names: Serve these alone, `disk` for the disk; the first one is the default. All when empty.
        socket: Where the Unix socket shall be (mode 0600).
        port: TCP port on 127.0.0.1, 0 for any that is free. With neither there is a Unix socket in a new private
            folder; on Windows, a free port.
        ready: Called once clients may come.
        events: Gets a note for each read that failed, from other threads.

    Raises:
        InvalidRequest: The socket or port is taken or cannot be.
        EntryNotFound: There is nothing of one of the `names`.
    """
    exports = chosen_exports(exports_of(disk, sector_size=sector_size, companions=companions), names)
    with DiskServer(exports.by_name, socket=socket, port=port, events=events) as server:
        ready(_served(server, exports))
        while not cancel.wait(_FOREVER):
            pass


def _served(server: DiskServer, exports: Exports) -> Served:
    address = server.address
    return Served(
        socket=str(address.path) if address.path else None,
        port=address.port or None,
        uri=address.uri(),
        exports=tuple(
            ServedExport(name=name, uri=address.uri(name), size_bytes=each.size, description=each.description)
            for name, each in exports.by_name.items()
            if name
        ),
        notes=exports.notes,
    )
