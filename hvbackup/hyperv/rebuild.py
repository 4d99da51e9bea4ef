"""How a VM is made anew from a restore point: decided from what was recorded and what the host has now (pure)."""

from __future__ import annotations

import ntpath
from collections.abc import Callable, Mapping

from hvbackup.errors import InvalidRequest, RestoreRefused
from hvbackup.models import Model, RestorePoint, Vm
from hvbackup.remote.calls import DiskPlacement, ImportVm, NewVm, VmInventory


class RebuildChoice(Model, frozen=True, kw_only=True):
    """What a rebuild will be.

    Attributes:
        by: `import` (Import-VM of the backed-up configuration) or `new` (New-VM from the record).
        keeps_id: Whether the VM will have the id that it had.
        original: The VM of the same id that is on the host now, or None.
        removes_original: Whether that VM is unregistered first (its files are replaced or stay).
        connect_network: Whether adapters are connected.
        reasons: Why it is so, and what is lost, for people.
    """

    name: str
    by: str
    keeps_id: bool
    original: Vm | None
    removes_original: bool
    connect_network: bool
    reasons: tuple[str, ...] = ()


def choose_rebuild(
    point: RestorePoint,
    inventory: VmInventory,
    *,
    name: str | None,
    in_place: bool,
    by: str,
    replace: bool,
    connect_network: bool | None,
    switch: str | None,
    drop_saved_state: bool,
) -> RebuildChoice:
    """Decide how to make the VM anew.

    Args:
        in_place: Whether the files go where they came from.
        by: `auto`, `import` or `new`.

    Raises:
        RestoreRefused: A VM is in the way and may not be replaced.
        InvalidRequest: The point lacks what is asked for, or the switch does not exist.
    """
    if point.vm is None:
        raise InvalidRequest(f"{point.id} holds no record of a VM, only files", hint="Use `hvbackup restore`.")
    original = next((vm for vm in inventory.vms if vm.id == point.vm_id), None)
    wanted = name or point.vm_name
    removes = original is not None and replace
    if original is not None and not replace and (in_place or wanted.casefold() == original.name.casefold()):
        raise RestoreRefused(
            f"the VM {original.name!r} ({original.id}) is still on the host",
            hint="Rebuild beside it with --as NAME --path FOLDER, or replace it with --replace.",
        )
    if original is not None and removes and original.checkpoints:
        # Remove-VM merges them into the disks after the VM is gone (its documentation), so into what is restored.
        raise RestoreRefused(
            f"the VM {original.name!r} ({original.id}) has {len(original.checkpoints)} checkpoint(s); Windows would "
            "merge them into its disk files while they are replaced",
            hint="Remove them (Remove-VMCheckpoint) and wait until the .avhdx files are gone, or rebuild beside it "
            "with --as NAME --path FOLDER.",
        )
    twin = next((vm for vm in inventory.vms if vm.name.casefold() == wanted.casefold() and vm.id != point.vm_id), None)
    if twin is not None:
        raise RestoreRefused(
            f"another VM on the host has the name {wanted!r} ({twin.id})", hint="Choose another name with --as NAME."
        )
    if switch is not None and switch not in inventory.switches:
        known = ", ".join(repr(each) for each in inventory.switches) or "none"
        raise InvalidRequest(f"the host has no virtual switch {switch!r}; it has: {known}")
    id_is_free = original is None or removes
    chosen, reasons = _choose_way(point, by, id_is_free=id_is_free)
    connect = connect_network if connect_network is not None else id_is_free or switch is not None
    if not connect:
        reasons.append("network adapters are left disconnected: the original VM is still on the host")
    if chosen == "new" and point.consistency == "saved-state":
        reasons.append("New-VM does not take the saved state over: the guest starts as after a power cut")
    if chosen == "import" and drop_saved_state:
        reasons.append("the saved state is dropped: the guest starts as after a power cut")
    return RebuildChoice(
        name=wanted,
        by=chosen,
        keeps_id=chosen == "import" and id_is_free,
        original=original,
        removes_original=removes,
        connect_network=connect,
        reasons=tuple(reasons),
    )


def _choose_way(point: RestorePoint, by: str, *, id_is_free: bool) -> tuple[str, list[str]]:
    has_configuration = configuration_name(point) is not None
    if by == "import" and not has_configuration:
        raise InvalidRequest(f"{point.id} holds no configuration file of the VM", hint="Use --by new.")
    if by == "import" and not id_is_free:
        # Import-VM gives a new id only together with -Copy, which would copy every disk once more.
        raise RestoreRefused(
            "Import-VM would need the id of the VM that is still on the host",
            hint="Use --by new (a new id, the recorded settings), or --replace.",
        )
    if by == "new":
        return "new", ["New-VM with the recorded settings: the VM gets a new id"]
    if by == "import" or (has_configuration and id_is_free):
        return "import", ["Import-VM of the backed-up configuration: id and all settings are kept"]
    if not has_configuration:
        return "new", ["the point holds no configuration file: New-VM with the recorded settings, a new id"]
    return "new", ["the original VM is still there, so the new one needs a new id: New-VM with the recorded settings"]


def configuration_name(point: RestorePoint) -> str | None:
    """Return the name in the point of the VM's configuration file that Import-VM takes, or None."""
    for extension in (".vmcx", ".xml"):
        wanted = point.vm_id.casefold() + extension
        for file in point.files:
            if file.kind == "configuration" and file.name.rsplit("/", 1)[-1].casefold() == wanted:
                return file.name
    return None


def import_call(
    point: RestorePoint, choice: RebuildChoice, places: Mapping[str, str], *, switch: str | None, drop_saved_state: bool
) -> ImportVm:
    """Return the call that registers the staged configuration. `places`: name in the point -> path on the host."""
    name = configuration_name(point)
    assert name is not None  # noqa: S101 - choose_rebuild chose import only then
    return ImportVm(
        configuration_path=places[name],
        name=choice.name if choice.name != point.vm_name else None,
        disks=placements(point, places),
        connect_network=choice.connect_network,
        switch_name=switch,
        drop_saved_state=drop_saved_state,
    )


def new_call(
    point: RestorePoint,
    choice: RebuildChoice,
    places: Mapping[str, str],
    *,
    path: str,
    switch: str | None,
) -> NewVm:
    """Return the call that makes the VM from the record."""
    assert point.vm is not None  # noqa: S101 - choose_rebuild refuses such points
    return NewVm(
        vm=point.vm,
        name=choice.name,
        path=path,
        disks=placements(point, places),
        connect_network=choice.connect_network,
        switch_name=switch,
    )


def placements(point: RestorePoint, places: Mapping[str, str]) -> tuple[DiskPlacement, ...]:
    """Return where each attached disk of the recorded VM is now.

    Raises:
        InvalidRequest: A disk that the VM had attached is not in the point.
    """
    by_source = {ntpath.normcase(file.source): places[file.name] for file in point.files if file.name in places}
    found = []
    for disk in point.vm.disks if point.vm else ():
        if disk.path is None:
            continue
        place = by_source.get(ntpath.normcase(disk.path))
        if place is None:
            raise InvalidRequest(f"the disk {disk.path} of the VM is not among the files of {point.id}")
        found.append(DiskPlacement(recorded_path=disk.path, path=place))
    return tuple(found)


def places_for(point: RestorePoint, place: Callable[[str, str], str]) -> dict[str, str]:
    """Return name in the point -> path on the host for every file of the VM (not the host's own)."""
    return {file.name: place(file.name, file.source) for file in point.files if file.kind != "host"}
