"""The modules by their full names, and the one way to run them for both runners.

pydantic and the modules are imported when the first task needs them: it costs about half a second.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hvbackup.errors import HvBackupError, PlaybookError
from hvbackup.events import Event, Note
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply

if TYPE_CHECKING:
    from hvbackup.playbook.modules.definition import Module

COLLECTION = "hvbackup.hyperv"
#: Group for `module_defaults`: `group/hvbackup.hyperv.hyperv`.
ACTION_GROUP = f"{COLLECTION}.hyperv"
#: The modules' names without that of the collection; each is a Python module of this package.
NAMES = (
    "backup_point_info",
    "cleanup",
    "host_info",
    "repository",
    "vhd_mount",
    "vm_backup",
    "vm_info",
    "vm_rebuild",
    "vm_restore",
    "writer_info",
)
FULL_NAMES = tuple(f"{COLLECTION}.{name}" for name in NAMES)
#: Modules that never connect to the host of the task; known without importing pydantic.
WITHOUT_HOST = frozenset({f"{COLLECTION}.backup_point_info", f"{COLLECTION}.repository"})


def needs_host(fqcn: str) -> bool:
    """Whether a module connects to the host; those that do not run anywhere, also on localhost."""
    return fqcn not in WITHOUT_HOST


def load_module(fqcn: str) -> Module:
    """Return the description of a module.

    Raises:
        PlaybookError: There is none of this name.
    """
    if fqcn not in FULL_NAMES:
        import difflib

        near = difflib.get_close_matches(fqcn, FULL_NAMES, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(FULL_NAMES)}."
        raise PlaybookError(f"there is no module {fqcn!r}", hint=hint)
    home = importlib.import_module(f"hvbackup.playbook.modules.{fqcn.rpartition('.')[2]}")
    module: Module = home.MODULE
    return module


def run_module(fqcn: str, arguments: Mapping[str, Any], context: ModuleContext) -> ModuleReply:
    """Run a module for one host. An error that was to be expected, and a bug too, is a reply; nothing is raised.

    Args:
        fqcn: `hvbackup.hyperv.NAME`.
        arguments: As they come out of the templates: types are read as loosely as Ansible reads them.

    Raises:
        PlaybookError: There is no such module.
    """
    from hvbackup.playbook.modules.arguments import read_arguments, secrets_of
    from hvbackup.playbook.modules.replies import bug_reply, error_reply, reply

    module = load_module(fqcn)
    warnings: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Note) and event.level == "warning" and event.text not in warnings:
            warnings.append(event.text)
        context.events(event)

    heard = context._replace(events=listen)
    try:
        read = read_arguments(module.arguments, arguments)
        for secret in secrets_of(read):
            context.learn_secret(secret)
        return reply(module, module.run(read, heard), context, warnings)
    except HvBackupError as error:
        return error_reply(module, error, warnings)
    except Exception as error:  # noqa: BLE001 - a task must end with a result, and a traceback could show a secret
        return bug_reply(error)
