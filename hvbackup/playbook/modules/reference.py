"""The page of the documentation that tells all modules, for people without `ansible-doc`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hvbackup.playbook.modules.coercion import choices_of, type_name, without_none
from hvbackup.playbook.modules.connections import IGNORED, TAKEN
from hvbackup.playbook.modules.definition import Module
from hvbackup.playbook.modules.documentation import described, paragraphs, plain_text

_TOP = """\
# The modules of playbooks

What `hvbackup.hyperv.*` takes and returns, under `hvbackup play` and under `ansible-playbook` alike. This page is
written by `scripts/build-collection` out of the models that check the arguments.

**Values** are read as loosely as Ansible reads them: a single text where a list belongs is a list of one, `a,b` a list
of two, `yes` is true, `"3"` is 3. Quote names of VMs that look like numbers: `"2024"`. Unknown arguments are errors,
and all mistakes of a task are told at once.

**Results** have `changed` besides what is told here. A task that failed has `msg`, `hint` (what to do) and
`error_type`, and keeps the results of the VMs that did not fail. A host that cannot be reached, that is not trusted, or
that refuses the account is `unreachable`. With `--diff` there is `diff`. What is unsafe about a connection is in
`warnings`.

**Check mode** (`--check`) returns the real plan and touches nothing.

**Secrets**: give `passphrase` as a vaulted value, or `passphrase_from` as a reference. They are in no result, message
or file.
"""

_CONNECTIONS = """\
## Connections

A host is reached by the variables that Ansible has for it: `ansible_connection` is `psrp` or `winrm`, and hvbackup
speaks PowerShell remoting by itself in both cases. Unknown variables `ansible_psrp_*` and `ansible_winrm_*` are errors.

What is not as in Ansible, on purpose:

- `winrm` without `ansible_winrm_transport` logs on by negotiate, or by Kerberos for `NAME@DOMAIN`. Ansible takes basic,
  which hands the password to the host. `ansible_winrm_transport: ssl` is basic over TLS, as in Ansible.
- Of several transports the first is taken; nothing is tried in turn, so that nobody is downgraded.
- Over HTTP all messages are sealed. Basic over HTTP, and message encryption `never` over HTTP, are refused.
- `ignore` as certificate validation is honoured, and warned of in every result. Better name the authority:
  `ansible_psrp_ca_cert`.
- `ansible_connection` must be written: Ansible's default is ssh.
"""


def reference_page(modules: Iterable[Module]) -> str:
    """Return the page, in Markdown."""
    known = list(modules)
    rows = [f"| [{module.name}](#{module.name}) | {module.summary} |" for module in known]
    table = "| | |\n|---|---|\n" + "\n".join([*rows, "| [Connections](#connections) | How a host is reached |\n"])
    parts = [_TOP, table, *(_section(module) for module in known), _connections()]
    return "\n".join(parts)


def _connections() -> str:
    taken = "\n".join(f"| {option} | {', '.join(f'`{name}`' for name in names)} |" for option, names in TAKEN.items())
    ignored = "\n".join(f"| `{name}` | {reason} |" for name, reason in sorted(IGNORED.items()))
    return f"{_CONNECTIONS}\n| what | variables |\n|---|---|\n{taken}\n\n| ignored | because |\n|---|---|\n{ignored}\n"


def _section(module: Module) -> str:
    text = "\n\n".join(plain_text(each) for each in paragraphs(module.description))
    arguments = "\n".join(_argument(name, field) for name, field in module.arguments.model_fields.items())
    table = f"| argument | | |\n|---|---|---|\n{arguments}\n\n" if arguments else "No arguments.\n\n"
    results = "\n".join(_results(module.results))
    return (
        f"## {module.name}\n\n{text}\n\n{table}"
        f"| result | |\n|---|---|\n{results}\n\n```yaml\n{module.examples.rstrip()}\n```\n"
    )


def _argument(name: str, field: FieldInfo) -> str:
    choices = choices_of(field.annotation)
    kind = ", ".join(f"`{each}`" for each in choices) if choices else type_name(field.annotation)
    if field.is_required():
        kind += ", **required**"
    elif field.default not in (None, []):
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        kind += f"; default `{default}`"
    return f"| `{name}` | {kind} | {_cell(described(field))} |"


def _results(model: type[BaseModel], prefix: str = "") -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        inner = without_none(field.annotation)
        element = get_args(inner)[0] if get_origin(inner) is list else inner
        shown = f"{prefix}{name}{'[]' if get_origin(inner) is list else ''}"
        rows.append(f"| `{shown}` | {_cell(field.description or '')} |")
        if _is_model(element):
            rows += _results(element, f"{shown}.")
    return rows


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _cell(text: str) -> str:
    return plain_text(text).replace("|", "\\|")
