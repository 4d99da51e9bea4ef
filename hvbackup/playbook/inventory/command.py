"""Dynamic inventories, through the program `ansible-inventory` where it is installed; Ansible is never imported."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.groups import Graph, set_host_variable
from hvbackup.playbook.nodes import EncryptedText, Place

if TYPE_CHECKING:
    from hvbackup.playbook.vault import Vault

_SECONDS = 300
_LIMIT = 256 * 1024 * 1024


def add_dynamic(graph: Graph, path: Path, folder: str, vault: Vault | None) -> None:
    """Add what `ansible-inventory --list --export` says of a script or a plugin's configuration.

    Texts in it come from elsewhere (a cloud, a database): none of them is a template.

    Raises:
        PlaybookError: The program is not there, fails, takes too long, or answers something else.
    """
    answer = _ask(path)
    variables = answer.pop("_meta", {}).get("hostvars", {})
    for name, body in answer.items():
        graph.group(name)
        for host in body.get("hosts", []):
            graph.add_host(host, name, str(path), folder)
        for key, value in body.get("vars", {}).items():
            graph.set_variable(name, key, _node(value, path, vault), None)
    for name, body in answer.items():
        for child in body.get("children", []):
            graph.add_child(name, child, Place(str(path), 1, 1))
    for name, values in variables.items():
        host = graph.add_host(name, "ungrouped", str(path), folder)
        for key, value in values.items():
            set_host_variable(host, key, _node(value, path, vault), None)


def _ask(path: Path) -> dict[str, Any]:
    program = shutil.which("ansible-inventory")
    if program is None:
        raise PlaybookError(
            f"{path} is a dynamic inventory, and the program ansible-inventory is not installed",
            hint="Install ansible-core (Linux, macOS), or write its answer to a file: ansible-inventory --list --yaml.",
        )
    command = [program, "-i", str(path), "--list", "--export"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlaybookError(f"ansible-inventory did not answer for {path}: {type(error).__name__}") from None
    if done.returncode or len(done.stdout) > _LIMIT:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1][:300] if done.returncode and lines else f"exit code {done.returncode}"
        raise PlaybookError(f"ansible-inventory failed for {path}: {reason}", hint=f"Run: {' '.join(command[1:])}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not _is_inventory(answer):
        raise PlaybookError(f"ansible-inventory answered no inventory for {path}")
    return dict(answer)


def _is_inventory(answer: Any) -> bool:
    """Whether an answer has the form of `ansible-inventory --list`."""
    if not isinstance(answer, dict) or not all(isinstance(body, dict) for body in answer.values()):
        return False
    hostvars = answer.get("_meta", {}).get("hostvars", {})
    if not isinstance(hostvars, dict) or not all(isinstance(values, dict) for values in hostvars.values()):
        return False
    names = [body.get(key, []) for name, body in answer.items() if name != "_meta" for key in ("hosts", "children")]
    if not all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in names):
        return False
    return all(isinstance(body.get("vars", {}), dict) for body in answer.values())


def _node(value: Any, path: Path, vault: Vault | None) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__ansible_vault"}:
            place = Place(str(path), 1, 1)
            return EncryptedText(str(value["__ansible_vault"]), place, _opener(vault))
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: _node(each, path, vault) for key, each in value.items()}
    if isinstance(value, list):
        return [_node(each, path, vault) for each in value]
    return value


def _opener(vault: Vault | None) -> Any:
    from hvbackup.playbook.vault import Vault as EmptyVault

    return (vault if vault is not None else EmptyVault({})).decrypt_value
