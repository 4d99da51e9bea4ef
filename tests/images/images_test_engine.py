"""A file system in memory, here and in a sandbox, and the ways in which a parser can misbehave.

In a sandbox the volume is the file system written as Python's literal, so that it is read over the pipe. Files with
these names do harm when they are opened: `segfault`, `memory`, `loop`, `garbage`, `exit`, and the `open` that tries to
get out.
"""

from __future__ import annotations

import ast
import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec

from hvbackup.errors import EntryNotFound, ImageDamaged, ImageUnsupported
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem, FileSystemInfo, Stream
from hvbackup.images.filesystems.worker import serve
from hvbackup.images.source import BytesSource, Source

MODIFIED = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=timezone.utc)


class Node:
    """An entry of the tree: contents, and fields of `Entry` that differ from what is usual."""

    def __init__(self, contents: bytes | None = b"", **fields: Any) -> None:
        self.contents = contents
        self.fields = fields

    @property
    def whole(self) -> bytes:
        """The contents, as often as the field `repeat` says."""
        return (self.contents or b"") * int(self.fields.get("repeat", 1))

    def __repr__(self) -> str:
        return repr((self.contents, self.fields))


def folder(**fields: Any) -> Node:
    """A folder."""
    return Node(None, kind="folder", **fields)


class MemoryFiles:
    """A `FileSystem` of a dictionary from paths to nodes, in the order of the dictionary."""

    def __init__(
        self, nodes: dict[str, Node], *, kind: str = "ext4", harm: Callable[[str], None] | None = None
    ) -> None:
        self.info = FileSystemInfo(kind=kind, label="memory", notes=("made up",))
        self.nodes = {"/": folder(id=1), **nodes}
        self.opened: list[str] = []
        self._harm = harm or (lambda _name: None)
        self._caseless = kind in ("ntfs", "fat32")
        self._numbers = {path: number for number, path in enumerate(self.nodes, 2)}
        self._children: dict[str, list[str]] = {}
        for path in nodes:
            self._children.setdefault(path.rpartition("/")[0] or "/", []).append(path)

    def entry(self, path: str) -> Entry:
        return self._entry(self._find(path))

    def entries(self, folder: str, *, streams: bool = False) -> Iterator[Entry]:
        if self.nodes[self._find(folder)].fields.get("unlisted"):
            raise ImageDamaged(f"{folder} has an index that is damaged")
        for path in self._children.get(self._find(folder), []):
            entry = self._entry(path)
            yield entry if streams else msgspec.structs.replace(entry, streams=())

    def open(self, path: str, *, stream: str | None = None) -> Source:
        path = self._find(path)
        self.opened.append(path)
        self._harm(path.rpartition("/")[2])
        node = self.nodes[path]
        if node.fields.get("unreadable"):
            raise ImageUnsupported(node.fields["unreadable"])
        if stream is not None:
            return BytesSource(dict(node.fields["streams"])[stream])
        return Zeros(node.fields["zeros"]) if "zeros" in node.fields else BytesSource(node.whole)

    def close(self) -> None:
        self.nodes.clear()

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _find(self, path: str) -> str:
        path = "/" + path.strip("/")
        if path in self.nodes:
            return path
        for name in self.nodes if self._caseless else ():
            if name.casefold() == path.casefold():
                return name
        raise EntryNotFound(f"{path} is not there")

    def _entry(self, path: str) -> Entry:
        node = self.nodes[path]
        fields: dict[str, Any] = {
            "id": self._numbers[path],
            "size_bytes": len(node.whole),
            "modified_at": MODIFIED,
        }
        fields |= {name: value for name, value in node.fields.items() if name not in ("unlisted", "zeros", "repeat")}
        fields["streams"] = tuple(
            Stream(name=name, size_bytes=len(data)) for name, data in node.fields.get("streams", ())
        )
        fields["kind"] = EntryKind(node.fields.get("kind", "file"))
        fields["size_bytes"] = node.fields.get("zeros", fields["size_bytes"])
        return Entry(path=path, name=path.rpartition("/")[2], **fields)


class Zeros:
    """As many zeros as wanted, that take no memory."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(max(0, min(size, self.size - offset)))


# ---------------------------------------------------------------- in a sandbox


def volume_of(nodes: dict[str, Node]) -> BytesSource:
    """The volume that `open_written` reads."""
    return BytesSource(repr(nodes).encode("utf-8", "backslashreplace"))


def open_written(volume: Source, kind: str) -> FileSystem:
    """Open what `volume_of` made; some kinds do harm here already."""
    if volume.size == 0:  # asked before the limits are set: to import, not to read
        if kind == "dies-at-start":
            sys.exit("this never works")
        return MemoryFiles({})
    do_harm(kind)
    text = volume.read_at(0, volume.size).decode()
    nodes = {path: Node(contents, **fields) for path, (contents, fields) in ast.literal_eval(text).items()}
    return MemoryFiles(nodes, kind=kind, harm=do_harm)


def do_harm(name: str) -> None:
    """What a parser does that was taken over, or that has bugs."""
    harm = HARM.get(name)
    if harm is not None:
        harm()


def _attempts() -> None:
    """Try to get out; say what was refused."""
    attempts: dict[str, Callable[[], object]] = {
        "file": lambda: open(os.devnull, "rb"),  # noqa: PTH123, SIM115
        "socket": socket.socket,
        "pipe": os.pipe,
        "program": lambda: subprocess.Popen(["/bin/true"]),
        "kill": lambda: os.kill(os.getppid(), 0),
    }
    if hasattr(os, "fork"):
        attempts["fork"] = lambda: os._exit(0) if os.fork() == 0 else None
    refused = []
    for what, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            refused.append(what)
    raise ImageDamaged("refused: " + ", ".join(refused))


def _memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(16 * 1024 * 1024))


def _loop() -> None:
    while True:
        pass


def _garbage() -> None:
    for number in range(3, 64):
        try:
            os.write(number, b"\xff" * 4096)
        except OSError:
            continue


HARM: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "memory": _memory,
    "loop": _loop,
    "garbage": _garbage,
    "exit": lambda: os._exit(3),
    "attempts": _attempts,
    "variables": lambda: _say(repr(dict(os.environ))),
    "chatter": lambda: [os.write(1, b"x" * 65536) for _ in range(64)],
}


def _say(text: str) -> None:
    raise ImageDamaged(text)


def main() -> None:
    """Parse with this engine, when started as a worker."""
    serve(open_written)
