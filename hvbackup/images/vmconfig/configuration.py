"""What a configuration file says of a VM. Sizes are in bytes; for `Fact` see `facts.py`.

The fields have the names of `hvbackup.models.Vm` where they mean the same. Defaults stand for "the file does not say".
"""

from __future__ import annotations

from hvbackup.images.vmconfig.facts import Fact
from hvbackup.models import Model


class ConfiguredMemory(Model, frozen=True, kw_only=True):
    """Memory. That a priority of 5000 in the file is 50 in Hyper-V's tools is concluded from defaults, not documented.

    Attributes:
        maximum_bytes: Means something only when `dynamic`; 1 TiB is what is there for nothing.
    """

    startup_bytes: Fact[int] = None
    dynamic: Fact[bool] = None
    minimum_bytes: Fact[int] = None
    maximum_bytes: Fact[int] = None
    buffer_percent: Fact[int] = None
    priority: Fact[int] = None


class ConfiguredProcessor(Model, frozen=True, kw_only=True):
    """Processors; reserve and maximum in percent."""

    count: Fact[int] = None
    reserve: Fact[int] = None
    maximum: Fact[int] = None
    relative_weight: Fact[int] = None
    compatibility_for_migration: Fact[bool] = None
    compatibility_for_older_operating_systems: Fact[bool] = None
    expose_virtualization_extensions: Fact[bool] = None


class ConfiguredDrive(Model, frozen=True, kw_only=True):
    """Something in a slot of a controller.

    Attributes:
        controller_type: `IDE`, `SCSI` or `Floppy`.
        kind: As the file has it: `VHD` a disk file, `ISO` a DVD drive, `VFD` a floppy drive. Others were never seen.
        path: The file in it as the host knew it; absent for an empty drive.
    """

    controller_type: str
    controller_number: int
    controller_location: int
    kind: str
    path: Fact[str] = None
    maximum_iops: Fact[int] = None
    minimum_iops: Fact[int] = None
    support_persistent_reservations: Fact[bool] = None


class ConfiguredAdapter(Model, frozen=True, kw_only=True):
    """A network adapter.

    Attributes:
        id: GUID of the device; absent when its section has another name.
        mac_address: Twelve hex digits. Zeros: dynamic, and never started.
        switch_id: GUID of the virtual switch on that host.
        switch_name: Its name as it was when the adapter was connected last.
        vlan: Absent when the adapter has no VLAN setting, else unknown: its binary form is not published.
        bandwidth: The same for bandwidth limits.
        security: The same for MAC spoofing, DHCP guard and router guard.
    """

    id: Fact[str] = None
    name: Fact[str] = None
    legacy: Fact[bool] = None
    mac_address: Fact[str] = None
    static_mac_address: Fact[bool] = None
    connected: Fact[bool] = None
    switch_id: Fact[str] = None
    switch_name: Fact[str] = None
    vlan: Fact[str] = None
    bandwidth: Fact[str] = None
    security: Fact[str] = None


class ConfiguredFirmware(Model, frozen=True, kw_only=True):
    """BIOS or UEFI.

    Attributes:
        boot_order: Generation 1: `CD`, `IDE`, `LegacyNetworkAdapter`, `Floppy` as `Set-VMBios` takes them.
        secure_boot_template: Name of a template of Windows, else its GUID.
        nvram_variables: Names of the UEFI variables in the file; VMCX keeps them elsewhere (`.vmgs`, unverified).
    """

    boot_order: Fact[tuple[str, ...]] = None
    secure_boot: Fact[bool] = None
    secure_boot_template: Fact[str] = None
    bios_guid: Fact[str] = None
    serial_number: Fact[str] = None
    num_lock: Fact[bool] = None
    nvram_variables: tuple[str, ...] = ()


class ConfiguredService(Model, frozen=True, kw_only=True):
    """An integration service; where `enabled` is absent, the service's own default holds (on, by the files seen)."""

    service_id: str
    name: str
    enabled: Fact[bool] = None


class ConfiguredPort(Model, frozen=True, kw_only=True):
    """A COM port, 1 or 2, and the named pipe that it leads to."""

    number: int
    path: Fact[str] = None


class VmConfiguration(Model, frozen=True, kw_only=True):
    """A VM as its configuration file describes it.

    Attributes:
        format: `vmcx` or `xml`.
        replayed: Entries of the file's log that were applied in memory: what was written last is only there.
        kind: `Virtual Machines`; checkpoints and others have other words.
        version: Configuration version, such as `9.0` (`5.0` is Server 2012 R2).
        generation: 1 or 2.
        clustered: Whether the VM was highly available.
        automatic_start_delay: Always unknown when there: the unit of the file is not known.
        scsi_controllers: How many SCSI controllers the VM has.
        drives: Disks, DVD and floppy drives, by controller and location.
        tpm_device: Whether the VM has the device. Every generation 2 VM seen has it: this does not mean enabled.
        tpm_enabled: Absent without a device, else unknown.
        checkpoint_count: How many checkpoints it has; each is a file of its own in `Snapshots`.
        guest_state_file: The `.vmgs` file as the host knew it.
        doubts: What was noticed on the way and may be of weight.
    """

    format: str
    replayed: int = 0
    id: Fact[str] = None
    name: Fact[str] = None
    kind: Fact[str] = None
    version: Fact[str] = None
    generation: Fact[int] = None
    notes: Fact[str] = None
    created_at: Fact[str] = None
    owner_sid: Fact[str] = None
    clustered: Fact[bool] = None
    memory: ConfiguredMemory = ConfiguredMemory()
    processor: ConfiguredProcessor = ConfiguredProcessor()
    scsi_controllers: int = 0
    drives: tuple[ConfiguredDrive, ...] = ()
    network_adapters: tuple[ConfiguredAdapter, ...] = ()
    firmware: ConfiguredFirmware = ConfiguredFirmware()
    tpm_device: bool = False
    tpm_enabled: Fact[bool] = None
    automatic_start_action: Fact[str] = None
    automatic_start_delay: Fact[int] = None
    automatic_stop_action: Fact[str] = None
    checkpoint_type: Fact[str] = None
    automatic_checkpoints: Fact[bool] = None
    checkpoint_count: Fact[int] = None
    integration_services: tuple[ConfiguredService, ...] = ()
    com_ports: tuple[ConfiguredPort, ...] = ()
    guest_state_file: Fact[str] = None
    devices: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
