"""How filters and tests are called: missing values pass by them, what they get is plain, what fails travels on."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from jinja2.environment import Environment
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Undefined

from hvbackup.errors import HvBackupError, PlaybookError
from hvbackup.playbook.templating.bounds import check_format, check_padding
from hvbackup.playbook.templating.opened import as_secret, holds_secret
from hvbackup.playbook.templating.undefined import Failed, MissingUsed
from hvbackup.playbook.templating.values import plain

#: Most items that a filter may give.
MAX_ITEMS = 100_000

_JINJA_OWN = (Environment, EvalContext, Context)


def as_filter(name: str, function: Callable[..., Any], *, takes_missing: bool, takes_lazy: bool) -> Callable[..., Any]:
    """Return what the environment calls for a filter.

    Args:
        takes_missing: It wants to see undefined arguments (`default`); otherwise the first one is the result.
        takes_lazy: It takes values as templates see them (`map`); otherwise plain lists and dictionaries.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value = _called("filter", name, function, args, kwargs, takes_missing, takes_lazy)
        return as_secret(value) if any(map(holds_secret, args)) else value

    return call


def as_test(name: str, function: Callable[..., Any], *, takes_missing: bool) -> Callable[..., Any]:
    """Return what the environment calls for a test; it gives true or false, or a missing value."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value = _called("test", name, function, args, kwargs, takes_missing, takes_missing)
        return value if isinstance(value, Undefined) else bool(value)

    return call


def _called(
    kind: str,
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    takes_missing: bool,
    takes_lazy: bool,
) -> Any:
    if not takes_missing:
        absent = next((each for each in (*args, *kwargs.values()) if isinstance(each, Undefined)), None)
        if absent is not None:
            return absent
    try:
        if not takes_lazy:
            args = tuple(each if isinstance(each, _JINJA_OWN) else plain(each) for each in args)
            kwargs = {key: plain(each) for key, each in kwargs.items()}
        if kind == "filter":
            check_padding(name, (*args, *kwargs.values()))
            check_format(args[0] if name == "format" else None, args)
        value = function(*args, **kwargs)
        return _listed(name, value) if isinstance(value, Iterator) else value
    except MissingUsed as error:
        return error.missing
    except HvBackupError as error:
        return Failed(error)
    except Exception as error:  # noqa: BLE001 - what a filter raises depends on what it is given
        reason = str(error) or type(error).__name__
        return Failed(PlaybookError(f"the {kind} {name!r} fails: {reason}"))


def _listed(name: str, items: Iterator[Any]) -> list[Any]:
    found = list(itertools.islice(items, MAX_ITEMS + 1))
    if len(found) > MAX_ITEMS:
        raise PlaybookError(f"the filter {name!r} gives more than {MAX_ITEMS} items")
    return found
