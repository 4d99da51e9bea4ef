"""What a diskshadow process remembers: context, metadata file, aliases, and what it has printed."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from hvbackup.simulator.state import HostState
from hvbackup.simulator.volumes import MalformedPath, local_path

_ALIAS = re.compile(r"%(\w+)%")
#: Context -> attributes of the shadow copies.
_CONTEXTS = {
    "persistent": ["No_Auto_Release", "Persistent", "Differential"],
    "volatile": ["Auto_Release", "Differential"],
    "clientaccessible": ["No_Auto_Release", "Persistent", "Client_accessible", "No_Writers", "Differential"],
}


class Failed(Exception):
    """A command failed; `lines` are what diskshadow prints of it."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Session:
    """One process. `lines` is its output so far; `cwd` a Windows path."""

    def __init__(self, host: HostState, cwd: str) -> None:
        self.host = host
        self.cwd = cwd
        self.lines: list[str] = []
        self.verbose = False
        self.metadata: str | None = None
        self.aliases: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the context; aliases stay."""
        self.attributes = list(_CONTEXTS["volatile"])
        self.writers = True

    def expand(self, word: str) -> str:
        """Replace `%alias%`, and print what it stands for."""

        def value(match: re.Match[str]) -> str:
            found = self.aliases.get(match[1].lower())
            if found is None:
                return match[0]
            self.lines.append(f"-> {match[0]} = {found}")
            return found

        return _ALIAS.sub(value, word)

    def set_alias(self, name: str, value: str) -> None:
        """Remember an alias."""
        self.aliases[name.lower()] = value

    def need_administrator(self) -> None:
        """What every command that talks to VSS needs."""
        if not self.host.read().machine.elevated:
            raise Failed(["", 'COM call "(*vssObject)->InitializeForBackup" failed.'])

    def set_context(self, words: list[str]) -> None:
        """SET CONTEXT."""
        lowered = [word.lower() for word in words]
        without_writers = lowered[1:] == ["nowriters"] and lowered[0] != "clientaccessible"
        if not lowered or lowered[0] not in _CONTEXTS or (lowered[1:] and not without_writers):
            raise Failed(["", "SET CONTEXT { CLIENTACCESSIBLE | PERSISTENT [ NOWRITERS ] | VOLATILE [ NOWRITERS ] }"])
        self.attributes = list(_CONTEXTS[lowered[0]])
        self.writers = lowered[0] != "clientaccessible" and not without_writers
        if not self.writers and "No_Writers" not in self.attributes:
            self.attributes.append("No_Writers")

    def set_verbose(self, words: list[str]) -> None:
        """SET VERBOSE."""
        if [word.lower() for word in words] not in (["on"], ["off"]):
            raise Failed(["", "SET VERBOSE { ON | OFF }"])
        self.verbose = words[0].lower() == "on"

    def set_option(self, words: list[str]) -> None:
        """SET OPTION; accepted, without effect."""
        known = {"differential", "plex", "transportable", "rollbackrecover", "txfrecover", "noautorecover"}
        if not words or not {word.lower() for word in words} <= known:
            raise Failed(["", "SET OPTION { [DIFFERENTIAL | PLEX] [TRANSPORTABLE] [ROLLBACKRECOVER] ... }"])

    def set_metadata(self, words: list[str]) -> None:
        """SET METADATA: where CREATE writes the .cab file."""
        if len(words) != 1:
            raise Failed(["", "SET METADATA [drive:][path]metadata.cab"])
        self.metadata = words[0]
        if self.metadata_file().exists():
            self.lines.append("The existing file will be overwritten.")

    def load_metadata(self, words: list[str]) -> None:
        """LOAD METADATA."""
        if len(words) != 1 or not self._local(words[0]).exists():
            raise Failed(["", "The metadata file could not be opened."])  # invented
        self.metadata = words[0]

    def add_alias(self, words: list[str]) -> None:
        """ADD ALIAS."""
        if len(words) != 2:
            raise Failed(["", "ADD ALIAS <Name> <Value>"])
        self.set_alias(*words)

    def metadata_file(self) -> Path:
        """Where the .cab file goes on this machine: as set, or a dated name in the working directory."""
        if self.metadata is None:
            moment = datetime.now(timezone.utc)
            name = self.host.read().machine.computer_name
            self.metadata = f"{moment:%Y-%m-%d}_{moment:%H-%M-%S}_{name}.cab"
        return self._local(self.metadata)

    def _local(self, path: str) -> Path:
        full = path if re.match(r"[A-Za-z]:\\|\\\\", path) else self.cwd.rstrip("\\") + "\\" + path
        try:
            return local_path(self.host.folder, full)
        except MalformedPath:
            raise Failed(["", "The filename, directory name, or volume label syntax is incorrect."]) from None
