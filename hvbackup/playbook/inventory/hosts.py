"""An inventory that has been read: which hosts, which groups, which variables."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.groups import ALL, Graph
from hvbackup.playbook.inventory.patterns import LOCALHOST, matches, select, split_limit, split_pattern
from hvbackup.playbook.inventory.vars_files import VarsFiles
from hvbackup.playbook.nodes import Map


class Inventory:
    """Hosts and groups of all sources. It does not change; it may be used from any thread.

    Attributes:
        hosts: All hosts, in the order of the inventory.
        groups: For each group its hosts in order, those of its children among them; `all` and `ungrouped` always.
    """

    def __init__(self, graph: Graph, files: VarsFiles) -> None:
        self._graph = graph
        self._files = files
        self._groups_of = graph.groups_of()
        self.hosts: tuple[str, ...] = graph.members(ALL)
        self.groups: dict[str, list[str]] = {name: list(graph.members(name)) for name in graph.groups}

    def match(self, pattern: str | Sequence[str], limit: str | Sequence[str] | None = None) -> list[str]:
        """Return the hosts that a pattern selects and a limit leaves, each once, in order.

        A pattern that matches nothing gives an empty list. `localhost` is a host although no inventory names it.

        Args:
            limit: As `--limit`: a pattern, in which `@FILE` stands for the lines of a file.

        Raises:
            PlaybookError: A pattern is malformed, a subscript is outside what it matches, or the limit matches no
                host of the inventory.
        """
        chosen = select(self._graph, split_pattern(pattern))
        if limit is None:
            return chosen
        limited = set(select(self._graph, split_limit(limit)))
        if not limited:
            raise PlaybookError(f"the limit {_shown(limit)} matches no host", hint="--list-hosts shows the hosts.")
        return [host for host in chosen if host in limited]

    def unmatched(self, pattern: str | Sequence[str]) -> list[str]:
        """Return the parts of a pattern that match no host: most likely misspelt, worth a warning."""
        parts = (part.lstrip("&!") for part in split_pattern(pattern))
        return [part for part in parts if part and part != ALL and not matches(self._graph, part)]

    def variables(self, host: str) -> Map:
        """Return the variables of a host as they were written (values are nodes, not rendered).

        From weak to strong, as in Ansible: `all`; groups by depth, priority and name; `group_vars/all` beside the
        inventories, then beside the playbook; `group_vars/` of the groups likewise; the host; `host_vars/` likewise.

        Raises:
            PlaybookError: There is no such host, or a file of variables cannot be read.
        """
        groups = self._of(host)
        files = self._files
        merged = Map()
        _lay(merged, self._graph.groups[ALL].variables)
        for name in groups:
            _lay(merged, self._graph.groups[name].variables)
        for kind, names in (("group_vars", [ALL]), ("group_vars", groups)):
            _lay(merged, *files.beside_inventory(kind, names), *files.beside_playbook(kind, names))
        if host in self._graph.hosts:
            _lay(merged, self._graph.hosts[host].variables)
        else:
            merged["ansible_connection"] = "local"
        _lay(merged, *files.beside_inventory("host_vars", [host]), *files.beside_playbook("host_vars", [host]))
        return merged

    def magic(self, host: str) -> dict[str, Any]:
        """Return the variables of a host that Ansible sets itself.

        They are `inventory_hostname`, `inventory_hostname_short`, `group_names`, `groups`, `inventory_file` and
        `inventory_dir`.

        Raises:
            PlaybookError: There is no such host.
        """
        groups = self._of(host)
        known = self._graph.hosts.get(host)
        return {
            "inventory_hostname": host,
            "inventory_hostname_short": host if _is_ip(host) else host.partition(".")[0],
            "group_names": sorted(groups),
            "groups": self.groups,
            "inventory_file": known.source if known else None,
            "inventory_dir": known.folder if known else None,
        }

    def _of(self, host: str) -> list[str]:
        if host in self._groups_of:
            return self._groups_of[host]
        if host in LOCALHOST:
            return []
        raise PlaybookError(f"the inventory has no host {host!r}")


def _lay(merged: Map, *layers: Mapping[Any, Any]) -> None:
    for layer in layers:
        merged.update(layer)
        if isinstance(layer, Map):
            merged.key_places.update(layer.key_places)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _shown(limit: str | Sequence[str]) -> str:
    return repr(limit if isinstance(limit, str) else ",".join(limit))
