"""A New-VM plan from a configuration: what people are given to run, and what they are told is lost."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hvbackup.errors import ImageUnsupported
from hvbackup.images.vmconfig.configuration import (
    ConfiguredAdapter,
    ConfiguredDrive,
    ConfiguredFirmware,
    ConfiguredMemory,
    ConfiguredPort,
    ConfiguredProcessor,
    ConfiguredService,
    VmConfiguration,
)
from hvbackup.images.vmconfig.facts import Unknown
from hvbackup.images.vmconfig.new_vm import new_vm_plan
from hvbackup.images.vmconfig.powershell_text import comment, quoted
from hvbackup.images.vmconfig.record import as_vm
from hvbackup.models import Disk, DvdDrive, Firmware, IntegrationService, Memory, NetworkAdapter, Processor

SHARED = Path(__file__).resolve().parents[2] / "../shared"
CHECKER, CMDLETS = SHARED / "tools/check_cmdlets.py", SHARED / "data/cmdlets/cmdlets.json"
ID = "0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11"
UNKNOWN = Unknown(reason="nobody knows")


def drive(location: int, path: str | None, kind: str = "VHD", bus: str = "SCSI", **more: Any) -> ConfiguredDrive:
    return ConfiguredDrive(
        controller_type=bus, controller_number=0, controller_location=location, kind=kind, path=path, **more
    )


SECOND = VmConfiguration(
    format="vmcx",
    id=ID,
    name="Anna's server",
    version="9.0",
    generation=2,
    notes="line one\r\nline two",
    clustered=True,
    memory=ConfiguredMemory(
        startup_bytes=2 << 30, dynamic=True, minimum_bytes=1 << 30, maximum_bytes=4 << 30, buffer_percent=20,
        priority=50,
    ),
    processor=ConfiguredProcessor(
        count=4, reserve=0, maximum=100, relative_weight=100, expose_virtualization_extensions=True
    ),
    scsi_controllers=2,
    drives=(
        drive(0, r"C:\Disks\system.avhdx"),
        drive(1, r"C:\Disks\data.vhdx", maximum_iops=500, support_persistent_reservations=True),
        drive(2, r"D:\iso\windows.iso", kind="ISO"),
        drive(3, None, kind="PHYSICAL"),
    ),
    network_adapters=(
        ConfiguredAdapter(
            name="LAN", legacy=False, mac_address="00155D0A0B0C", static_mac_address=True, connected=True,
            switch_name="Extern", vlan=UNKNOWN,
        ),
        ConfiguredAdapter(
            name="Backup", legacy=False, mac_address="00155D0A0B0D", static_mac_address=False, connected=False,
            switch_name="Intern",
        ),
    ),
    firmware=ConfiguredFirmware(
        secure_boot=True, secure_boot_template="MicrosoftUEFICertificateAuthority", boot_order=UNKNOWN
    ),
    tpm_device=True,
    tpm_enabled=UNKNOWN,
    automatic_start_action="StartIfRunning",
    automatic_stop_action="Save",
    checkpoint_type="Production",
    checkpoint_count=2,
    integration_services=(
        ConfiguredService(
            service_id="6c09bb55-d683-4da0-8931-c9bf705f6480", name="Guest Service Interface", enabled=True
        ),
        ConfiguredService(service_id="5ced1297-4598-4915-a5fc-ad21bb4d02a4", name="VSS", enabled=False),
        ConfiguredService(service_id="84eaae65-2f2e-45f5-9bb5-0e857dc8eb47", name="Heartbeat"),
    ),
)  # fmt: skip
FIRST = VmConfiguration(
    format="xml",
    name="old",
    generation=1,
    version="4.0",
    memory=ConfiguredMemory(startup_bytes=512 << 20, dynamic=False),
    drives=(
        drive(0, r"C:\vm\old.vhd", bus="IDE"),
        drive(1, None, kind="ISO", bus="IDE"),
        drive(0, r"C:\boot.vfd", kind="VFD", bus="Floppy"),
    ),
    network_adapters=(ConfiguredAdapter(name="slow", legacy=UNKNOWN, mac_address="000000000000", connected=True),),
    firmware=ConfiguredFirmware(boot_order=("CD", "IDE", "LegacyNetworkAdapter", "Floppy"), num_lock=True),
    com_ports=(ConfiguredPort(number=1, path=r"\\.\pipe\debug"), ConfiguredPort(number=2)),
)


def lines(configuration: VmConfiguration, **more: Any) -> list[str]:
    return [line for step in new_vm_plan(configuration, **more).steps for line in step.lines]


def test_a_vm_of_generation_2_is_made_step_by_step() -> None:
    service = "Get-VMIntegrationService -VM $vm | Where-Object -Property Id -Like -Value "
    assert [
        "$vm = New-VM -Name 'Anna''s server' -Generation 2 -MemoryStartupBytes 2147483648 -NoVHD",
        "Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter",
        (
            "Set-VMMemory -VM $vm -DynamicMemoryEnabled $true -MinimumBytes 1073741824 -MaximumBytes 4294967296 "
            "-Buffer 20 -Priority 50"
        ),
        (
            "Set-VMProcessor -VM $vm -Count 4 -Reserve 0 -Maximum 100 -RelativeWeight 100 "
            "-ExposeVirtualizationExtensions $true"
        ),
        "while (@(Get-VMScsiController -VM $vm).Count -lt 2) { Add-VMScsiController -VM $vm }",
        (
            "Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber 0 -ControllerLocation 0 "
            r"-Path 'C:\Disks\system.avhdx'"
        ),
        (
            "Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber 0 -ControllerLocation 1 "
            r"-Path 'C:\Disks\data.vhdx' -MaximumIOPS 500 -SupportPersistentReservations"
        ),
        "Add-VMDvdDrive -VM $vm -ControllerNumber 0 -ControllerLocation 2",
        "$adapter = Add-VMNetworkAdapter -VM $vm -Name 'LAN' -StaticMacAddress 00155D0A0B0C -Passthru",
        "Connect-VMNetworkAdapter -VMNetworkAdapter $adapter -SwitchName 'Extern'",
        "$adapter = Add-VMNetworkAdapter -VM $vm -Name 'Backup' -DynamicMacAddress -Passthru",
        "Set-VMFirmware -VM $vm -EnableSecureBoot On -SecureBootTemplate 'MicrosoftUEFICertificateAuthority'",
        (
            "Set-VMFirmware -VM $vm -FirstBootDevice (Get-VMHardDiskDrive -VM $vm -ControllerType SCSI "
            "-ControllerNumber 0 -ControllerLocation 0)"
        ),
        f"{service}'*6C09BB55-D683-4DA0-8931-C9BF705F6480' | Enable-VMIntegrationService",
        f"{service}'*5CED1297-4598-4915-A5FC-AD21BB4D02A4' | Disable-VMIntegrationService",
        (
            "Set-VM -VM $vm -AutomaticStartAction StartIfRunning -AutomaticStopAction Save -CheckpointType Production "
            "-Notes ('line one' + [char]13 + [char]10 + 'line two')"
        ),
    ] == lines(SECOND)


def test_a_vm_of_generation_1_is_made_step_by_step() -> None:
    assert [
        "$vm = New-VM -Name 'old' -Generation 1 -MemoryStartupBytes 536870912 -NoVHD",
        "Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter",
        "Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive",
        "Set-VMMemory -VM $vm -DynamicMemoryEnabled $false",
        (
            "Add-VMHardDiskDrive -VM $vm -ControllerType IDE -ControllerNumber 0 -ControllerLocation 0 "
            r"-Path 'C:\vm\old.vhd'"
        ),
        "Add-VMDvdDrive -VM $vm -ControllerNumber 0 -ControllerLocation 1",
        "$adapter = Add-VMNetworkAdapter -VM $vm -Name 'slow' -IsLegacy $true -DynamicMacAddress -Passthru",
        "Set-VMBios -VM $vm -StartupOrder CD, IDE, LegacyNetworkAdapter, Floppy -EnableNumLock",
        r"Set-VMComPort -VM $vm -Number 1 -Path '\\.\pipe\debug'",
    ] == lines(FIRST)


def test_what_cannot_come_back_is_said() -> None:
    assert (
        f"the VM gets a new id (it was {ID}), BIOS GUID and serial numbers",
        "the configuration version was 9.0; the VM gets the newest one of the host",
        "a saved state (.VMRS, .VSV, .bin) does not come back: the guest starts as after a power cut",
        "UEFI variables (NVRAM) do not come back: boot entries, Secure Boot keys of one's own",
        (
            "if it had a TPM: Set-VMKeyProtector -VM $vm -NewLocalKeyProtector; Enable-VMTPM -VM $vm gives it a new, "
            "empty one, and BitLocker will ask for its recovery key"
        ),
        "its 2 checkpoint(s) do not come back; only the disks as they are attached",
        "it was highly available: Add-ClusterVirtualMachineRole makes it so again",
        r"C:\Disks\system.avhdx is the disk of a checkpoint: all its parents must lie where it looks for them",
        r"the DVD drive at SCSI 0 2 stays empty; it held D:\iso\windows.iso",
        "the drive at SCSI 0 3 is left out: PHYSICAL, without a file",
        "the adapter 'Backup' gets a new MAC address (it had 00155D0A0B0D): the guest may take it for a new card",
        "not known: network_adapters[0].vlan: nobody knows",
        "not known: firmware.boot_order: nobody knows",
        "not known: tpm_enabled: nobody knows",
    ) == new_vm_plan(SECOND).warnings


def test_what_is_lost_of_an_old_vm_is_said() -> None:
    warnings = new_vm_plan(replace(FIRST, doubts=("something is odd",))).warnings

    assert r"the floppy drive stays empty; it held C:\boot.vfd" in warnings
    assert "the adapter 'slow' was connected; to which switch, the file does not say" in warnings
    assert "not known: network_adapters[0].legacy: nobody knows" in warnings
    assert "something is odd" in warnings


def test_name_and_folder_of_the_disks_may_be_others() -> None:
    found = lines(SECOND, name="copy", disk_folder="E:\\restored")

    assert found[0].startswith("$vm = New-VM -Name 'copy' -Generation 2")
    assert any(line.endswith(r"-Path 'E:\restored\system.avhdx'") for line in found)


def test_a_script_says_its_warnings_first() -> None:
    script = new_vm_plan(FIRST).script()

    assert script.startswith("# Warning: the VM gets a new id, BIOS GUID and serial numbers\n")
    assert "\n# Set its BIOS.\nSet-VMBios -VM $vm " in script


@pytest.mark.parametrize(("lacking", "what"), [({"name": None}, "a name"), ({"generation": UNKNOWN}, "the generation")])
def test_without_a_name_or_a_generation_there_is_no_plan(lacking: dict[str, Any], what: str) -> None:
    with pytest.raises(ImageUnsupported, match=f"what New-VM needs: {what}"):
        new_vm_plan(replace(FIRST, **lacking))


def test_what_is_absent_is_left_to_new_vm() -> None:
    plan = new_vm_plan(VmConfiguration(format="xml", name="x", generation=2, memory=ConfiguredMemory(priority=UNKNOWN)))

    assert "$vm = New-VM -Name 'x' -Generation 2 -NoVHD" == plan.steps[0].lines[0]
    assert "Set-VMMemory -VM $vm -DynamicMemoryEnabled $false" == plan.steps[1].lines[0]
    assert 2 == len(plan.steps)
    assert "its memory is not known: New-VM gives it what it gives by default" in plan.warnings


# ---------------------------------------------------------------- texts

TEXTS = [
    "",
    "plain",
    "Anna's",
    "\u2018curly\u2019 \u201aand\u201b",
    '$(Remove-Item C:\\ -Recurse) `n "quoted" #; | & { }',
    "two\r\nlines\ttab",
    "\n",
    "'\n'",
    "\u202egnp.exe\u2028\u0085",
    "你好 ü 🙂 \U000e0041",
    "1\x001",
    "[char]65",
]


def test_texts_are_single_literals_and_what_cannot_be_seen_is_spelled_out() -> None:
    assert "''" == quoted("")
    assert "'Anna''s'" == quoted("Anna's")
    assert "'\u2018\u2018a\u2019\u2019'" == quoted("\u2018a\u2019")
    assert "('a' + [char]10 + 'b')" == quoted("a\nb")
    assert "('' + [char]13 + [char]10)" == quoted("\r\n")
    assert "('x' + [char]::ConvertFromUtf32(917569))" == quoted("x\U000e0041")
    assert "# a b  c" == comment("a\nb\r\nc")


def test_a_hostile_name_stays_a_name_everywhere() -> None:
    name = "x'; Stop-Computer; '\nStop-Computer #"
    hostile = replace(
        FIRST,
        name=name,
        notes=name,
        drives=(drive(0, name), drive(1, name, kind=name), drive(2, name, kind="ISO")),
        network_adapters=(ConfiguredAdapter(name=name, connected=True, switch_name=name),),
        com_ports=(ConfiguredPort(number=1, path=name),),
        firmware=ConfiguredFirmware(secure_boot_template=name, secure_boot=True),
        doubts=(name,),
        generation=2,
    )
    script = new_vm_plan(hostile).script()

    assert not [line for line in script.splitlines() if line.lstrip().startswith("Stop-Computer")]
    assert "-Name ('x''; Stop-Computer; ''' + [char]10 + 'Stop-Computer #')" in script


def _powershell() -> Path:
    program = Path(os.environ.get("HVBACKUP_PWSH") or SHARED / "tools/pwsh/pwsh")
    if not program.exists():
        pytest.skip("no PowerShell: set HVBACKUP_PWSH (../shared/tools/pwsh/pwsh is not there either)")
    return program


def _run(script: Path, text: str) -> str:
    script.write_text(text, encoding="utf-8-sig")
    done = subprocess.run(
        [str(_powershell()), "-NoProfile", "-NonInteractive", "-File", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_powershell_itself_takes_each_text_for_what_it_is(tmp_path: Path) -> None:
    expressions = "\n".join(
        f"[Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes([string] {quoted(text)}))" for text in TEXTS
    )
    output = _run(tmp_path / "texts.ps1", expressions + "\n")

    assert TEXTS == [base64.b64decode(line).decode("utf-16-le") for line in output.split("\n")[: len(TEXTS)]]


def test_powershell_itself_parses_every_line(tmp_path: Path) -> None:
    for number, configuration in enumerate((SECOND, FIRST)):
        plan = tmp_path / f"plan{number}.ps1"
        plan.write_text(new_vm_plan(configuration).script(), encoding="utf-8-sig")
    parse = (
        "$errors = $null\n"
        f"foreach ($file in Get-ChildItem -Path '{tmp_path}' -Filter plan*.ps1) {{\n"
        "[void] [Management.Automation.Language.Parser]::ParseFile($file.FullName, [ref] $null, [ref] $errors)\n"
        '"$($file.Name) $($errors.Count)" }\n'
    )

    assert ["plan0.ps1 0", "plan1.ps1 0"] == sorted(_run(tmp_path / "parse.ps1", parse).split("\n")[:2])


def test_the_plan_uses_cmdlets_and_parameters_that_exist(tmp_path: Path) -> None:
    if not CHECKER.is_file() or not CMDLETS.is_file():
        pytest.skip("the checker of cmdlets is not here (../shared/tools, ../shared/data/cmdlets)")
    script = tmp_path / "plan.ps1"
    tpm = "Set-VMKeyProtector -VM $vm -NewLocalKeyProtector; Enable-VMTPM -VM $vm; Add-ClusterVirtualMachineRole"
    texts = [new_vm_plan(SECOND).script(), new_vm_plan(FIRST).script(), tpm]
    other = replace(SECOND, firmware=ConfiguredFirmware(secure_boot=True, secure_boot_template=ID))
    script.write_text("\n".join([*texts, new_vm_plan(other).script()]), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, str(CHECKER), "--data", str(CMDLETS), "--targets", "2016,2019,2022,2025", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "-SecureBootTemplateId" in texts[0] + new_vm_plan(other).script()


# ---------------------------------------------------------------- the record of a restore point


def test_a_configuration_becomes_the_record_of_a_vm() -> None:
    vm, remarks = as_vm(SECOND, configuration_file=r"C:\vm\x.vmcx")

    assert vm is not None
    assert (ID, "Anna's server", "Unknown", 2, "9.0", r"C:\vm\x.vmcx", True) == (
        vm.id, vm.name, vm.state, vm.generation, vm.version, vm.configuration_file, vm.clustered
    )  # fmt: skip
    assert Memory(
        startup_bytes=2 << 30, dynamic=True, minimum_bytes=1 << 30, maximum_bytes=4 << 30, buffer_percent=20,
        priority=50,
    ) == vm.memory  # fmt: skip
    assert Processor(count=4, expose_virtualization_extensions=True) == vm.processor
    slot: dict[str, Any] = {"controller_type": "SCSI", "controller_number": 0}
    assert (
        Disk(**slot, controller_location=0, path=r"C:\Disks\system.avhdx"),
        Disk(**slot, controller_location=1, path=r"C:\Disks\data.vhdx", support_persistent_reservations=True),
        Disk(**slot, controller_location=3, path=None),
    ) == vm.disks
    assert (DvdDrive(**slot, controller_location=2, path=r"D:\iso\windows.iso"),) == vm.dvd_drives
    assert (
        NetworkAdapter(id="", name="LAN", switch_name="Extern", mac_address="00155D0A0B0C", dynamic_mac_address=False),
        NetworkAdapter(id="", name="Backup", mac_address="00155D0A0B0D"),
    ) == vm.network_adapters
    assert (
        IntegrationService(
            service_id="6c09bb55-d683-4da0-8931-c9bf705f6480", name="Guest Service Interface", enabled=True
        ),
        IntegrationService(service_id="5ced1297-4598-4915-a5fc-ad21bb4d02a4", name="VSS", enabled=False),
    ) == vm.integration_services
    template = "MicrosoftUEFICertificateAuthority"
    assert Firmware(secure_boot_template=template, boot_order=("Drive SCSI 0 0",)) == vm.firmware
    assert (
        "network adapter 'LAN': nobody knows",
        "the boot order is not known: it boots from its first disk",
        "whether it had a TPM is not known: it gets none",
        "its 2 checkpoint(s) are not in the record",
    ) == remarks


def test_the_record_of_an_old_vm_has_its_bios() -> None:
    vm, _ = as_vm(replace(FIRST, id=ID, processor=ConfiguredProcessor(count=1)))

    assert vm is not None
    assert (None, ("CD", "IDE", "LegacyNetworkAdapter", "Floppy"), True) == (
        vm.firmware, vm.boot_devices, vm.network_adapters[0].is_legacy
    )  # fmt: skip


@pytest.mark.parametrize("lacking", ["id", "name", "generation", "memory", "processor"])
def test_without_what_a_rebuild_needs_there_is_no_record(lacking: str) -> None:
    empty = {"memory": ConfiguredMemory(), "processor": ConfiguredProcessor()}.get(lacking)

    assert as_vm(replace(SECOND, **{lacking: empty})).vm is None
