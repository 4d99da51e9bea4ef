"""The modules' documentation as Ansible has it, out of their models: argument specification, options, return values.

The collection's modules are these texts and nothing else; `ansible-doc` shows them.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from hvbackup.playbook.modules.coercion import choices_of, limits_of, type_name, without_none
from hvbackup.playbook.modules.definition import Module
from hvbackup.playbook.modules.registry import COLLECTION

_FAILURE = {
    "hint": {"description": ["What to do about the failure."], "returned": "failure", "type": "str"},
    "error_type": {
        "description": ["Class of the error, as in the library C(hvbackup.errors)."],
        "returned": "failure",
        "type": "str",
    },
}


def argument_spec(module: Module) -> dict[str, dict[str, Any]]:
    """Return the arguments as Ansible's `argument_spec`."""
    return {name: _option(field) for name, field in module.arguments.model_fields.items()}


def documentation(module: Module, version: str) -> str:
    """Return the text of `DOCUMENTATION`; `version` is that of the collection in which the module came."""
    options = {
        name: {"description": [described(field)], **_option(field)}
        for name, field in module.arguments.model_fields.items()
    }
    for option in options.values():
        option.pop("no_log", None)  # the documentation has no such word
    content: dict[str, Any] = {
        "module": module.name,
        "short_description": module.summary,
        "description": paragraphs(module.description),
        "version_added": version,
        "author": ["The hvbackup contributors (@hvbackup)"],
        "options": options,
        "attributes": _attributes(module),
        "requirements": [f"hvbackup {'.'.join(version.split('.')[:2])} or later, on the control node"],
        "notes": _notes(module),
        "seealso": [{"module": f"{COLLECTION}.{name}"} for name in _neighbours(module)],
    }
    if not options:
        del content["options"]
    return dumped(content)


def return_documentation(module: Module) -> str:
    """Return the text of `RETURN`."""
    return dumped({**_returned(module.results), **_FAILURE})


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, each in one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def described(field: FieldInfo) -> str:
    """Return what an argument is for, with its limits."""
    limits = limits_of(field.metadata)
    words = {"ge": "At least {:g}.", "gt": "More than {:g}.", "le": "At most {:g}."}
    return " ".join([field.description or "", *(words[name].format(value) for name, value in limits.items())])


def plain_text(markup: str) -> str:
    """Return a text without Ansible's semantic markup, for editors."""
    return re.sub(r"\b(?:RV|[CVOME])\(((?:[^()\\]|\\.)*)\)", r"`\1`", markup).replace("\\)", ")")


def dumped(content: Any) -> str:
    """Return YAML as people write it."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return text


def _option(field: FieldInfo) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": type_name(field.annotation)}
    if spec["type"] == "list":
        spec["elements"] = "str"
    choices = choices_of(field.annotation)
    if choices is not None:
        spec["choices"] = choices
    if field.is_required():
        spec["required"] = True
    elif field.default is not None:
        spec["default"] = field.default
    if without_none(field.annotation) is SecretStr:
        spec["no_log"] = True
    return spec


def _attributes(module: Module) -> dict[str, Any]:
    writes = "full" if module.writes else "none"
    return {
        "check_mode": {
            "description": ["Can run in C(check_mode), changes nothing then, and returns the plan."],
            "support": "full",
        },
        "diff_mode": {"description": ["Returns what has changed, or in check mode would change."], "support": writes},
        "async": {"description": ["Can run with C(async)."], "support": "none"},
    }


def _notes(module: Module) -> list[str]:
    notes = ["The module runs on the control node, in the process of the play; no secret is written to any file."]
    if module.needs_host:
        notes.append(
            "The host is reached by the variables of its psrp or winrm connection. Do not delegate the task to "
            "localhost: that would be the connection of localhost."
        )
    else:
        notes.append("The host of the task is not connected to. For one repository, run it once: C(run_once=true).")
    return notes


def _neighbours(module: Module) -> list[str]:
    groups = (
        ("host_info", "writer_info", "vm_info", "vm_backup"),
        ("vm_backup", "backup_point_info", "vm_restore", "vm_rebuild", "vhd_mount"),
        ("vm_backup", "repository", "cleanup"),
    )
    near = dict.fromkeys(name for group in groups if module.name in group for name in group)
    return [name for name in near if name != module.name]


def _returned(model: type[BaseModel]) -> dict[str, Any]:
    found = {}
    for name, field in model.model_fields.items():
        inner = without_none(field.annotation)
        told: dict[str, Any] = {"description": [field.description or ""], "returned": "success", "type": "str"}
        element = get_args(inner)[0] if get_origin(inner) is list else None
        if element is not None:
            told |= {"type": "list", "elements": _kind(element)}
        else:
            told["type"] = _kind(inner)
        nested = element or inner
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            told["contains"] = {key: _without_returned(each) for key, each in _returned(nested).items()}
        found[name] = told
    return found


def _kind(kind: Any) -> str:
    if get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return "dict"
    return type_name(kind)


def _without_returned(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "returned"}
