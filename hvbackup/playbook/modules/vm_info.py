"""`vm_info`: the VMs of a host, whether each would be backed up Online or Offline, and why."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from hvbackup.models import Classification, Verdict, Vm
from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_host
from hvbackup.playbook.modules.rows import row


class VmInfoArguments(Arguments):
    """Which VMs."""

    include: list[str] = Field(
        default=[],
        description="VMs by name with C(*) and C(?), without case, by GUID, or with the method as in C(Offline/*). "
        "All by default. A pattern that fits no VM is an error.",
    )
    exclude: list[str] = Field(default=[], description="VMs to leave out; patterns as in O(include).")


class ConditionRow(BaseModel):
    """One condition of the Online method."""

    id: str = Field(description="Stable short name.")
    text: str = Field(description="The condition.")
    verdict: Literal["met", "failed", "unseen"] = Field(
        description="Whether it holds; V(unseen) when the host cannot know."
    )
    reason: str = Field(description="What was seen.")
    cure: str | None = Field(description="How to make it hold; a PowerShell line where one exists.")


class VmRow(BaseModel):
    """One VM."""

    vm_id: str = Field(description="Its GUID.")
    vm_name: str = Field(description="Its name.")
    state: str = Field(description="As Hyper-V says: V(Running), V(Off), V(Saved) and others.")
    generation: int = Field(description="1 or 2.")
    version: str = Field(description="Version of its configuration.")
    clustered: bool = Field(description="Whether it is a role of a failover cluster.")
    method: Literal["online", "offline", "unknown"] = Field(
        description="How it would be backed up: V(online) keeps running, V(offline) is paused while the copy is made."
    )
    by_writer: Literal["online", "offline", "unknown"] = Field(description="What the Hyper-V VSS writer says.")
    by_conditions: Literal["online", "offline", "unknown"] = Field(description="What the conditions say.")
    reasons: list[str] = Field(description="The conditions that keep it from the Online method, one sentence each.")
    cures: list[str] = Field(description="What would make it Online.")
    conditions: list[ConditionRow] = Field(description="Every condition of the Online method.")
    disks: list[str] = Field(description="Paths of the disk files that are attached.")
    checkpoints: int = Field(description="How many checkpoints it has.")
    size_bytes: int = Field(description="Bytes of its disk files with their parents: what a backup reads.")
    notes: str = Field(description="The notes of the VM.")


class VmInfoResults(Results):
    """The VMs."""

    vms: list[VmRow] = Field(description="The VMs, by name.")


def run(arguments: VmInfoArguments, context: ModuleContext) -> Ran:
    """Ask the host; nothing changes."""
    from hvbackup.jobs.host_view import HostView
    from hvbackup.jobs.selection import select_vms

    with open_host(context) as host:
        view = HostView(host.transport, cancel=context.cancel)
    classified = view.classifications
    methods = {vm_id: each.method for vm_id, each in classified.items()}
    chosen = select_vms(view.inventory.vms, include=arguments.include, exclude=arguments.exclude, methods=methods).vms
    return Ran(VmInfoResults(vms=[vm_row(vm, classified[vm.id]) for vm in chosen if vm.id in classified]))


def vm_row(vm: Vm, classification: Classification) -> VmRow:
    """Return one VM with its classification as a result."""
    failed = [each for each in classification.conditions if each.verdict is Verdict.FAILED]
    conditions: list[dict[str, Any]] = [
        {key: value for key, value in row(each).items() if key in ConditionRow.model_fields}
        for each in classification.conditions
    ]
    return VmRow.model_validate(
        {
            "vm_id": vm.id,
            "vm_name": vm.name,
            "state": vm.state,
            "generation": vm.generation,
            "version": vm.version,
            "clustered": vm.clustered,
            "method": classification.method.value,
            "by_writer": classification.by_writer.value,
            "by_conditions": classification.by_conditions.value,
            "reasons": [f"{each.text} - {each.reason}" for each in failed],
            "cures": [each.cure for each in failed if each.cure],
            "conditions": conditions,
            "disks": [disk.path for disk in vm.disks if disk.path],
            "checkpoints": len(vm.checkpoints),
            "size_bytes": sum(link.file_size_bytes for disk in vm.disks for link in disk.chain),
            "notes": vm.notes,
        }
    )


MODULE = Module(
    name="vm_info",
    summary="Tell which VMs of a Hyper-V host would be backed up Online or Offline, and why",
    description="""\
Lists the virtual machines of a Hyper-V host. For each it says whether its backup would be Online (it keeps running) or
Offline (it is saved, and resumed as soon as the shadow copy is there), by which conditions, and what would change that.

Nothing is changed on the host.
""",
    arguments=VmInfoArguments,
    results=VmInfoResults,
    run=run,
    examples="""\
- name: Ask which VMs would be paused
  hvbackup.hyperv.vm_info:
  register: found

- name: Show them with the cure
  ansible.builtin.debug:
    msg: "{{ item.vm_name }}: {{ item.cures | join(' / ') }}"
  loop: "{{ found.vms | selectattr('method', 'eq', 'offline') }}"
  loop_control:
    label: "{{ item.vm_name }}"
""",
    writes=False,
)
