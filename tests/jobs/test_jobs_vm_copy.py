"""Where the files of a VM are in a shadow set, and what they are called afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hvbackup.hyperv.classify import classify
from hvbackup.jobs.plan import JobPlan
from hvbackup.jobs.sources import disk_files, sources_of
from hvbackup.jobs.vm_copy import list_files
from hvbackup.models import Disk, HostFacts, ImageFile, Vm
from hvbackup.remote.calls import FileEntry, FileList, GetFile
from hvbackup.remote.contract import Answer

D = r"\\?\Volume{22222222-0000-0000-0000-000000000000}" + "\\"
SHADOW = r"C:\ProgramData\hvbackup\runs\r\v0"


class OneFile:
    """A host whose shadow copy holds exactly one file of each root that is asked for by its full name."""

    host, port = "HV01", 5986

    def call(self, call: GetFile, **_: object) -> Answer[FileList]:
        files = tuple(
            FileEntry(
                path=f"{root.path.rstrip(chr(92))}\\{root.filespec}",
                size_bytes=1,
                modified_at="2026-11-25T01:00:00Z",
                root=number,
            )
            for number, root in enumerate(call.roots)
            if "*" not in root.filespec
        )
        return Answer(FileList(files=files))


def disk(path: str, *, number: int = 0) -> Disk:
    image = ImageFile(path=path, format="VHDX", type="Dynamic", size_bytes=1 << 30, file_size_bytes=4 << 20)
    return Disk(controller_type="SCSI", controller_number=0, controller_location=number, path=path, chain=(image,))


def planned(vm: Vm, facts: HostFacts) -> JobPlan:
    return JobPlan(
        vm=vm,
        classification=classify(vm, None, host=facts),
        component=None,
        action="run",
        sources=sources_of(vm, None),
    )


@pytest.mark.parametrize("folder", ["D:\\", "D:\\VMs\\"])
def test_a_disk_keeps_its_path_wherever_it_lies_the_root_of_a_drive_included(
    facts: HostFacts, make_vm: Callable[..., Vm], folder: str
) -> None:
    vm = make_vm(disks=(disk(f"{folder}web01.vhdx"),), configuration_file=None)
    transport: Any = OneFile()

    found = list_files(transport, planned(vm, facts), facts.volumes, {D: SHADOW})

    assert [f"{folder}web01.vhdx"] == [each.source for each in found if each.kind == "disk"]


def test_names_that_are_two_for_windows_are_two_files(make_vm: Callable[..., Vm]) -> None:
    vm = make_vm(disks=(disk("D:\\VMs\\Straße.vhdx"), disk("D:\\VMs\\Strasse.vhdx", number=1)))

    assert 2 == len(disk_files(vm))
    assert 2 == sum(source.filespec.startswith("Stra") and source.required for source in sources_of(vm, None))
