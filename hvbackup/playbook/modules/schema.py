"""JSON Schema of whole playbooks, so that editors complete and check them while they are written.

    # yaml-language-server: $schema=hvbackup-playbook.schema.json

as the first line of a playbook makes VS Code (with its YAML extension) and other editors use it. Draft 7, which the
language server knows best. A value that is a template, `{{ ... }}`, is allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.fields import FieldInfo

from hvbackup.playbook.builtins import ARGUMENTS
from hvbackup.playbook.grammar import BLOCK_WORDS, HANDLER_WORDS, LOOP_WORDS, PLAY_WORDS, TASK_WORDS
from hvbackup.playbook.modules.coercion import choices_of, limits_of, type_name
from hvbackup.playbook.modules.definition import Module
from hvbackup.playbook.modules.documentation import paragraphs, plain_text
from hvbackup.playbook.modules.registry import ACTION_GROUP, FULL_NAMES, load_module

_TEMPLATE: dict[str, Any] = {"type": "string", "pattern": r"\{[{%]"}
_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}
#: `yes` and its like are text to an editor, which reads YAML 1.2, and true to Ansible and hvbackup.
_FLAG_WORD: dict[str, Any] = {
    "type": "string",
    "pattern": "^([Yy]|[Yy]es|YES|[Oo]n|ON|[Tt]rue|[Nn]|[Nn]o|NO|[Oo]ff|OFF|[Ff]alse|0|1)$",
}
_FLAG: dict[str, Any] = {"anyOf": [{"type": "boolean"}, _FLAG_WORD, _TEMPLATE]}
_NAMES = {"anyOf": [{"type": "array", "items": _TEXT}, _TEXT]}
_CONDITION: dict[str, Any] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "not": {"pattern": r"\{\{"}},
        {"type": "array", "items": {"type": ["string", "boolean"]}},
    ]
}
_VARIABLES = {"type": "object", "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}}

#: What a word is for, and what it takes. A name of a definition stands for `$ref`.
_WORD_SCHEMAS: dict[str, tuple[str, Any]] = {
    "name": ("What it is called in the output.", _TEXT),
    "hosts": ("Hosts or groups of the inventory: `all`, `hyperv:!lab`, `hv[01:20]`.", _NAMES),
    "gather_facts": ("Must be false: hvbackup gathers no facts, and Ansible's default is true.", {"enum": [False]}),
    "vars": ("Variables.", _VARIABLES),
    "vars_files": ("Files with variables, which may be vaulted.", _NAMES),
    "pre_tasks": ("Tasks that run before `tasks`.", "tasks"),
    "tasks": ("What is done on each host.", "tasks"),
    "post_tasks": ("Tasks that run after `tasks`.", "tasks"),
    "handlers": ("Tasks that run once, at the end, when a changed task notifies them.", "handlers"),
    "serial": (
        "How many hosts at a time: a number, a share such as `30%`, or a list of them.",
        {"type": ["integer", "string", "array"]},
    ),
    "order": (
        "Order of the hosts.",
        {"enum": ["inventory", "sorted", "reverse_sorted", "reverse_inventory", "shuffle"]},
    ),
    "strategy": ("Only `linear`.", {"type": "string"}),
    "max_fail_percentage": ("End the play when more of a batch has failed.", {"type": ["number", "string"]}),
    "force_handlers": ("Run notified handlers of hosts that failed, too.", _FLAG),
    "any_errors_fatal": ("End the play for all hosts when one fails.", _FLAG),
    "check_mode": ("Change nothing, only say what would change; false: even with --check.", _FLAG),
    "diff": ("Show what changes.", _FLAG),
    "ignore_errors": ("Go on after a failure. It makes no backup of a failed one.", _FLAG),
    "ignore_unreachable": ("Go on with a host that was unreachable.", _FLAG),
    "no_log": ("Hide arguments and results.", _FLAG),
    "run_once": ("Run on the first host only, for all of them.", _FLAG),
    "throttle": ("At most this many hosts at a time.", {"type": ["integer", "string"]}),
    "tags": ("Chosen by --tags and --skip-tags; `always` and `never` are special.", _NAMES),
    "module_defaults": (f"Arguments for all tasks of a module, or of `group/{ACTION_GROUP}`.", "module_defaults"),
    "args": ("Further arguments of the module.", {"type": "object"}),
    "when": ("Only if this expression is true, without braces.", _CONDITION),
    "loop": ("Repeat for each item.", {"anyOf": [{"type": "array"}, _TEMPLATE]}),
    "loop_control": ("How the loop is shown and named.", "loop_control"),
    "register": ("Variable that keeps the result.", {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}),
    "failed_when": ("Failed if this expression is true.", _CONDITION),
    "changed_when": ("Changed if this expression is true.", _CONDITION),
    "until": ("Try again until this expression is true.", _CONDITION),
    "retries": ("How often.", {"type": ["integer", "string"]}),
    "delay": ("Seconds between two tries.", {"type": ["number", "string"]}),
    "notify": ("Handlers to run when this has changed something.", _NAMES),
    "listen": ("Other names by which the handler is notified.", _NAMES),
    "block": ("Tasks that belong together.", "tasks"),
    "rescue": ("Tasks that run when one of the block failed. A failed backup stays one in the exit code.", "tasks"),
    "always": ("Tasks that run in any case.", "tasks"),
}  # fmt: skip


def playbook_schema() -> dict[str, Any]:
    """Return the schema of a playbook."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "hvbackup playbook",
        "description": "A playbook for `hvbackup play` and for `ansible-playbook`.",
        "type": "array",
        "items": {"$ref": "#/definitions/play"},
        "definitions": {
            "play": _object("A play: tasks for hosts.", PLAY_WORDS, required=["hosts", "gather_facts"]),
            "tasks": {"type": ["array", "null"], "items": {"$ref": "#/definitions/step"}},
            "handlers": {"type": ["array", "null"], "items": {"$ref": "#/definitions/handler"}},
            "step": {
                "if": {"anyOf": [{"required": [word]} for word in ("block", "rescue", "always")]},
                "then": {"$ref": "#/definitions/block"},
                "else": {"$ref": "#/definitions/task"},
            },
            "block": _object("Tasks that belong together.", BLOCK_WORDS, required=["block"]),
            "task": _task("A task: one module.", TASK_WORDS),
            "handler": _task("A task that others notify.", HANDLER_WORDS),
            "loop_control": {
                "type": "object",
                "properties": {word: {} for word in sorted(LOOP_WORDS)},
                "additionalProperties": False,
            },
            "module_defaults": _defaults(),
            **{name: _arguments(load_module(name)) for name in FULL_NAMES},
            **{name: _builtin(names) for name, names in ARGUMENTS.items()},
        },
    }


def _object(description: str, words: Iterable[str], *, required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {word: _word(word) for word in sorted(words)},
        "required": required,
        "additionalProperties": False,
    }


def _word(word: str) -> dict[str, Any]:
    description, schema = _WORD_SCHEMAS[word]
    if isinstance(schema, str):
        return {"description": description, "allOf": [{"$ref": f"#/definitions/{schema}"}]}
    return {"description": description, **schema}


def _task(description: str, words: Iterable[str]) -> dict[str, Any]:
    modules = [*FULL_NAMES, *ARGUMENTS, *(name.rpartition(".")[2] for name in ARGUMENTS)]
    schema = _object(description, words, required=[])
    del schema["required"]
    for name in modules:
        full = name if "." in name else f"ansible.builtin.{name}"
        schema["properties"][name] = {"$ref": f"#/definitions/{full}"}
    schema["oneOf"] = [{"required": [name]} for name in modules]
    return schema


def _defaults() -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"$ref": f"#/definitions/{name}/definitions/some"} for name in FULL_NAMES}
    every = {key: value for name in FULL_NAMES for key, value in _properties(load_module(name)).items()}
    group = {"type": "object", "properties": every, "additionalProperties": False}
    properties |= {f"group/{ACTION_GROUP}": group}
    return {"type": "object", "properties": properties}


def _arguments(module: Module) -> dict[str, Any]:
    """Return the schema of a module's arguments; `definitions/some` is the mapping of them."""
    some = {"type": "object", "properties": _properties(module), "additionalProperties": False}
    text = "\n\n".join([f"{module.summary}.", *paragraphs(module.description)])
    # Nothing is required here: it may come from module_defaults or `args`.
    values = [some, {"type": "null"}, _TEMPLATE]
    return {"description": plain_text(text), "anyOf": values, "definitions": {"some": some}}


def _properties(module: Module) -> dict[str, Any]:
    return {name: _argument(field) for name, field in module.arguments.model_fields.items()}


def _argument(field: FieldInfo) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": plain_text(field.description or "")}
    if not field.is_required() and field.default is not None:
        schema["default"] = field.default
    return {**schema, "anyOf": [*_values(field), _TEMPLATE, {"type": "null"}]}


def _values(field: FieldInfo) -> list[dict[str, Any]]:
    """Return what an argument takes, with the loose types of Ansible."""
    choices = choices_of(field.annotation)
    if choices is not None:
        return [{"enum": choices}]
    names = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum"}
    limits = {names[name]: value for name, value in limits_of(field.metadata).items()}
    loose: dict[str, list[dict[str, Any]]] = {
        "bool": [{"type": "boolean"}, _FLAG_WORD, {"enum": [0, 1]}],
        "int": [{"type": "integer", **limits}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}],
        "float": [{"type": "number", **limits}, {"type": "string", "pattern": r"^\s*[0-9.]+\s*$"}],
        "list": [{"type": "array", "items": _TEXT}, _TEXT],
        "str": [_TEXT],
    }
    return loose[type_name(field.annotation)]


def _builtin(names: frozenset[str] | None) -> dict[str, Any]:
    if names is None:
        return {"anyOf": [{**_VARIABLES}, _TEMPLATE]}
    if not names:  # meta: one word
        return {"type": "string"}
    return {
        "type": ["object", "null"],
        "properties": {name: {} for name in sorted(names)},
        "additionalProperties": False,
    }


def schema_line(file: str) -> str:
    """Return the comment that ties a playbook to the file of the schema."""
    return f"# yaml-language-server: $schema={file}"
