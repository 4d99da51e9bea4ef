"""Reads a playbook: a file with a list of plays."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook import fields, grammar
from hvbackup.playbook.grammar import refuse
from hvbackup.playbook.module_table import ModuleTable
from hvbackup.playbook.nodes import Map, Place, Text, place_of
from hvbackup.playbook.plays import Block, Node, Play, Playbook, Task, tasks_of
from hvbackup.playbook.task_reader import Inherited, TaskReader
from hvbackup.playbook.vault import Vault
from hvbackup.playbook.yaml_reader import read_yaml

ORDERS = ("inventory", "reverse_inventory", "sorted", "reverse_sorted")
_SECTIONS = ("pre_tasks", "tasks", "post_tasks")


def read_playbook(path: str | Path, modules: ModuleTable, *, vault: Vault | None = None) -> Playbook:
    """Read a playbook, and check all that can be checked before anything runs.

    Raises:
        PlaybookError: It cannot be read, or something in it is not understood; with the place and what to write.
    """
    return make_playbook(read_yaml(path, vault=vault), str(path), modules)


def make_playbook(document: Any, path: str, modules: ModuleTable) -> Playbook:
    """As `read_playbook`, of a document that has been read."""
    top = Place(path, 1, 1)
    if document is None:
        raise refuse("the playbook is empty", top, "Write a list of plays: `- hosts: ...`.")
    if not isinstance(document, list):
        raise refuse("a playbook is a list of plays", place_of(document) or top, "Begin each play with '- hosts: '.")
    plays = tuple(_play(number, item, modules, top) for number, item in enumerate(document, 1))
    if not plays:
        raise refuse("the playbook has no plays", top, "Write one: `- hosts: ...`.")
    return Playbook(path=path, plays=plays)


def _play(number: int, item: Any, modules: ModuleTable, top: Place) -> Play:
    node = fields.mapping(item, "a play", top)
    if "import_playbook" not in node and "hosts" not in node and any(key in node for key in ("block", "when", "loop")):
        raise refuse("a play needs `hosts`; this looks like a task", node.place, "Put tasks below `tasks:` of a play.")
    if "when" in node:
        raise refuse("a play has no `when`", node.place_of("when"), "Put it on a block around the tasks.")
    grammar.check_words(node, grammar.PLAY_WORDS, "play")
    _check_facts(node)
    _check_strategy(node)
    reader = TaskReader(modules)
    around = reader.inherit(node, Inherited())
    inner = around._replace(variables={})
    nodes = _sections(node, reader, inner)
    handlers = reader.handlers(fields.nodes(node, "handlers"), inner, node.place)
    for task in (*tasks_of(nodes), *handlers):
        _check_notify(task, handlers)
    return Play(
        number=number,
        hosts=_hosts(node),
        place=node.place,
        name=fields.name(node),
        variables=around.variables,
        vars_files=_vars_files(node),
        nodes=nodes,
        handlers=handlers,
        serial=_serial(node),
        order=fields.one_of(node, "order", ORDERS, "inventory", f"Write one of {', '.join(ORDERS)}."),
        settings=around.settings,
        max_fail_percentage=_percentage(node),
        tags=around.tags,
    )


def _check_notify(task: Task, handlers: tuple[Task, ...]) -> None:
    """Refuse to notify what cannot be there; names that are templates are looked for when the task runs."""
    known = {str(each.name) for each in handlers if each.name} | {topic for each in handlers for topic in each.listen}
    if any(grammar.is_template(each.name) for each in handlers):
        return
    for name in task.notify:
        if not grammar.is_template(name) and str(name) not in known:
            raise no_handler(str(name), name.place, known)


def no_handler(name: str, place: Place | None, known: Collection[str]) -> PlaybookError:
    """The error about a handler that is not there."""
    guess = grammar.near(name, known)
    hint = f"Did you mean {guess!r}?" if guess else "Add it to `handlers:` of the play."
    return refuse(f"no handler is called {name!r} or listens to it", place, hint)


def _sections(node: Map, reader: TaskReader, around: Inherited) -> tuple[Node, ...]:
    force = fields.flag(node, "force_handlers")
    if grammar.is_template(force):
        raise refuse("force_handlers is fixed here", node.place_of("force_handlers"), "Write true or false.")
    found: list[Node] = []
    for key in _SECTIONS:
        tasks = reader.nodes(fields.nodes(node, key), around, node.place)
        flush = reader.flush(place=node.place)
        found += [Block(block=_in_blocks(tasks), always=_in_blocks((flush,)))] if force else [*tasks, flush]
    return tuple(found)


def _in_blocks(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Put tasks that follow each other into a block together, as Ansible does: they fail together."""
    found: list[Node] = []
    for loose, group in itertools.groupby(nodes, key=lambda node: isinstance(node, Task)):
        together = tuple(group)
        found += [Block(block=together)] if loose else together
    return tuple(found)


def _check_facts(node: Map) -> None:
    if "gather_facts" not in node:
        raise refuse(
            "a play says `gather_facts: false`",
            node.place,
            "Add the line. hvbackup gathers no facts, and ansible-playbook would without it.",
        )
    if fields.flag(node, "gather_facts") is not False:
        raise refuse(
            "gather_facts is false here", node.place_of("gather_facts"),
            "Write `gather_facts: false`; hvbackup.hyperv.host_info returns what a host is.",
        )  # fmt: skip


def _check_strategy(node: Map) -> None:
    allowed = ("linear", "ansible.builtin.linear")
    fields.one_of(node, "strategy", allowed, "linear", "Remove it: hosts go from task to task together.")


def _hosts(node: Map) -> Any:
    value = node.get("hosts")
    if value is None and "hosts" in node:
        raise refuse("hosts names nothing", node.place_of("hosts"), "Name hosts or groups of the inventory, or `all`.")
    if value is None:
        raise refuse("a play needs `hosts`", node.place, "Name hosts or groups of the inventory, or `all`.")
    patterns = fields.texts(node, "hosts")
    if not patterns or not all(each.strip() for each in patterns):
        raise refuse("hosts names nothing", node.place_of("hosts"), "Name hosts or groups of the inventory, or `all`.")
    return list(patterns)


def _vars_files(node: Map) -> tuple[Any, ...]:
    value = node.get("vars_files")
    items = value if isinstance(value, list) else [] if value is None else [value]
    for item in items:
        if not isinstance(item, Text):
            raise refuse(
                "vars_files names files", place_of(item) or node.place_of("vars_files"),
                "Write one path for each; lists of files to try are not supported.",
            )  # fmt: skip
    return tuple(items)


def _serial(node: Map) -> tuple[Any, ...]:
    value = node.get("serial")
    found = []
    for item in [] if value is None else value if isinstance(value, list) else [value]:
        place = place_of(item) or node.place_of("serial")
        text = str(item).strip()
        whole = text.removesuffix("%")
        if isinstance(item, bool) or not (grammar.is_template(item) or whole.isdigit()):
            raise refuse(f"serial is a number of hosts or a percentage, not {text!r}", place, "Write 5 or 30%.")
        found.append(item if grammar.is_template(item) else text)
    return tuple(found)


def _percentage(node: Map) -> float | None:
    value = node.get("max_fail_percentage")
    if value is None:
        return None
    text = str(value).strip().removesuffix("%")
    try:
        return float(text)
    except ValueError:
        place = node.place_of("max_fail_percentage")
        raise refuse(f"max_fail_percentage is a number, not {text!r}", place, "Write 0 to 100.") from None
