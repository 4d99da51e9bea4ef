"""Reads tasks, blocks and handlers. What is not understood is an error with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hvbackup.errors import PlaybookError
from hvbackup.playbook import builtins, fields, grammar
from hvbackup.playbook.grammar import refuse
from hvbackup.playbook.module_table import ModuleTable
from hvbackup.playbook.nodes import Map, Place, Text, place_of
from hvbackup.playbook.plays import META, Block, LoopControl, Node, Task

_GROUP = "group/"


class Inherited(NamedTuple):
    """What a task gets from the blocks and the play around it."""

    conditions: tuple[Any, ...] = ()
    variables: Mapping[str, Any] = {}
    settings: Mapping[str, Any] = {}
    tags: frozenset[str] = frozenset()
    module_defaults: tuple[Map, ...] = ()
    notify: tuple[Text, ...] = ()


class TaskReader:
    """Reads the tasks of one play, and numbers them in their order."""

    def __init__(self, modules: ModuleTable) -> None:
        self._modules = modules
        self._number = 0

    def nodes(self, items: list[Any], around: Inherited, place: Place | None) -> tuple[Node, ...]:
        """Read a list of tasks and blocks."""
        return tuple(self._node(item, around, place) for item in items)

    def handlers(self, items: list[Any], around: Inherited, place: Place | None) -> tuple[Task, ...]:
        """Read the handlers of a play."""
        found = []
        for item in items:
            node = fields.mapping(item, "a handler", place)
            if "block" in node:
                raise refuse("a block cannot be a handler", node.place, "Write each task as a handler of its own.")
            task = self._task(node, around, handler=True)
            if task.name is None and not task.listen:
                raise refuse("nothing can notify a handler without a name", node.place, "Add `name:` or `listen:`.")
            if task.meta == "flush_handlers":
                raise refuse("flush_handlers cannot be a handler", node.place, "Flush in a task.")
            found.append(task)
        return tuple(found)

    def flush(self, *, place: Place | None) -> Task:
        """The flush of handlers that follows each section of a play."""
        arguments = Map({"action": "flush_handlers"})
        return Task(
            number=self._next(), module=META, action="meta", arguments=arguments, place=place, implicit=True,
            tags=frozenset({"always"}),
        )  # fmt: skip

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _node(self, item: Any, around: Inherited, place: Place | None) -> Node:
        node = fields.mapping(item, "a task", place)
        return self._block(node, around) if "block" in node else self._task(node, around)

    def _block(self, node: Map, around: Inherited) -> Block:
        grammar.check_words(node, grammar.BLOCK_WORDS, "block")
        inner = self.inherit(node, around)
        fields.name(node)
        sections = (self.nodes(fields.nodes(node, key), inner, node.place) for key in ("block", "rescue", "always"))
        block, rescue, always = sections
        return Block(block=block, rescue=rescue, always=always, place=node.place)

    def inherit(self, node: Map, around: Inherited) -> Inherited:
        """What the tasks inside of `node` get: its own words, and what is around it."""
        notify = fields.texts(node, "notify")
        return Inherited(
            conditions=(*around.conditions, *fields.conditions(node, "when")),
            variables={**around.variables, **fields.variables(node)},
            settings={**around.settings, **_settings(node)},
            tags=around.tags | frozenset(fields.fixed_names(node, "tags")),
            module_defaults=(*around.module_defaults, *self._module_defaults(node)),
            notify=notify or around.notify,
        )

    def _task(self, node: Map, around: Inherited, *, handler: bool = False) -> Task:
        action, module = self._module(node, handler=handler)
        words = grammar.HANDLER_WORDS if handler else grammar.TASK_WORDS
        grammar.check_words(node, words | {action}, "handler" if handler else "task")
        inner = self.inherit(node, around)
        register = node.get("register")
        return Task(
            number=self._next(),
            module=module,
            action=action,
            arguments=self._arguments(node, action, module),
            place=node.place,
            name=fields.name(node),
            conditions=inner.conditions,
            variables=inner.variables,
            settings=inner.settings,
            tags=inner.tags,
            module_defaults=inner.module_defaults,
            loop=_loop(node),
            loop_control=_loop_control(node),
            register=None if register is None else grammar.variable_name(register, node.place_of("register")),
            until=fields.conditions(node, "until"),
            retries=fields.number(node, "retries"),
            delay=fields.number(node, "delay", 5, whole=False),
            failed_when=fields.conditions(node, "failed_when"),
            changed_when=fields.conditions(node, "changed_when"),
            notify=inner.notify,
            listen=fields.fixed_names(node, "listen") if handler else (),
        )

    # ------------------------------------------------------------ modules

    def _module(self, node: Map, *, handler: bool) -> tuple[str, str]:
        words = grammar.HANDLER_WORDS if handler else grammar.TASK_WORDS
        found = [key for key in node if isinstance(key, str) and self._is_module(key)]
        if len(found) == 1:
            return found[0], builtins.full_name(found[0])
        if len(found) > 1:
            raise refuse(
                f"a task has one module, not {' and '.join(map(repr, found))}",
                node.place_of(found[1]),
                "Write two tasks.",
            )
        strange = next((key for key in node if key not in words), None)
        if strange is None:
            raise refuse("a task needs a module", node.place, "Add one, such as hvbackup.hyperv.vm_info.")
        raise self._unknown_module(strange, node.place_of(strange), words)

    def _is_module(self, word: str) -> bool:
        return word in self._modules.names or builtins.full_name(word) in builtins.FULL_NAMES

    def _unknown_module(self, word: object, place: Place | None, words: frozenset[str]) -> PlaybookError:
        if word in ("rescue", "always"):
            return refuse(f"{word!r} is a part of a block", place, "Put the tasks before it below `block:`.")
        if not isinstance(word, str) or grammar.instead(word):
            return grammar.unknown_word(word, place, words, "task")
        last = {name.rpartition(".")[2]: name for name in self._modules.names}
        if word in last:
            return refuse(f"{word!r} is not the full name of a module", place, f"Write {last[word]!r}.")
        known = {*self._modules.names, *builtins.FULL_NAMES, *builtins.SHORT_NAMES, *words}
        guess = grammar.near(word, known) or last.get(grammar.near(word, last) or "")
        hint = (
            f"Did you mean {guess!r}?"
            if guess
            else "There are hvbackup.hyperv.* and, of Ansible's own, " + ", ".join(sorted(builtins.SHORT_NAMES))
        )
        return refuse(f"there is no module or keyword {word!r} here", place, hint)

    def _arguments(self, node: Map, action: str, module: str) -> Map:
        given, place = node[action], node.place_of(action)
        if module == META:
            return _meta(given, place)
        if isinstance(given, str):
            raise refuse(
                f"the arguments of {action} are a mapping, not text",
                place_of(given) or place,
                "Write NAME: VALUE lines below the module; `name=value` text and templates are not taken apart.",
            )
        arguments = Map({}, place)
        extra = node.get("args")
        for source, what in ((extra, "args"), (given, f"the arguments of {action}")):
            if source is not None:
                part = fields.mapping(source, what, place)
                arguments.update(part)
                arguments.key_places.update(part.key_places)
        self._check_arguments(module, arguments)
        return arguments

    def _check_arguments(self, module: str, arguments: Map) -> None:
        known = builtins.ARGUMENTS.get(module, frozenset())
        if module not in builtins.FULL_NAMES:
            known = frozenset(self._modules.argument_names(module))
        for name, value in arguments.items():
            place = arguments.place_of(name)
            if known is None:
                if not grammar.is_template(name):
                    grammar.variable_name(name, place)
                continue
            if name not in known:
                guess = grammar.near(str(name), known)
                hint = f"Did you mean {guess!r}?" if guess else f"It takes {', '.join(sorted(known))}."
                raise refuse(f"{module} has no argument {str(name)!r}", place, hint)
            if module not in builtins.FULL_NAMES and not grammar.holds_template(value):
                problem = self._modules.argument_problem(module, name, value)
                if problem:
                    raise refuse(f"{module}: {name}: {problem}", place_of(value) or place, None)
        _check_builtin(module, arguments)

    def _module_defaults(self, node: Map) -> tuple[Map, ...]:
        value = node.get("module_defaults")
        if value is None:
            return ()
        found = []
        for item in value if isinstance(value, list) else [value]:
            whole = fields.mapping(item, "module_defaults", node.place_of("module_defaults"))
            read = Map({}, whole.place)
            for name, arguments in whole.items():
                place = whole.place_of(name)
                if isinstance(name, str) and name.startswith(_GROUP):
                    if name != _GROUP + self._modules.group:
                        raise refuse(f"there is no group {name!r}", place, f"There is {_GROUP}{self._modules.group}.")
                elif not isinstance(name, str) or not self._is_module(name):
                    raise self._unknown_module(name, place, frozenset())
                filled = fields.mapping(arguments or Map({}, place), "the defaults of a module", place)
                read[builtins.full_name(str(name))] = filled
            found.append(read)
        return tuple(found)


def _settings(node: Map) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in grammar.SETTINGS:
        if node.get(key) is not None:
            found[key] = fields.number(node, key, least=0) if key == "throttle" else fields.flag(node, key)
    return found


def _loop(node: Map) -> Any:
    value = node.get("loop")
    if value is None or isinstance(value, list) or grammar.is_template(value):
        return value
    raise refuse(
        "loop is a list, or a template that gives one",
        place_of(value) or node.place_of("loop"),
        "Write '- ' items below it, or loop: \"{{ list }}\".",
    )


def _loop_control(node: Map) -> LoopControl:
    value = node.get("loop_control")
    if value is None:
        return LoopControl()
    control = fields.mapping(value, "loop_control", node.place_of("loop_control"))
    grammar.check_words(control, grammar.LOOP_WORDS, "loop_control")
    names = {}
    for key in ("loop_var", "index_var"):
        if control.get(key) is not None:
            names[key] = grammar.variable_name(control[key], control.place_of(key))
    return LoopControl(
        **names,
        label=control.get("label"),
        pause=fields.number(control, "pause", 0, whole=False),
        extended=fields.flag(control, "extended"),
        extended_allitems=fields.flag(control, "extended_allitems", default=True),
        break_when=fields.conditions(control, "break_when"),
    )


def _meta(given: object, place: Place | None) -> Map:
    if not isinstance(given, str) or given not in builtins.META_ACTIONS:
        guess = grammar.near(str(given), builtins.META_ACTIONS)
        raise refuse(
            f"meta cannot be {str(given)!r} here",
            place_of(given) or place,
            f"Did you mean {guess!r}?" if guess else f"There are {', '.join(builtins.META_ACTIONS)}.",
        )
    return Map({"action": str(given)}, place)


def _check_builtin(module: str, arguments: Map) -> None:
    short = module.removeprefix("ansible.builtin.")
    if short == "assert" and "that" not in arguments:
        raise refuse("assert needs `that`", arguments.place, "Write `that:` with a list of conditions.")
    if short == "debug" and "msg" in arguments and "var" in arguments:
        raise refuse("debug takes msg or var, not both", arguments.place_of("var"), "Remove one of them.")
    if short == "pause" and "minutes" in arguments and "seconds" in arguments:
        raise refuse("pause takes minutes or seconds, not both", arguments.place_of("seconds"), "Remove one of them.")
    if short == "set_fact" and not [name for name in arguments if name != "cacheable"]:
        raise refuse("set_fact needs at least one NAME: VALUE", arguments.place, "Write one.")
