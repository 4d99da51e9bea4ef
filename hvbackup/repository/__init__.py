"""What is remembered: restore points and their blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvbackup.repository.repository import Repository as Repository

__all__ = ["Repository"]


def __getattr__(name: str) -> Any:
    # Lazy: the engine brings obstore, zstandard and cryptography, which `hvbackup --help` has no use for.
    if name == "Repository":
        from hvbackup.repository.repository import Repository

        return Repository
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
