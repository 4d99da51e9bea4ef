"""What is read, what is absent and what cannot be known: three different things.

A field of the type `Fact[int]` is an `int` (read from the file), `None` (the file does not have it), or an `Unknown`
that says why nobody can tell. In JSON these are a number, `null`, and `{"unknown": "why"}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import msgspec

from hvbackup.models import Model

ValueT = TypeVar("ValueT")


class Unknown(Model, frozen=True, kw_only=True):
    """The file has something here, or may have, and it cannot be told what; `reason` is for people."""

    reason: str = msgspec.field(name="unknown")


Fact: TypeAlias = ValueT | Unknown | None


def known(fact: Fact[ValueT]) -> ValueT | None:
    """Return the value that was read, or None when it is absent or unknown."""
    return None if isinstance(fact, Unknown) else fact


def unknown_facts(model: Model, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is unknown in a model and in the models in it: (place such as `firmware.boot_order`, reason)."""
    for name in model.__struct_fields__:
        value, below = getattr(model, name), f"{place}.{name}".lstrip(".")
        for number, each in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(each, Unknown):
                yield below, each.reason
            elif isinstance(each, Model):
                yield from unknown_facts(each, f"{below}[{number}]" if isinstance(value, tuple) else below)
