"""What all modules' arguments share: unknown ones refused, all mistakes told at once, secrets masked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from hvbackup.errors import ConfigurationError
from hvbackup.playbook.modules.coercion import NotOfType, coerced, plain, without_none


class Arguments(BaseModel):
    """Base of the arguments of a module."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Results(BaseModel):
    """Base of what a module returns, besides `changed`, `msg` and the like."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RepositoryArguments(Arguments):
    """Arguments of every module that works with a repository."""

    repository: str = Field(
        description="Folder or URL of the repository, as this machine (the control node) reaches it, such as "
        "C(/srv/hvbackup) or C(s3://bucket/prefix)."
    )
    passphrase: SecretStr | None = Field(
        default=None,
        description="Passphrase of the repository. Give it as a vaulted value, or use O(passphrase_from). "
        "Exactly one of the two is needed.",
    )
    passphrase_from: str | None = Field(
        default=None,
        description="Where the passphrase comes from on this machine: C(keyring:SERVICE/USER), C(file:PATH), "
        "C(env:NAME), or V(none) for a repository that is not encrypted.",
    )
    limit_rate: str | None = Field(
        default=None,
        description="Most bytes per second to and from the repository, such as V(500K), V(10M) or V(1.5G). "
        "No limit by default.",
    )


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


def read_arguments(model: type[ArgumentsT], given: Mapping[str, Any]) -> ArgumentsT:
    """Return the arguments, with Ansible's loose types, checked.

    Raises:
        ConfigurationError: Names every argument that is wrong, unknown or missing; never shows a secret.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in plain(given).items():
        field = model.model_fields.get(name)
        if field is None:
            problems[name] = _unknown(str(name), model)
        elif value is not None:  # None means the default, as in Ansible
            try:
                values[name] = coerced(field.annotation, revealed(value, field.annotation))
            except NotOfType as error:
                problems[name] = str(error)
    try:
        read = model.model_validate(values)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            name = ".".join(str(part) for part in each["loc"][:1]) or "arguments"
            problems.setdefault(name, _sentence(each["type"], each["msg"]))
    else:
        if not problems:
            return read
    raise ConfigurationError("; ".join(f"{name}: {text}" for name, text in problems.items()))


def revealed(value: Any, annotation: Any) -> Any:
    """Return the text of hvbackup's own `Secret` for an argument that keeps it masked; anything else as it is."""
    from hvbackup.secrets import Secret

    if isinstance(value, Secret):
        if without_none(annotation) is not SecretStr:
            raise NotOfType("a vaulted value, but what is given here is shown in results and messages")
        return value.reveal()
    return value


def secrets_of(arguments: Arguments) -> list[str]:
    """The secrets among the arguments of a module."""
    values = (getattr(arguments, name) for name in type(arguments).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _unknown(name: str, model: type[Arguments]) -> str:
    near = difflib.get_close_matches(name, model.model_fields, n=1, cutoff=0.5)
    if near:
        return f"no such argument (did you mean {near[0]}?)"
    return f"no such argument (there are {', '.join(model.model_fields) or 'none at all'})"


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ").removeprefix("Input ").removeprefix("should be ").replace("'", "")
