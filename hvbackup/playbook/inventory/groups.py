"""Hosts and groups while an inventory is read, and the graph that they form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Map, Place, place_text

ALL = "all"
UNGROUPED = "ungrouped"


class Group:
    """One group. Children and hosts keep the order in which they were named.

    Attributes:
        priority: `ansible_group_priority`: among groups of the same depth the higher one wins.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts: dict[str, None] = {}
        self.children: dict[str, None] = {}
        self.parents: dict[str, None] = {}
        self.variables = Map()
        self.priority = 1


class Host:
    """One host.

    Attributes:
        source: The inventory that named it first; None for a `localhost` that no inventory names.
        folder: The folder of that inventory.
    """

    def __init__(self, name: str, source: str | None, folder: str | None) -> None:
        self.name = name
        self.source = source
        self.folder = folder
        self.variables = Map()


class Graph:
    """All groups and hosts. Readers fill it, `complete` ends that."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.groups: dict[str, Group] = {}
        self.group(ALL)
        self.group(UNGROUPED)
        self.add_child(ALL, UNGROUPED, None)
        self._members: dict[str, tuple[str, ...]] = {}
        self._depths: dict[str, int] = {}

    def group(self, name: str) -> Group:
        """The group of this name, made when there is none."""
        if name not in self.groups:
            self.groups[name] = Group(name)
        return self.groups[name]

    def add_host(self, name: str, group: str, source: str | None, folder: str | None, port: int | None = None) -> Host:
        """Put a host into a group; a port is taken from where it is named first."""
        if name not in self.hosts:
            self.hosts[name] = Host(name, source, folder)
            if port is not None:
                self.hosts[name].variables["ansible_port"] = port
        self.group(group).hosts.setdefault(name)
        return self.hosts[name]

    def add_child(self, parent: str, child: str, place: Place | None) -> None:
        """Make one group part of another.

        Raises:
            PlaybookError: The group would be part of itself.
        """
        if parent == child or parent in self.descendants(child):
            raise PlaybookError(
                f"the group {child!r} would be part of itself, through {parent!r}",
                place=place_text(place),
                hint="Remove one of the children.",
            )
        self.group(parent).children.setdefault(child)
        self.group(child).parents.setdefault(parent)

    def set_variable(self, group: str, name: Any, value: Any, place: Place | None) -> None:
        """Set a variable of a group.

        Raises:
            PlaybookError: It is `ansible_group_priority`, and no number.
        """
        found = self.group(group)
        if name != "ansible_group_priority":
            _set(found.variables, name, value, place)
            return
        try:
            found.priority = int(value)
        except (TypeError, ValueError):
            raise PlaybookError(
                "ansible_group_priority is a whole number", place=place_text(place), hint="Write a number; 1 is usual."
            ) from None

    def descendants(self, name: str) -> list[str]:
        """A group and all below it, level by level."""
        ordered = dict.fromkeys([name])
        level = [name]
        while level:
            below = [child for each in level if each in self.groups for child in self.groups[each].children]
            level = list(dict.fromkeys(child for child in below if child not in ordered))
            ordered.update(dict.fromkeys(level))
        return list(ordered)

    def ancestors(self, name: str) -> set[str]:
        """All groups above a group."""
        found: set[str] = set()
        above = list(self.groups[name].parents)
        while above:
            each = above.pop()
            if each not in found:
                found.add(each)
                above += self.groups[each].parents
        return found

    def complete(self) -> None:
        """Put groups without a parent below `all`, and hosts without a group into `ungrouped`."""
        for name, group in self.groups.items():
            if name != ALL and not group.parents:
                self.add_child(ALL, name, None)
        grouped = {host for name in self.groups if name not in (ALL, UNGROUPED) for host in self.groups[name].hosts}
        ungrouped = self.groups[UNGROUPED].hosts
        for name in list(ungrouped):
            if name in grouped:
                del ungrouped[name]
        for name in self.hosts:
            if name not in grouped:
                ungrouped.setdefault(name)
        self._depths = dict(self._measure())

    def _measure(self) -> Iterator[tuple[str, int]]:
        """The longest way from `all` to each group."""
        depths: dict[str, int] = {ALL: 0}
        waiting = {name: len(group.parents) for name, group in self.groups.items()}
        ready = [name for name, parents in waiting.items() if not parents]
        while ready:
            name = ready.pop()
            yield name, depths.setdefault(name, 0)
            for child in self.groups[name].children:
                depths[child] = max(depths.get(child, 0), depths[name] + 1)
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)

    def members(self, name: str) -> tuple[str, ...]:
        """Hosts of a group and of all groups below it, in order."""
        if name not in self._members:
            found: dict[str, None] = {}
            for each in self.descendants(name):
                found.update(self.groups[each].hosts)
            self._members[name] = tuple(found)
        return self._members[name]

    def groups_of(self) -> dict[str, list[str]]:
        """For each host its groups without `all`, in the order in which their variables are laid over each other."""
        found: dict[str, set[str]] = {name: set() for name in self.hosts}
        for name in self.groups:
            if name == ALL:
                continue
            around = {name, *self.ancestors(name)} - {ALL}
            for host in self.groups[name].hosts:
                found[host] |= around
        return {host: sorted(groups, key=self._rank) for host, groups in found.items()}

    def _rank(self, name: str) -> tuple[int, int, str]:
        return self._depths[name], self.groups[name].priority, name


def _set(variables: Map, name: Any, value: Any, place: Place | None) -> None:
    variables[name] = value
    if place is not None:
        variables.key_places[name] = place


def set_host_variable(host: Host, name: Any, value: Any, place: Place | None) -> None:
    """Set a variable of a host."""
    _set(host.variables, name, value, place)
