"""What a tree means: read, absent and unknown are three different things."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.images.vmconfig.configuration import ConfiguredAdapter, VmConfiguration
from hvbackup.images.vmconfig.facts import Unknown, known, unknown_facts
from hvbackup.images.vmconfig.new_vm import new_vm_plan
from hvbackup.images.vmconfig.normalise import normalise
from hvbackup.images.vmconfig.record import as_vm
from hvbackup.images.vmconfig.tree import Tree, Unread
from hvbackup.models import decodable

SCSI, NIC = "d422512d-2bf2-4752-809d-7b82b5fcb1b4", "2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778"
FIRMWARE, TPM = "ac6b8dc1-3257-4a70-b1b2-a9c9215659ad", "736e6aa9-a3f8-49c0-9550-a963214d259a"
IDE = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
A, B, C = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "abc")
VLAN = "Feature_952C5004-4465-451C-8CB8-FA9AB382B773"


def tree(*devices: tuple[str, str], **sections: Any) -> Tree:
    """A tree with these devices (kind, instance) in its manifest; sections: `a__b=1` is `{"a": {"b": 1}}`."""
    manifest: Tree = {
        f"vdev{number:03}": {"device": kind, "instance": instance.upper(), "name": f"device {number}"}
        for number, (kind, instance) in enumerate(devices, 1)
    }
    configuration: Tree = {"manifest": manifest}
    for path, value in sections.items():
        *nodes, name = path.split("__")
        node = configuration
        for each in nodes:
            below = node.setdefault(each, {})
            assert isinstance(below, dict)
            node = below
        node[name] = value
    return {"configuration": configuration}


def with_device(found: Tree, guid: str, section: Tree) -> Tree:
    configuration = found["configuration"]
    assert isinstance(configuration, dict)
    configuration[f"_{guid}_"] = section
    return found


def read(found: Tree) -> VmConfiguration:
    return normalise(found, "vmcx")


def adapter(section: Tree) -> ConfiguredAdapter:
    return read(with_device(tree((NIC, A)), A, section)).network_adapters[0]


# ---------------------------------------------------------------- the three kinds of facts


def test_read_absent_and_unknown_are_three_different_things() -> None:
    section: Tree = {"size": 512, "priority": "high", "limit": Unread("a value of the unknown type 2")}
    memory = read(tree(settings__memory__bank=section)).memory

    assert 512 << 20 == memory.startup_bytes
    assert memory.minimum_bytes is None
    assert Unknown(reason="settings/memory/bank/priority is of the type str, and should be a number") == memory.priority
    assert Unknown(reason="settings/memory/bank/limit is a value of the unknown type 2") == memory.maximum_bytes
    assert (512 << 20, None, None) == (known(memory.startup_bytes), known(memory.minimum_bytes), known(memory.priority))


def test_in_json_they_are_a_value_null_and_a_reason() -> None:
    found = read(tree(settings__processors={"count": 4, "weight": True}))
    processor = found.to_dict()["processor"]

    assert (4, None) == (processor["count"], processor["reserve"])
    assert {"unknown": "settings/processors/weight is of the type bool, and should be a number"} == (
        processor["relativeWeight"]
    )
    assert found == msgspec.json.decode(json.dumps(found.to_dict()), type=decodable(VmConfiguration))


def test_what_is_unknown_is_listed_with_its_place() -> None:
    found = adapter({"MacAddress": "here", "Connection": {VLAN: {}}})

    assert [
        ("network_adapters[0].mac_address", "'here' is no MAC address"),
        ("network_adapters[0].vlan", "VLANs are set; their binary form is not published"),
    ] == list(unknown_facts(VmConfiguration(format="xml", network_adapters=(found,))))


def test_an_empty_configuration_says_nothing_and_is_no_error() -> None:
    found = read({})

    assert (None, None, None, None) == (found.id, found.name, found.generation, found.version)
    assert ((), (), 0) == (found.drives, found.network_adapters, found.scsi_controllers)
    assert [] == list(unknown_facts(found))
    assert any("no manifest" in doubt for doubt in found.doubts)


# ---------------------------------------------------------------- single values


@pytest.mark.parametrize(
    ("properties", "generation"),
    [
        ({"subtype": 0, "version": 0x900}, 1),
        ({"subtype": 1, "version": 0x500}, 2),
        ({"version": 0x400}, 1),  # generation 2 came with 5.0
        ({"version": 0x900}, None),
        ({}, None),
        ({"subtype": 2}, Unknown(reason="properties/subtype is 2; 0 and 1 are known")),
    ],
)
def test_the_generation_is_read_or_follows_from_the_version(properties: Tree, generation: object) -> None:
    assert generation == read(tree(properties=properties)).generation


def test_times_versions_and_ids_have_one_form() -> None:
    found = read(
        tree(
            properties={
                "creation_time": bytes.fromhex("3bc09dc2f142d901"),
                "version": 0x803,
                "global_id": "{993F7B33-6057-4D1E-A1FE-A1A1D77BE974}",
            }
        )
    )

    assert ("2023-02-17T17:03:30Z", "8.3", "993f7b33-6057-4d1e-a1fe-a1a1d77be974") == (
        found.created_at, found.version, found.id
    )  # fmt: skip


@pytest.mark.parametrize("time", [bytes(7), b"\xff" * 8, "today"])
def test_a_time_that_is_none_is_unknown(time: Any) -> None:
    assert isinstance(read(tree(properties__creation_time=time)).created_at, Unknown)


def test_the_id_is_also_taken_from_where_else_it_stands() -> None:
    assert read(tree(settings__global__logical_id=A.upper())).id == A


@pytest.mark.parametrize("size", [-1, 1 << 60, (1 << 64) - 1])
def test_sizes_that_cannot_be_meant_are_unknown(size: int) -> None:
    assert isinstance(read(tree(settings__memory__bank__size=size)).memory.startup_bytes, Unknown)


def test_processors_and_memory_are_in_percent_and_bytes() -> None:
    found = read(
        tree(
            settings={
                "memory": {"bank": {"size": 1024, "reservation": 512, "limit": 4096, "dynamic_memory_enabled": True,
                                    "target_memory_buffer": 20, "priority": 8000}},
                "processors": {"count": 8, "limit": 75000, "reservation": 10000, "weight": 200, "limit_cpuid": True,
                               "features": {"limit": True}, "nested_virtualization": {"enabled": True}},
            }
        )
    )  # fmt: skip

    assert {
        "startupBytes": 1 << 30, "dynamic": True, "minimumBytes": 512 << 20, "maximumBytes": 4 << 30,
        "bufferPercent": 20, "priority": 80,
    } == found.memory.to_dict()  # fmt: skip
    assert {
        "count": 8, "reserve": 10, "maximum": 75, "relativeWeight": 200, "compatibilityForMigration": True,
        "compatibilityForOlderOperatingSystems": True, "exposeVirtualizationExtensions": True,
    } == found.processor.to_dict()  # fmt: skip


def test_automatic_actions_have_words_and_other_numbers_are_unknown() -> None:
    found = read(
        tree(
            global_settings={
                "power": {"host_startup": {"action": 2, "delay": 120}, "host_shutdown": {"action": 9}},
                "snapshots": {"user_type": 2, "list": {"size": 3}, "enable_automatic": True},
                "owner": {"sid": "S-1-5-18"},
            },
            properties__highly_available=True,
        )
    )

    assert ("Start", Unknown(reason="global_settings/power/host_startup/delay is 120; its unit is not known")) == (
        found.automatic_start_action, found.automatic_start_delay
    )  # fmt: skip
    why = "global_settings/power/host_shutdown/action is 9, whose meaning is not known"
    assert Unknown(reason=why) == found.automatic_stop_action
    assert ("Disabled", True, 3, "S-1-5-18", True) == (
        found.checkpoint_type, found.automatic_checkpoints, found.checkpoint_count, found.owner_sid, found.clustered
    )  # fmt: skip


def test_the_file_of_a_checkpoint_is_doubted() -> None:
    assert ("the file describes something of the kind 'Snapshots', not a VM as it runs",) == (
        read(tree((TPM, TPM), properties__type_id="Snapshots")).doubts
    )


# ---------------------------------------------------------------- devices


def test_scsi_controllers_are_counted_as_the_manifest_orders_them() -> None:
    found = tree((SCSI, B), (SCSI, A))
    with_device(found, A, {"controller0": {"drive10": {"type": "VHD", "pathname": r"D:\ten.vhdx"}}})
    with_device(found, B, {"controller0": {"drive2": {"type": "VHD", "pathname": r"D:\two.vhdx"},
                                           "drive0": {"type": "ISO", "pathname": ""}}})  # fmt: skip

    configuration = read(found)

    assert 2 == configuration.scsi_controllers
    assert [(0, 0, "ISO", None), (0, 2, "VHD", r"D:\two.vhdx"), (1, 10, "VHD", r"D:\ten.vhdx")] == [
        (each.controller_number, each.controller_location, each.kind, each.path) for each in configuration.drives
    ]


def test_ide_drives_are_found_without_a_manifest_entry_as_in_xml() -> None:
    drives: Tree = {"controller1": {"drive1": {"type": "VHD", "pathname": r"D:\a.vhd"}, "drive0": {"type": "NONE"}}}
    (drive,) = read(with_device(tree((NIC, A)), IDE.upper(), drives)).drives

    assert ("IDE", 1, 1, r"D:\a.vhd") == (
        drive.controller_type, drive.controller_number, drive.controller_location, drive.path
    )  # fmt: skip


def test_drives_on_a_controller_of_an_unknown_kind_are_a_doubt() -> None:
    found = with_device(tree((SCSI, A)), B, {"controller0": {"drive0": {"type": "VHD", "pathname": "x"}}})

    assert (f"_{B}_ has drives, and the manifest does not say on which kind of controller",) == read(found).doubts


def test_a_connected_adapter_names_its_switch() -> None:
    found = adapter(
        {
            "FriendlyName": "LAN", "MacAddress": "00-15-5D-0a-0b-0c", "MacAddressIsStatic": True, "IsConnected": True,
            "SwitchName": C.upper(), "Connection": {"AltSwitchName": "Extern", "Feature_x": {}},
        }
    )  # fmt: skip

    assert {
        "id": A, "name": "LAN", "legacy": False, "macAddress": "00155D0A0B0C", "staticMacAddress": True,
        "connected": True, "switchId": C, "switchName": "Extern", "vlan": None, "bandwidth": None, "security": None,
    } == found.to_dict()  # fmt: skip


def test_binary_settings_of_an_adapter_are_unknown_and_not_absent() -> None:
    found = adapter(
        {
            "Connection": {
                VLAN: {"Flags": 0},
                "Feature_24AD3CE1-69BD-4978-B2AC-DAAD389D699C": {},
                "Feature_776e0ba7-94a1-41c8-8f28-951f524251b5": {},
            }
        }
    )

    assert (True, True, True) == tuple(
        isinstance(each, Unknown) for each in (found.vlan, found.bandwidth, found.security)
    )


def test_an_adapter_that_the_manifest_does_not_list_may_be_a_legacy_one() -> None:
    found = read(with_device(tree((SCSI, B)), A, {"MacAddress": "00-15-5D-00-00-01", "FriendlyName": "old"}))

    assert isinstance(found.network_adapters[0].legacy, Unknown)


def test_an_emulated_adapter_of_the_manifest_is_a_legacy_one() -> None:
    found = read(with_device(tree((C, A)), A, {"MacAddress": "00-15-5D-00-00-01"}))

    assert found.network_adapters[0].legacy is True


def test_a_tpm_device_does_not_mean_a_tpm() -> None:
    with_tpm, without = read(tree((TPM, TPM))), read(tree())

    assert with_tpm.tpm_device
    assert isinstance(with_tpm.tpm_enabled, Unknown)
    assert (False, None) == (without.tpm_device, without.tpm_enabled)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("272E7447-90A4-4563-A4B9-8E4AB00526CE", "MicrosoftUEFICertificateAuthority"),
        ("00000000-0000-0000-0000-000000000000", None),
        (C.upper(), C),
    ],
)
def test_secure_boot_templates_have_names(template: str, name: str | None) -> None:
    assert (
        name == read(with_device(tree(), FIRMWARE, {"secure_boot_template_id": template})).firmware.secure_boot_template
    )


def test_the_boot_order_is_read_for_generation_1_only() -> None:
    boot: Tree = {"boot": {"device0": "HardDrive", "device1": "Optical"}, "nvram": {"Boot0000": b"x"}, "num_lock": True}
    first = read(with_device(tree(properties__subtype=0), FIRMWARE, boot)).firmware
    second = read(with_device(tree(properties__subtype=1), FIRMWARE, boot)).firmware
    odd = read(with_device(tree(properties__subtype=0), FIRMWARE, {"boot": {"device0": "Tape"}})).firmware

    assert (("IDE", "CD"), True) == (first.boot_order, first.num_lock)
    assert isinstance(second.boot_order, Unknown)
    assert ("Boot0000",) == second.nvram_variables
    assert Unknown(reason=f"_{FIRMWARE}_/boot/device0 names no device that is known") == odd.boot_order


def test_services_and_com_ports_are_read() -> None:
    found = tree()
    with_device(found, "5ced1297-4598-4915-a5fc-ad21bb4d02a4", {"Enabled": False, "VDEVVersion": 512})
    with_device(found, "84eaae65-2f2e-45f5-9bb5-0e857dc8eb47", {"VDEVVersion": 256})
    with_device(found, "8e3a359f-559a-4b6a-98a9-1690a6100ed7", {"port0": {"connection": r"\\.\pipe\com"}, "port1": {}})
    configuration = read(found)

    assert [("Heartbeat", None), ("VSS", False)] == [
        (each.name, each.enabled) for each in configuration.integration_services
    ]
    assert [(1, r"\\.\pipe\com"), (2, None)] == [(each.number, each.path) for each in configuration.com_ports]


# ---------------------------------------------------------------- trees that nobody would write

KEYS = st.sampled_from(
    ["configuration", "properties", "settings", "global_settings", "manifest", "vdev001", "device", "instance", "name",
     f"_{A}_", f"_{IDE}_", f"_{FIRMWARE}_", "controller0", "drive0", "type", "pathname", "Connection", "MacAddress",
     "subtype", "version", "memory", "bank", "size", "power", "host_startup", "delay", "action", "boot", "device0",
     "creation_time", "global_id", "port0", "connection", "snapshots", "list"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["", "VHD", "ISO", A, SCSI, NIC, "x\0'\n", 0, 1, -5, 1 << 63, True, False, 0.5, b"", b"12345678", Unread("odd")]
)
TREES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=8), lambda below: st.dictionaries(KEYS, VALUES | below, max_size=8)
)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_no_tree_is_too_odd_to_be_told(inside: Tree) -> None:
    found = read({"configuration": inside})
    text = json.dumps(found.to_dict())

    assert found == msgspec.json.decode(text, type=decodable(VmConfiguration))
    as_vm(found)
    if known(found.name) is not None and known(found.generation) is not None:
        assert new_vm_plan(found).script()
