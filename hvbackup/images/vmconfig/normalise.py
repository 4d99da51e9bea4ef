"""A tree, of VMCX or of XML, into a `VmConfiguration`: one way for both, their names are the same."""

from __future__ import annotations

from hvbackup.images.vmconfig.configuration import (
    ConfiguredFirmware,
    ConfiguredMemory,
    ConfiguredProcessor,
    VmConfiguration,
)
from hvbackup.images.vmconfig.devices import (
    FIRMWARE,
    GUEST_STATE,
    SCSI,
    TPM,
    Devices,
    adapters,
    com_ports,
    drives,
    services,
)
from hvbackup.images.vmconfig.facts import Fact, Unknown
from hvbackup.images.vmconfig.section import Section
from hvbackup.images.vmconfig.tree import Tree

#: Names that `Set-VMFirmware -SecureBootTemplate` takes.
SECURE_BOOT_TEMPLATES = {
    "1734c6e8-3154-4dda-ba5f-a874cc483422": "MicrosoftWindows",
    "272e7447-90a4-4563-a4b9-8e4ab00526ce": "MicrosoftUEFICertificateAuthority",
    "4292ae2b-ee2c-42b5-a969-dd8f8689f6f3": "OpenSourceShieldedVM",
}
#: As `Set-VMBios -StartupOrder` names them.
_BOOT_DEVICES = {"Floppy": "Floppy", "Optical": "CD", "HardDrive": "IDE", "Network": "LegacyNetworkAdapter"}
# 1 is what VMs with Hyper-V's defaults have; the others follow the order of Hyper-V's own enumerations (unverified).
_START_ACTIONS = {0: "Nothing", 1: "StartIfRunning", 2: "Start"}
_STOP_ACTIONS = {0: "TurnOff", 1: "Save", 2: "ShutDown"}
# 3 is what VMs with Hyper-V's defaults have; the others as Msvm_VirtualSystemSettingData.UserSnapshotType (unverified).
_CHECKPOINT_TYPES = {2: "Disabled", 3: "Production", 4: "ProductionOnly", 5: "Standard"}
#: Configuration version of Server 2012 R2, the first to have generation 2.
_FIRST_WITH_GENERATIONS = 0x500
# 100000 is the whole of a processor.
_PARTS_OF_A_PERCENT = 1000
# 5000 is what VMs with Hyper-V's defaults have, whose tools show 50 of 100.
_PARTS_OF_PRIORITY = 100


def normalise(tree: Tree, form: str, replayed: int = 0) -> VmConfiguration:
    """Return the typed configuration; `tree` has a node `configuration`. Nothing that is wrong in it is an error."""
    configuration = Section(tree).section("configuration")
    configuration.place = ""  # it would stand before everything
    properties, settings = configuration.section("properties"), configuration.section("settings")
    everything = configuration.section("global_settings")
    checkpoints = everything.section("snapshots")
    devices = Devices(configuration)
    generation = _generation(properties)
    found, doubts = drives(devices)
    return VmConfiguration(
        format=form,
        replayed=replayed,
        id=_identity(properties, settings),
        name=properties.text("name"),
        kind=properties.text("type_id"),
        version=_version(properties),
        generation=generation,
        notes=properties.text("notes"),
        created_at=properties.file_time("creation_time"),
        owner_sid=everything.section("owner").text("sid"),
        clustered=properties.boolean("highly_available"),
        memory=_memory(settings.section("memory/bank")),
        processor=_processor(settings.section("processors")),
        scsi_controllers=len(devices.of_kind(SCSI)),
        drives=found,
        network_adapters=adapters(devices),
        firmware=_firmware(devices.section(FIRMWARE), generation),
        tpm_device=devices.has(TPM),
        tpm_enabled=_tpm_enabled(devices),
        automatic_start_action=everything.section("power/host_startup").choice("action", _START_ACTIONS),
        automatic_start_delay=_start_delay(everything.section("power/host_startup")),
        automatic_stop_action=everything.section("power/host_shutdown").choice("action", _STOP_ACTIONS),
        checkpoint_type=checkpoints.choice("user_type", _CHECKPOINT_TYPES),
        automatic_checkpoints=checkpoints.boolean("enable_automatic"),
        checkpoint_count=checkpoints.section("list").integer("size"),
        integration_services=services(devices),
        com_ports=com_ports(devices),
        guest_state_file=devices.section(GUEST_STATE).text("StateFilePath"),
        devices=tuple(each.name for each in devices.listed),
        doubts=(*doubts, *_doubts(configuration)),
    )


def _identity(properties: Section, settings: Section) -> Fact[str]:
    identity = properties.guid("global_id")
    return settings.section("global").guid("logical_id") if identity is None else identity


def _version(properties: Section) -> Fact[str]:
    version = properties.integer("version", largest=0xFFFF)
    return f"{version >> 8}.{version & 0xFF}" if isinstance(version, int) else version


def _generation(properties: Section) -> Fact[int]:
    subtype, version = properties.integer("subtype"), properties.integer("version")
    if isinstance(subtype, int):
        return subtype + 1 if subtype < 2 else Unknown(reason=f"properties/subtype is {subtype}; 0 and 1 are known")
    if subtype is None and isinstance(version, int) and version < _FIRST_WITH_GENERATIONS:
        return 1
    return subtype


def _memory(bank: Section) -> ConfiguredMemory:
    return ConfiguredMemory(
        startup_bytes=bank.mebibytes("size"),
        dynamic=bank.boolean("dynamic_memory_enabled"),
        minimum_bytes=bank.mebibytes("reservation"),
        maximum_bytes=bank.mebibytes("limit"),
        buffer_percent=bank.integer("target_memory_buffer"),
        priority=bank.scaled("priority", _PARTS_OF_PRIORITY),
    )


def _processor(processors: Section) -> ConfiguredProcessor:
    return ConfiguredProcessor(
        count=processors.integer("count"),
        reserve=processors.scaled("reservation", _PARTS_OF_A_PERCENT),
        maximum=processors.scaled("limit", _PARTS_OF_A_PERCENT),
        relative_weight=processors.integer("weight"),
        compatibility_for_migration=processors.section("features").boolean("limit"),
        compatibility_for_older_operating_systems=processors.boolean("limit_cpuid"),
        expose_virtualization_extensions=processors.section("nested_virtualization").boolean("enabled"),
    )


def _firmware(firmware: Section, generation: Fact[int]) -> ConfiguredFirmware:
    template = firmware.guid("secure_boot_template_id")
    return ConfiguredFirmware(
        boot_order=_boot_order(firmware, generation),
        secure_boot=firmware.boolean("secure_boot_enabled"),
        secure_boot_template=SECURE_BOOT_TEMPLATES.get(template, template) if isinstance(template, str) else template,
        bios_guid=firmware.guid("bios_guid"),
        serial_number=firmware.text("bios_serial_number"),
        num_lock=firmware.boolean("num_lock"),
        nvram_variables=tuple(sorted(firmware.section("nvram").names())),
    )


def _boot_order(firmware: Section, generation: Fact[int]) -> Fact[tuple[str, ...]]:
    if generation == 2:
        return Unknown(reason="a generation 2 VM keeps its boot order in UEFI variables, which are not decoded")
    boot = firmware.section("boot")
    order = []
    for number in range(len(boot.names())):
        device = boot.text(f"device{number}")
        name = _BOOT_DEVICES.get(device) if isinstance(device, str) else None
        if name is None:
            return Unknown(reason=f"{boot.place}/device{number} names no device that is known")
        order.append(name)
    return tuple(order) or None


def _tpm_enabled(devices: Devices) -> Fact[bool]:
    if not devices.has(TPM):
        return None
    return Unknown(reason="the file lists the device for VMs with and without a TPM; where it says which is not known")


def _start_delay(startup: Section) -> Fact[int]:
    delay = startup.integer("delay")
    if not isinstance(delay, int):
        return delay
    return Unknown(reason=f"{startup.place}/delay is {delay}; its unit is not known") if delay else 0


def _doubts(configuration: Section) -> list[str]:
    doubts = []
    kind = configuration.section("properties").text("type_id")
    if isinstance(kind, str) and kind != "Virtual Machines":
        doubts.append(f"the file describes something of the kind {kind!r}, not a VM as it runs")
    if not configuration.section("manifest"):
        doubts.append("the file has no manifest of devices: SCSI controllers and network adapters may be missed")
    return doubts
