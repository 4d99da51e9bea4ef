"""The bodies of WSMan answers that say much: output of a command, and what a shell is."""

from __future__ import annotations

import time
from xml.sax.saxutils import escape, quoteattr

from pybase64 import b64encode

from hvbackup.simulator.wsman_envelope import COMMAND_STATE, NAMESPACES
from hvbackup.simulator.wsman_shell import Shell


def receive_answer(chunks: list[tuple[str, bytes]], done: bool, command_id: str | None, exit_code: int) -> bytes:
    """Return the body of an answer to Receive; `done` says that these are the last chunks of the command."""
    attribute = f" CommandId={quoteattr(command_id)}".encode() if command_id else b""
    parts = [b"<rsp:ReceiveResponse>"]
    for stream, data in chunks:
        name = stream.encode()
        parts += [b'<rsp:Stream Name="', name, b'"', attribute, b">", b64encode(data), b"</rsp:Stream>"]
    if command_id:
        state = (COMMAND_STATE + ("Done" if done else "Running")).encode()
        if done:
            parts += [b'<rsp:Stream Name="stdout"', attribute, b' End="true"/>']
        parts += [b"<rsp:CommandState", attribute, b' State="', state, b'"']
        parts.append(b"><rsp:ExitCode>%d</rsp:ExitCode></rsp:CommandState>" % exit_code if done else b"/>")
    parts.append(b"</rsp:ReceiveResponse>")
    return b"".join(parts)


def describe_shell(shell: Shell) -> str:
    """Return what Create, Get and Enumerate say of a shell."""
    now = time.monotonic()
    state = "Disconnected" if shell.disconnected.is_set() else "Connected"
    return (
        f'<rsp:Shell xmlns:rsp="{NAMESPACES["rsp"]}"><rsp:ShellId>{escape(shell.id)}</rsp:ShellId>'
        f"<rsp:ResourceUri>{escape(shell.uri)}</rsp:ResourceUri><rsp:Owner>{escape(shell.owner)}</rsp:Owner>"
        f"<rsp:ClientIP>127.0.0.1</rsp:ClientIP><rsp:IdleTimeOut>{escape(shell.idle_timeout)}</rsp:IdleTimeOut>"
        f"<rsp:InputStreams>{escape(shell.input_streams)}</rsp:InputStreams>"
        f"<rsp:OutputStreams>{escape(shell.output_streams)}</rsp:OutputStreams><rsp:State>{state}</rsp:State>"
        f"<rsp:ShellRunTime>P0DT0H0M{now - shell.born:.0f}S</rsp:ShellRunTime>"
        f"<rsp:ShellInactivity>P0DT0H0M{now - shell.used:.0f}S</rsp:ShellInactivity></rsp:Shell>"
    )
