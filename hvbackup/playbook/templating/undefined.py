"""What stands for a value that is not there: it travels through a template until somebody needs it.

As in ansible-core 2.19, an error inside a template travels in the same way (`Failed`); `default` does not replace it.
"""

from __future__ import annotations

from typing import Any

from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError
from jinja2.runtime import Undefined
from jinja2.utils import missing as NO_OBJECT  # noqa: N812

from hvbackup.errors import HvBackupError
from hvbackup.playbook.templating.type_names import type_name


class Missing(StrictUndefined):
    """An undefined value. Attributes and items of it are itself; any other use raises `MissingUsed`.

    Attributes:
        error: The error behind it, if it is known with its place already.
    """

    __slots__ = ("error",)

    def __init__(self, *args: Any, error: HvBackupError | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error = error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _key: Any) -> Any:
        return self


class Failed(Missing):
    """What stands for a value whose computation failed."""

    __slots__ = ()

    def __init__(self, error: HvBackupError) -> None:
        super().__init__(hint=error.message, error=error)


class MissingUsed(UndefinedError):
    """A missing value was needed."""

    def __init__(self, missing: Undefined) -> None:
        super().__init__(sentence(missing))
        self.missing = missing


def sentence(missing: Undefined) -> str:
    """What is missing, for people."""
    if isinstance(missing, Missing) and missing.error is not None:
        return missing.error.message
    about, name, hint = missing._undefined_obj, missing._undefined_name, missing._undefined_hint  # noqa: SLF001
    if hint is None and about is not NO_OBJECT and name is not None:
        return f"a {type_name(about)} has no {name!r}"
    return str(missing._undefined_message)  # noqa: SLF001 - Jinja has no public names for these


def _use(self: Missing, *_args: Any, **_kwargs: Any) -> Any:
    raise MissingUsed(self)


_USES = (
    *("add", "bool", "call", "complex", "contains", "eq", "float", "floordiv", "format", "ge", "gt", "hash", "int"),
    *("iter", "le", "len", "lt", "mod", "mul", "ne", "neg", "pos", "pow", "radd", "repr", "rfloordiv", "rmod", "rmul"),
    *("rpow", "rsub", "rtruediv", "setitem", "str", "sub", "truediv"),
)

for _name in _USES:
    setattr(Missing, f"__{_name}__", _use)
