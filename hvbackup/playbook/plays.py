"""What a playbook says, typed. What tasks inherit (`when`, tags, variables, settings) is on the tasks already.

Values that may hold templates stay nodes (`Text`, `Map`, `Seq`) until a host's variables are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hvbackup.playbook.nodes import Map, Place, Text

META = "ansible.builtin.meta"


@dataclass(frozen=True, kw_only=True)
class LoopControl:
    """`loop_control` of a task; `pause` in seconds."""

    loop_var: str = "item"
    index_var: str | None = None
    label: Any = None
    pause: Any = 0
    extended: Any = False
    extended_allitems: Any = True
    break_when: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A task or a handler.

    Attributes:
        number: Its place in the order of the play: the tasks of a block, of its `rescue`, of its `always`.
        module: Full name of the module.
        action: The module's name as it is written.
        arguments: Of the module; for `meta` the one entry `action`.
        conditions: `when` of the blocks around it, then its own.
        variables: `vars` of the blocks around it and its own.
        settings: Inherited keywords (`grammar.SETTINGS`) that somebody gave.
        module_defaults: From the play to the task.
        until: None: without a condition of its own.
        listen: Topics of a handler.
        implicit: Not written, but there: the flush of handlers after each section.
    """

    number: int
    module: str
    action: str
    arguments: Map
    place: Place | None
    name: Text | None = None
    conditions: tuple[Any, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    module_defaults: tuple[Map, ...] = ()
    loop: Any = None
    loop_control: LoopControl = LoopControl()
    register: str | None = None
    until: tuple[Any, ...] = ()
    retries: Any = None
    delay: Any = 5
    failed_when: tuple[Any, ...] = ()
    changed_when: tuple[Any, ...] = ()
    notify: tuple[Text, ...] = ()
    listen: tuple[str, ...] = ()
    implicit: bool = False

    @property
    def meta(self) -> str | None:
        """What a `meta` task asks for; None for all others."""
        return str(self.arguments["action"]) if self.module == META else None

    @property
    def title(self) -> str:
        """Its name as it is written, or that of its module."""
        return str(self.name) if self.name else self.action


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Tasks that are rescued, or followed by `always`, together."""

    block: tuple[Node, ...]
    rescue: tuple[Node, ...] = ()
    always: tuple[Node, ...] = ()
    place: Place | None = None


Node: TypeAlias = "Task | Block"


@dataclass(frozen=True, kw_only=True, eq=False)
class Play:
    """A play.

    Attributes:
        hosts: Pattern or list of patterns, maybe templates.
        nodes: `pre_tasks`, `tasks` and `post_tasks`, each followed by the flush of handlers.
        serial: Sizes of the batches, as numbers or `30%`; empty: all hosts at once.
        settings: Inherited keywords that the play gives.
    """

    number: int
    hosts: Any
    place: Place | None
    name: Text | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    vars_files: tuple[Any, ...] = ()
    nodes: tuple[Node, ...] = ()
    handlers: tuple[Task, ...] = ()
    serial: tuple[Any, ...] = ()
    order: str = "inventory"
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_fail_percentage: float | None = None
    tags: frozenset[str] = frozenset()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks in their order, without handlers."""
        return tuple(tasks_of(self.nodes))


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """A file of plays; `path` as it was given."""

    path: str
    plays: tuple[Play, ...]


def tasks_of(nodes: tuple[Node, ...]) -> Iterator[Task]:
    """Yield the tasks of nodes, in order."""
    for node in nodes:
        if isinstance(node, Block):
            yield from tasks_of((*node.block, *node.rescue, *node.always))
        else:
            yield node
