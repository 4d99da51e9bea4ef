"""Which VMs are meant: names with wildcards, GUIDs, and the seed's `Offline/NAME` manner."""

from __future__ import annotations

import difflib
import re
import uuid
from collections.abc import Iterable, Mapping

from hvbackup.errors import InvalidRequest
from hvbackup.models import Method, Model, Vm


class Selection(Model, frozen=True, kw_only=True):
    """The VMs chosen, in order of name and id, and patterns that matched nothing although they may."""

    vms: tuple[Vm, ...]
    idle_excludes: tuple[str, ...] = ()


def select_vms(
    vms: Iterable[Vm],
    *,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    methods: Mapping[str, Method] | None = None,
) -> Selection:
    """Choose VMs by patterns; an empty `include` means all.

    `*` and `?` are the only wildcards, so that brackets in names mean themselves. A pattern is compared, without
    case, with the name, with the GUID, and with `Online/NAME` or `Offline/NAME` (either slash).

    Args:
        methods: Method of each VM by id, for patterns that name it.

    Raises:
        InvalidRequest: A pattern of `include` fits no VM; the message names near names.
    """
    everything = sorted(vms, key=lambda vm: (vm.name.casefold(), vm.id))
    labels = {vm.id: _labels(vm, (methods or {}).get(vm.id, Method.UNKNOWN)) for vm in everything}
    wanted = list(include)
    chosen = {vm.id for vm in everything} if not wanted else set()
    for pattern in wanted:
        hits = _matching(pattern, labels)
        if not hits:
            raise InvalidRequest(
                f"no VM of this host fits {pattern!r}",
                hint=_suggestion(pattern, [vm.name for vm in everything]),
            )
        chosen |= hits
    idle = []
    for pattern in exclude:
        hits = _matching(pattern, labels)
        if not hits:
            idle.append(pattern)
        chosen -= hits
    return Selection(vms=tuple(vm for vm in everything if vm.id in chosen), idle_excludes=tuple(idle))


def _labels(vm: Vm, method: Method) -> tuple[str, ...]:
    kind = method.value.capitalize()
    return (vm.name, vm.id, f"{kind}/{vm.name}")


def _matching(pattern: str, labels: Mapping[str, tuple[str, ...]]) -> set[str]:
    guid = _as_guid(pattern)
    if guid is not None:
        return {vm_id for vm_id in labels if vm_id == guid}
    expressions = [_expression(pattern)]
    if "\\" in pattern:
        expressions.append(_expression(pattern.replace("\\", "/")))
    return {vm_id for vm_id, names in labels.items() if any(e.fullmatch(n) for e in expressions for n in names)}


def _as_guid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text)) if len(text.strip("{}")) == 36 else None
    except ValueError:
        return None


def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _suggestion(pattern: str, names: list[str]) -> str:
    near = difflib.get_close_matches(pattern.rsplit("/", 1)[-1], names, n=3, cutoff=0.5)
    if near:
        return "Did you mean " + " or ".join(repr(name) for name in near) + "? `hvbackup vms HOST` lists them all."
    return "`hvbackup vms HOST` lists the VMs of the host."
