"""Names of types as people who write playbooks know them."""

from __future__ import annotations

from typing import Any

_SHOWN = {
    "LazyMap": "dict",
    "LazySeq": "list",
    "Opened": "str",
    "Missing": "UndefinedMarker",
    "Failed": "CapturedExceptionMarker",
}


def type_name(value: Any) -> str:
    """The name of a value's type: `dict` and `list` for what is rendered when it is looked at."""
    name = type(value).__name__
    return _SHOWN.get(name, name)
