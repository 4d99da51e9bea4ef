"""From a task's rendered arguments and a host's variables to one of hvbackup's modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hvbackup.errors import HvBackupError, PlaybookError
from hvbackup.events import Cancellation, EventSink
from hvbackup.playbook.module_table import ModuleTable
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply
from hvbackup.playbook.redaction import SecretText
from hvbackup.playbook.templates import OMIT, Templar
from hvbackup.remote.options import ConnectionOptions
from hvbackup.secrets import Secret

_CONNECTION_NAMES = frozenset(
    {"ansible_connection", "ansible_host", "ansible_port", "ansible_user", "ansible_password"}
)
_CONNECTION_PREFIXES = ("ansible_psrp_", "ansible_winrm_")


@dataclass(frozen=True, kw_only=True)
class ModuleRun:
    """One call of a module for one host."""

    fqcn: str
    arguments: Mapping[str, Any]
    variables: Mapping[str, Any]
    host: str
    check: bool
    diff: bool
    events: EventSink
    cancel: Cancellation


RunModule: TypeAlias = Callable[[ModuleRun], ModuleReply]


def module_runner(modules: ModuleTable, templar: Templar, learn_secret: Callable[[str | Secret], None]) -> RunModule:
    """Return what runs modules of `modules`, with the connection that the host's variables describe.

    Args:
        learn_secret: Told of passwords and passphrases, vaulted or not, before anything can show them.
    """

    def run(call: ModuleRun) -> ModuleReply:
        connection = ConnectionOptions(transport="local")
        if modules.needs_host(call.fqcn):
            try:
                connection = connection_of(call.host, call.variables, templar)
            except PlaybookError:
                raise
            except HvBackupError as error:
                result = {"failed": True, "changed": False, "msg": error.message, "hint": error.hint}
                return ModuleReply(result=result, exit_code=error.exit_code)
            if connection.password is not None:
                learn_secret(connection.password)
        context = ModuleContext(
            connection=connection,
            inventory_hostname=call.host,
            check=call.check,
            diff=call.diff,
            events=call.events,
            cancel=call.cancel,
            learn_secret=learn_secret,
        )
        return modules.run(call.fqcn, call.arguments, context)

    return run


def connection_of(host: str, variables: Mapping[str, Any], templar: Templar) -> ConnectionOptions:
    """How a host is reached, by its variables.

    Raises:
        PlaybookError: A variable cannot be rendered.
        InvalidRequest: They describe no connection.
    """
    from hvbackup.playbook.modules.connections import connection_from_variables

    rendered: dict[str, Any] = {}
    for name in variables:
        if name in _CONNECTION_NAMES or name.startswith(_CONNECTION_PREFIXES):
            value = templar.render(variables[name], variables)
            if value is not OMIT:
                rendered[name] = value.secret() if isinstance(value, SecretText) else value
    return connection_from_variables(rendered, host)
