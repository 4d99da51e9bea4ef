"""Inventories in Ansible's INI format: `[group]`, `[group:children]`, `[group:vars]`, hosts with `key=value`."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.groups import UNGROUPED, Graph, set_host_variable
from hvbackup.playbook.inventory.ranges import expand
from hvbackup.playbook.nodes import Map, Place, Seq, Text

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_KINDS = ("hosts", "children", "vars")


def add_ini(graph: Graph, text: str, source: str, folder: str, *, secret: bool) -> None:
    """Add what an INI inventory says. Values are Python literals where they can be, and texts else, as in Ansible.

    Raises:
        PlaybookError: A line is none that an inventory has, or names a group that is declared nowhere.
    """
    _Reader(graph, source, folder, secret=secret).read(text)


class _Reader:
    def __init__(self, graph: Graph, source: str, folder: str, *, secret: bool) -> None:
        self._graph = graph
        self._source = source
        self._folder = folder
        self._secret = secret
        self._group = UNGROUPED
        self._kind = "hosts"
        self._declared: set[str] = set()
        self._wanted: dict[str, tuple[Place, str]] = {}
        self._edges: list[tuple[str, str, Place]] = []

    def read(self, text: str) -> None:
        self._declared = set(self._graph.groups)
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.strip()
            if stripped and stripped[0] not in "#;":
                self._line(stripped, Place(self._source, number, len(line) - len(line.lstrip()) + 1))
        for name, (place, sentence) in self._wanted.items():
            if name not in self._declared:
                raise PlaybookError(sentence, place=str(place), hint=f"Declare it: [{name}]")
        for parent, child, place in self._edges:
            self._graph.add_child(parent, child, place)

    def _line(self, line: str, place: Place) -> None:
        section = _SECTION.fullmatch(line)
        if section:
            self._begin(section[1], section[2] or "hosts", place)
        elif line.startswith("[") and line.endswith("]"):
            raise PlaybookError(
                f"{self._shown(line)} is no section",
                place=str(place),
                hint="Write [group], [group:children] or [group:vars].",
            )
        elif self._kind == "hosts":
            self._host(line, place)
        elif self._kind == "vars":
            self._variable(line, place)
        else:
            self._child(line, place)

    def _begin(self, group: str, kind: str, place: Place) -> None:
        if kind not in _KINDS:
            raise PlaybookError(
                f"a section is of hosts, children or vars, not of {kind!r}",
                place=str(place),
                hint=f"Write [{group}], [{group}:children] or [{group}:vars].",
            )
        self._group, self._kind = group, kind
        self._graph.group(group)
        if kind == "vars":
            self._wanted.setdefault(group, (place, f"the group {group!r} has variables, and is declared nowhere"))
        else:
            self._declared.add(group)

    def _host(self, line: str, place: Place) -> None:
        try:
            name, *assignments = shlex.split(line, comments=True)
        except ValueError as error:
            raise PlaybookError(f"the line cannot be split: {error}", place=str(place), hint="Close quotes.") from None
        if name == "---" or (name.endswith(":") and not assignments):
            raise PlaybookError(
                f"{self._shown(name)} looks like YAML, and this is read as INI",
                place=str(place),
                hint="Name the file .yml.",
            )
        names, port = expand(name, place)
        for each in names:
            host = self._graph.add_host(each, self._group, self._source, self._folder, port)
            for assignment in assignments:
                key, separator, value = assignment.partition("=")
                if not separator:
                    raise PlaybookError(
                        f"{self._shown(assignment)} is no key=value",
                        place=str(place),
                        hint="Quote a value that holds spaces.",
                    )
                where = place._replace(column=place.column + max(line.find(key + "="), 0))
                set_host_variable(host, key, self._value(value, where), where)

    def _variable(self, line: str, place: Place) -> None:
        key, separator, value = line.partition("=")
        if not separator:
            raise PlaybookError(f"{self._shown(line)} is no key=value", place=str(place))
        self._graph.set_variable(self._group, key.strip(), self._value(value.strip(), place), place)

    def _child(self, line: str, place: Place) -> None:
        found = _GROUP.fullmatch(line)
        if not found:
            raise PlaybookError(f"{self._shown(line)} is no name of a group", place=str(place))
        child = found[1]
        self._graph.group(child)
        self._wanted.setdefault(
            child, (place, f"the group {child!r} is a child of {self._group!r}, and is declared nowhere")
        )
        self._edges.append((self._group, child, place))

    def _shown(self, text: str) -> str:
        return "what stands here" if self._secret else repr(text)

    def _value(self, text: str, place: Place) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                literal = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            literal = text
        return self._node(literal, place)

    def _node(self, literal: Any, place: Place) -> Any:
        if isinstance(literal, str):
            return Text(literal, place, secret=self._secret)
        if isinstance(literal, (list, tuple, set)):
            return Seq([self._node(each, place) for each in literal], place)
        if isinstance(literal, dict):
            return Map({key: self._node(each, place) for key, each in literal.items()}, place)
        if isinstance(literal, bytes):
            return Text(literal.decode("utf-8", "replace"), place, secret=self._secret)
        if literal is None or isinstance(literal, (bool, int, float)):
            return literal
        return Text("..." if literal is ... else str(literal), place, secret=self._secret)
