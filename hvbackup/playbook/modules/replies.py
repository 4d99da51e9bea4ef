"""From what a module did, or the error that stopped it, to the result that both runners show."""

from __future__ import annotations

import re
from typing import Any

from hvbackup.errors import (
    AuthenticationRefused,
    CertificateNotTrusted,
    HostUnreachable,
    HvBackupError,
)
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply
from hvbackup.playbook.modules.definition import Module, Ran

#: The host cannot be worked with at all: what Ansible calls unreachable.
_UNREACHABLE = (HostUnreachable, CertificateNotTrusted, AuthenticationRefused)
#: Flags of the command line whose argument has another name.
_FLAGS = {"as": "name", "shadow-set": "shadow_set", "disconnect": "connect_network"}


def reply(module: Module, ran: Ran, context: ModuleContext, warnings: list[str]) -> ModuleReply:
    """Return what a module did as a result."""
    result: dict[str, Any] = {"changed": ran.changed, **ran.results.model_dump(mode="json")}
    for each in result.get("vms") or ():
        if "hint" in each:
            each["hint"] = in_playbook_words(module, each["hint"])
    if warnings:
        result["warnings"] = [in_playbook_words(module, text) for text in warnings]
    if context.diff and (ran.before or ran.after):
        result["diff"] = {"before": ran.before, "after": ran.after}
    exit_code = 0
    if ran.failure is not None:
        exit_code = ran.failure.exit_code
        result |= {"failed": True, "msg": ran.failure.message, "hint": in_playbook_words(module, ran.failure.hint)}
        if ran.failure.error_type is not None:
            result["error_type"] = ran.failure.error_type
    return ModuleReply(result=result, outcomes=ran.outcomes, exit_code=exit_code)


def error_reply(module: Module, error: HvBackupError, warnings: list[str]) -> ModuleReply:
    """Return an error as a result: unreachable when the host cannot be worked with at all, else failed."""
    how = "unreachable" if isinstance(error, _UNREACHABLE) else "failed"
    result: dict[str, Any] = {
        "changed": False,
        how: True,
        "msg": str(error),
        "hint": in_playbook_words(module, error.hint),
        "error_type": type(error).__name__,
    }
    if warnings:
        result["warnings"] = warnings
    return ModuleReply(result=result, exit_code=error.exit_code)


def bug_reply(error: Exception) -> ModuleReply:
    """Return what nobody expected as a failure, without a traceback and without texts that could hold a secret."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" ({where.tb_frame.f_code.co_name}, line {where.tb_lineno})" if where is not None else ""
    result = {
        "changed": False,
        "failed": True,
        "msg": f"{type(error).__name__}{place}",
        "hint": "This is a bug of hvbackup; please report it.",
        "error_type": type(error).__name__,
    }
    return ModuleReply(result=result, exit_code=1)


def in_playbook_words(module: Module, hint: str | None) -> str | None:
    """Return a hint with the module's arguments where it speaks of the command line's flags."""
    if hint is None:
        return None

    def argument(found: re.Match[str]) -> str:
        name = _FLAGS.get(found[1], found[1].replace("-", "_"))
        field = module.arguments.model_fields.get(name)
        if field is None:
            return found[0]
        return f"{name}: true" if field.annotation is bool else name

    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", argument, hint)
