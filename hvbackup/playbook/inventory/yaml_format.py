"""Inventories in YAML: groups with `hosts`, `children` and `vars`."""

from __future__ import annotations

from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.groups import Graph, set_host_variable
from hvbackup.playbook.inventory.ranges import expand
from hvbackup.playbook.nodes import Map, Place, place_of, place_text
from hvbackup.playbook.suggestions import suggestion

_KEYS = ("hosts", "children", "vars")


def add_yaml(graph: Graph, content: Map, source: str, folder: str) -> None:
    """Add what a YAML inventory says.

    Raises:
        PlaybookError: Something in it is no group, no host or no variable. Where Ansible skips with a warning what it
            does not understand, this refuses.
    """
    for name, body in content.items():
        _add_group(graph, name, body, content.place_of(name), (source, folder))


def _add_group(graph: Graph, name: Any, body: Any, place: Place | None, origin: tuple[str, str]) -> None:
    if not isinstance(name, str) or not name:
        raise PlaybookError(f"a group has a name, not {name!r}", place=place_text(place), hint="Quote it.")
    graph.group(name)
    if body is None:
        return
    if not isinstance(body, Map):
        raise PlaybookError(
            f"the group {name!r} is no mapping", place=place_text(place), hint="A group has hosts, children and vars."
        )
    unknown = next((key for key in body if key not in _KEYS), None)
    if unknown is not None:
        raise PlaybookError(
            f"a group has no {unknown!r}; it has hosts, children and vars",
            place=place_text(body.place_of(unknown)),
            hint=suggestion(str(unknown), _KEYS) or "Variables of a group belong below vars.",
        )
    # In the order of the file: what comes later replaces what was there.
    for key in body:
        section = _section(body, key, name)
        if key == "vars":
            for variable, value in section.items():
                graph.set_variable(name, variable, value, section.place_of(variable))
        elif key == "children":
            for child, child_body in section.items():
                _add_group(graph, child, child_body, section.place_of(child), origin)
                graph.add_child(name, child, section.place_of(child))
        else:
            _add_hosts(graph, name, section, origin)


def _section(body: Map, key: str, group: str) -> Map:
    content = body[key]
    if content is None:
        return Map(place=body.place_of(key))
    if isinstance(content, str) and key != "vars":
        return Map({str(content): None}, place_of(content))
    if not isinstance(content, Map):
        hint = "Write a mapping: each name with a colon behind it, no dashes."
        where = place_text(place_of(content) or body.place_of(key))
        raise PlaybookError(f"{key} of the group {group!r} is no mapping", place=where, hint=hint)
    return content


def _add_hosts(graph: Graph, group: str, section: Map, origin: tuple[str, str]) -> None:
    for pattern, variables in section.items():
        place = section.place_of(pattern)
        if not isinstance(pattern, str):
            raise PlaybookError(
                f"a host has a name, not {pattern!r}", place=place_text(place), hint="Quote a name of digits."
            )
        if variables is not None and not isinstance(variables, Map):
            raise PlaybookError(f"variables of the host {pattern!r} are no mapping", place=place_text(place))
        names, port = expand(pattern, place)
        for name in names:
            host = graph.add_host(name, group, *origin, port)
            for variable, value in (variables or {}).items():
                set_host_variable(host, variable, value, variables.place_of(variable) if variables else place)
