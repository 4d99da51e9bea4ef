"""A configuration as the record of a VM that a restore point keeps, for a rebuild by New-VM."""

from __future__ import annotations

from typing import NamedTuple

from hvbackup.images.vmconfig.configuration import ConfiguredAdapter, ConfiguredDrive, VmConfiguration
from hvbackup.images.vmconfig.facts import known
from hvbackup.images.vmconfig.new_vm import disk_drives
from hvbackup.images.vmconfig.normalise import SECURE_BOOT_TEMPLATES
from hvbackup.models import Disk, DvdDrive, Firmware, IntegrationService, Memory, NetworkAdapter, Processor, Vm


class RecordedVm(NamedTuple):
    """The record, and what it does not say although a host would have said it; for people."""

    vm: Vm | None
    remarks: tuple[str, ...]


def as_vm(configuration: VmConfiguration, *, configuration_file: str | None = None) -> RecordedVm:
    """Return the VM as far as its configuration says; None when it does not say what a rebuild needs.

    What the file cannot say is as a new VM would have it (no VLAN, no TPM, boot from the first disk); `remarks` tells.
    The state is `Unknown`: no file holds it. Folders are empty: the file does not hold its own place.
    """
    identity, name, generation = known(configuration.id), known(configuration.name), known(configuration.generation)
    startup, count = known(configuration.memory.startup_bytes), known(configuration.processor.count)
    if not identity or not name or not generation or not startup or not count:
        return RecordedVm(None, ("the configuration lacks the id, name, generation, memory or processors of the VM",))
    vm = Vm(
        id=identity,
        name=name,
        state="Unknown",
        generation=generation,
        version=known(configuration.version) or "",
        path="",
        configuration_location="",
        snapshot_file_location="",
        configuration_file=configuration_file,
        notes=known(configuration.notes) or "",
        created_at=known(configuration.created_at) or "",
        clustered=known(configuration.clustered) or False,
        checkpoint_type=known(configuration.checkpoint_type) or "",
        automatic_checkpoints=known(configuration.automatic_checkpoints),
        automatic_start_action=known(configuration.automatic_start_action) or "",
        automatic_start_delay_seconds=known(configuration.automatic_start_delay) or 0,
        automatic_stop_action=known(configuration.automatic_stop_action) or "",
        memory=_memory(configuration, startup),
        processor=_processor(configuration, count),
        scsi_controllers=configuration.scsi_controllers,
        disks=tuple(_disk(each) for each in configuration.drives if each.kind not in ("ISO", "VFD")),
        dvd_drives=tuple(_dvd_drive(each) for each in configuration.drives if each.kind == "ISO"),
        network_adapters=tuple(_adapter(each, generation) for each in configuration.network_adapters),
        integration_services=tuple(
            IntegrationService(service_id=each.service_id, name=each.name, enabled=enabled)
            for each in configuration.integration_services
            if (enabled := known(each.enabled)) is not None
        ),
        firmware=_firmware(configuration) if generation == 2 else None,
        boot_devices=(known(configuration.firmware.boot_order) or ()) if generation == 1 else (),
    )
    return RecordedVm(vm, tuple(_remarks(configuration)))


def _memory(configuration: VmConfiguration, startup: int) -> Memory:
    memory = configuration.memory
    return Memory(
        startup_bytes=startup,
        dynamic=known(memory.dynamic) or False,
        minimum_bytes=known(memory.minimum_bytes),
        maximum_bytes=known(memory.maximum_bytes),
        buffer_percent=known(memory.buffer_percent),
        priority=known(memory.priority),
    )


def _processor(configuration: VmConfiguration, count: int) -> Processor:
    processor = configuration.processor
    return Processor(
        count=count,
        reserve=known(processor.reserve) or 0,
        maximum=known(processor.maximum) or 100,
        relative_weight=known(processor.relative_weight) or 100,
        compatibility_for_migration=known(processor.compatibility_for_migration) or False,
        compatibility_for_older_operating_systems=known(processor.compatibility_for_older_operating_systems) or False,
        expose_virtualization_extensions=known(processor.expose_virtualization_extensions) or False,
    )


def _disk(drive: ConfiguredDrive) -> Disk:
    return Disk(
        controller_type=drive.controller_type,
        controller_number=drive.controller_number,
        controller_location=drive.controller_location,
        path=known(drive.path) if drive.kind == "VHD" else None,
        support_persistent_reservations=known(drive.support_persistent_reservations) or False,
    )


def _dvd_drive(drive: ConfiguredDrive) -> DvdDrive:
    return DvdDrive(
        controller_type=drive.controller_type,
        controller_number=drive.controller_number,
        controller_location=drive.controller_location,
        path=known(drive.path),
    )


def _adapter(adapter: ConfiguredAdapter, generation: int) -> NetworkAdapter:
    address = known(adapter.mac_address) or ""
    return NetworkAdapter(
        id=known(adapter.id) or "",
        name=known(adapter.name) or "Network Adapter",
        switch_name=known(adapter.switch_name) if known(adapter.connected) else None,
        mac_address=address if address.strip("0") else "",
        dynamic_mac_address=not known(adapter.static_mac_address),
        is_legacy=generation == 1 and adapter.legacy is not False,
    )


def _firmware(configuration: VmConfiguration) -> Firmware:
    firmware = configuration.firmware
    template = known(firmware.secure_boot_template)
    first = next(iter(disk_drives(configuration)), None)
    return Firmware(
        secure_boot=known(firmware.secure_boot) is not False,
        secure_boot_template=template if template in SECURE_BOOT_TEMPLATES.values() else None,
        boot_order=(f"Drive SCSI {first.controller_number} {first.controller_location}",) if first else (),
    )


def _remarks(configuration: VmConfiguration) -> list[str]:
    remarks = [
        f"network adapter {each.name!r}: {fact.reason}"
        for each in configuration.network_adapters
        for fact in (each.vlan, each.bandwidth, each.security)
        if fact is not None and not isinstance(fact, str)
    ]
    if configuration.generation == 2:
        remarks.append("the boot order is not known: it boots from its first disk")
    if configuration.tpm_device:
        remarks.append("whether it had a TPM is not known: it gets none")
    if count := known(configuration.checkpoint_count):
        remarks.append(f"its {count} checkpoint(s) are not in the record")
    return [*remarks, *configuration.doubts]
