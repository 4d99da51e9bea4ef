"""The VMs of the simulated hosts, and how a short specification becomes a full record."""

from __future__ import annotations

import ntpath
import uuid

from hvbackup.models import (
    VSS_SERVICE_ID,
    Checkpoint,
    Disk,
    Firmware,
    ImageFile,
    IntegrationService,
    Memory,
    NetworkAdapter,
    Processor,
    Security,
    Vlan,
    Vm,
)
from hvbackup.simulator.state import Record, VmRecord, VmTruth
from hvbackup.simulator.vm_files import configuration_path

_NAMESPACE = uuid.UUID("5f6d3f0e-2f5e-4c0d-9c1d-0b8f2a7f9c55")

#: Integration services: the ids are the same on every host, the names are those of an English one.
SERVICES = {
    "6c09bb55-d683-4da0-8931-c9bf705f6480": "Guest Service Interface",
    "84eaae65-2f2e-45f5-9bb5-0e857dc8eb47": "Heartbeat",
    "2a34b1c2-fd73-4043-8a5b-dd2159bc743f": "Key-Value Pair Exchange",
    "9f8233ac-be49-4c79-8ee3-e7e1985b2077": "Shutdown",
    "2497f4de-e9fa-4204-80e4-4b75c46419c0": "Time Synchronization",
    VSS_SERVICE_ID: "VSS",
}
_GUEST_SERVICES = "6c09bb55-d683-4da0-8931-c9bf705f6480"


class VmSpec(Record):
    """A VM in short.

    Attributes:
        key: Seeds the VM's id and its bytes; unique on the host.
        folder: Name of its folder below `Hyper-V`; the key when None.
        disks: Drive letter of each disk.
        chain: How many checkpoints the first disk has (each adds an `.avhdx`).
        checkpoint_letter: Drive of the checkpoint location; that of the configuration when None.
    """

    key: str
    name: str
    generation: int = 2
    state: str = "Running"
    letter: str = "D"
    disks: tuple[str, ...] = ("D",)
    folder: str | None = None
    chain: int = 0
    scsi: bool = True
    vss_service: bool = True
    vss_running: bool = True
    checkpoint_letter: str | None = None
    clustered: bool = False
    without_files: bool = False
    truth: VmTruth | None = None

    @property
    def vm_id(self) -> str:
        """The VM's id, the same in every build."""
        return str(uuid.uuid5(_NAMESPACE, self.key))


#: The demo's VMs: each way to be Online or Offline, and each kind of odd name.
DEMO = [
    VmSpec(key="web01", name="web01"),
    VmSpec(key="db01", name="db01", disks=("D", "E")),
    VmSpec(key="legacy", name="legacy", generation=1, scsi=False),
    VmSpec(key="build01", name="build01", state="Off"),
    VmSpec(key="files-old", name="files [old]", folder="files [old]", vss_service=False),
    VmSpec(key="far01", name="far01", checkpoint_letter="E"),
    VmSpec(key="twin-1", name="twin", folder="twin"),
    VmSpec(key="twin-2", name="twin", folder="twin (2)", state="Off", letter="E", disks=("E",)),
    VmSpec(key="quoted", name='Büro O\'Neil "neu"', folder="Büro O'Neil neu"),
    VmSpec(key="clu01", name="clu01", clustered=True),
    VmSpec(key="chain01", name="chain01", letter="E", disks=("E",), chain=1),
]


def many(count: int) -> list[VmSpec]:
    """Return `count` VMs without disk files, for measuring the control plane."""
    return [
        VmSpec(
            key=f"many-{number:04}",
            name=f"vm{number:04}",
            state="Running" if number % 3 else "Off",
            disks=("D", "E") if number % 2 else ("D",),
            without_files=True,
        )
        for number in range(count)
    ]


def location(spec: VmSpec, letter: str) -> str:
    """The VM's folder on a drive."""
    return f"{letter}:\\Hyper-V\\{spec.folder or spec.key}"


def disk_paths(spec: VmSpec) -> list[list[str]]:
    """The files of each disk, leaf first."""
    paths = []
    for index, letter in enumerate(spec.disks):
        stem = spec.folder or spec.key
        stem += f"-data{index}" if index else ""
        folder = ntpath.join(location(spec, letter), "Virtual Hard Disks")
        chain = [ntpath.join(folder, stem + ".vhdx")]
        for link in range(spec.chain if index == 0 else 0):
            checkpoint = str(uuid.uuid5(_NAMESPACE, f"{spec.key}/disk/{link}")).upper()
            chain.insert(0, ntpath.join(folder, f"{stem}_{checkpoint}.avhdx"))
        paths.append(chain)
    return paths


def vm_record(spec: VmSpec) -> VmRecord:
    """Return the full record of a specification; disks that have files have no chain here, since the files say it."""
    running = spec.state == "Running"
    home = location(spec, spec.letter)
    vm = Vm(
        id=spec.vm_id,
        name=spec.name,
        state=spec.state,
        generation=spec.generation,
        version="9.0",
        path=home,
        configuration_location=home,
        snapshot_file_location=location(spec, spec.checkpoint_letter or spec.letter),
        smart_paging_file_path=home,
        configuration_file=configuration_path(home, spec.vm_id),
        notes=f"Simulated VM {spec.key}",
        created_at="2026-01-10T08:00:00.000Z",
        uptime_seconds=86400 if running else 0,
        clustered=spec.clustered,
        checkpoint_type="Production",
        automatic_checkpoints=False,
        automatic_start_action="StartIfRunning",
        automatic_stop_action="Save",
        memory=Memory(
            startup_bytes=2 << 30,
            dynamic=True,
            minimum_bytes=512 << 20,
            maximum_bytes=4 << 30,
            buffer_percent=20,
            priority=50,
        ),
        processor=Processor(count=2),
        scsi_controllers=1 if spec.generation == 2 or spec.scsi else 0,
        disks=_disks(spec),
        network_adapters=(_adapter(spec),),
        integration_services=_services(spec, running),
        checkpoints=_checkpoints(spec),
        firmware=_firmware(spec) if spec.generation == 2 else None,
        boot_devices=("CD", "IDE", "LegacyNetworkAdapter", "Floppy") if spec.generation == 1 else (),
        security=Security() if spec.generation == 2 else None,
    )
    truth = spec.truth or VmTruth()
    truth.without_files = spec.without_files
    return VmRecord(vm=vm, truth=truth)


def _disks(spec: VmSpec) -> tuple[Disk, ...]:
    kind = "SCSI" if spec.generation == 2 else "IDE"
    return tuple(
        Disk(
            controller_type=kind,
            controller_number=0,
            controller_location=index,
            path=chain[0],
            chain=tuple(_recorded_image(path) for path in chain) if spec.without_files else (),
        )
        for index, chain in enumerate(disk_paths(spec))
    )


def _recorded_image(path: str) -> ImageFile:
    return ImageFile(
        path=path,
        format="VHDX",
        type="Dynamic",
        size_bytes=127 << 30,
        file_size_bytes=20 << 30,
        disk_identifier=str(uuid.uuid5(_NAMESPACE, path)),
        block_size_bytes=32 << 20,
        logical_sector_size=512,
        physical_sector_size=4096,
    )


def _adapter(spec: VmSpec) -> NetworkAdapter:
    tail = uuid.uuid5(_NAMESPACE, spec.key + "/mac").hex[:6].upper()
    return NetworkAdapter(
        id=f"Microsoft:{spec.vm_id.upper()}\\{str(uuid.uuid5(_NAMESPACE, spec.key + '/adapter')).upper()}",
        name="Network Adapter",
        switch_name="External",
        mac_address="00155D" + tail,
        vlan=Vlan(mode="Access", access_vlan_id=20) if spec.key == "db01" else Vlan(),
    )


def _services(spec: VmSpec, running: bool) -> tuple[IntegrationService, ...]:
    def service(service_id: str, name: str) -> IntegrationService:
        enabled = service_id != _GUEST_SERVICES
        works = running
        if service_id == VSS_SERVICE_ID:
            enabled, works = spec.vss_service, running and spec.vss_running
        return IntegrationService(
            service_id=service_id,
            name=name,
            enabled=enabled,
            status="OK" if enabled and works else "No Contact" if enabled and running else "",
            operational=works if enabled and running else None,
        )

    return tuple(service(service_id, name) for service_id, name in SERVICES.items())


def _checkpoints(spec: VmSpec) -> tuple[Checkpoint, ...]:
    ids = [str(uuid.uuid5(_NAMESPACE, f"{spec.key}/checkpoint/{link}")) for link in range(spec.chain)]
    return tuple(
        Checkpoint(
            id=checkpoint_id,
            name=f"{spec.name} - before change {link + 1}",
            type="Standard",
            created_at="2026-02-01T10:00:00.000Z",
            parent_id=ids[link - 1] if link else None,
        )
        for link, checkpoint_id in enumerate(ids)
    )


def _firmware(spec: VmSpec) -> Firmware:
    disks = tuple(f"Drive SCSI 0 {index}" for index in range(len(spec.disks)))
    return Firmware(secure_boot_template="MicrosoftWindows", boot_order=("Network Network Adapter", *disks))
