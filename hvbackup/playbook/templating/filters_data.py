"""Filters on lists and dictionaries, with the meaning of ansible-core 2.19.

Set operations keep the order in which items come; Ansible gives them in an order that is different each time.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import pass_environment
from jinja2.environment import Environment
from jinja2.filters import do_unique
from jinja2.runtime import Undefined

from hvbackup.errors import PlaybookError
from hvbackup.playbook.templating.undefined import Failed, MissingUsed

_LIST_MERGES = ("replace", "keep", "append", "prepend", "append_rp", "prepend_rp")


def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """`default`: for what is undefined, and with `boolean` for what is empty or false; errors are not replaced."""
    if not isinstance(boolean, bool):
        raise PlaybookError("default: boolean is true or false", hint="Write default('x', true).")
    if isinstance(value, Undefined):
        return value if isinstance(value, Failed) else default_value
    return default_value if boolean and not value else value


def mandatory(value: Any, msg: str | None = None) -> Any:
    """The value, or an error with a message of the playbook's own."""
    if isinstance(value, Undefined) and not isinstance(value, Failed):
        name = getattr(value, "_undefined_name", None)
        raise PlaybookError(str(msg) if msg is not None else f"the mandatory variable {name!r} is not defined")
    return value


def ternary(value: Any, true_val: Any, false_val: Any, none_val: Any = None) -> Any:
    """One of two values, by a third; with `none_val` one of three."""
    if value is None and none_val is not None:
        return none_val
    return true_val if value else false_val


def is_list(value: Any) -> bool:
    """Whether Ansible calls it a sequence."""
    return isinstance(value, (list, tuple))


def flatten(items: Iterable[Any], levels: int | None = None, skip_nulls: bool = True) -> list[Any]:
    """Lists in a list opened up, `levels` deep or all; None and the texts None and null are left out."""
    flat: list[Any] = []
    for item in items:
        if skip_nulls and (item is None or (isinstance(item, str) and item in ("None", "null"))):
            continue
        if is_list(item) and (levels is None or levels >= 1):
            flat += flatten(item, None if levels is None else levels - 1, skip_nulls)
        else:
            flat.append(item)
    return flat


def combine(*terms: Any, recursive: bool = False, list_merge: str = "replace") -> Any:
    """Dictionaries laid over each other, the last is the strongest."""
    if list_merge not in _LIST_MERGES:
        raise PlaybookError(f"combine: list_merge is one of {', '.join(_LIST_MERGES)}, not {list_merge!r}")
    merged: Any = {}
    for position, term in enumerate(flatten(terms, levels=1)):
        if not isinstance(term, Mapping):
            raise PlaybookError(f"combine takes dictionaries, not {type(term).__name__}")
        merged = dict(term) if position == 0 else _merged(merged, term, recursive, list_merge)
    return merged


def _merged(weak: Mapping[Any, Any], strong: Mapping[Any, Any], recursive: bool, list_merge: str) -> dict[Any, Any]:
    merged = dict(weak)
    for key, value in strong.items():
        known: Any = merged.get(key)
        if key in merged and isinstance(known, Mapping) and isinstance(value, Mapping) and recursive:
            merged[key] = _merged(known, value, recursive, list_merge)
        elif key in merged and is_list(known) and is_list(value):
            merged[key] = _merged_list(list(known), list(value), list_merge)
        else:
            merged[key] = value
    return merged


def _merged_list(weak: list[Any], strong: list[Any], list_merge: str) -> list[Any]:
    if list_merge == "append":
        return weak + strong
    if list_merge == "prepend":
        return strong + weak
    if list_merge == "append_rp":
        return [item for item in weak if item not in strong] + strong
    if list_merge == "prepend_rp":
        return strong + [item for item in weak if item not in strong]
    return weak if list_merge == "keep" else strong


def dict2items(mapping: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    """A dictionary as a list of `{key, value}`."""
    if not isinstance(mapping, Mapping):
        raise PlaybookError(f"dict2items takes a dictionary, not {type(mapping).__name__}")
    return [{key_name: key, value_name: value} for key, value in mapping.items()]


def items2dict(items: Any, key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    """A list of `{key, value}` as a dictionary."""
    if not is_list(items) or not all(isinstance(item, Mapping) for item in items):
        raise PlaybookError("items2dict takes a list of dictionaries")
    if not all(key_name in item and value_name in item for item in items):
        raise PlaybookError(f"items2dict: each item needs {key_name!r} and {value_name!r}")
    return {item[key_name]: item[value_name] for item in items}


def _distinct(items: Iterable[Any]) -> list[Any]:
    items = list(items)
    try:
        return list(dict.fromkeys(items))
    except TypeError:  # dictionaries and lists among them
        found: list[Any] = []
        for item in items:
            if item not in found:
                found.append(item)
        return found


@pass_environment
def unique(
    environment: Environment, items: Iterable[Any], case_sensitive: bool | None = None, attribute: Any = None
) -> list[Any]:
    """Items without repetition; upper and lower case are the same unless `case_sensitive`."""
    items = list(items)
    try:
        return list(do_unique(environment, items, bool(case_sensitive), attribute))
    except TypeError:
        if case_sensitive is False or attribute:
            raise
        return _distinct(items)


def union(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Items of both lists."""
    return _distinct([*left, *right])


def intersect(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Items that are in both lists."""
    known = list(right)
    return [item for item in _distinct(left) if item in known]


def difference(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Items of the first list that are not in the second."""
    known = list(right)
    return [item for item in _distinct(left) if item not in known]


def symmetric_difference(left: Iterable[Any], right: Iterable[Any]) -> list[Any]:
    """Items that are in one list only."""
    first, second = list(left), list(right)
    return _distinct([*difference(first, second), *difference(second, first)])


@pass_environment
def extract(environment: Environment, key: Any, container: Any, morekeys: Any = None) -> Any:
    """The item of a container, and of that the next: for `map('extract', ...)`."""
    more = [] if morekeys is None else morekeys if isinstance(morekeys, list) else [morekeys]
    value = container
    for each in [key, *more]:
        try:
            value = environment.getitem(value, each)
        except MissingUsed as error:
            return error.missing
    return value


def subelements(items: Any, subelements: Any, skip_missing: bool = False) -> list[Any]:
    """Pairs of an item and each member of a list in it."""
    elements = list(items.values()) if isinstance(items, Mapping) else list(items)
    path = subelements if isinstance(subelements, list) else str(subelements).split(".")
    pairs = []
    for element in elements:
        inner = _inner(element, path)
        if inner is None and not skip_missing:
            raise PlaybookError(f"subelements: there is no {'.'.join(path)!r} in an item")
        if inner is not None and not isinstance(inner, list):
            raise PlaybookError(f"subelements: {'.'.join(path)!r} is no list")
        pairs += [[element, value] for value in inner or []]
    return pairs


def _inner(element: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(element, Mapping):
            raise PlaybookError(f"subelements: {key!r} is looked for in something that is no dictionary")
        if key not in element:
            return None
        element = element[key]
    return element


def rekey_on_member(data: Any, key: str, duplicates: str = "error") -> dict[Any, Any]:
    """Dictionaries by one of their values."""
    if duplicates not in ("error", "overwrite"):
        raise PlaybookError(f"rekey_on_member: duplicates is error or overwrite, not {duplicates!r}")
    if isinstance(data, str):
        raise PlaybookError("rekey_on_member takes dictionaries, not a text")
    rekeyed: dict[Any, Any] = {}
    for item in data.values() if isinstance(data, Mapping) else data:
        if not isinstance(item, Mapping) or key not in item:
            raise PlaybookError(f"rekey_on_member: an item has no {key!r}")
        if item[key] in rekeyed and duplicates == "error":
            raise PlaybookError(f"rekey_on_member: {item[key]!r} is there twice")
        rekeyed[item[key]] = item
    return rekeyed


def _generator(seed: Any) -> random.Random:
    # The same seed gives the same choice as in Ansible: both are Python's.
    return random.Random(seed) if seed is not None else random.SystemRandom()  # noqa: S311 - spreads load, no secret


def choose(end: Any, start: Any = None, step: Any = None, seed: Any = None) -> Any:
    """`random`: a number below `end`, or an item of a list; the same for the same `seed`."""
    if isinstance(end, int):
        return _generator(seed).randrange(start or 0, end, step or 1)
    if start or step:
        raise PlaybookError("random takes start and step with a number only")
    return _generator(seed).choice(end)


def shuffle(items: Any, seed: Any = None) -> Any:
    """Items in another order, the same for the same `seed`; what has no items stays as it is."""
    if not isinstance(items, Iterable):
        return items
    shuffled = list(items)
    _generator(seed or None).shuffle(shuffled)
    return shuffled


def logarithm(value: Any, base: Any = math.e) -> float:
    """`log`."""
    return math.log10(value) if base == 10 else math.log(value, base)


def root(value: Any, base: Any = 2) -> float:
    """`root`: the square root, or another."""
    return math.sqrt(value) if base == 2 else math.pow(value, 1.0 / float(base))


DATA_FILTERS: dict[str, Any] = {
    "flatten": flatten,
    "combine": combine,
    "dict2items": dict2items,
    "items2dict": items2dict,
    "unique": unique,
    "union": union,
    "intersect": intersect,
    "difference": difference,
    "symmetric_difference": symmetric_difference,
    "subelements": subelements,
    "rekey_on_member": rekey_on_member,
    "random": choose,
    "shuffle": shuffle,
    "log": logarithm,
    "pow": math.pow,
    "root": root,
    "zip": zip,
    "zip_longest": itertools.zip_longest,
    "product": itertools.product,
    "permutations": itertools.permutations,
    "combinations": itertools.combinations,
}
