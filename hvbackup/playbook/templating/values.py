"""Values as templates see them: what is nested in a variable is rendered when it is looked at, and not before.

A dictionary with one broken template is of use as long as nobody asks for that entry, as in ansible-core 2.19.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import GeneratorType
from typing import Any, Protocol

from jinja2.runtime import Undefined

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import EncryptedText, Text
from hvbackup.playbook.redaction import SecretText
from hvbackup.playbook.templating.opened import Opened
from hvbackup.playbook.templating.undefined import MissingUsed
from hvbackup.secrets import Secret


class Omit:
    """The value of `omit`: an argument that is this is not given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<<Omit>>"


OMIT = Omit()


class Scope(Protocol):
    """Where templates that are nested in a value find their variables."""

    def render_text(self, text: Text) -> Any:
        """Evaluate a template; what fails or is undefined comes back as `Undefined`."""

    def other(self, variables: Mapping[str, Any]) -> Scope:
        """The scope of other variables (another host's)."""


class LazyMap(Mapping[Any, Any]):
    """A mapping whose values are rendered when they are asked for."""

    __slots__ = ("_done", "_raw", "_scope")

    def __init__(self, raw: Mapping[Any, Any], scope: Scope) -> None:
        self._raw = raw
        self._scope = scope
        self._done: dict[Any, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        if key not in self._done:
            self._done[key] = seen(self._raw[key], self._scope)
        return self._done[key]

    def __iter__(self) -> Iterator[Any]:
        # A key that looks like a template is none: ansible-core does not render keys either.
        return (str(key) if type(key) is Text else key for key in self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def copy(self) -> dict[Any, Any]:
        """A dictionary of its own, as `dict.copy` gives."""
        return dict(self)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, (Mapping, Undefined)) and bool(plain(self) == plain(other)))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(plain(self))

    def __or__(self, other: Any) -> Any:
        return plain(self) | plain(other)

    def __ror__(self, other: Any) -> Any:
        return plain(other) | plain(self)


class LazySeq(Sequence[Any]):
    """A list whose items are rendered when they are asked for."""

    __slots__ = ("_done", "_raw", "_scope")

    def __init__(self, raw: Sequence[Any], scope: Scope) -> None:
        self._raw = raw
        self._scope = scope
        self._done: dict[int, Any] = {}

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return LazySeq(self._raw[index], self._scope)
        position = range(len(self._raw))[index]
        if position not in self._done:
            self._done[position] = seen(self._raw[position], self._scope)
        return self._done[position]

    def __len__(self) -> int:
        return len(self._raw)

    def copy(self) -> list[Any]:
        """A list of its own, as `list.copy` gives."""
        return list(self)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, (list, LazySeq, Undefined)) and bool(plain(self) == plain(other)))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(plain(self))

    def __add__(self, other: Any) -> Any:
        return plain(self) + plain(other)

    def __radd__(self, other: Any) -> Any:
        return plain(other) + plain(self)

    def __mul__(self, times: int) -> Any:
        return plain(self) * times

    __rmul__ = __mul__

    def __lt__(self, other: Any) -> bool:
        return bool(plain(self) < plain(other))

    def __le__(self, other: Any) -> bool:
        return bool(plain(self) <= plain(other))

    def __gt__(self, other: Any) -> bool:
        return bool(plain(self) > plain(other))

    def __ge__(self, other: Any) -> bool:
        return bool(plain(self) >= plain(other))


class HostVariables(Mapping[str, Any]):
    """`hostvars`: the variables of every host, gathered when a host is asked for.

    Args:
        names: Hosts that there are, in order.
        variables: Gives the variables of one host; called at most once for each in one rendering.
    """

    __slots__ = ("_bound", "_names", "_scope", "_variables")

    def __init__(
        self, names: Sequence[str], variables: Callable[[str], Mapping[str, Any]], scope: Scope | None = None
    ) -> None:
        self._names = names
        self._variables = variables
        self._scope = scope
        self._bound: dict[str, Any] = {}

    def bind(self, scope: Scope) -> HostVariables:
        """The same for one rendering."""
        return HostVariables(self._names, self._variables, scope)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._bound:
            variables = self._variables(name)
            self._bound[name] = variables if self._scope is None else LazyMap(variables, self._scope.other(variables))
        return self._bound[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return "<hostvars>"


def seen(value: Any, scope: Scope) -> Any:
    """Return a stored value as a template sees it."""
    if isinstance(value, Text):
        return scope.render_text(value)
    if isinstance(value, EncryptedText):
        return Opened(value.open().reveal())
    if isinstance(value, Secret):
        return Opened(value.reveal())
    if isinstance(value, SecretText):
        return Opened(value.reveal())
    if isinstance(value, dict):
        return LazyMap(value, scope)
    if isinstance(value, (list, tuple)):
        return LazySeq(value, scope)
    if isinstance(value, HostVariables):
        return value.bind(scope)
    return value


def plain(value: Any, *, printed: bool = False) -> Any:
    """Return a value with everything nested in it rendered, as dictionaries and lists.

    Args:
        printed: As it is printed: without what is `omit`, tuples as lists.

    Raises:
        MissingUsed: Something in it is undefined, or failed.
    """
    if isinstance(value, LazyMap) or type(value) is dict:
        return {key: plain(value[key], printed=printed) for key in value if not printed or value[key] is not OMIT}
    if isinstance(value, LazySeq) or type(value) in (list, tuple):
        items = [plain(item, printed=printed) for item in value if not printed or item is not OMIT]
        return tuple(items) if type(value) is tuple and not printed else items
    if isinstance(value, Undefined):
        raise MissingUsed(value)
    return value


_SCALARS = (type(None), bool, int, float, dt.date, dt.time, dt.timedelta, bytes)


def result(value: Any) -> Any:
    """Return a template's value as a variable holds it: plain dictionaries, lists, texts, numbers.

    Raises:
        MissingUsed: Something in it is undefined, or failed.
        PlaybookError: It is of a kind that no variable holds (a function, a range).
    """
    if isinstance(value, Opened):
        return SecretText(str.__str__(value))
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {result(key): result(value[key]) for key in value if value[key] is not OMIT}
    if isinstance(value, (list, tuple, Sequence, set, frozenset, GeneratorType)) and not isinstance(value, range):
        return [result(item) for item in value if item is not OMIT]
    if isinstance(value, Undefined):
        raise MissingUsed(value)
    raise PlaybookError(f"a template gives a {type(value).__name__}, which no variable holds")
