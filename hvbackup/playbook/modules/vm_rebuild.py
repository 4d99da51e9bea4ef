"""`vm_rebuild`: a VM out of a restore point, or such a VM removed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from hvbackup.errors import ConfigurationError, HvBackupError, VerificationFailed
from hvbackup.events import Event, Note, StepStarted
from hvbackup.models import JobStatus
from hvbackup.playbook.modules.arguments import Results
from hvbackup.playbook.modules.contract import ModuleContext, VmOutcome
from hvbackup.playbook.modules.definition import Failure, Module, Ran
from hvbackup.playbook.modules.opening import open_host, open_repository
from hvbackup.playbook.modules.points import PointArguments, chosen_point

if TYPE_CHECKING:
    from hvbackup.jobs.host import Host
    from hvbackup.jobs.rebuild import RebuildPlan
    from hvbackup.jobs.requests import RebuildRequest
    from hvbackup.models import RestorePoint, Vm
    from hvbackup.repository.repository import Repository


class VmRebuildArguments(PointArguments):
    """What is made, and how."""

    state: Literal["present", "absent"] = Field(
        default="present",
        description="V(present) makes a VM out of the restore point. V(absent) removes a VM that this module has made "
        "below O(path) under O(name), turned off first, with its disks: the end of a restore drill. A VM whose id is "
        "in the repository, or that has a file elsewhere, is never removed.",
    )
    name: str | None = Field(
        default=None, description="Name of the VM; by default the one that it had. Needed with O(state=absent)."
    )
    path: str | None = Field(
        default=None,
        description="Folder of the host below which all files go; by default every file goes where it came from. "
        "Needed with O(state=absent).",
    )
    switch: str | None = Field(default=None, description="Connect all network adapters to this virtual switch.")
    connect_network: bool | None = Field(
        default=None,
        description="Connect network adapters as recorded. By default only if the original VM is gone from the host.",
    )
    replace: bool = Field(
        default=False,
        description="Allow the VM of the same id, and files in the way, to be REPLACED. Nothing is replaced otherwise.",
    )
    by: Literal["auto", "import", "new"] = Field(
        default="auto",
        description="By Import-VM of the configuration that was backed up, by New-VM with the recorded settings (the "
        "VM has an id of its own then), or the first where possible.",
    )
    drop_saved_state: bool = Field(
        default=False, description="Start as after a power cut instead of resuming the saved state."
    )
    verify: bool = Field(
        default=False,
        description="Read the whole restore point back and check its disks before anything is done on the host; the "
        "repository remembers it.",
    )
    lanes: int = Field(default=2, ge=1, le=8, description="Connections that write at the same time.")


class BuiltVm(BaseModel):
    """The VM."""

    vm_id: str = Field(description="Its GUID.")
    vm_name: str = Field(description="Its name.")
    state: str = Field(description="As Hyper-V says.")
    disks: list[str] = Field(description="Paths of its disks.")
    connected_switches: list[str] = Field(description="Virtual switches that its adapters are connected to.")


class VmRebuildResults(Results):
    """What was done, or in check mode would be."""

    point_id: str | None = Field(default=None, description="The restore point.")
    by: str | None = Field(default=None, description="V(import) or V(new).")
    steps: list[str] = Field(default=[], description="The plan, in order.")
    destroys: list[str] = Field(default=[], description="What is gone afterwards; empty when nothing.")
    verified_bytes: int | None = Field(default=None, description="Bytes read back when O(verify=true).")
    vm: BuiltVm | None = Field(
        default=None, description="The VM that is there now, checked, or the one that was removed."
    )


def run(arguments: VmRebuildArguments, context: ModuleContext) -> Ran:
    """Make or remove a VM, or in check mode say what would be done."""
    with open_repository(arguments, context) as repository:
        if arguments.state == "absent":
            with open_host(context) as host:
                return _remove(arguments, context, host, {each.vm_id for each in repository.points()})
        point = chosen_point(arguments, repository)
        verified = _verify(repository, point, context) if arguments.verify else None
        with open_host(context) as host:
            request = _request(arguments, point)
            plan = host.plan_rebuild(repository, request)
            done = None if context.check else _carry_out(host, repository, request, plan, context)
    return _rebuilt(plan, point, done, verified, context)


def _carry_out(
    host: Host, repository: Repository, request: RebuildRequest, plan: RebuildPlan, context: ModuleContext
) -> BuiltVm | Failure:
    """Make the VM; a failure after the host's VMs were touched is returned, so that it counts as a change."""
    touched = False

    def listen(event: Event) -> None:
        nonlocal touched
        touched |= isinstance(event, StepStarted) and event.step in ("remove", "build")
        context.events(event)

    try:
        result = host.rebuild(repository, request, plan=plan, events=listen, cancel=context.cancel)
    except HvBackupError as error:
        if not touched:
            raise
        return Failure(str(error), error.exit_code, error.hint, type(error).__name__)
    for text in result.warnings:
        context.events(Note(host=host.name, vm=result.vm.name, text=text, level="warning"))
    return _vm(result.vm)


def _request(arguments: VmRebuildArguments, point: RestorePoint) -> RebuildRequest:
    from hvbackup.jobs.requests import RebuildBy, RebuildRequest

    return RebuildRequest(
        point=point.id,
        name=arguments.name,
        path=arguments.path,
        switch=arguments.switch,
        connect_network=arguments.connect_network,
        replace=arguments.replace,
        by=RebuildBy(arguments.by),
        drop_saved_state=arguments.drop_saved_state,
        lanes=arguments.lanes,
    )


def _verify(repository: Repository, point: RestorePoint, context: ModuleContext) -> int:
    """Read the point back. In check mode the repository, which is changed by remembering it, is left as it is."""
    from hvbackup.jobs.verify import remember, verify_point

    found = verify_point(repository.read(point), events=context.events, cancel=context.cancel)
    if not context.check:
        found = remember(repository, found)
    if found.problems:
        raise VerificationFailed(f"{point.id} cannot be trusted: {'; '.join(found.problems)}")
    return found.read_bytes


def _rebuilt(
    plan: RebuildPlan,
    point: RestorePoint,
    done: BuiltVm | Failure | None,
    verified: int | None,
    context: ModuleContext,
) -> Ran:
    failure = done if isinstance(done, Failure) else None
    results = VmRebuildResults(
        point_id=point.id,
        by=plan.choice.by,
        steps=list(plan.steps),
        destroys=list(plan.destroys),
        verified_bytes=verified,
        vm=None if isinstance(done, Failure) else done,
    )
    outcome = VmOutcome(
        host=context.inventory_hostname,
        vm_id=point.vm_id,
        vm_name=plan.choice.name,
        status=JobStatus.FAILED if failure else JobStatus.OK,
        message=failure.message if failure else None,
    )
    return Ran(
        results,
        changed=True,
        outcomes=(outcome,) if done is not None else (),
        failure=failure,
        before="".join(f"{each}\n" for each in plan.destroys),
        after="".join(f"{each}\n" for each in plan.steps),
    )


def _remove(arguments: VmRebuildArguments, context: ModuleContext, host: Host, originals: set[str]) -> Ran:
    from hvbackup.jobs.removal import plan_removal, remove_vm

    if arguments.name is None or arguments.path is None:
        raise ConfigurationError("state: absent needs name and path")
    plan = plan_removal(host.transport, name=arguments.name, path=arguments.path, originals=originals)
    if plan is None:
        return Ran(VmRebuildResults())
    lines = [f"the VM {plan.vm.name!r} ({plan.vm.id})", *(f"the file {each}" for each in plan.files)]
    if not context.check:
        left = remove_vm(host.transport, plan).left
        if left:
            text = f"files that are none of the VM's were left in {plan.home}: {', '.join(left)}"
            context.events(Note(host=host.name, vm=plan.vm.name, text=text, level="warning"))
    return Ran(
        VmRebuildResults(destroys=lines, vm=_vm(plan.vm)), changed=True, before="".join(f"{each}\n" for each in lines)
    )


def _vm(vm: Vm) -> BuiltVm:
    return BuiltVm(
        vm_id=vm.id,
        vm_name=vm.name,
        state=vm.state,
        disks=[disk.path for disk in vm.disks if disk.path],
        connected_switches=[each.switch_name for each in vm.network_adapters if each.switch_name],
    )


MODULE = Module(
    name="vm_rebuild",
    summary="Make a VM out of a restore point, or remove such a VM again",
    description="""\
Makes a virtual machine out of a restore point, on the host that it came from or on another one. All bytes are on the
host and read back before any VM is made or replaced. Beside its original the new VM has no network, unless O(switch) or
O(connect_network=true) says otherwise. It is not started.

Nothing that exists is overwritten unless O(replace=true). With O(state=present) a successful run is always C(changed);
a VM or a file that is in the way fails the task. With O(state=absent) a VM that is not there is C(ok).
""",
    arguments=VmRebuildArguments,
    results=VmRebuildResults,
    run=run,
    examples="""\
- name: Rebuild the newest restore point of web01 under another name, disconnected
  hvbackup.hyperv.vm_rebuild:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    vm: web01
    name: web01-drill
    path: 'E:\\Drill'
    by: new
    connect_network: false
    verify: true

- name: Remove it again
  hvbackup.hyperv.vm_rebuild:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    name: web01-drill
    path: 'E:\\Drill'
    state: absent
""",
)
