"""The words of a playbook: those that are understood, and why others are not. Nothing is ever ignored."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Collection

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Map, Place, Text, place_of, place_text

#: Keywords that tasks inherit from blocks and blocks from plays; the nearest one counts.
SETTINGS = (
    "any_errors_fatal", "check_mode", "diff", "ignore_errors", "ignore_unreachable", "no_log", "run_once", "throttle",
)  # fmt: skip
_SHARED = frozenset({"name", "vars", "tags", "module_defaults", *SETTINGS})
PLAY_WORDS = _SHARED | {
    "hosts", "gather_facts", "vars_files", "pre_tasks", "tasks", "post_tasks", "handlers", "serial", "order",
    "max_fail_percentage", "force_handlers", "strategy",
}  # fmt: skip
BLOCK_WORDS = _SHARED | {"block", "rescue", "always", "when", "notify"}
TASK_WORDS = _SHARED | {
    "args", "when", "loop", "loop_control", "register", "failed_when", "changed_when", "until", "retries", "delay",
    "notify",
}  # fmt: skip
HANDLER_WORDS = TASK_WORDS | {"listen"}
LOOP_WORDS = frozenset({"loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"})

_CONNECTION = "Say it in the inventory: {0}."
_BECOME = "hvbackup needs an administrator's account, and asks for no other: ansible_user in the inventory."
_INCLUDE = "Write the tasks into this file; a list that is used often can be a YAML anchor."
_FACTS = "hvbackup gathers no facts; hvbackup.hyperv.host_info returns what a host is."
#: Words of Ansible that are left out, and what to do instead.
_INSTEAD = {
    "action": "Write the module's name as the key: `hvbackup.hyperv.vm_info:`.",
    "local_action": "Tasks run on this machine already; the host is reached through its variables.",
    "delegate_to": "Every task talks to its own host; use a play of its own for another one.",
    "delegate_facts": "Every task talks to its own host.",
    "roles": _INCLUDE,
    "import_playbook": "Run the playbooks one after the other.",
    "ansible.builtin.import_playbook": "Run the playbooks one after the other.",
    "include_tasks": _INCLUDE,
    "import_tasks": _INCLUDE,
    "include_role": _INCLUDE,
    "import_role": _INCLUDE,
    "include_vars": "Use vars_files of the play.",
    "vars_prompt": "Use -e NAME=VALUE, or a vaulted value.",
    "become": _BECOME,
    "become_user": _BECOME,
    "become_method": _BECOME,
    "become_flags": _BECOME,
    "become_exe": _BECOME,
    "connection": _CONNECTION.format("ansible_connection"),
    "remote_user": _CONNECTION.format("ansible_user"),
    "port": _CONNECTION.format("ansible_port"),
    "collections": "Write the full names of modules: hvbackup.hyperv.vm_backup.",
    "environment": "Nothing of hvbackup reads the environment of a host.",
    "async": "A backup runs until it ends; hosts run beside each other by --forks.",
    "poll": "A backup runs until it ends; hosts run beside each other by --forks.",
    "timeout": "Ctrl-C stops in order; time limits of calls are hvbackup's own.",
    "debugger": "Use -v, --check and --diff.",
    "gather_subset": _FACTS,
    "gather_timeout": _FACTS,
    "fact_path": _FACTS,
    "setup": _FACTS,
    "gather_facts": _FACTS,
}


def near(name: str, known: Collection[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that `name` was probably meant to be."""
    found = difflib.get_close_matches(name, sorted(known), 1, cutoff)
    return found[0] if found else None


def refuse(message: str, place: Place | None, hint: str | None = None) -> PlaybookError:
    """The error about something at `place`."""
    return PlaybookError(message, place=place_text(place), hint=hint)


def check_words(node: Map, allowed: Collection[str], kind: str) -> None:
    """Refuse the first key of `node` that is no word of a `kind`."""
    for key in node:
        if key not in allowed:
            raise unknown_word(key, node.place_of(key), allowed, kind)


def unknown_word(key: object, place: Place | None, allowed: Collection[str], kind: str) -> PlaybookError:
    """The error about a word that is not known, or known and left out on purpose."""
    if not isinstance(key, str):
        return refuse(f"a key of a {kind} is a word, not {key!r}", place, "Quote it, or write the word.")
    if reason := instead(key):
        return refuse(f"{key!r} is not part of what hvbackup plays", place, reason)
    guess = near(key, allowed)
    return refuse(
        f"{key!r} is no word of a {kind}",
        place,
        f"Did you mean {guess!r}?" if guess else f"A {kind} has {', '.join(sorted(allowed))}.",
    )


def instead(word: str) -> str | None:
    """What to write instead of a word of Ansible that is left out, or None for any other word."""
    if word.startswith("with_"):
        return f"Use `loop`; for `{word}` give it the list itself, or a template that makes it."
    return _INSTEAD.get(word) or _INSTEAD.get(word.removeprefix("ansible.builtin."))


_LITERALS = frozenset({"none", "true", "false"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def variable_name(name: object, place: Place | None) -> str:
    """Return the name of a variable; an error when it cannot be one."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in _LITERALS:
        raise refuse(
            f"{str(name)!r} cannot be the name of a variable",
            place_of(name) or place,
            "A name has letters, digits and _, does not begin with a digit, and is no word of Python.",
        )
    return str(name)


def is_template(value: object) -> bool:
    """Whether a value is text with a template in it."""
    return isinstance(value, Text) and any(mark in value for mark in ("{{", "{%", "{#"))


def holds_template(value: object) -> bool:
    """Whether a template is anywhere in a value."""
    if isinstance(value, dict):
        return any(holds_template(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_template(item) for item in value)
    return is_template(value)
