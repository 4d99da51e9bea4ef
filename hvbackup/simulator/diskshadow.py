"""The simulated host's diskshadow.exe: runs a script against the host's state, with the real one's manners.

Kept, as captures and documents show them: a script needs CRLF, or each line loses its last character; each line is
echoed after `->`; the first error ends it, and what was created stays; components with a file on a volume that is not
added are left out without an error; END BACKUP prints nothing, and its absence is told at the end.

Not known from any capture, and made up here (marked "invented" where it is printed): the words of a failed WRITER
VERIFY, of UNEXPOSE, of errors of ADD VOLUME and EXPOSE, and the exit code, which is 0 or 1.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import NamedTuple

from hvbackup.simulator.diskshadow_backup import Backup
from hvbackup.simulator.diskshadow_session import Failed, Session
from hvbackup.simulator.diskshadow_text import (
    NOT_ENDED,
    USAGE,
    banner,
    deletion,
    failure,
    shadow_block,
    writer_metadata,
    writer_status,
)
from hvbackup.simulator.inventory import with_described_vms
from hvbackup.simulator.shadow_copies import PROVIDER, VssFailure, delete, expose, unexpose
from hvbackup.simulator.state import HostState, ShadowRecord, now, plain_guid

_WORD = re.compile(r'"([^"]*)"|(\S+)')


class Run(NamedTuple):
    """What diskshadow left: exit code, standard output in the OEM code page, the `/l` log (UTF-16LE with BOM)."""

    exit_code: int
    output: bytes
    log: bytes


def run_script(host: HostState, script: bytes, *, cwd: str, stopped: threading.Event | None = None) -> Run:
    """Run a script as `diskshadow /s` does; `cwd` is a Windows path. Setting `stopped` kills it."""
    machine = host.read().machine
    if host.read().faults.diskshadow_hangs:
        (stopped or threading.Event()).wait()
    session = Session(host, cwd)
    session.lines += banner(machine, now())
    exit_code = _Commands(session).run(script_lines(script, machine.code_page))
    text = "\r\n".join(session.lines) + "\r\n"
    output = text.encode(f"cp{machine.code_page}", errors="replace")
    return Run(exit_code, output, b"\xff\xfe" + text.encode("utf-16-le"))


def script_lines(script: bytes, code_page: int) -> list[str]:
    """Cut a script into lines; what does not end with CRLF loses its last character."""
    return [raw[:-1].decode(f"cp{code_page}", errors="replace") for raw in script.split(b"\n") if raw]


class _Commands:
    """Runs the lines of a script."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.backup = Backup(session)
        #: First word, or first two, of a command -> what runs it, with the words that follow.
        self.table: dict[str, Callable[[list[str]], None]] = {
            "set context": session.set_context,
            "set verbose": session.set_verbose,
            "set metadata": session.set_metadata,
            "set option": session.set_option,
            "load metadata": session.load_metadata,
            "reset": self._reset,
            "writer verify": self.backup.verify,
            "writer exclude": self.backup.exclude,
            "begin backup": self.backup.begin,
            "begin restore": self._no_restore,
            "simulate restore": self._no_restore,
            "end restore": self._no_restore,
            "end backup": self.backup.end,
            "add volume": self.backup.add_volume,
            "add alias": session.add_alias,
            "create": self.backup.create,
            "expose": self._expose,
            "unexpose": self._unexpose,
            "list writers": self._list_writers,
            "list shadows": self._list_shadows,
            "list providers": self._list_providers,
            "delete shadows": self._delete,
            "exec": self._no_exec,
        }

    def run(self, lines: list[str]) -> int:
        """Run until the end or the first error; return the exit code."""
        say = self.session.lines.append
        exit_code = 0
        for line in lines:
            say(f"-> {line}".rstrip())
            text = line.strip()
            if not text or text.startswith(("#", "//")):
                continue
            if text.lower() in ("exit", "quit"):
                break
            try:
                self._run_line(text)
            except Failed as error:
                self.session.lines += error.lines
                exit_code = 1
                break
            except VssFailure as error:
                self.session.lines += failure(error.hresult)
                exit_code = 1
                break
        else:
            say("->")
        if self.backup.open:
            self.session.lines += NOT_ENDED
        return exit_code

    def _run_line(self, text: str) -> None:
        words = [quoted or plain for quoted, plain in _WORD.findall(text)]
        lowered = [word.lower() for word in words]
        for length in (2, 1):
            action = self.table.get(" ".join(lowered[:length]))
            if action is not None:
                action([self.session.expand(word) for word in words[length:]])
                return
        raise Failed(["", *USAGE.get(lowered[0], [f"The command {words[0].upper()} is not known."])])

    def _reset(self, _words: list[str]) -> None:
        self.session.reset()
        self.backup.reset()

    def _no_restore(self, _words: list[str]) -> None:
        raise Failed(["", "The simulated diskshadow does not restore."])

    def _no_exec(self, _words: list[str]) -> None:
        raise Failed(["", "The simulated diskshadow does not run programs."])

    def _expose(self, words: list[str]) -> None:
        if len(words) != 2:
            raise Failed(["", "EXPOSE <ShadowId> { <drive:> | <share> | <mount point> }"])
        place = expose(self.session.host, plain_guid(words[0]), words[1])
        self.session.lines.append(f"The shadow copy was successfully exposed as {place}.")

    def _unexpose(self, words: list[str]) -> None:
        if len(words) != 1:
            raise Failed(["", "UNEXPOSE { <ShadowId> | <drive:> | <share> | <mount point> }"])
        unexpose(self.session.host, words[0])
        self.session.lines.append("The shadow copy was successfully unexposed.")  # invented

    def _list_writers(self, words: list[str]) -> None:
        self.session.need_administrator()
        kind = words[0].lower() if words else "metadata"
        record = self.session.host.read()
        writers = [writer for writer in record.writers if not writer.missing]
        if kind == "status":
            self.session.lines += writer_status(writers)
            return
        if kind not in ("metadata", "detailed"):
            raise Failed(["", "LIST WRITERS [ METADATA | DETAILED | STATUS ]"])
        described = with_described_vms(self.session.host.folder, record)
        self.session.lines += ["", *writer_metadata(described, writers, detailed=kind == "detailed")]

    def _list_shadows(self, words: list[str]) -> None:
        found = self._chosen_shadows(words)
        lines = ["", "Querying all shadow copies on the computer ...", ""]
        record = self.session.host.read()
        for shadow in found:
            lines += shadow_block(record, shadow, None, None)
        lines.append(f"Number of shadow copies listed: {len(found)}" if found else "No shadow copies found in system.")
        self.session.lines += lines

    def _list_providers(self, _words: list[str]) -> None:
        self.session.lines += [
            f"* ProviderID: {{{PROVIDER}}}",
            "\tType: [1] VSS_PROV_SYSTEM",
            "\tName: Microsoft Software Shadow Copy provider 1.0",
            "\tVersion: 1.0.0.7",
            "\tCLSID: {65ee1dba-8ff4-4a58-ac1c-3470ee2f376a}",
            "1 provider registered.",
        ]

    def _delete(self, words: list[str]) -> None:
        found = self._chosen_shadows(words)
        if not found:
            raise VssFailure(0x80042308)
        record = self.session.host.read()
        for shadow in found:
            self.session.lines.append(deletion(record, shadow))
        delete(self.session.host, [shadow.id for shadow in found])
        self.session.lines += ["", f"Number of shadow copies deleted: {len(found)}"]

    def _chosen_shadows(self, words: list[str]) -> list[ShadowRecord]:
        """The shadow copies of `all`, `set ID` or `id ID`."""
        self.session.need_administrator()
        shadows = self.session.host.read().shadow_copies
        kind = words[0].lower() if words else "all"
        if kind == "all":
            return shadows
        if len(words) == 2 and kind in ("set", "id"):
            wanted = plain_guid(words[1])
            return [shadow for shadow in shadows if wanted == (shadow.set_id if kind == "set" else shadow.id)]
        raise Failed(["", "{ ALL | SET <SetId> | ID <ShadowId> }: this is what the simulated diskshadow knows."])
