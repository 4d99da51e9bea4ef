"""A secret text inside a template: its pieces, and what is made of it, are secret too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

#: What operators and methods of a text give: texts, or lists of them.
_MAKING_TEXTS = (
    "__add__", "__getitem__", "__mod__", "__mul__", "__rmul__", "capitalize", "casefold", "center", "expandtabs",
    "format", "join", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rjust",
    "rpartition", "rsplit", "rstrip", "split", "splitlines", "strip", "swapcase", "title", "translate", "upper",
    "zfill",
)  # fmt: skip


class Opened(str):
    """The true characters of a secret; what shows a template's result shows a mask for it."""

    __slots__ = ()

    def __radd__(self, other: str) -> Opened:
        return Opened(str.__add__(other, self))

    def __rmod__(self, other: str) -> Opened:
        return Opened(str.__mod__(other, str.__str__(self)))

    def __iter__(self) -> Iterator[str]:
        return map(Opened, super().__iter__())


def as_secret(value: Any) -> Any:
    """A text, or the texts in a list, as secret ones; anything else as it is."""
    if type(value) is str:
        return Opened(value)
    if type(value) in (list, tuple):
        return type(value)(as_secret(item) for item in value)
    return value


def holds_secret(value: Any) -> bool:
    """Whether a value is a secret text, or a list or mapping with one in it."""
    if isinstance(value, Opened):
        return True
    if type(value) in (list, tuple):
        return any(map(holds_secret, value))
    return type(value) is dict and any(map(holds_secret, value.values()))


def _keeping(name: str) -> Callable[..., Any]:
    method = getattr(str, name)

    def keep(self: Opened, *args: Any, **kwargs: Any) -> Any:
        return as_secret(method(self, *args, **kwargs))

    keep.__name__ = name
    return keep


for _name in _MAKING_TEXTS:
    setattr(Opened, _name, _keeping(_name))
