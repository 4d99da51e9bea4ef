"""What one run of a playbook is asked to do, besides the playbook itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Choices of the command line.

    Attributes:
        forks: Hosts that are worked on at the same time.
        tags, skip_tags: Which tasks run; without `tags` all but those tagged `never`.
        start_at_task: Name, or pattern of names, of the first task that runs.
        extra_variables: Stronger than all others.
        ask: Asks a person for a line, for `pause`; None where nobody is there.
        step: Asked before each task, with its name; `y` runs it, `c` all that follow. None: nobody is asked.
    """

    limit: str | None = None
    forks: int = 5
    check: bool = False
    diff: bool = False
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    start_at_task: str | None = None
    extra_variables: Mapping[str, Any] = field(default_factory=dict)
    inventory_sources: tuple[str, ...] = ()
    verbosity: int = 0
    ask: Callable[[str, bool], str] | None = None
    step: Callable[[str], str] | None = None
