"""Keywords whose value may be a template: what it gives, as true or false or as a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hvbackup.playbook.grammar import is_template, refuse
from hvbackup.playbook.nodes import Place, place_of
from hvbackup.playbook.templates import OMIT, Templar
from hvbackup.playbook.truth import TruthUnclear, as_number, as_truth

_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def setting(
    value: Any, templar: Templar, variables: Mapping[str, Any], *, kind: type, name: str, place: Place | None
) -> Any:
    """Return the value of a keyword, or None where there is none (or it is `omit`).

    Raises:
        PlaybookError: Its template cannot be rendered, or gives something else than a `kind`.
    """
    if not is_template(value):
        return value
    given = templar.render(value, variables)
    if given is OMIT or given is None:
        return None
    try:
        return as_truth(given) if kind is bool else as_number(given, whole=kind is int)
    except (TruthUnclear, ValueError):
        where = place_of(value) or place
        raise refuse(f"{name} gives {given!r}, not {_KINDS[kind]}", where, "Correct the template.") from None
