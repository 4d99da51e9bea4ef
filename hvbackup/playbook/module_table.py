"""Where the runner finds the modules of hvbackup; tests put their own in this place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply


class ModuleTable(Protocol):
    """The modules that a playbook may use, besides the built-in ones of Ansible."""

    @property
    def names(self) -> Collection[str]:
        """Their full names."""

    @property
    def group(self) -> str:
        """The action group for `module_defaults` that all of them are in."""

    def argument_names(self, fqcn: str) -> Collection[str]:
        """The arguments that a module takes."""

    def argument_problem(self, fqcn: str, name: str, value: Any) -> str | None:
        """What is wrong with the value of one argument, known before anything runs; None when nothing is."""

    def needs_host(self, fqcn: str) -> bool:
        """Whether a module connects to the host of its task."""

    def writes(self, fqcn: str) -> bool:
        """Whether a module changes anything; a failure of one that does not is no failed backup."""

    def run(self, fqcn: str, arguments: Mapping[str, Any], context: ModuleContext) -> ModuleReply:
        """Run a module for one host; what was to be expected is a reply, never an exception."""
