"""A list that forgets instead of growing: what keeps a parser's memory bounded."""

from __future__ import annotations

from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

_LONGEST_QUOTE = 500


class Kept(Generic[ItemT]):
    """At most `most` items; further ones are only counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: list[ItemT] = []
        self.dropped = 0

    def add(self, item: ItemT) -> None:
        """Keep an item, or count it."""
        if len(self._items) < self._most:
            self._items.append(item)
        else:
            self.dropped += 1

    @property
    def last(self) -> ItemT | None:
        """The last item that was kept."""
        return self._items[-1] if self._items else None

    def replace_last(self, item: ItemT) -> None:
        """Put another in the place of the last one."""
        self._items[-1] = item

    @property
    def all(self) -> tuple[ItemT, ...]:
        """All items that were kept, in order."""
        return tuple(self._items)


def shortened(text: str) -> str:
    """A line as it is quoted: at most 500 characters."""
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
