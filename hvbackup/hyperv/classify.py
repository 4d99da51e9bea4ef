"""Online, Offline or unknown, with the reasons: by the writer's caption and by the conditions (pure).

The writer's caption is the authority: it is what a backup will do. The conditions say why, and how to change it; where
the two disagree both are shown. VMs are keyed on their GUID, never on a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hvbackup.hyperv.conditions import BLOCKING, REQUIRED, UNSEEN, conditions_of
from hvbackup.models import Classification, Component, Condition, HostFacts, Method, Verdict, Vm
from hvbackup.vss.report import TranscriptReport


def classify(vm: Vm, component: Component | None, *, host: HostFacts) -> Classification:
    """Classify one VM; `component` is the Hyper-V writer's component of it, None when the writer lists none."""
    conditions = conditions_of(vm, host)
    by_writer = component.method if component is not None else Method.UNKNOWN
    by_conditions = method_of(conditions)
    return Classification(
        vm_id=vm.id,
        vm_name=vm.name,
        method=by_writer if by_writer is not Method.UNKNOWN else by_conditions,
        by_writer=by_writer,
        by_conditions=by_conditions,
        agree=Method.UNKNOWN in (by_writer, by_conditions) or by_writer is by_conditions,
        caption=component.caption if component is not None else None,
        conditions=conditions,
    )


def classify_all(vms: Iterable[Vm], components: Iterable[Component], *, host: HostFacts) -> tuple[Classification, ...]:
    """Classify VMs, in their order; a component belongs to the VM whose GUID is its name."""
    by_id = {component.name.lower(): component for component in components}
    return tuple(classify(vm, by_id.get(vm.id.lower()), host=host) for vm in vms)


def classify_from_report(report: TranscriptReport) -> tuple[Classification, ...]:
    """Classify from a saved listing alone: the writer's word, without conditions.

    A caption that stands alone, without its component, has no GUID: its `vm_id` is empty.
    """
    return tuple(
        Classification(
            vm_id=each.vm_id,
            vm_name=each.vm_name,
            method=each.method,
            by_writer=each.method,
            by_conditions=Method.UNKNOWN,
            agree=True,
            caption=each.caption,
        )
        for each in report.vms
    )


def method_of(conditions: Collection[Condition]) -> Method:
    """Return what the conditions lead to.

    One that fails leads to Offline; one that blocks, or one that must be seen and is not, to unknown. What only the
    guest knows is taken to hold: it is never seen, and the writer has the last word.
    """
    failed = {each.id for each in conditions if each.verdict is Verdict.FAILED}
    seen = {each.id for each in conditions if each.verdict is Verdict.MET}
    if failed & BLOCKING:
        return Method.UNKNOWN
    if failed:
        return Method.OFFLINE
    return Method.ONLINE if seen >= REQUIRED else Method.UNKNOWN


def main_reason(classification: Classification) -> str:
    """Return the one reason that a short list has room for; a guess is marked "perhaps"."""
    failed = [each for each in classification.conditions if each.verdict is Verdict.FAILED]
    if failed:
        return failed[0].reason
    if classification.method is Method.ONLINE:
        return "all conditions that the host sees hold"
    unseen = [each for each in classification.conditions if each.verdict is Verdict.UNSEEN]
    told = [each for each in unseen if each.reason != UNSEEN]
    if classification.method is Method.UNKNOWN:
        needed = [each for each in told if each.id in REQUIRED]
        return needed[0].reason if needed else "neither the writer nor the conditions say"
    return f"perhaps: {told[0].reason}" if told else "the writer says so; its reason cannot be seen from the host"
