"""Configuration files that real hosts wrote, against what another reader decoded from them."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import ImageDamaged, ImageUnsupported
from hvbackup.images.source import BytesSource, FileSource
from hvbackup.images.vmconfig.container import read_container
from hvbackup.images.vmconfig.facts import Unknown
from hvbackup.images.vmconfig.new_vm import new_vm_plan
from hvbackup.images.vmconfig.read import list_configurations, read_configuration
from hvbackup.images.vmconfig.xml_configuration import read_xml

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/data/hyperv_configs"
FIRST_GENERATION = "dissect_hypervisor/test.vmcx"
STATE = "dissect_hypervisor/test.VMRS"
SECOND_GENERATION = "dissect_target/993F7B33-6057-4D1E-A1FE-A1A1D77BE974.vmcx"
OF_2012_R2 = "dissect_target/B90AC31B-C6F8-479F-9B91-07B894A6A3F6.xml"
HOST_LIST = "dissect_target/data.vmcx"


def sample(name: str) -> FileSource:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the sample {name} is not here (../shared/data/hyperv_configs)")
    return FileSource(path)


def _hex(value: Any) -> str:
    assert isinstance(value, bytes)
    return f"hex:{value.hex()}"


@pytest.mark.parametrize("name", [FIRST_GENERATION, STATE, SECOND_GENERATION, OF_2012_R2, HOST_LIST])
def test_the_tree_is_that_of_another_reader(name: str) -> None:
    with sample(name) as source:
        tree = read_xml(source) if name.endswith(".xml") else read_container(source).tree
    decoded = json.loads((SAMPLES / "decoded" / f"{Path(name).name}.json").read_text("utf-8"))

    assert decoded == json.loads(json.dumps(tree, default=_hex))


@pytest.mark.parametrize("name", [FIRST_GENERATION, STATE, SECOND_GENERATION, HOST_LIST])
def test_each_entry_of_real_files_has_the_checksum_that_is_expected(name: str) -> None:
    with sample(name) as source:
        data = source.read_at(0, source.size)
        read_container(source)
    entries = list(_entries_in_use(data))

    assert len(entries) > 20
    for at, length in entries:
        raw = data[at : at + length]
        assert struct.unpack_from("<I", raw, 12)[0] == zlib.crc32(raw[:12] + bytes(4) + raw[16:]), hex(at)


def _entries_in_use(data: bytes) -> list[tuple[int, int]]:
    """Where each entry of each key table is, and its length up to the end of its value."""
    found = []
    for number in range(struct.unpack_from("<I", data, 0x2004)[0]):
        kind, _, table, size, allocated = struct.unpack_from("<BIQIB", data, 0x2008 + 18 * number)
        at = table + 10
        while kind == 2 and allocated and at + 21 <= table + size:
            entry, length, name = struct.unpack_from("<HI14xB", data, at)
            value = {3: 8, 8: 4, 9: 12}.get(entry & 0xFF) or 4 + struct.unpack_from("<I", data, at + 21 + name)[0]
            if entry & 0xFF != 1:
                found.append((at, 21 + name + value))
            at += length
    return found


def test_a_vm_of_generation_1_is_read() -> None:
    with sample(FIRST_GENERATION) as source:
        found = read_configuration(source)

    assert ("Other Location", "282874fc-59d6-4f30-bc04-5fdd909c82e0") == (found.name, found.id)
    assert ("vmcx", "9.0", 1, False, None) == (
        found.format, found.version, found.generation, found.clustered, found.notes
    )  # fmt: skip
    assert ("2021-08-22T21:41:00Z", 1 << 30, False, 1) == (
        found.created_at, found.memory.startup_bytes, found.memory.dynamic, found.processor.count
    )  # fmt: skip
    assert [
        ("Floppy", 0, 0, "VFD", None),
        ("IDE", 0, 0, "VHD", r"C:\Users\Public\Documents\Hyper-V\Virtual Hard Disks\Other Location.vhdx"),
        ("IDE", 1, 0, "ISO", None),
    ] == [
        (each.controller_type, each.controller_number, each.controller_location, each.kind, each.path)
        for each in found.drives
    ]
    assert ("CD", "IDE", "LegacyNetworkAdapter", "Floppy") == found.firmware.boot_order
    assert (False, None, 0) == (found.tpm_device, found.tpm_enabled, found.checkpoint_count)
    assert () == found.doubts


def test_a_vm_of_generation_2_is_read() -> None:
    with sample(SECOND_GENERATION) as source:
        found = read_configuration(source)

    assert ("Default Generation 2", 2, True, "MicrosoftWindows") == (
        found.name, found.generation, found.firmware.secure_boot, found.firmware.secure_boot_template
    )  # fmt: skip
    assert [("SCSI", 0, 0, "VHD", r"C:\Disks\Default Generation 2.vhdx")] == [
        (each.controller_type, each.controller_number, each.controller_location, each.kind, each.path)
        for each in found.drives
    ]
    (adapter,) = found.network_adapters
    assert ("Network Adapter", False, "000000000000", False, False, None) == (
        adapter.name, adapter.legacy, adapter.mac_address, adapter.static_mac_address, adapter.connected, adapter.vlan
    )  # fmt: skip
    # every generation 2 VM has the device; whether it is enabled cannot be read
    assert found.tpm_device
    assert isinstance(found.tpm_enabled, Unknown)
    assert isinstance(found.firmware.boot_order, Unknown)
    assert ("StartIfRunning", "Save", "Production") == (
        found.automatic_start_action, found.automatic_stop_action, found.checkpoint_type
    )  # fmt: skip


def test_a_vm_of_2012_r2_is_read_from_its_xml() -> None:
    with sample(OF_2012_R2) as source:
        found = read_configuration(source)

    assert ("xml", "5.0", 1, "Default Generation 1") == (found.format, found.version, found.generation, found.name)
    assert [("Floppy", "VFD"), ("IDE", "VHD"), ("IDE", "ISO")] == [
        (each.controller_type, each.kind) for each in found.drives
    ]
    assert (1, 1, None) == (found.scsi_controllers, len(found.network_adapters), found.created_at)


def test_the_runtime_state_is_no_configuration() -> None:
    with sample(STATE) as source, pytest.raises(ImageUnsupported, match="runtime state"):
        read_configuration(source)


def test_the_list_of_a_host_names_its_vms() -> None:
    with sample(HOST_LIST) as source:
        found = list_configurations(source)

    assert 4 == len(found)
    assert ("4c57771a-3230-4b92-b029-d63f96518e70", r"C:\VM\Other Generation 2\Virtual Machines") == (
        found[3].id, found[3].path.rpartition("\\")[0]
    )  # fmt: skip


@pytest.mark.parametrize("name", [FIRST_GENERATION, SECOND_GENERATION, OF_2012_R2])
def test_a_vm_can_be_planned_anew_from_each_of_them(name: str) -> None:
    with sample(name) as source:
        script = new_vm_plan(read_configuration(source)).script()

    assert "$vm = New-VM -Name " in script
    assert "Add-VMHardDiskDrive -VM $vm -ControllerType " in script


@pytest.mark.parametrize("name", [FIRST_GENERATION, STATE, SECOND_GENERATION, HOST_LIST])
def test_no_wrong_bit_under_the_headers_and_tables_of_real_files_goes_unseen(name: str) -> None:
    with sample(name) as source:
        data = source.read_at(0, source.size)
    places = [*range(0x2000, 0x2100, 7)]
    for at, length in _entries_in_use(data)[::25]:
        places += range(at + 2, at + length, 9)
    for at in places:
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(ImageDamaged):
            read_container(BytesSource(flipped))
