"""What is read, what is absent and what cannot be known: three different things.

A field of the type `Fact[int]` is an `int` (read from the file), `None` (the file does not have it), or an `Unknown`
that says why nobody can tell. In JSON these are a number, `null`, and `{"unknown": "why"}`.
"""

from __future__ import annotations

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
