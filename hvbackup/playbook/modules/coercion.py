"""Ansible's loose types: what `argument_spec` makes of YAML values before a module sees them (pure).

A scalar where a list belongs is a list of one, `a,b` is a list of two, a number where text belongs is its text, `yes`
is true, `"3"` is 3. After ansible-core 2.19, `module_utils/common/validation.py` (`check_type_*`), written anew. One
thing is stricter: where Ansible turns a list or a mapping into the text that Python prints for it, this refuses.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, DecimalException
from typing import Any, Literal, Union, get_args, get_origin

_TRUE = frozenset({"y", "yes", "on", "1", "true", "t"})
_FALSE = frozenset({"n", "no", "off", "0", "false", "f"})


class NotOfType(ValueError):
    """A value cannot be read as the type that the argument has; the text says so for people."""


def plain(value: Any) -> Any:
    """Return builtins only: no templates' texts with their places, no tagged types of Ansible.

    Secrets, and whatever else is no plain data, stay as they are.
    """
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an exact one, whatever it was
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def coerced(annotation: Any, value: Any) -> Any:
    """Return `value` as Ansible gives it to an argument of this type.

    Raises:
        NotOfType: It cannot be read as such.
    """
    return _reader(annotation)(value)


def type_name(annotation: Any) -> str:
    """Return the type as `argument_spec` calls it: str, int, float, bool, list."""
    inner = without_none(annotation)
    if get_origin(inner) is list:
        return "list"
    return inner.__name__ if inner in (bool, int, float) else "str"


def without_none(annotation: Any) -> Any:
    """Return the type without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [each for each in get_args(annotation) if each is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def choices_of(annotation: Any) -> list[Any] | None:
    """Return the values that are allowed, or None when any is."""
    inner = without_none(annotation)
    return list(get_args(inner)) if get_origin(inner) is Literal else None


def limits_of(metadata: Iterable[Any]) -> dict[str, float]:
    """Return `ge`, `le` and `gt` of a field with their numbers, as far as it has them."""
    return {name: getattr(each, name) for each in metadata for name in ("ge", "le", "gt") if hasattr(each, name)}


def _reader(annotation: Any) -> Callable[[Any], Any]:
    readers: dict[str, Callable[[Any], Any]] = {
        "list": _as_list, "bool": _as_bool, "int": _as_int, "float": _as_float, "str": _as_text,
    }  # fmt: skip
    return readers[type_name(annotation)]


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list | dict):
        raise NotOfType(f"a {'list' if isinstance(value, list) else 'mapping'} where a text belongs")
    return value


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, bool | int | float):
        value = [value]
    elif not isinstance(value, list):
        raise NotOfType("neither a list nor a text")
    return [_as_text(each) for each in value]


def _as_bool(value: Any) -> bool:
    if isinstance(value, float | int) and value in (0, 1):
        return bool(value)
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise NotOfType("neither true nor false (yes, no, on, off, 1, 0)")


def _as_int(value: Any) -> int:
    if isinstance(value, int):
        return int(value)
    try:
        number = Decimal(value)
        whole = int(number)
    except (DecimalException, TypeError, ValueError, OverflowError):
        raise NotOfType("not a whole number") from None
    if whole != number:
        raise NotOfType("not a whole number")
    return whole


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise NotOfType("not a number") from None
