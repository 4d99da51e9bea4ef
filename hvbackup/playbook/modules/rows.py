"""Models as results have them: plain data with the names of the fields, as they are written in Python and in YAML."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


def row(value: Any) -> Any:
    """Return a model, and whatever is in it, as JSON-ready builtins with snake_case keys."""
    if isinstance(value, msgspec.Struct):
        return {name: row(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [row(each) for each in value]
    if isinstance(value, dict):
        return {str(key): row(each) for key, each in value.items()}
    return value
