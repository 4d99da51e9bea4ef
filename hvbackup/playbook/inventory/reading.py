"""Reads inventories: files, folders, host lists; several lay over each other in their order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.command import add_dynamic
from hvbackup.playbook.inventory.groups import UNGROUPED, Graph
from hvbackup.playbook.inventory.hosts import Inventory
from hvbackup.playbook.inventory.ini_format import add_ini
from hvbackup.playbook.inventory.permissions import refuse_writable_by_all
from hvbackup.playbook.inventory.ranges import expand
from hvbackup.playbook.inventory.vars_files import VarsFiles
from hvbackup.playbook.inventory.yaml_format import add_yaml
from hvbackup.playbook.nodes import Map, Place, place_of, place_text
from hvbackup.playbook.yaml_reader import is_vaulted, read_text, read_yaml_text

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

_YAML = (".yml", ".yaml", ".json")
#: In a folder, names with these ends are no inventories (Ansible's defaults, `INVENTORY_IGNORE_EXTS`).
_IGNORED = (
    *(".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"),
    *("host_vars", "group_vars", "vars_plugins"),
)
_MAX_FOLDERS = 10


def read_inventory(
    sources: Sequence[str | Path],
    *,
    vault: Vault | None = None,
    playbook_folder: Path | None = None,
    allow_scripts: bool = False,
) -> Inventory:
    """Read one or more inventories.

    Args:
        sources: Each a file, a folder of such, or a list of hosts with a comma in it (`hv01,hv02,`).
        playbook_folder: Where `group_vars/` and `host_vars/` of the playbook are.
        allow_scripts: Run inventory scripts and plugins, through `ansible-inventory`.

    Raises:
        PlaybookError: A source is not there, cannot be meant, or could have been written by anybody; with its place.
    """
    graph = Graph()
    folders = []
    for source in sources:
        text = str(source)
        path = Path(source)
        if "," in text and not _exists(path):
            _add_host_list(graph, text)
            continue
        folders.append(path if path.is_dir() else path.parent)
        _add_path(graph, path, vault, allow_scripts, 0)
    graph.complete()
    return Inventory(graph, VarsFiles(folders, playbook_folder, vault))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _add_host_list(graph: Graph, text: str) -> None:
    folder = str(Path.cwd())
    for part in text.split(","):
        if part.strip():
            names, port = expand(part.strip(), Place("-i", 1, 1))
            for name in names:
                graph.add_host(name, UNGROUPED, text, folder, port)


def _add_path(graph: Graph, path: Path, vault: Vault | None, allow_scripts: bool, depth: int) -> None:
    if not _exists(path):
        raise PlaybookError(
            f"there is no inventory {path}", hint="A list of hosts has a comma in it, also after a single one: hv01,"
        )
    refuse_writable_by_all(path)
    if not path.is_dir():
        _add_file(graph, path, vault, allow_scripts)
        return
    if depth >= _MAX_FOLDERS:
        raise PlaybookError(f"{path}: folders of inventories are nested deeper than {_MAX_FOLDERS}")
    for each in sorted(path.iterdir(), key=lambda each: each.name):
        if not each.name.startswith(".") and not each.name.endswith(_IGNORED):
            _add_path(graph, each, vault, allow_scripts, depth + 1)


def _add_file(graph: Graph, path: Path, vault: Vault | None, allow_scripts: bool) -> None:
    folder = str(Path(os.path.abspath(path)).parent)  # noqa: PTH100 - as Ansible: links are kept
    text = read_text(path)
    secret = is_vaulted(text)
    if secret:
        if vault is None:
            raise PlaybookError("the inventory is vaulted, and there is no vault password", place=str(path))
        text = vault.decrypt_file(text, Place(str(path), 1, 1))
    if text.startswith("#!"):
        _refuse_unless(allow_scripts, path, "is a script")
        add_dynamic(graph, path, folder, vault)
        return
    content = _yaml_content(path, text, vault, secret=secret)
    if content is None:
        if path.suffix == ".toml":
            raise PlaybookError(f"{path}: inventories in TOML are not read", hint="Write it as YAML.")
        add_ini(graph, text, str(path), folder, secret=secret)
    elif "plugin" in content and not isinstance(content["plugin"], Map):
        _refuse_unless(allow_scripts, path, "is the configuration of an inventory plugin")
        add_dynamic(graph, path, folder, vault)
    else:
        add_yaml(graph, content, str(path), folder)


def _refuse_unless(allowed: bool, path: Path, what: str) -> None:
    if not allowed:
        raise PlaybookError(
            f"{path} {what}, and would have to be run", hint="Allow that with --allow-inventory-scripts."
        )


def _yaml_content(path: Path, text: str, vault: Vault | None, *, secret: bool) -> Map | None:
    """What a YAML inventory holds, or None when the file is INI: by its name, and without an ending by its content."""
    named_yaml = path.suffix.lower() in _YAML
    if not named_yaml and path.suffix:
        return None
    try:
        content = read_yaml_text(text, str(path), vault=vault, secret=secret)
    except PlaybookError:
        if named_yaml or text.lstrip().startswith("---"):
            raise
        return None
    if isinstance(content, Map):
        return content
    if not named_yaml:
        return None
    if content is None:
        return Map()
    raise PlaybookError(
        "an inventory is a mapping of groups", place=place_text(place_of(content)) or str(path), hint="Begin with all:"
    )
