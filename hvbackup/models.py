"""The nouns of the field, frozen.

They are read from JSON (camelCase keys) by strict decoding, so that a wrong type is an error with its place, and
written as JSON the same way. Units: sizes in bytes, durations in seconds, times as ISO 8601 text in UTC. Ids are GUIDs
in lower case, without braces. Paths are Windows paths as the host gave them.
"""

from __future__ import annotations

import threading
from enum import Enum
from typing import Any, TypeVar

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all models: immutable, keyword-only, camelCase in JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON-ready builtins."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result


class Method(str, Enum):
    """How the Hyper-V writer backs a VM up."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class Verdict(str, Enum):
    """Whether a condition for the Online method holds."""

    MET = "met"
    FAILED = "failed"
    UNSEEN = "unseen"


class JobStatus(str, Enum):
    """How one job ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


KindT = TypeVar("KindT")

_decodable: set[object] = set()
_preparing = threading.Lock()


def decodable(kind: type[KindT]) -> type[KindT]:
    """Return `kind`, ready to be decoded into from several threads.

    msgspec makes its picture of a class when the class is first decoded into, and makes it visible before it is
    complete: two threads that do so at once crash the process (0.20 to 0.22). So it is made here, by one thread.
    """
    if kind not in _decodable:
        with _preparing:
            msgspec.json.Decoder(kind)
            _decodable.add(kind)
    return kind


# ---------------------------------------------------------------- the host


class Volume(Model, frozen=True, kw_only=True):
    r"""A volume of the host; `id` is its GUID path, `\\?\Volume{...}\`."""

    id: str
    paths: tuple[str, ...] = ()
    label: str = ""
    file_system: str = ""
    size_bytes: int = 0
    free_bytes: int = 0
    drive_type: str = ""
    clustered: bool = False


class ShadowCopy(Model, frozen=True, kw_only=True):
    """A shadow copy that exists on the host."""

    id: str
    set_id: str
    volume: str
    device: str
    created_at: str = ""


class HyperVRole(Model, frozen=True, kw_only=True):
    """What the host says of its Hyper-V role."""

    installed: bool
    module_version: str | None = None
    service_state: str | None = None


class HostFacts(Model, frozen=True, kw_only=True):
    """What a host is, and whether it is fit for the work.

    Attributes:
        product_type: 1 client Windows, 2 domain controller, 3 server (`Win32_OperatingSystem.ProductType`).
        diskshadow_path: Full path of diskshadow.exe, or None when the host has none (client Windows).
        scratch_root: Where hvbackup keeps what it needs on the host while it works.
        vssadmin_writers: Verbatim output of `vssadmin list writers` (any language), or None when not asked for.
    """

    computer_name: str
    os_caption: str
    os_version: str
    os_build: int
    product_type: int
    powershell_version: str
    user: str
    elevated: bool
    time: str
    hyper_v: HyperVRole
    diskshadow_path: str | None
    scratch_root: str
    domain: str | None = None
    volumes: tuple[Volume, ...] = ()
    shadow_copies: tuple[ShadowCopy, ...] = ()
    vssadmin_writers: str | None = None
    vssadmin_providers: str | None = None


# ---------------------------------------------------------------- virtual machines


class ImageFile(Model, frozen=True, kw_only=True):
    """One VHD or VHDX file: a disk, or one link of its chain."""

    path: str
    format: str
    type: str
    size_bytes: int
    file_size_bytes: int
    disk_identifier: str | None = None
    parent_path: str | None = None
    block_size_bytes: int | None = None
    logical_sector_size: int | None = None
    physical_sector_size: int | None = None


class Disk(Model, frozen=True, kw_only=True):
    """A disk of a VM.

    Attributes:
        path: The file that the VM has attached (the leaf of the chain); None for a pass-through disk.
        disk_number: The host's disk number of a pass-through disk, else None.
        chain: Leaf first, then its parent, to the root.
        error: Why the chain could not be read, or None.
    """

    controller_type: str
    controller_number: int
    controller_location: int
    path: str | None
    disk_number: int | None = None
    support_persistent_reservations: bool = False
    chain: tuple[ImageFile, ...] = ()
    error: str | None = None


class DvdDrive(Model, frozen=True, kw_only=True):
    """A DVD drive of a VM, with the image in it."""

    controller_type: str
    controller_number: int
    controller_location: int
    path: str | None = None


class Vlan(Model, frozen=True, kw_only=True):
    """VLAN setting of a network adapter; `mode` is Untagged, Access, Trunk or Private."""

    mode: str = "Untagged"
    access_vlan_id: int | None = None
    native_vlan_id: int | None = None
    allowed_vlan_ids: str | None = None


class NetworkAdapter(Model, frozen=True, kw_only=True):
    """A network adapter of a VM; `switch_name` is None when it is not connected."""

    id: str
    name: str
    switch_name: str | None = None
    mac_address: str = ""
    dynamic_mac_address: bool = True
    is_legacy: bool = False
    mac_address_spoofing: bool = False
    dhcp_guard: bool = False
    router_guard: bool = False
    vlan: Vlan = Vlan()


class IntegrationService(Model, frozen=True, kw_only=True):
    """An integration service; `service_id` names it in every language.

    Attributes:
        service_id: GUID of the service, the same on every host (VSS: 5ced1297-4598-4915-a5fc-ad21bb4d02a4).
        status: `PrimaryStatusDescription`, in the host's language; for people.
        operational: Whether the service in the guest answers; None when the host does not know.
    """

    service_id: str
    name: str
    enabled: bool
    status: str = ""
    operational: bool | None = None


#: The backup (volume shadow copy) integration service.
VSS_SERVICE_ID = "5ced1297-4598-4915-a5fc-ad21bb4d02a4"


class Checkpoint(Model, frozen=True, kw_only=True):
    """A checkpoint of a VM."""

    id: str
    name: str
    type: str
    created_at: str = ""
    parent_id: str | None = None


class Memory(Model, frozen=True, kw_only=True):
    """Memory of a VM."""

    startup_bytes: int
    dynamic: bool = False
    minimum_bytes: int | None = None
    maximum_bytes: int | None = None
    buffer_percent: int | None = None
    priority: int | None = None


class Processor(Model, frozen=True, kw_only=True):
    """Processors of a VM; reserve, maximum in percent."""

    count: int
    reserve: int = 0
    maximum: int = 100
    relative_weight: int = 100
    compatibility_for_migration: bool = False
    compatibility_for_older_operating_systems: bool = False
    expose_virtualization_extensions: bool = False


class Firmware(Model, frozen=True, kw_only=True):
    """UEFI of a generation 2 VM; `boot_order` holds device kinds and locations as text."""

    secure_boot: bool = True
    secure_boot_template: str | None = None
    boot_order: tuple[str, ...] = ()


class Security(Model, frozen=True, kw_only=True):
    """Security settings of a VM; a vTPM's secrets are not in any backup of the files."""

    tpm_enabled: bool = False
    shielded: bool = False
    encrypt_state_and_migration: bool = False


class Vm(Model, frozen=True, kw_only=True):
    """A VM as the host describes it: what classification and a later rebuild need.

    Attributes:
        configuration_file: Full path of the .vmcx or .xml file, or None when it was not found.
        boot_devices: Generation 1 only: `Get-VMBios` StartupOrder.
    """

    id: str
    name: str
    state: str
    generation: int
    version: str
    path: str
    configuration_location: str
    snapshot_file_location: str
    configuration_file: str | None = None
    smart_paging_file_path: str | None = None
    notes: str = ""
    created_at: str = ""
    uptime_seconds: int = 0
    clustered: bool = False
    replication_mode: str = "None"
    checkpoint_type: str = ""
    automatic_checkpoints: bool | None = None
    automatic_start_action: str = ""
    automatic_start_delay_seconds: int = 0
    automatic_stop_action: str = ""
    memory: Memory
    processor: Processor
    scsi_controllers: int = 0
    disks: tuple[Disk, ...] = ()
    dvd_drives: tuple[DvdDrive, ...] = ()
    network_adapters: tuple[NetworkAdapter, ...] = ()
    integration_services: tuple[IntegrationService, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    firmware: Firmware | None = None
    boot_devices: tuple[str, ...] = ()
    security: Security | None = None


# ---------------------------------------------------------------- VSS


#: Class id of the Hyper-V writer, the same on every host.
HYPERV_WRITER_ID = "66841cd4-6ded-4f4b-8f17-fd23f8ddc3de"


class FileSpec(Model, frozen=True, kw_only=True):
    """A file specification of a component: files of `filespec` (may be `*`) in `path`."""

    path: str
    filespec: str
    recursive: bool = False


class Component(Model, frozen=True, kw_only=True):
    """A component of a writer, as `list writers` shows it.

    Attributes:
        name: For a VM its GUID in upper case; `Host Component` for the host's own configuration.
        method: Read from the caption; `unknown` when the caption has neither known form.
        label: The part of the caption after the method: the VM's name.
    """

    name: str
    logical_path: str = ""
    caption: str = ""
    method: Method = Method.UNKNOWN
    label: str = ""
    selectable: bool | None = None
    top_level: bool | None = None
    files: tuple[FileSpec, ...] = ()
    paths: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class Writer(Model, frozen=True, kw_only=True):
    """A VSS writer.

    Attributes:
        state: Windows' own constant without prefix (`STABLE`, `FAILED_AT_FREEZE`) or the text as printed.
        state_code: The number in brackets, or None when the listing has no state.
        last_error: The text as printed, None when the listing has none.
        failure_code: HRESULT when one was printed.
    """

    id: str
    name: str
    instance_id: str | None = None
    state: str | None = None
    state_code: int | None = None
    last_error: str | None = None
    failure_code: int | None = None
    healthy: bool | None = None
    components: tuple[Component, ...] = ()


class Condition(Model, frozen=True, kw_only=True):
    """One condition of the Online method, and whether it holds.

    Attributes:
        id: Stable short name, for programs.
        text: The condition, for people.
        reason: What was seen, or why it cannot be seen from the host.
        cure: How to make it hold; a PowerShell line where one exists.
    """

    id: str
    text: str
    verdict: Verdict
    reason: str
    cure: str | None = None


class Classification(Model, frozen=True, kw_only=True):
    """Online or Offline, by the writer and by the conditions, with the reasons.

    Attributes:
        method: The writer's word where there is one, else the computed method.
        by_writer: What the writer's caption says; `unknown` when there is none.
        by_conditions: What the conditions say.
        agree: False when both are known and differ.
    """

    vm_id: str
    vm_name: str
    method: Method
    by_writer: Method
    by_conditions: Method
    agree: bool
    caption: str | None = None
    conditions: tuple[Condition, ...] = ()


# ---------------------------------------------------------------- restore points


class PointFile(Model, frozen=True, kw_only=True):
    """A file of a restore point.

    Attributes:
        name: Name inside the point, with `/`; unique, without case.
        source: Full Windows path on the host that the file came from.
        kind: `disk`, `configuration`, `state`, `host` or `record`.
        size_bytes: Length of the file.
        hash: SHA-256 over the concatenated SHA-256 of its blocks, in hex.
        stored_bytes: Bytes that this point added to the repository for it.
    """

    name: str
    source: str
    kind: str
    size_bytes: int
    hash: str
    stored_bytes: int = 0
    modified_at: str | None = None


class RestorePoint(Model, frozen=True, kw_only=True):
    """One VM at one time in a repository.

    Attributes:
        id: Unique, sorts by time: `20261125T013000Z-` and eight hex digits.
        asked_at: When the backup was asked for.
        snapshot_at: When the shadow copy was created, by the host's clock.
        finished_at: When the last byte was stored.
        method_asked: What the plan expected.
        method: What was obtained.
        consistency: `guest` (quiesced inside the guest: by its applications on Windows, by its file systems on
            Linux), `saved-state`, `off`, or `crash` (as after a power cut).
        evidence: Lines from the host that prove `method` and `consistency`.
        vm: The VM as it was recorded, for a later rebuild.
        component: The writer's component as it was listed.
    """

    id: str
    host: str
    vm_id: str
    vm_name: str
    asked_at: str
    snapshot_at: str
    finished_at: str
    method_asked: Method
    method: Method
    consistency: str
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[PointFile, ...] = ()
    vm: Vm | None = None
    component: Component | None = None
    run_id: str = ""
    tool_version: str = ""
    tags: tuple[str, ...] = ()
