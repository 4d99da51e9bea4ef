"""The devices of a VM: what its manifest lists, and what the sections of the devices say.

Each device has a section `_<GUID>_`. The manifest says which kind of device it is. In XML files the manifest lists the
synthetic devices only, so emulated ones (IDE, floppy, COM ports) are found by GUIDs that are the same in every file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hvbackup.images.vmconfig.configuration import (
    ConfiguredAdapter,
    ConfiguredDrive,
    ConfiguredPort,
    ConfiguredService,
)
from hvbackup.images.vmconfig.facts import Fact, Unknown, known
from hvbackup.images.vmconfig.section import Section, as_guid

IDE = "83f8638b-8dca-4152-9eda-2ca8b33039b4"
FLOPPY = "8f0d2762-0b00-4e04-af4f-19010527cb93"
SCSI = "d422512d-2bf2-4752-809d-7b82b5fcb1b4"
SYNTHETIC_ADAPTER = "2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778"
FIRMWARE = "ac6b8dc1-3257-4a70-b1b2-a9c9215659ad"
COM_PORTS = "8e3a359f-559a-4b6a-98a9-1690a6100ed7"
TPM = "736e6aa9-a3f8-49c0-9550-a963214d259a"
GUEST_STATE = "917bd8cb-3bb6-4124-9383-b7d21ac07f79"
#: The GUIDs of integration services are those of `Get-VMIntegrationService`, in every language.
SERVICES = {
    "6c09bb55-d683-4da0-8931-c9bf705f6480": "Guest Service Interface",
    "84eaae65-2f2e-45f5-9bb5-0e857dc8eb47": "Heartbeat",
    "2a34b1c2-fd73-4043-8a5b-dd2159bc743f": "Key-Value Pair Exchange",
    "9f8233ac-be49-4c79-8ee3-e7e1985b2077": "Shutdown",
    "2497f4de-e9fa-4204-80e4-4b75c46419c0": "Time Synchronization",
    "5ced1297-4598-4915-a5fc-ad21bb4d02a4": "VSS",
}
#: What Microsoft's WMI classes call the features of a port (Msvm_EthernetSwitchPort...SettingData).
_VLAN = "952c5004-4465-451c-8cb8-fa9ab382b773"
_BANDWIDTH = "24ad3ce1-69bd-4978-b2ac-daad389d699c"
_SECURITY = "776e0ba7-94a1-41c8-8f28-951f524251b5"


class Device(NamedTuple):
    """A device: its kind (GUID), its own GUID, its name in English, and its section."""

    kind: str
    instance: str
    name: str
    section: Section


class Devices:
    """The devices of a VM, by the manifest and by their sections."""

    def __init__(self, configuration: Section) -> None:
        self._sections: dict[str, str] = {}
        for name in configuration.names():
            guid = as_guid(name[1:-1]) if name.startswith("_") and name.endswith("_") else None
            if guid:
                self._sections[guid] = name
        self._configuration = configuration
        self.listed = tuple(self._read_manifest(configuration.section("manifest")))

    def _read_manifest(self, manifest: Section) -> Iterator[Device]:
        for _, entry in manifest.numbered("vdev"):
            kind, instance = known(entry.guid("device")), known(entry.guid("instance"))
            if kind and instance:
                yield Device(kind, instance, known(entry.text("name")) or "", self.section(instance))

    def section(self, guid: str) -> Section:
        """Return the section of a device; an empty one when the file has none."""
        return self._configuration.section(self._sections.get(guid, f"_{guid}_"))

    def of_kind(self, kind: str) -> list[Device]:
        """Return the devices of a kind, as the manifest orders them."""
        return [each for each in self.listed if each.kind == kind]

    def has(self, kind: str) -> bool:
        """Tell whether the VM has a device of a kind that is there once."""
        return bool(self.of_kind(kind) or self.section(kind))

    def unlisted(self) -> Iterator[Section]:
        """Yield the sections that the manifest does not list."""
        listed = {each.instance for each in self.listed}
        for guid in self._sections:
            if guid not in listed:
                yield self.section(guid)


def drives(devices: Devices) -> tuple[tuple[ConfiguredDrive, ...], tuple[str, ...]]:
    """Return what is in the slots of all controllers, and doubts."""
    found: list[ConfiguredDrive] = []
    for number, device in enumerate(devices.of_kind(SCSI)):
        for _, controller in device.section.numbered("controller"):
            found += _drives(controller, "SCSI", number)
    for bus, guid in (("IDE", IDE), ("Floppy", FLOPPY)):
        for number, controller in devices.section(guid).numbered("controller"):
            found += _drives(controller, bus, number)
    doubts = [
        f"{section.place} has drives, and the manifest does not say on which kind of controller"
        for section in devices.unlisted()
        if section.place.strip("_").lower() not in (IDE, FLOPPY)
        and any(_drives(controller, "", 0) for _, controller in section.numbered("controller"))
    ]
    order = sorted(found, key=lambda each: (each.controller_type, each.controller_number, each.controller_location))
    return tuple(order), tuple(doubts)


def _drives(controller: Section, bus: str, number: int) -> list[ConfiguredDrive]:
    found = []
    for location, drive in controller.numbered("drive"):
        kind = drive.text("type")
        if kind in (None, "NONE"):
            continue
        found.append(
            ConfiguredDrive(
                controller_type=bus,
                controller_number=number,
                controller_location=location,
                kind=kind if isinstance(kind, str) else "unknown",
                path=drive.text("pathname"),
                maximum_iops=drive.integer("iops_limit"),
                minimum_iops=drive.integer("iops_reservation"),
                support_persistent_reservations=drive.boolean("persistent_reservations_supported"),
            )
        )
    return found


def adapters(devices: Devices) -> tuple[ConfiguredAdapter, ...]:
    """Return the network adapters: by the manifest, then sections with a MAC address that it does not list."""
    listed = [
        _adapter(device.section, legacy=device.kind != SYNTHETIC_ADAPTER)
        for device in devices.listed
        if device.kind == SYNTHETIC_ADAPTER or "MacAddress" in device.section
    ]
    why = Unknown(reason="the manifest does not list this adapter; in XML files it lists no legacy ones")
    unlisted = [_adapter(section, legacy=why) for section in devices.unlisted() if "MacAddress" in section]
    return (*listed, *unlisted)


def _adapter(section: Section, legacy: Fact[bool]) -> ConfiguredAdapter:
    connection = section.section("Connection")
    features = {
        guid
        for name in connection.names()
        if name.lower().startswith("feature_") and (guid := as_guid(name.partition("_")[2]))
    }

    def binary(guid: str, what: str) -> Fact[str]:
        return Unknown(reason=f"{what} are set; their binary form is not published") if guid in features else None

    return ConfiguredAdapter(
        id=as_guid(section.place.strip("_")),
        name=section.text("FriendlyName"),
        legacy=legacy,
        mac_address=_mac_address(section),
        static_mac_address=section.boolean("MacAddressIsStatic"),
        connected=section.boolean("IsConnected"),
        switch_id=section.guid("SwitchName"),
        switch_name=connection.text("AltSwitchName"),
        vlan=binary(_VLAN, "VLANs"),
        bandwidth=binary(_BANDWIDTH, "bandwidth limits"),
        security=binary(_SECURITY, "security features (MAC spoofing, DHCP guard, router guard)"),
    )


def _mac_address(section: Section) -> Fact[str]:
    text = section.text("MacAddress")
    if not isinstance(text, str):
        return text
    digits = text.replace("-", "").replace(":", "").upper()
    if len(digits) == 12 and all(each in "0123456789ABCDEF" for each in digits):
        return digits
    return Unknown(reason=f"{text!r} is no MAC address")


def services(devices: Devices) -> tuple[ConfiguredService, ...]:
    """Return the integration services that the VM has."""
    return tuple(
        ConfiguredService(service_id=guid, name=name, enabled=devices.section(guid).boolean("Enabled"))
        for guid, name in SERVICES.items()
        if devices.has(guid)
    )


def com_ports(devices: Devices) -> tuple[ConfiguredPort, ...]:
    """Return the COM ports; the file counts them from 0, Hyper-V from 1."""
    ports = devices.section(COM_PORTS).numbered("port")
    return tuple(ConfiguredPort(number=number + 1, path=port.text("connection")) for number, port in ports)
