"""What describes a module, and what its `run` gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext, VmOutcome


class Failure(NamedTuple):
    """Why a task failed although the module came to an end, so that its results are kept."""

    message: str
    exit_code: int
    hint: str | None = None
    error_type: str | None = None


class Ran(NamedTuple):
    """What `run` of a module gives back.

    Attributes:
        changed: Whether something changed, or in check mode would change.
        before, after: What `--diff` shows, a line for each thing; both empty when there is nothing to show.
    """

    results: Results
    changed: bool = False
    outcomes: tuple[VmOutcome, ...] = ()
    failure: Failure | None = None
    before: str = ""
    after: str = ""


class Module(NamedTuple):
    """A module.

    Attributes:
        name: Without the name of the collection.
        summary: One line.
        description: Paragraphs with an empty line between them, in Ansible's semantic markup.
        examples: YAML text, for the documentation.
        needs_host: False for modules that only work with a repository: they run on any host of the inventory, also on
            localhost, and never connect to it.
        writes: False for modules that never change anything.
    """

    name: str
    summary: str
    description: str
    arguments: type[Arguments]
    results: type[Results]
    run: Callable[[Any, ModuleContext], Ran]
    examples: str
    needs_host: bool = True
    writes: bool = True
