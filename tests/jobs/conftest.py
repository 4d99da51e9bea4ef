"""Facts of a small host, for tests of decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hvbackup.models import (
    VSS_SERVICE_ID,
    Component,
    Disk,
    FileSpec,
    HostFacts,
    HyperVRole,
    ImageFile,
    IntegrationService,
    Memory,
    Method,
    PointFile,
    Processor,
    RestorePoint,
    Vm,
    Volume,
)

C = r"\\?\Volume{11111111-0000-0000-0000-000000000000}" + "\\"
D = r"\\?\Volume{22222222-0000-0000-0000-000000000000}" + "\\"


@pytest.fixture
def facts() -> HostFacts:
    return HostFacts(
        computer_name="HV01",
        os_caption="Windows Server 2022",
        os_version="10.0.20348",
        os_build=20348,
        product_type=3,
        powershell_version="5.1.20348.1",
        user=r"HV01\Administrator",
        elevated=True,
        time="2026-11-25T01:00:00Z",
        hyper_v=HyperVRole(installed=True),
        diskshadow_path=r"C:\Windows\System32\diskshadow.exe",
        scratch_root=r"C:\ProgramData\hvbackup\runs",
        volumes=(
            Volume(id=C, paths=("C:\\",), file_system="NTFS", size_bytes=1 << 40, free_bytes=1 << 39),
            Volume(id=D, paths=("D:\\",), file_system="NTFS", size_bytes=1 << 40, free_bytes=1 << 39),
        ),
    )


MakeVm = Callable[..., Vm]


@pytest.fixture
def make_vm() -> MakeVm:
    def make(name: str = "web01", number: int = 1, **fields: Any) -> Vm:
        vm_id = f"{number:08d}-0000-4000-8000-000000000000"
        disk = f"D:\\VMs\\{name}\\{name}.vhdx"
        defaults: dict[str, Any] = {
            "id": vm_id,
            "name": name,
            "state": "Running",
            "generation": 2,
            "version": "9.0",
            "path": f"D:\\VMs\\{name}",
            "configuration_location": f"D:\\VMs\\{name}",
            "snapshot_file_location": f"D:\\VMs\\{name}",
            "configuration_file": f"D:\\VMs\\{name}\\Virtual Machines\\{vm_id.upper()}.vmcx",
            "memory": Memory(startup_bytes=1 << 30),
            "processor": Processor(count=2),
            "scsi_controllers": 1,
            "integration_services": (
                IntegrationService(service_id=VSS_SERVICE_ID, name="VSS", enabled=True, operational=True),
            ),
            "disks": (
                Disk(
                    controller_type="SCSI",
                    controller_number=0,
                    controller_location=0,
                    path=disk,
                    chain=(
                        ImageFile(
                            path=disk, format="VHDX", type="Dynamic", size_bytes=1 << 30, file_size_bytes=4 << 20
                        ),
                    ),
                ),
            ),
        }
        return Vm(**{**defaults, **fields})

    return make


@pytest.fixture
def make_component() -> Callable[..., Component]:
    def make(vm: Vm, method: Method = Method.ONLINE) -> Component:
        kind = "Online" if method is Method.ONLINE else "Offline"
        return Component(
            name=vm.id.upper(),
            caption=f"{kind}\\{vm.name}",
            method=method,
            label=vm.name,
            files=(
                FileSpec(path=f"{vm.path}\\Virtual Machines\\", filespec=f"{vm.id.upper()}.vmcx"),
                FileSpec(path=vm.path, filespec=f"{vm.name}.vhdx"),
            ),
        )

    return make


@pytest.fixture
def make_point() -> Callable[..., RestorePoint]:
    def make(vm: Vm, *files: tuple[str, str], **fields: Any) -> RestorePoint:
        defaults: dict[str, Any] = {
            "id": "20261125T013000Z-0a0b0c0d",
            "host": "HV01",
            "vm_id": vm.id,
            "vm_name": vm.name,
            "asked_at": "2026-11-25T01:30:00Z",
            "snapshot_at": "2026-11-25T01:30:05Z",
            "finished_at": "2026-11-25T01:31:00Z",
            "method_asked": Method.ONLINE,
            "method": Method.ONLINE,
            "consistency": "guest",
            "vm": vm,
            "files": tuple(
                PointFile(
                    name=source.replace(":", "").replace("\\", "/"), source=source, kind=kind, size_bytes=10, hash="00"
                )
                for source, kind in files
            ),
        }
        return RestorePoint(**{**defaults, **fields})

    return make
