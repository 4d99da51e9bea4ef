"""A VM made anew from a restore point: plan, stage and prove all bytes, only then touch what the host has."""

from __future__ import annotations

import ntpath

from hvbackup.errors import HvBackupError, InvalidRequest, ScriptFailed, VerificationFailed
from hvbackup.events import Cancellation, EventSink, StepFinished, StepStarted, discard
from hvbackup.hyperv.rebuild import RebuildChoice, choose_rebuild, import_call, new_call, places_for
from hvbackup.jobs.journal import Journal, SideEffect
from hvbackup.jobs.listener import Listener
from hvbackup.jobs.paths import below_folder, is_absolute, same_path
from hvbackup.jobs.point_files import require_safe_names
from hvbackup.jobs.requests import RebuildRequest
from hvbackup.jobs.sources import disk_files, owner_of
from hvbackup.jobs.staging import (
    StagedFile,
    Staging,
    add_note,
    discard_quietly,
    part_files,
    plan_staging,
    refuse_files_of_others,
    require_room,
)
from hvbackup.models import HostFacts, Model, Vm
from hvbackup.remote.calls import GetVm, ImportVm, NewVm, RemoveVm, VmBuilt, VmInventory
from hvbackup.remote.contract import Answer
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
    home = home_folder(request.path, choice.name) if request.path else None
    places = places_for(point, lambda name, source: below_folder(home, name) if home else source)
    if choice.by == "new":
        # New-VM writes a configuration of its own: that of the point, with its saved state, would only lie about.
        places = {file.name: places[file.name] for file in point.files if file.kind == "disk"}
    pairs = [(file, places[file.name]) for file in point.files if file.name in places]
    staged = plan_staging(transport, pairs, replace=request.replace)
    staying = [vm for vm in inventory.vms if not (choice.removes_original and vm.id == point.vm_id)]
    refuse_files_of_others(staged, staying)
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
        ScriptFailed, RemoteError, RepositoryError, Cancelled: As they come, after clean-up; the hint says what a
            failure after the removal of the original has left.
    """
    return _Rebuild(transport, reader, plan, lanes=lanes, journal=journal, events=events, cancel=cancel).run()


class _Rebuild:
    """One rebuild. What a failure leaves on the host depends on how far it has come, see `run`."""

    def __init__(
        self,
        transport: Transport,
        reader: PointReader,
        plan: RebuildPlan,
        *,
        lanes: int,
        journal: Journal,
        events: EventSink,
        cancel: Cancellation | None,
    ) -> None:
        self._transport = transport
        self._plan = plan
        self._journal = journal
        self._cancel = cancel or Cancellation()
        self._listener = Listener(events, self._cancel)
        self._staging = Staging(transport, reader, plan.files, lanes=lanes, events=self._listener, cancel=self._cancel)

    def run(self) -> RebuildResult:
        """Stage, then clear the way and give the files their names, then make the VM and look at it."""
        parts = self._begin("files", part_files(self._plan.files))
        try:
            self._step("stage", f"writing {len(self._plan.files)} files to the host and reading them back")
            self._staging.write_all()
            self._cancel.check()
        except BaseException as error:
            self._give_up(error, parts)
            raise
        # From here on a file that has its name may be a VM's: after a crash nobody may remove it.
        complete = self._begin("build", tuple(each.path for each in self._plan.files))
        self._journal.undone(parts)
        answer = self._build(complete)
        self._journal.undone(complete)
        self._step("check", "looking at the VM as the host has it now")
        built = _verified(self._transport, self._plan, answer.data)
        self._listener(StepFinished(host=self._transport.host, vm=self._plan.choice.name, step="rebuild"))
        self._listener.raise_failure()
        return RebuildResult(
            point_id=self._plan.point_id,
            vm=built,
            steps=answer.data.steps,
            warnings=tuple(answer.warnings)
            + tuple(f"{each.message} ({each.resolved})" for each in answer.data.incompatibilities if each.resolved),
        )

    def _build(self, complete: int) -> Answer[VmBuilt]:
        choice = self._plan.choice
        removing = building = False
        try:
            if choice.removes_original and choice.original is not None:
                self._step("remove", f"removing the VM {choice.original.name} ({choice.original.id})")
                removing = True
                self._transport.call(RemoveVm(id=choice.original.id, turn_off=True))
            self._staging.name_all()
            self._step("build", f"making the VM by {'Import-VM' if choice.by == 'import' else 'New-VM'}")
            building = True
            answer: Answer[VmBuilt] = self._transport.call(self._plan.call, timeout=1800)
        except BaseException as error:
            if building and self._may_be_made(error):
                where = f"hvbackup vms {self._transport.host}"
                add_note(error, f"The VM may be there all the same, see `{where}`; its files were left alone.")
            else:
                self._give_up(error, complete, keep_named=removing)
            if removing:
                add_note(error, self._damage())
            raise
        return answer

    def _may_be_made(self, error: BaseException) -> bool:
        """Whether the host has made the VM although its answer is an error, or still makes it: its files must stay."""
        if not isinstance(error, ScriptFailed):
            return True
        try:
            vms = self._transport.call(GetVm()).data.vms
        except HvBackupError:
            return True
        return any(owner_of(each.path, vms) for each in self._plan.files)

    def _damage(self) -> str:
        """What a failure after the removal has begun leaves, for a person who has to go on from there."""
        done = self._staging.replaced
        kept = [each.path for each in self._plan.files if each.existed and each.path not in done]
        texts = ["The original VM has been turned off, and perhaps removed."]
        if done:
            texts.append(f"These files hold the restored bytes: {', '.join(done)}.")
        if kept:
            texts.append(f"These are still as they were: {', '.join(kept)}.")
        return " ".join([*texts, "Run the same rebuild again (with --replace): it goes on from what it finds."])

    def _begin(self, kind: str, files: tuple[str, ...]) -> int:
        return self._journal.begin(
            SideEffect(kind=kind, host=self._transport.host, port=self._transport.port, files=files)
        )

    def _step(self, name: str, text: str) -> None:
        self._listener(StepStarted(host=self._transport.host, vm=self._plan.choice.name, step=name, text=text))

    def _give_up(self, error: BaseException, number: int, *, keep_named: bool = False) -> None:
        discard_quietly(self._staging, error, keep_named=keep_named)
        if self._staging.discarded:
            self._journal.undone(number)


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
        written = {each.path.lower() for each in files}
        steps += [
            f"leave {path} on the host: it was a disk of that VM, and will be none of the new one"
            for path in disk_files(choice.original)
            if path.lower() not in written
        ]
    steps.append(f"{'Import-VM' if choice.by == 'import' else 'New-VM'}: the VM {choice.name!r}")
    steps += choice.reasons
    return tuple(steps)


def _destroys(choice: RebuildChoice, files: tuple[StagedFile, ...]) -> tuple[str, ...]:
    gone = [f"the file {each.path}" for each in files if each.existed]
    if choice.removes_original and choice.original is not None:
        gone.insert(0, f"the VM {choice.original.name!r} ({choice.original.id}), state {choice.original.state}")
    return tuple(gone)


def home_folder(path: str, name: str) -> str:
    """Return the folder below `path` into which all files of a rebuilt VM go."""
    # What Windows does not take in a file name; the VM's own name stays as it is.
    folder = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name).rstrip(". ") or "vm"
    return ntpath.join(path, folder)


def _recorded_home(reader: PointReader, inventory: VmInventory) -> str:
    record = reader.point.vm
    return (record.path if record else "") or inventory.virtual_machine_path
