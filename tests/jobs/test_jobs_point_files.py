from __future__ import annotations

from collections.abc import Callable

import pytest

from hvbackup.errors import InvalidRequest
from hvbackup.jobs.point_files import TreeNode, choose_files, point_tree
from hvbackup.models import Method, RestorePoint, Vm

MakeVm = Callable[..., Vm]
MakePoint = Callable[..., RestorePoint]


def lines(node: TreeNode, depth: int = 0) -> list[str]:
    own = "  " * depth + node.name + ("" if node.size_bytes is None else f" {node.size_bytes}")
    return [own, *(line for child in node.children for line in lines(child, depth + 1))]


def test_the_tree_is_that_of_the_vss_plugin(make_vm: MakeVm, make_point: MakePoint) -> None:
    point = make_point(
        make_vm("ubuntu"),
        (r"C:\ProgramData\Microsoft\Windows\Hyper-V\initialstore.xml", "host"),
        (r"C:\ProgramData\Microsoft\Windows\Hyper-V\Virtual Machines\690F.xml", "configuration"),
        (r"C:\VM\ubuntu.vhdx", "disk"),
        method=Method.OFFLINE,
    )

    assert [
        "@HYPERV",
        "  Microsoft Hyper-V VSS Writer",
        "    Host Component",
        "      C:",
        "        ProgramData",
        "          Microsoft",
        "            Windows",
        "              Hyper-V",
        "                initialstore.xml 10",
        "    Offline",
        "      ubuntu",
        "        C:",
        "          ProgramData",
        "            Microsoft",
        "              Windows",
        "                Hyper-V",
        "                  Virtual Machines",
        "                    690F.xml 10",
        "          VM",
        "            ubuntu.vhdx 10",
    ] == lines(point_tree(point))


def test_files_are_chosen_by_the_end_of_their_names(make_vm: MakeVm, make_point: MakePoint) -> None:
    point = make_point(
        make_vm(), (r"D:\VMs\a.vhdx", "disk"), (r"D:\VMs\a[1].vhdx", "disk"), (r"D:\x.vmcx", "configuration")
    )

    def chosen(*patterns: str) -> list[str]:
        return [file.name for file in choose_files(point, patterns)]

    assert ["D/VMs/a.vhdx", "D/VMs/a[1].vhdx"] == chosen("*.VHDX")
    assert ["D/VMs/a[1].vhdx"] == chosen("a[1].vhdx")
    assert ["D/VMs/a.vhdx"] == chosen(r"VMs\a.vhdx")
    assert 3 == len(chosen())


def test_a_pattern_that_fits_no_file_is_an_error(make_vm: MakeVm, make_point: MakePoint) -> None:
    with pytest.raises(InvalidRequest, match=r"fits 'b\.vhdx'"):
        choose_files(make_point(make_vm(), (r"D:\a.vhdx", "disk")), ["b.vhdx"])
