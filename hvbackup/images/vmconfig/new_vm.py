"""How to make a VM anew with New-VM when its host is gone: PowerShell lines for people. Nothing here runs them.

The better way, where a host still takes the configuration file, is Import-VM with that file: it keeps everything. This
plan is for files of an older host, and it says what does not come back. No Windows has run these lines yet: that the
cmdlets and parameters exist on Server 2016 to 2025 is tested, what they do is not.
"""

from __future__ import annotations

import ntpath
from collections.abc import Mapping

from hvbackup.errors import ImageUnsupported
from hvbackup.images.vmconfig.configuration import ConfiguredAdapter, ConfiguredDrive, VmConfiguration
from hvbackup.images.vmconfig.facts import known, unknown_facts
from hvbackup.images.vmconfig.normalise import SECURE_BOOT_TEMPLATES
from hvbackup.images.vmconfig.powershell_text import comment, quoted
from hvbackup.models import Model


class PlanStep(Model, frozen=True, kw_only=True):
    """One thing to do: what, and the lines that do it. `$vm` is the new VM."""

    text: str
    lines: tuple[str, ...]


class NewVmPlan(Model, frozen=True, kw_only=True):
    """The steps in their order, and what they cannot bring back."""

    name: str
    steps: tuple[PlanStep, ...]
    warnings: tuple[str, ...] = ()

    def script(self) -> str:
        """Return everything as one text: warnings and texts of steps are comments in it."""
        lines = [comment(f"Warning: {text}") for text in self.warnings]
        for step in self.steps:
            lines += ["", comment(step.text), *step.lines]
        return "\n".join(lines).lstrip("\n") + "\n"


def new_vm_plan(
    configuration: VmConfiguration, *, name: str | None = None, disk_folder: str | None = None
) -> NewVmPlan:
    """Return how to make the VM.

    Args:
        name: What it shall be called; None: as it was.
        disk_folder: Folder of the new host in which all its disk files lie; None: where they were.

    Raises:
        ImageUnsupported: The configuration does not say what New-VM cannot do without.
    """
    return _Plan(configuration, name, disk_folder).make()


def disk_drives(configuration: VmConfiguration) -> list[ConfiguredDrive]:
    """Return the drives that are disks with a file."""
    return [each for each in configuration.drives if each.kind == "VHD" and known(each.path) is not None]


class _Plan:
    def __init__(self, configuration: VmConfiguration, name: str | None, disk_folder: str | None) -> None:
        self.vm = configuration
        recorded = known(configuration.name)
        self.name = name or recorded or ""
        self.generation = known(configuration.generation)
        self.disk_folder = disk_folder
        self.steps: list[PlanStep] = []
        self.warnings: list[str] = []

    def make(self) -> NewVmPlan:
        if not self.name or self.generation is None:
            lacking = "a name" if not self.name else "the generation of the VM"
            raise ImageUnsupported(f"the configuration does not say what New-VM needs: {lacking}")
        self._warn_of_losses()
        self._create()
        self._memory()
        self._processor()
        self._controllers_and_drives()
        for adapter in self.vm.network_adapters:
            self._adapter(adapter)
        self._firmware()
        self._ports_and_services()
        self._automatic_actions()
        self.warnings += [f"not known: {place}: {reason}" for place, reason in unknown_facts(self.vm)]
        self.warnings += self.vm.doubts
        return NewVmPlan(name=self.name, steps=tuple(self.steps), warnings=tuple(self.warnings))

    def _step(self, text: str, *lines: str) -> None:
        self.steps.append(PlanStep(text=text, lines=lines))

    def _warn_of_losses(self) -> None:
        was = known(self.vm.id)
        self.warnings.append(f"the VM gets a new id{f' (it was {was})' if was else ''}, BIOS GUID and serial numbers")
        if version := known(self.vm.version):
            self.warnings.append(f"the configuration version was {version}; the VM gets the newest one of the host")
        self.warnings.append(
            "a saved state (.VMRS, .VSV, .bin) does not come back: the guest starts as after a power cut"
        )
        if self.generation == 2:
            self.warnings.append("UEFI variables (NVRAM) do not come back: boot entries, Secure Boot keys of one's own")
        if self.vm.tpm_device:
            self.warnings.append(
                "if it had a TPM: Set-VMKeyProtector -VM $vm -NewLocalKeyProtector; Enable-VMTPM -VM $vm gives it a "
                "new, empty one, and BitLocker will ask for its recovery key"
            )
        if count := known(self.vm.checkpoint_count):
            self.warnings.append(f"its {count} checkpoint(s) do not come back; only the disks as they are attached")
        if known(self.vm.clustered):
            self.warnings.append("it was highly available: Add-ClusterVirtualMachineRole makes it so again")

    def _create(self) -> None:
        memory = known(self.vm.memory.startup_bytes)
        size = f" -MemoryStartupBytes {memory}" if memory else ""
        if not memory:
            self.warnings.append("its memory is not known: New-VM gives it what it gives by default")
        create = f"$vm = New-VM -Name {quoted(self.name)} -Generation {self.generation}{size} -NoVHD"
        # What New-VM adds on its own would stand beside what the VM had.
        clear = ["Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter"]
        if self.generation == 1:
            clear.append("Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive")
        self._step("Create the VM, without the adapter and the drive that New-VM adds.", create, *clear)

    def _memory(self) -> None:
        memory = self.vm.memory
        dynamic = known(memory.dynamic) or False
        line = f"Set-VMMemory -VM $vm -DynamicMemoryEnabled ${str(dynamic).lower()}"
        limits = {"MinimumBytes": memory.minimum_bytes, "MaximumBytes": memory.maximum_bytes}
        if dynamic:
            line += _parameters({**limits, "Buffer": memory.buffer_percent})
        self._step("Set its memory.", line + _parameters({"Priority": memory.priority}))

    def _processor(self) -> None:
        processor = self.vm.processor
        values = {
            "Count": processor.count,
            "Reserve": processor.reserve,
            "Maximum": processor.maximum,
            "RelativeWeight": processor.relative_weight,
            "CompatibilityForMigrationEnabled": processor.compatibility_for_migration or None,
            "CompatibilityForOlderOperatingSystemsEnabled": processor.compatibility_for_older_operating_systems or None,
            "ExposeVirtualizationExtensions": processor.expose_virtualization_extensions or None,
        }
        if given := _parameters(values):
            self._step("Set its processors.", f"Set-VMProcessor -VM $vm{given}")

    def _controllers_and_drives(self) -> None:
        count = self.vm.scsi_controllers
        if count:
            more = f"while (@(Get-VMScsiController -VM $vm).Count -lt {count}) {{ Add-VMScsiController -VM $vm }}"
            self._step(f"Give it {count} SCSI controller(s).", more)
        for drive in self.vm.drives:
            place = f"{drive.controller_type} {drive.controller_number} {drive.controller_location}"
            path = known(drive.path)
            if drive.kind == "VHD" and path:
                self._disk(drive, place, path)
            elif drive.kind == "ISO":
                self._dvd(drive, place, path)
            elif drive.kind == "VFD":
                if path:
                    self.warnings.append(f"the floppy drive stays empty; it held {path}")
            else:
                self.warnings.append(f"the drive at {place} is left out: {drive.kind}, {path or 'without a file'}")

    def _disk(self, drive: ConfiguredDrive, place: str, path: str) -> None:
        now = ntpath.join(self.disk_folder, ntpath.basename(path)) if self.disk_folder else path
        if path.lower().endswith((".avhd", ".avhdx")):
            self.warnings.append(
                f"{path} is the disk of a checkpoint: all its parents must lie where it looks for them"
            )
        line = (
            f"Add-VMHardDiskDrive -VM $vm -ControllerType {drive.controller_type} -ControllerNumber "
            f"{drive.controller_number} -ControllerLocation {drive.controller_location} -Path {quoted(now)}"
        )
        line += _parameters({"MaximumIOPS": drive.maximum_iops or None, "MinimumIOPS": drive.minimum_iops or None})
        if known(drive.support_persistent_reservations):
            line += " -SupportPersistentReservations"
        self._step(f"Attach the disk at {place}; it was {path}.", line)

    def _dvd(self, drive: ConfiguredDrive, place: str, path: str | None) -> None:
        slot = f"-ControllerNumber {drive.controller_number} -ControllerLocation {drive.controller_location}"
        self._step(f"Add the DVD drive at {place}.", f"Add-VMDvdDrive -VM $vm {slot}")
        if path:
            self.warnings.append(f"the DVD drive at {place} stays empty; it held {path}")

    def _adapter(self, adapter: ConfiguredAdapter) -> None:
        name = known(adapter.name) or "Network Adapter"
        line = f"$adapter = Add-VMNetworkAdapter -VM $vm -Name {quoted(name)}"
        if adapter.legacy is not False and self.generation == 1:
            line += " -IsLegacy $true"
        address = known(adapter.mac_address)
        address = address if address and address.strip("0") else None
        if known(adapter.static_mac_address) and address:
            line += f" -StaticMacAddress {address}"
        else:
            line += " -DynamicMacAddress"
            had = f" (it had {address})" if address else ""
            self.warnings.append(
                f"the adapter {name!r} gets a new MAC address{had}: the guest may take it for a new card"
            )
        lines, switch = [f"{line} -Passthru"], known(adapter.switch_name)
        if known(adapter.connected) and switch:
            lines.append(f"Connect-VMNetworkAdapter -VMNetworkAdapter $adapter -SwitchName {quoted(switch)}")
        elif known(adapter.connected):
            self.warnings.append(f"the adapter {name!r} was connected; to which switch, the file does not say")
        self._step(f"Add the network adapter {name!r}.", *lines)

    def _firmware(self) -> None:
        firmware = self.vm.firmware
        if self.generation == 1:
            order = known(firmware.boot_order)
            line = f"Set-VMBios -VM $vm -StartupOrder {', '.join(order)}" if order else ""
            line = f"{line or 'Set-VMBios -VM $vm'} -EnableNumLock" if known(firmware.num_lock) else line
            if line:
                self._step("Set its BIOS.", line)
            return
        secure = known(firmware.secure_boot)
        if secure is not None:
            line = f"Set-VMFirmware -VM $vm -EnableSecureBoot {'On' if secure else 'Off'}"
            template = known(firmware.secure_boot_template)
            if secure and template:
                kind = "SecureBootTemplate" if template in SECURE_BOOT_TEMPLATES.values() else "SecureBootTemplateId"
                line += f" -{kind} {quoted(template)}"
            self._step("Set Secure Boot.", line)
        if disks := disk_drives(self.vm):
            slot = f"-ControllerNumber {disks[0].controller_number} -ControllerLocation {disks[0].controller_location}"
            self._step(
                "Let it boot from its first disk: its own order is not known.",
                f"Set-VMFirmware -VM $vm -FirstBootDevice (Get-VMHardDiskDrive -VM $vm -ControllerType SCSI {slot})",
            )

    def _ports_and_services(self) -> None:
        for port in self.vm.com_ports:
            if (path := known(port.path)) and port.number in (1, 2):
                self._step(
                    f"Set COM {port.number}.", f"Set-VMComPort -VM $vm -Number {port.number} -Path {quoted(path)}"
                )
        for service in self.vm.integration_services:
            enabled = known(service.enabled)
            if enabled is not None:
                find = "Get-VMIntegrationService -VM $vm | Where-Object -Property Id -Like -Value "
                verb = "Enable" if enabled else "Disable"
                line = f"{find}'*{service.service_id.upper()}' | {verb}-VMIntegrationService"
                self._step(f"{verb} the integration service {service.name}.", line)

    def _automatic_actions(self) -> None:
        line = "Set-VM -VM $vm" + _parameters(
            {
                "AutomaticStartAction": self.vm.automatic_start_action,
                "AutomaticStartDelay": self.vm.automatic_start_delay,
                "AutomaticStopAction": self.vm.automatic_stop_action,
                "CheckpointType": self.vm.checkpoint_type,
            }
        )
        if notes := known(self.vm.notes):
            line += f" -Notes {quoted(notes)}"
        if line != "Set-VM -VM $vm":
            self._step("Set what it does when the host starts and stops, its checkpoints and its notes.", line)


def _parameters(values: Mapping[str, object]) -> str:
    """Return the parameters whose values were read; words are those of this package's own tables."""
    text = ""
    for name, value in values.items():
        if isinstance(value, bool):
            text += f" -{name} ${str(value).lower()}"
        elif isinstance(value, int | str):
            text += f" -{name} {value}"
    return text
