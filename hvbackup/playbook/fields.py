"""Single values of a playbook: true or false, numbers, lists of names. Templates stay until they are used."""

from __future__ import annotations

from typing import Any

from hvbackup.playbook.grammar import is_template, refuse, variable_name
from hvbackup.playbook.nodes import EncryptedText, Map, Place, Seq, Text, place_of
from hvbackup.playbook.truth import TruthUnclear, as_number, as_truth

NOT_GIVEN = object()


def flag(node: Map, key: str, default: Any = False) -> Any:
    """True or false, or the template that will give it."""
    value = node.get(key, NOT_GIVEN)
    if value is NOT_GIVEN or is_template(value):
        return default if value is NOT_GIVEN else value
    try:
        return as_truth(value)
    except TruthUnclear:
        raise refuse(f"{key} is true or false, not {value!r}", node.place_of(key), "Write true or false.") from None


def number(node: Map, key: str, default: Any = None, *, whole: bool = True, least: float | None = None) -> Any:
    """A number, or the template that will give it."""
    value = node.get(key)
    if value is None or is_template(value):
        return default if value is None else value
    try:
        found = as_number(value, whole=whole)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise refuse(f"{key} is {kind}, not {value!r}", node.place_of(key), "Write a number.") from None
    if least is not None and found < least:
        raise refuse(f"{key} is at least {least:g}, not {value!r}", node.place_of(key), "Write a larger number.")
    return found


def conditions(node: Map, key: str) -> tuple[Any, ...]:
    """Conditions of `when` and its like: expressions without `{{ }}`, or true and false."""
    value = node.get(key, NOT_GIVEN)
    if value is NOT_GIVEN:
        return ()
    found = list(value) if isinstance(value, list) else [value]
    for each in found:
        where = place_of(each) or node.place_of(key)
        if isinstance(each, bool):
            continue
        if not isinstance(each, Text):
            raise refuse(f"{key} is an expression, not {each!r}", where, "Write an expression that is true or false.")
        if not each.strip():
            raise refuse(f"{key} is empty", where, "Write an expression, or remove the key.")
    return tuple(found)


def texts(node: Map, key: str, *, commas: bool = False) -> tuple[Text, ...]:
    """A list of texts; a single text is a list of one (with `commas`: of as many as it names)."""
    value = node.get(key)
    if value is None:
        return ()
    items = value if isinstance(value, list) else [value]
    found: list[Text] = []
    for item in items:
        if isinstance(item, bool) or not isinstance(item, (Text, int)):
            raise refuse(f"{key} holds names, not {item!r}", place_of(item) or node.place_of(key), "Write texts.")
        place = place_of(item) or node.place_of(key)
        parts = str(item).split(",") if commas and not isinstance(value, list) else [str(item)]
        found += [Text(part.strip() if commas else part, place) for part in parts]
    return tuple(found)


def fixed_names(node: Map, key: str) -> tuple[str, ...]:
    """Names that are no templates, such as tags."""
    found = texts(node, key, commas=key == "tags")
    for each in found:
        if is_template(each):
            raise refuse(f"{key} are fixed names here, without templates", each.place, "Write the name itself.")
    return tuple(str(each) for each in found)


def one_of(node: Map, key: str, allowed: tuple[str, ...], default: str, hint: str) -> str:
    """A word out of a few."""
    value = node.get(key, default)
    if value not in allowed:
        raise refuse(f"{key} cannot be {value!r}", node.place_of(key), hint)
    return str(value)


def variables(node: Map, key: str = "vars") -> dict[str, Any]:
    """`vars`: a mapping of names to any values."""
    value = node.get(key)
    if value is None:
        return {}
    if not isinstance(value, Map):
        raise refuse(
            f"{key} is a mapping of names to values", place_of(value) or node.place_of(key), "Write NAME: VALUE."
        )
    return {variable_name(name, value.place_of(name)): item for name, item in value.items()}


def name(node: Map) -> Text | None:
    """`name` of a play, block or task."""
    value = node.get("name")
    if value is None or isinstance(value, Text):
        return value or None
    if isinstance(value, (Map, Seq, EncryptedText)):
        raise refuse("name is a text", node.place_of("name"), "Write one line of text.")
    return Text(str(value), node.place_of("name"))


def nodes(node: Map, key: str) -> list[Any]:
    """A list of tasks or blocks."""
    value = node.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise refuse(f"{key} is a list of tasks", place_of(value) or node.place_of(key), "Begin each task with '- '.")
    return value


def mapping(value: object, what: str, around: Place | None) -> Map:
    """A mapping, or an error that says what should be one."""
    if isinstance(value, Map):
        return value
    raise refuse(f"{what} is a mapping, not {_kind(value)}", place_of(value) or around, "Write KEY: VALUE lines.")


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list"
    return f"{str(value)!r}" if isinstance(value, (str, int, float)) else type(value).__name__
