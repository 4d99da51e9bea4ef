"""A VM made anew from a restore point: plan, stage and prove all bytes, only then touch what the host has."""

from __future__ import annotations

import ntpath

from hvbackup.errors import HvBackupError, InvalidRequest, VerificationFailed
from hvbackup.events import Cancellation, EventSink, StepFinished, StepStarted, discard
from hvbackup.hyperv.rebuild import RebuildChoice, choose_rebuild, import_call, new_call, places_for
from hvbackup.jobs.journal import Journal, SideEffect
from hvbackup.jobs.paths import below_folder, is_absolute, same_path
from hvbackup.jobs.point_files import require_safe_names
from hvbackup.jobs.requests import RebuildRequest
from hvbackup.jobs.staging import (
    StagedFile,
    Staging,
    add_note,
    discard_quietly,
    plan_staging,
    require_room,
    undo_list,
)
from hvbackup.models import HostFacts, Model, Vm
from hvbackup.remote.calls import GetVm, ImportVm, NewVm, RemoveVm, VmBuilt, VmInventory
from hvbackup.remote.session import Transport
from hvbackup.repository.seams import PointReader


class RebuildPlan(Model, frozen=True, kw_only=True):
    """What a rebuild will do, before anything is touched.

    Attributes:
        steps: In order, for people.
        destroys: What will be gone afterwards; empty when nothing.
    """

    point_id: str
    host: str
    choice: RebuildChoice
    files: tuple[StagedFile, ...]
    call: ImportVm | NewVm
    steps: tuple[str, ...]
    destroys: tuple[str, ...] = ()


class RebuildResult(Model, frozen=True, kw_only=True):
    """The VM that is there now, checked."""

    point_id: str
    vm: Vm
    steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def plan_rebuild(transport: Transport, facts: HostFacts, reader: PointReader, request: RebuildRequest) -> RebuildPlan:
    """Decide how the VM will be made, and look for everything that is in the way.

    Raises:
        InvalidRequest, RestoreRefused: With the cure.
    """
    if request.path is not None and not is_absolute(request.path):
        raise InvalidRequest(f"{request.path!r} is no full Windows path", hint=r"Such as D:\VMs.")
    point = reader.point
    require_safe_names(point, in_place=request.path is None)
    inventory = transport.call(GetVm()).data
    choice = choose_rebuild(
        point,
        inventory,
        name=request.name,
        in_place=request.path is None,
        by=request.by.value,
        replace=request.replace,
        connect_network=request.connect_network,
        switch=request.switch,
        drop_saved_state=request.drop_saved_state,
    )
    home = ntpath.join(request.path, _folder_name(choice.name)) if request.path else None
    places = places_for(point, lambda name, source: below_folder(home, name) if home else source)
    if choice.by == "new":
        # New-VM writes a configuration of its own: that of the point, with its saved state, would only lie about.
        places = {file.name: places[file.name] for file in point.files if file.kind == "disk"}
    pairs = [(file, places[file.name]) for file in point.files if file.name in places]
    staged = plan_staging(transport, pairs, replace=request.replace)
    require_room(staged, reader, facts.volumes)
    call: ImportVm | NewVm
    if choice.by == "import":
        call = import_call(point, choice, places, switch=request.switch, drop_saved_state=request.drop_saved_state)
    else:
        call = new_call(point, choice, places, path=home or _recorded_home(reader, inventory), switch=request.switch)
    return RebuildPlan(
        point_id=point.id,
        host=transport.host,
        choice=choice,
        files=staged,
        call=call,
        steps=_steps(choice, staged),
        destroys=_destroys(choice, staged),
    )


def rebuild_vm(
    transport: Transport,
    reader: PointReader,
    plan: RebuildPlan,
    *,
    lanes: int = 2,
    journal: Journal,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> RebuildResult:
    """Carry out a plan: all bytes are on the host and proven before a VM is removed or made.

    Raises:
        VerificationFailed: Bytes on the host, or the VM afterwards, are not as planned.
        ScriptFailed, RemoteError, RepositoryError, Cancelled: As they come, after clean-up.
    """
    vm = plan.choice.name
    cancel = cancel or Cancellation()
    number = journal.begin(
        SideEffect(kind="files", host=transport.host, port=transport.port, files=undo_list(plan.files))
    )
    staging = Staging(transport, reader, plan.files, lanes=lanes, events=events, cancel=cancel)

    def step(name: str, text: str) -> None:
        events(StepStarted(host=transport.host, vm=vm, step=name, text=text))

    try:
        step("stage", f"writing {len(plan.files)} files to the host and reading them back")
        staging.write_all()
        cancel.check()
        if plan.choice.removes_original and plan.choice.original is not None:
            step("remove", f"removing the VM {plan.choice.original.name} ({plan.choice.original.id})")
            transport.call(RemoveVm(id=plan.choice.original.id, turn_off=True))
        staging.name_all()
        step("build", f"making the VM by {'Import-VM' if plan.choice.by == 'import' else 'New-VM'}")
        answer = transport.call(plan.call, timeout=1800)
    except BaseException as error:
        discard_quietly(staging, error)
        if staging.discarded:
            journal.undone(number)
        if plan.choice.removes_original and isinstance(error, HvBackupError):
            add_note(error, "The original VM may have been unregistered already; run the same rebuild again.")
        raise
    # From here on the files belong to a VM: they are no left-overs any more.
    journal.undone(number)
    step("check", "looking at the VM as the host has it now")
    built = _verified(transport, plan, answer.data)
    events(StepFinished(host=transport.host, vm=vm, step="rebuild"))
    return RebuildResult(
        point_id=plan.point_id,
        vm=built,
        steps=answer.data.steps,
        warnings=tuple(answer.warnings)
        + tuple(f"{each.message} ({each.resolved})" for each in answer.data.incompatibilities if each.resolved),
    )


def _verified(transport: Transport, plan: RebuildPlan, answer: VmBuilt) -> Vm:
    found = transport.call(GetVm(ids=(answer.id,) if answer.id else ())).data.vms
    if len(found) != 1:
        raise VerificationFailed(f"the host does not know the VM {plan.choice.name!r} that it has just made")
    vm = found[0]
    wanted = [placement.path for placement in plan.call.disks]
    attached = [disk.path for disk in vm.disks if disk.path]
    lacking = [path for path in wanted if not any(same_path(path, each) for each in attached)]
    problems = [f"the disk {path} is not attached" for path in lacking]
    if vm.name != plan.choice.name:
        problems.append(f"its name is {vm.name!r}")
    problems += [f"{disk.path}: {disk.error}" for disk in vm.disks if disk.error]
    if problems:
        raise VerificationFailed(
            f"the VM {plan.choice.name!r} was made, but {'; '.join(problems)}",
            hint="The VM and its files are left for you to look at.",
        )
    return vm


def _steps(choice: RebuildChoice, files: tuple[StagedFile, ...]) -> tuple[str, ...]:
    steps = [f"write {each.path} ({each.file.size_bytes} bytes)" for each in files]
    steps.append("read every byte back on the host and compare")
    if choice.removes_original and choice.original is not None:
        steps.append(f"turn off and remove the VM {choice.original.name!r} ({choice.original.id})")
    steps.append(f"{'Import-VM' if choice.by == 'import' else 'New-VM'}: the VM {choice.name!r}")
    steps += choice.reasons
    return tuple(steps)


def _destroys(choice: RebuildChoice, files: tuple[StagedFile, ...]) -> tuple[str, ...]:
    gone = [f"the file {each.path}" for each in files if each.existed]
    if choice.removes_original and choice.original is not None:
        gone.insert(0, f"the VM {choice.original.name!r} ({choice.original.id}), state {choice.original.state}")
    return tuple(gone)


def _folder_name(name: str) -> str:
    # What Windows does not take in a file name; the VM's own name stays as it is.
    return "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name).rstrip(". ") or "vm"


def _recorded_home(reader: PointReader, inventory: VmInventory) -> str:
    record = reader.point.vm
    return (record.path if record else "") or inventory.virtual_machine_path
