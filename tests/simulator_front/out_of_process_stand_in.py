"""Stands in for `pwsh -SSHServerMode`: as strict as PowerShell's mediator, with the Python engine behind it.

Whatever PowerShell would not take ends the process with exit code 160 and a line on standard error.
"""

from __future__ import annotations

import base64
import os
import re
import sys
import threading
import uuid
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from front_clients import register_plain

from hvbackup.simulator.faults import Faults
from hvbackup.simulator.psrp_shell import PsrpShell
from hvbackup.simulator.python_engine import PythonEngine
from hvbackup.simulator.wsman_queues import OutputQueue
from hvbackup.simulator.wsman_shell import Limits

SESSION = "00000000-0000-0000-0000-000000000000"
_GUID = re.compile(r"PSGuid='([^']*)'")


def die(reason: str) -> NoReturn:
    os.write(2, f"{reason}\n".encode())
    os._exit(160)


class Mediator:
    def __init__(self) -> None:
        engine = PythonEngine({}, {})
        register_plain(engine.register)
        self.shell = PsrpShell("S", "uri", "owner", Limits(), engine=engine, faults=Faults())
        self.open = False
        self.lock = threading.Lock()
        self.pending: set[str] = set()

    def say(self, line: str) -> None:
        with self.lock:
            sys.stdout.buffer.write(line.encode() + b"\n")
            sys.stdout.buffer.flush()

    def pass_on(self, guid: str, queue: OutputQueue) -> None:
        ended = False
        while not ended:
            chunks, ended = queue.get(3600, 1 << 30) or ([], False)
            for _, data in chunks:
                self.say(f"<Data Stream='Default' PSGuid='{guid}'>{base64.b64encode(data).decode()}</Data>")

    def receive(self, line: str) -> None:
        match = _GUID.search(line)
        if match is None:
            die(f"no PSGuid: {line[:80]}")
        guid = match[1]
        if line.startswith("<Data "):
            with self.lock:
                if guid in self.pending:
                    die(f"second Data for {guid} before the first was acknowledged")
                self.pending.add(guid)

    def handle(self, line: str) -> None:
        try:
            node = ET.fromstring(line)  # noqa: S314
            guid = node.attrib["PSGuid"]
            if str(uuid.UUID(guid)) != guid:
                die(f"not a GUID as PowerShell writes it: {guid}")
            action = {"Data": self.data, "Command": self.command, "Signal": self.signal, "Close": self.close}[node.tag]
            action(guid, node)
        except Exception as error:  # noqa: BLE001
            die(f"{type(error).__name__}: {error}")
        self.say(f"<{node.tag}Ack PSGuid='{guid}' />")

    def data(self, guid: str, node: ET.Element) -> None:
        if len(node.attrib) != 2 or not node.text:
            die("Data needs two attributes and a text")
        data = base64.b64decode(node.text)
        if guid != SESSION:
            if guid.upper() in self.shell.commands:
                self.shell.send(guid.upper(), "stdin", data, end=False, timeout=60)
        elif self.open:
            self.shell.send(None, "stdin", data, end=False, timeout=60)
        else:
            self.open = True
            creation = ET.Element("{http://schemas.microsoft.com/powershell}creationXml")
            creation.text = node.text
            shell = ET.Element("Shell")
            shell.append(creation)
            threading.Thread(target=self.pass_on, args=(SESSION, self.shell.output), daemon=True).start()
            self.shell.open(shell)
        with self.lock:
            self.pending.discard(guid)

    def command(self, guid: str, _node: ET.Element) -> None:
        self.shell.start_command(guid.upper(), "", [])
        queue = self.shell.commands[guid.upper()].output
        threading.Thread(target=self.pass_on, args=(guid, queue), daemon=True).start()

    def signal(self, guid: str, _node: ET.Element) -> None:
        if guid == SESSION:
            die("a session takes no Signal")
        self.shell.signal(guid.upper(), "ctrl_c")

    def close(self, guid: str, _node: ET.Element) -> None:
        if guid != SESSION:
            self.shell.signal(guid.upper(), "terminate")
        elif self.shell.commands:
            die("the session was closed before its pipelines")


def main() -> None:
    if sys.argv[1:] != ["-NoLogo", "-NoProfile", "-SSHServerMode"]:
        die(f"unexpected arguments {sys.argv[1:]}")
    mediator = Mediator()
    with ThreadPoolExecutor(8) as pool:
        for raw in sys.stdin.buffer:
            line = raw.decode().rstrip("\r\n")
            if not line:
                die("an empty line")
            mediator.receive(line)
            pool.submit(mediator.handle, line)
    os._exit(160)


if __name__ == "__main__":
    main()
