"""The modules of hvbackup as the runner takes them; pydantic is loaded when a playbook uses one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hvbackup.playbook.modules import registry
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply
from hvbackup.playbook.modules.kept_hosts import KeptHosts
from hvbackup.playbook.nodes import EncryptedText


class HypervModules:
    """`hvbackup.hyperv.*`. Close it after the run: until then connections stay open from one task to the next."""

    names: Collection[str] = registry.FULL_NAMES
    group = registry.ACTION_GROUP

    def __init__(self) -> None:
        self._kept = KeptHosts()

    def argument_names(self, fqcn: str) -> Collection[str]:
        """The arguments that a module takes."""
        return tuple(registry.load_module(fqcn).arguments.model_fields)

    def argument_problem(self, fqcn: str, name: str, value: Any) -> str | None:
        """What is wrong with a value; what depends on several arguments is found when the task runs."""
        from typing import Annotated

        from pydantic import TypeAdapter, ValidationError

        from hvbackup.playbook.modules.coercion import NotOfType, coerced, plain

        if value is None or isinstance(value, EncryptedText):
            return None
        field = registry.load_module(fqcn).arguments.model_fields[name]
        kind: Any = field.annotation
        if field.metadata:
            kind = Annotated.__class_getitem__((kind, *field.metadata))  # type: ignore[attr-defined]
        try:
            TypeAdapter(kind).validate_python(coerced(field.annotation, plain(value)))
        except NotOfType as error:
            return str(error)
        except ValidationError as error:
            return str(error.errors(include_url=False, include_input=False, include_context=False)[0]["msg"])
        return None

    def needs_host(self, fqcn: str) -> bool:
        """Whether a module connects to the host of its task."""
        return registry.needs_host(fqcn)

    def writes(self, fqcn: str) -> bool:
        """Whether a module changes anything; known by its name, without loading it."""
        return not fqcn.endswith("_info")

    def run(self, fqcn: str, arguments: Mapping[str, Any], context: ModuleContext) -> ModuleReply:
        """Run a module for one host."""
        return registry.run_module(fqcn, arguments, context._replace(kept=self._kept))

    def close(self) -> None:
        """Close the connections to hosts."""
        self._kept.close()
