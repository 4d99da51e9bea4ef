"""What a configuration file says of a VM, as lines for people (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from hvbackup.cli.sizes import size_text
from hvbackup.images.vmconfig.configuration import (
    ConfiguredAdapter,
    ConfiguredDrive,
    ConfiguredFirmware,
    ConfiguredMemory,
    ConfiguredProcessor,
    VmConfiguration,
)
from hvbackup.images.vmconfig.facts import Unknown


def setting_lines(vm: VmConfiguration) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each setting that the file has. What it does not say is left out."""
    form = vm.format.upper() + (f", {vm.replayed} entries of its log replayed in memory" if vm.replayed else "")
    yield "format", form
    rows: list[tuple[str, object]] = [
        ("name", vm.name),
        ("id", vm.id),
        ("kind", vm.kind),
        ("version", vm.version),
        ("generation", vm.generation),
        ("created", vm.created_at),
        ("notes", vm.notes),
        ("owner", vm.owner_sid),
        ("highly available", vm.clustered),
        ("memory", _memory(vm.memory)),
        ("processors", _processor(vm.processor)),
        *_firmware(vm.firmware),
        ("TPM", vm.tpm_enabled),
        *((_slot(drive), _drive(drive)) for drive in vm.drives),
        *(("network adapter", _adapter(adapter)) for adapter in vm.network_adapters),
        ("automatic start", vm.automatic_start_action),
        ("start delay", vm.automatic_start_delay),
        ("automatic stop", vm.automatic_stop_action),
        ("checkpoint type", vm.checkpoint_type),
        ("automatic checkpoints", vm.automatic_checkpoints),
        ("checkpoints", vm.checkpoint_count),
        *((f"COM {port.number}", port.path) for port in vm.com_ports),
        *(("service", f"{each.name}: off") for each in vm.integration_services if each.enabled is False),
        ("guest state file", vm.guest_state_file),
        *(("doubt", text) for text in vm.doubts),
    ]
    for label, fact in rows:
        if fact is not None and fact != "":
            yield label, fact_text(fact)


def fact_text(fact: object) -> str:
    """Return a fact for people."""
    if isinstance(fact, Unknown):
        return f"unknown: {fact.reason}"
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return ", ".join(map(str, fact)) if isinstance(fact, tuple) else str(fact)


def _memory(memory: ConfiguredMemory) -> str | Unknown | None:
    if not isinstance(memory.startup_bytes, int):
        return memory.startup_bytes
    text = size_text(memory.startup_bytes)
    if memory.dynamic is True:
        ends = [each for each in (memory.minimum_bytes, memory.maximum_bytes) if isinstance(each, int)]
        text += ", dynamic" + (f" ({' to '.join(map(size_text, ends))})" if ends else "")
    return text


def _processor(processor: ConfiguredProcessor) -> str | None:
    if processor.count is None:
        return None
    extra = []
    if isinstance(processor.maximum, int) and processor.maximum != 100:
        extra.append(f"at most {processor.maximum} %")
    if processor.reserve:
        extra.append(f"{fact_text(processor.reserve)} % reserved")
    if processor.expose_virtualization_extensions is True:
        extra.append("nested virtualization")
    return ", ".join([fact_text(processor.count), *extra])


def _firmware(firmware: ConfiguredFirmware) -> Iterator[tuple[str, object]]:
    yield "boot order", firmware.boot_order
    yield "secure boot", firmware.secure_boot
    yield "secure boot template", firmware.secure_boot_template
    yield "BIOS GUID", firmware.bios_guid
    yield "serial number", firmware.serial_number


def _slot(drive: ConfiguredDrive) -> str:
    return f"{drive.controller_type} {drive.controller_number}:{drive.controller_location}"


def _drive(drive: ConfiguredDrive) -> str:
    return f"{drive.kind}  {'(empty)' if drive.path is None else fact_text(drive.path)}"


def _adapter(adapter: ConfiguredAdapter) -> str:
    words = [fact_text(adapter.name or "(no name)")]
    if adapter.mac_address is not None:
        words.append(f"MAC {fact_text(adapter.mac_address)} ({'static' if adapter.static_mac_address else 'dynamic'})")
    if adapter.connected is False:
        words.append("not connected")
    elif switch := adapter.switch_name or adapter.switch_id:
        words.append(f"switch {fact_text(switch)}")
    if adapter.legacy is True:
        words.append("legacy")
    named = (("VLAN", adapter.vlan), ("bandwidth", adapter.bandwidth), ("security", adapter.security))
    words += [f"{label} {fact_text(fact)}" for label, fact in named if fact is not None]
    return ", ".join(words)
