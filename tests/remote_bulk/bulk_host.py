"""The simulated host of these tests: its scripts are small functions; and clients of it."""

from __future__ import annotations

import contextlib
import hashlib
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from hvbackup.remote import bulk
from hvbackup.simulator.engine import HostError, ScriptContext
from hvbackup.simulator.python_engine import PlainCall
from hvbackup.simulator.server import WSManServer

PASSWORD = "c4nary-Pa55word"
HEADER = struct.Struct("<QIB32s")


class HostFiles:
    """Files of the simulated host, in memory, and what its handlers do with them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.files: dict[str, bytes] = {}
        self.parts: dict[str, bytearray] = {}
        self.write_calls: list[tuple[bool, bool, int]] = []
        self.writers_at_once = 0
        self.frame: Callable[[bytes], bytes] = lambda data: b"\0" + data
        self._writing = 0

    def read(self, context: ScriptContext) -> dict[str, Any]:
        """Answer Read-HvbBlock."""
        data, sent, total = self.files[context.request["path"]], 0, 0
        for offset, length in context.request["blocks"]:
            frame = self.frame(data[offset : offset + length])
            context.write_frame(frame)
            sent += len(frame)
            total += length
        return {"blocks": len(context.request["blocks"]), "bytes": total, "sentBytes": sent}

    def hashes(self, context: ScriptContext) -> dict[str, Any]:
        """Answer Get-HvbBlockHash, three hashes to a frame."""
        data, size = self.files[context.request["path"]], context.request["blockSize"]
        found = [hashlib.sha256(data[at : at + size]).digest() for at in range(0, len(data), size)]
        for at in range(0, len(found), 3):
            context.write_frame(b"".join(found[at : at + 3]))
        return {"sizeBytes": len(data), "blocks": len(found), "zeroBlocks": 0, "modifiedAt": "2026-01-01T00:00:00Z"}

    def write(self, context: ScriptContext) -> dict[str, Any]:
        """Answer Write-HvbFile."""
        asked, blocks, total = context.request, 0, 0
        path = asked["path"]
        with self._lock:
            self._writing += 1
            self.writers_at_once = max(self.writers_at_once, self._writing)
            if asked["first"]:
                self.parts[path] = bytearray(asked["sizeBytes"])
        part = self.parts[path]
        try:
            for frame in context.frames():
                offset, length, codec, digest = HEADER.unpack_from(frame)
                data = frame[HEADER.size :] if codec == 0 else zlib.decompress(frame[HEADER.size :], -15)
                if hashlib.sha256(data).digest() != digest or len(data) != length:
                    raise HostError("BlockMismatch", "the block is not what it was")
                part[offset : offset + length] = data
                blocks += 1
                total += length
        finally:
            with self._lock:
                self._writing -= 1
        self.write_calls.append((asked["first"], asked["last"], blocks))
        if asked["last"]:
            self.files[path] = bytes(self.parts.pop(path))
        return {"path": path, "blocks": blocks, "bytes": total, "finished": asked["last"]}

    def remove(self, context: ScriptContext) -> dict[str, Any]:
        """Answer Remove-HvbFile."""
        gone = [path for path in context.request["files"] if self.parts.pop(path.removesuffix(".hvbpart"), None)]
        return {"removed": gone}


def register_scripts(server: WSManServer) -> None:
    """Give the host a few commands of its own."""
    _register_writers(server)
    _register_readers(server)


def _register_writers(server: WSManServer) -> None:

    @server.script(r"frames (?P<count>\d+) (?P<size>\d+)")
    def frames(call: PlainCall) -> None:
        for number in range(int(call.match["count"])):
            call.channel.write_bytes(block(number, int(call.match["size"])))
        call.channel.write_output("that is all")

    @server.script("mixed")
    def mixed(call: PlainCall) -> None:
        call.channel.write_bytes(b"first")
        call.channel.write_output("between <&> \u00e4\u20ac\U0001f600 _x000A_")
        call.channel.write_progress("Reading", "half", 50)
        call.channel.write_message("warning", "careful")
        call.channel.write_message("verbose", "details")
        call.channel.write_error("something failed", "Oops")
        call.channel.write_bytes(b"second")
        call.channel.write_output("end")

    @server.script("endless")
    def endless(call: PlainCall) -> None:
        while not call.channel.stopped.is_set():
            call.channel.write_bytes(bytes(65536))

    @server.script("silent")
    def silent(call: PlainCall) -> None:
        call.channel.write_bytes(b"only this")
        call.channel.stopped.wait()

    @server.script("objects")
    def objects(call: PlainCall) -> None:
        call.channel.write_output(42)

    @server.script("sleep until stopped")
    def sleep(call: PlainCall) -> None:
        call.channel.stopped.wait()


def _register_readers(server: WSManServer) -> None:
    @server.script("eat")
    def eat(call: PlainCall) -> None:
        count, digest = 0, hashlib.sha256()
        for item in call.channel.input():
            count += 1
            digest.update(item)
        call.channel.write_output(f"{count} {digest.hexdigest()}")

    @server.script("echo")
    def echo(call: PlainCall) -> None:
        for item in call.channel.input():
            call.channel.write_output(item.hex())

    @server.script("refuse input")
    def refuse(call: PlainCall) -> None:
        next(iter(call.channel.input()))
        call.channel.write_output("no more of that")


def block(number: int, size: int) -> bytes:
    """Bytes that differ from block to block and do not shrink."""
    return (hashlib.sha256(str(number).encode()).digest() * (size // 32 + 1))[:size]


def connect(server: WSManServer, *, auth: str = "basic", **more: Any) -> WSMan:
    """Return pypsrp's connection to a simulated host."""
    tls = server.ca_file is not None
    return WSMan(
        "127.0.0.1",
        port=server.port,
        username=server.username,
        password=server.password,
        ssl=tls,
        auth=auth,
        cert_validation=str(server.ca_file) if tls else True,  # type: ignore[arg-type]  # a path is allowed
        encryption="never" if auth == "basic" and not tls else "auto",
        no_proxy=True,
        **more,
    )


@contextlib.contextmanager
def open_pool(wsman: WSMan) -> Iterator[RunspacePool]:
    """Open a runspace pool and close it and all connections."""
    with wsman, RunspacePool(wsman) as pool:
        try:
            yield pool
        finally:
            bulk.release(wsman)


def begin(pool: RunspacePool, script: str) -> PowerShell:
    """Begin a pipeline."""
    powershell = PowerShell(pool)
    powershell.add_script(script)
    powershell.begin_invoke()
    return powershell
