"""The tests (`x is …`) that ansible-core 2.19 adds to Jinja's, without those that look at files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jinja2.runtime import Undefined

from hvbackup.errors import PlaybookError
from hvbackup.playbook.templating.undefined import Failed
from hvbackup.playbook.templating.versions import compare_versions

_FALSE_TEXTS = frozenset({"n", "no", "off", "0", "false", "f"})
_TRUE_TEXTS = frozenset({"y", "yes", "on", "1", "true", "t"})


def _result(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PlaybookError(f"the test {name!r} is about the result of a task, not {type(value).__name__}")
    return value


def failed(result: Any) -> bool:
    """Whether a task failed."""
    return bool(_result("failed", result).get("failed"))


def succeeded(result: Any) -> bool:
    """Whether a task did not fail."""
    return not failed(result)


def unreachable(result: Any) -> bool:
    """Whether the host could not be reached."""
    return bool(_result("unreachable", result).get("unreachable"))


def skipped(result: Any) -> bool:
    """Whether a task was skipped."""
    return bool(_result("skipped", result).get("skipped"))


def timedout(result: Any) -> bool:
    """Whether a task was stopped because of its time."""
    period = _result("timedout", result).get("timedout")
    return bool(period and period.get("period"))


def changed(result: Any) -> bool:
    """Whether a task, or one of the turns of its loop, changed something."""
    found = _result("changed", result)
    if "changed" in found:
        return bool(found["changed"])
    turns = found.get("results")
    if not isinstance(turns, list) or not turns or not isinstance(turns[0], Mapping):
        return False
    return any(turn.get("changed") for turn in turns)


def regex(
    value: Any = "", pattern: str = "", ignorecase: bool = False, multiline: bool = False, match_type: str = "search"
) -> bool:
    """Whether a regular expression is found in a text; `match_type` is search, match or fullmatch."""
    flags = (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)
    compiled = re.compile(pattern, flags)
    ways = {"search": compiled.search, "match": compiled.match, "fullmatch": compiled.fullmatch}
    if match_type not in ways:
        raise PlaybookError(f"match_type is search, match or fullmatch, not {match_type!r}")
    return ways[match_type](str(value)) is not None


def match(value: Any, pattern: str = "", ignorecase: bool = False, multiline: bool = False) -> bool:
    """Whether a text begins with what a regular expression says."""
    return regex(value, pattern, ignorecase, multiline, "match")


def truthy(value: Any, convert_bool: bool = False) -> bool:
    """Whether Python takes it for true; with `convert_bool` the text "no" is false."""
    if convert_bool and isinstance(value, str):
        text = value.lower().strip()
        if text in _FALSE_TEXTS:
            return False
        if text in _TRUE_TEXTS:
            return True
    return bool(value)


def defined(value: Any) -> Any:
    """Whether a name has a value; an error on the way to it stays one."""
    return value if isinstance(value, Failed) else not isinstance(value, Undefined)


def undefined(value: Any) -> Any:
    """The opposite of `defined`."""
    return value if isinstance(value, Failed) else isinstance(value, Undefined)


def is_nan(value: Any) -> bool:
    """Whether it is the number that is no number."""
    return isinstance(value, (int, float)) and math.isnan(value)


_SUBSET = {name: lambda part, whole: set(part) <= set(whole) for name in ("subset", "issubset")}
_SUPERSET = {name: lambda whole, part: set(whole) >= set(part) for name in ("superset", "issuperset")}

ANSIBLE_TESTS: dict[str, Any] = {
    **dict.fromkeys(("failed", "failure"), failed),
    **dict.fromkeys(("succeeded", "success", "successful"), succeeded),
    **dict.fromkeys(("changed", "change"), changed),
    **dict.fromkeys(("skipped", "skip"), skipped),
    **dict.fromkeys(("version", "version_compare"), compare_versions),
    **dict.fromkeys(("nan", "isnan"), is_nan),
    **_SUBSET,
    **_SUPERSET,
    "unreachable": unreachable,
    "reachable": lambda result: not unreachable(result),
    "timedout": timedout,
    "regex": regex,
    "search": lambda value, pattern="", ignorecase=False, multiline=False: regex(value, pattern, ignorecase, multiline),
    "match": match,
    "any": any,
    "all": all,
    "truthy": truthy,
    "falsy": lambda value, convert_bool=False: not truthy(value, convert_bool),
    "contains": lambda items, value: value in items,
}
