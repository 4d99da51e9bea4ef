"""Facts of a small host, for tests of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hvbackup.jobs.host import Host
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
from hvbackup.remote.connect import open_transport
from hvbackup.remote.options import ConnectionOptions
from hvbackup.repository.repository import Repository
from hvbackup.secrets import Secret
from hvbackup.simulator.builder import build_host
from hvbackup.simulator.simulated_host import ServedHost, serve_host
from hvbackup.simulator.vm_specs import VmSpec
from hvbackup.simulator.volumes import local_path

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


class Site(NamedTuple):
    """A simulated host that answers over WinRM, a connection to it, a repository, and where the state of jobs is."""

    served: ServedHost
    host: Host
    repository: Repository
    state: Path

    @property
    def folder(self) -> Path:
        """The folder in which the simulated host's drives are."""
        return self.served.host.folder

    def connect(self) -> Host:
        """Another connection, as another process of this machine would make it."""
        return connect_to(self.served, self.state)

    def windows_file(self, path: str) -> Path:
        """The file behind a Windows path of the host."""
        return local_path(self.folder, path)

    def leftovers(self) -> tuple[int, int, int]:
        """How many scratch folders, shadow copies and mounted disks are on the host."""
        record = self.served.host.read()
        runs = self.windows_file(record.machine.scratch_root)
        scratch = len(list(runs.iterdir())) if runs.exists() else 0
        return scratch, len(record.shadow_copies), len(record.mounted)


def connect_to(served: ServedHost, state: Path) -> Host:
    options = ConnectionOptions(
        host="127.0.0.1",
        port=served.server.port,
        username=served.ready.username,
        password=Secret(served.ready.password),
        auth="basic",
        ca_file=served.ready.ca_file,
    )
    return Host(open_transport(options), state_folder=state)


MakeSite = Callable[..., Site]

DEFAULT_VMS = (
    VmSpec(key="web01", name="web01"),
    VmSpec(key="db01", name="db01", disks=("D", "E")),
    VmSpec(key="legacy", name="legacy", generation=1, scsi=False),
)


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeSite]:
    """Make a site with the VMs given; everything is stopped at the end of the test."""
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    with ExitStack() as stack:

        def make(vms: Sequence[VmSpec] = DEFAULT_VMS, *, profile: str = "demo") -> Site:
            build_host(tmp_path / "host", profile=profile, vms=list(vms))
            served = stack.enter_context(serve_host(tmp_path / "host"))
            host = stack.enter_context(connect_to(served, tmp_path / "state"))
            repository = stack.enter_context(Repository.init(tmp_path / "repository", passphrase=None))
            return Site(served, host, repository, tmp_path / "state")

        yield make


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """A host with an Online VM, one on two volumes, and a running Offline one."""
    return make_site()
