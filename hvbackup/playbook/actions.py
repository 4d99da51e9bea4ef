"""The built-in modules of Ansible that are played: debug, assert, fail, set_fact, pause."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hvbackup.events import Cancellation
from hvbackup.playbook.grammar import is_template, refuse, variable_name
from hvbackup.playbook.nodes import Map, Text, place_of
from hvbackup.playbook.run_options import RunOptions
from hvbackup.playbook.templates import Templar
from hvbackup.playbook.truth import TruthUnclear, as_number, as_truth


@dataclass(frozen=True)
class Surroundings:
    """What a built-in module works with, besides its arguments.

    Attributes:
        variables: As they are now; conditions and expressions see them.
        given: As they were at the first attempt; arguments are rendered from them.
    """

    templar: Templar
    variables: Mapping[str, Any]
    given: Mapping[str, Any]
    options: RunOptions
    cancel: Cancellation
    title: str


def debug(arguments: Map, around: Surroundings) -> dict[str, Any]:
    """Return a message or the value of an expression, to be shown."""
    given = _rendered(arguments, around, but="var")
    if _number(given, "verbosity", 0, arguments) > around.options.verbosity:
        return {"skipped": True, "skipped_reason": "Verbosity threshold not met."}
    name = arguments.get("var")
    if name is None:
        return {"msg": given.get("msg", "Hello world!")}
    if not isinstance(name, Text) or is_template(name):
        raise refuse("var is an expression without {{ }}", place_of(name) or arguments.place_of("var"), "Use msg.")
    expression = Text("{{ " + name + " }}", name.place)
    return {str(name): around.templar.render(expression, around.variables)}


def check_assertions(arguments: Map, around: Surroundings) -> dict[str, Any]:
    """Fail with the first condition that is false."""
    given = _rendered(arguments, around, but="that")
    that = arguments["that"]
    for condition in that if isinstance(that, list) else [that]:
        if not around.templar.condition(condition, around.variables):
            message = given.get("fail_msg", given.get("msg", "Assertion failed"))
            return {"failed": True, "evaluated_to": False, "assertion": _shown(condition), "msg": message}
    return {"msg": given.get("success_msg", "All assertions passed")}


def fail(arguments: Map, around: Surroundings) -> dict[str, Any]:
    """Fail with a message."""
    return {"failed": True, "msg": _rendered(arguments, around).get("msg", "Failed as requested from task")}


def set_fact(arguments: Map, around: Surroundings) -> dict[str, Any]:
    """Return variables that the host keeps until the run ends."""
    facts = {}
    for key, value in arguments.items():
        if key == "cacheable":
            continue
        name = around.templar.render(key, around.given)
        rendered = around.templar.render(Map({"value": value}), around.given)
        if "value" in rendered:  # else it is `omit`
            facts[variable_name(name, arguments.place_of(key))] = rendered["value"]
    if not facts:
        raise refuse("set_fact has nothing to set", arguments.place, "Give at least one NAME: VALUE.")
    return {"ansible_facts": facts}


def pause(arguments: Map, around: Surroundings) -> dict[str, Any]:
    """Wait for some time, or for a person where one is there."""
    given = _rendered(arguments, around)
    minutes, seconds = (_number(given, key, None, arguments) for key in ("minutes", "seconds"))
    prompt, echo = given.get("prompt"), _flag(given, "echo", arguments)
    began, clock = dt.datetime.now().astimezone(), time.monotonic()
    answer, warnings = "", []
    if minutes is not None or seconds is not None:
        around.cancel.wait(max(1, minutes * 60 if minutes is not None else seconds))
        around.cancel.check()
    elif around.options.ask is None:
        warnings.append("nobody is there to answer the prompt; it is not waited for")
    else:
        question = prompt or "Press enter to continue, Ctrl+C to interrupt"
        answer = around.options.ask(f"[{around.title}]\n{question}{'' if echo else ' (output is hidden)'}:", echo)
    taken = time.monotonic() - clock
    unit = "seconds" if seconds is not None else "minutes"
    shown = round(taken if seconds is not None else taken / 60, 2)
    result = {
        "start": began.isoformat(sep=" "), "stop": dt.datetime.now().astimezone().isoformat(sep=" "),
        "delta": int(taken), "stdout": f"Paused for {shown} {unit}", "stderr": "", "rc": 0, "echo": echo,
        "user_input": answer,
    }  # fmt: skip
    return result | ({"warnings": warnings} if warnings else {})


SET_FACT = "ansible.builtin.set_fact"
ACTIONS: dict[str, Callable[[Map, Surroundings], dict[str, Any]]] = {
    "ansible.builtin.assert": check_assertions,
    "ansible.builtin.debug": debug,
    "ansible.builtin.fail": fail,
    "ansible.builtin.pause": pause,
    SET_FACT: set_fact,
}


def _rendered(arguments: Map, around: Surroundings, *, but: str = "") -> dict[str, Any]:
    """The arguments without those that are `omit`, and without the one that is an expression."""
    rest = Map({key: value for key, value in arguments.items() if key != but})
    given: dict[str, Any] = around.templar.render(rest, around.given)
    return given


def _number(given: dict[str, Any], key: str, default: Any, arguments: Map) -> Any:
    value = given.get(key)
    if value is None:
        return default
    try:
        return as_number(value, whole=True)
    except ValueError:
        raise refuse(f"{key} is a whole number, not {value!r}", arguments.place_of(key)) from None


def _flag(given: dict[str, Any], key: str, arguments: Map) -> bool:
    value = given.get(key, True)
    try:
        return as_truth(value)
    except TruthUnclear:
        raise refuse(f"{key} is true or false, not {value!r}", arguments.place_of(key)) from None


def _shown(condition: object) -> object:
    return str(condition) if isinstance(condition, str) else condition
