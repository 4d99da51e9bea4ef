"""`group_vars/` and `host_vars/`: which files there are for a name, read once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.permissions import refuse_writable_by_all
from hvbackup.playbook.nodes import Map, place_of, place_text
from hvbackup.playbook.yaml_reader import read_yaml

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

_EXTENSIONS = ("", ".yml", ".yaml", ".json")


class VarsFiles:
    """Variables beside inventories and beside the playbook. May be used from any thread."""

    def __init__(self, inventory_folders: Sequence[Path], playbook_folder: Path | None, vault: Vault | None) -> None:
        self._inventory = list(dict.fromkeys(folder.resolve() for folder in inventory_folders))
        self._playbook = [] if playbook_folder is None else [playbook_folder.resolve()]
        self._vault = vault
        self._read: dict[tuple[Path, str], tuple[Map, ...]] = {}
        self._lock = threading.Lock()

    def beside_inventory(self, kind: str, names: Sequence[str]) -> list[Map]:
        """What `kind` (`group_vars`, `host_vars`) says there of these names, the strongest last."""
        return self._of(self._inventory, kind, names)

    def beside_playbook(self, kind: str, names: Sequence[str]) -> list[Map]:
        """As `beside_inventory`; a folder that is both counts for both, as in Ansible."""
        return self._of(self._playbook, kind, names)

    def _of(self, folders: Sequence[Path], kind: str, names: Sequence[str]) -> list[Map]:
        with self._lock:
            return [each for folder in folders for name in names for each in self._one(folder / kind, name)]

    def _one(self, folder: Path, name: str) -> tuple[Map, ...]:
        key = (folder, name)
        if key not in self._read:
            self._read[key] = tuple(self._content(path) for path in _files(folder, name))
        return self._read[key]

    def _content(self, path: Path) -> Map:
        for each in (path, *(folder for folder in path.parents if folder.name in ("group_vars", "host_vars"))):
            refuse_writable_by_all(each)
        content = read_yaml(path, vault=self._vault)
        if content is None:
            return Map()
        if not isinstance(content, Map):
            raise PlaybookError("a file of variables holds a mapping", place=place_text(place_of(content)) or str(path))
        return content


def _files(folder: Path, name: str) -> list[Path]:
    """The files for a name: of `NAME`, `NAME.yml`, `NAME.yaml`, `NAME.json` the first that is there, file or folder."""
    if "/" in name or "\\" in name or "\0" in name or name in (".", ".."):
        return []
    for extension in _EXTENSIONS:
        path = folder / (name + extension)
        if path.is_dir():
            return _below(path)
        if path.exists():
            return [path]
    return []


def _below(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            found += _below(path)
        elif path.is_file() and path.suffix in _EXTENSIONS:
            found.append(path)
    return found
