"""What diskshadow prints, imitated from captures of Server 2012 to 2022; what no capture shows is marked "invented"."""

from __future__ import annotations

from datetime import datetime

from hvbackup.simulator.shadow_copies import PROVIDER
from hvbackup.simulator.state import HostRecord, Machine, ShadowRecord, WriterRecord
from hvbackup.simulator.vss import HRESULTS, STATES, WriterComponent, components

NOT_ENDED = [
    "Note: END BACKUP was not commanded, writers not notified BackupComplete.",
    "DiskShadow is exiting.",
]

USAGE = {
    "end": [
        "END { BACKUP | RESTORE }",
        "",
        "\tBACKUP\t\t\tEnds a full backup operation.",
        "\tRESTORE\t\t\tEnds a restore operation.",
    ],
    "begin": [
        "BEGIN { BACKUP | RESTORE }",
        "",
        "\tBACKUP\t\t\tStarts a full backup session.",
        "\tRESTORE\t\t\tStarts a restore session.",
    ],
}
#: Order of words in `Attributes:`, with the bits of `_VSS_VOLUME_SNAPSHOT_ATTRIBUTES` (vss.h).
ATTRIBUTES = {
    "No_Auto_Release": 0x8,
    "Auto_Release": 0,
    "Persistent": 0x1,
    "Client_accessible": 0x4,
    "No_Writers": 0x10,
    "Differential": 0x20000,
}


def local_time(machine: Machine, time: str) -> str:
    """A time as the host's locale writes it; the simulated hosts keep UTC."""
    moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
    if machine.language == "de":
        return f"{moment:%d.%m.%Y %H:%M:%S}"
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    return f"{moment.month}/{moment.day}/{moment.year} {hour}:{moment:%M:%S} {half}"


def banner(machine: Machine, time: str) -> list[str]:
    """The first lines."""
    return [
        "Microsoft DiskShadow version 1.0",
        "Copyright (C) 2013 Microsoft Corporation",
        f"On computer:  {machine.computer_name},  {local_time(machine, time)}",
        "",
    ]


def failure(hresult: int) -> list[str]:
    """How a failed operation is told: the HRESULT without 0x, and its name."""
    name = HRESULTS.get(hresult, "Unknown error")
    return ["", "The last operation failed.", f"\t- Returned HRESULT: {hresult:08x}", f"\t- Error text: {name}"]


def full_name(machine: Machine) -> str:
    """The computer's name with its domain."""
    return f"{machine.computer_name}.{machine.domain}" if machine.domain else machine.computer_name


def shadow_block(host: HostRecord, shadow: ShadowRecord, alias: str | None, set_alias: str | None) -> list[str]:
    """The description of one shadow copy, as CREATE and LIST SHADOWS print it."""
    volume = next((item for item in host.volumes if item.guid == shadow.volume_guid), None)
    place = f"{volume.id} [{volume.root}]" if volume else "[volume not on this machine]"
    machine = full_name(host.machine)
    return [
        f"\t* Shadow copy ID = {{{shadow.id}}}\t\t{f'%{alias}%' if alias else '<No Alias>'}",
        f"\t\t- Shadow copy set: {{{shadow.set_id}}}\t{f'%{set_alias}%' if set_alias else '<No Alias>'}",
        f"\t\t- Original count of shadow copies = {shadow.set_count}",
        f"\t\t- Original volume name: {place}",
        f"\t\t- Creation time: {local_time(host.machine, shadow.created_at)}",
        f"\t\t- Shadow copy device name: {shadow.device}",
        f"\t\t- Originating machine: {machine}",
        f"\t\t- Service machine: {machine}",
        f"\t\t- Exposed locally as: {shadow.exposed}\\" if shadow.exposed else "\t\t- Not exposed",
        f"\t\t- Provider ID: {{{PROVIDER}}}",
        "\t\t- Attributes:  " + " ".join(word for word in ATTRIBUTES if word in shadow.attributes),
        "",
    ]


def deletion(host: HostRecord, shadow: ShadowRecord) -> str:
    """The line before a shadow copy is deleted."""
    volume = next((item.id for item in host.volumes if item.guid == shadow.volume_guid), "")
    bits = sum(ATTRIBUTES.get(word, 0) for word in shadow.attributes) | 0x400000
    where = f"on volume {volume} from provider {{{PROVIDER}}}"
    return f"Deleting shadow copy {{{shadow.id}}} {where} [Attributes: 0x{bits:08x}]..."


def writer_status(writers: list[WriterRecord]) -> list[str]:
    """LIST WRITERS STATUS."""
    lines = ["Listing writer status ..."]
    for writer in writers:
        code = f"0x{writer.failure_code:08x} ({HRESULTS.get(writer.failure_code, 'Unknown error')})"
        lines += [
            f'* WRITER "{writer.name}"',
            f"\t- Status: {writer.state} (VSS_WS_{STATES.get(writer.state, 'UNKNOWN')})",
            f"\t- Writer Failure code: {code}",
            f"\t- Writer ID: {{{writer.id}}}",
            f"\t- Instance ID: {{{writer.instance_id}}}",
        ]
    return [*lines, f"{len(writers)} writers listed."]


def writer_metadata(host: HostRecord, writers: list[WriterRecord], *, detailed: bool) -> list[str]:
    """LIST WRITERS METADATA or DETAILED; `host` must have the chains of its disks."""
    lines = ["Listing writer metadata ..."]
    for writer in writers:
        restore = writer.supports_restore
        lines += [
            f'\t* WRITER "{writer.name}"',
            f"\t\t- Writer ID   = {{{writer.id}}}",
            f"\t\t- Writer instance ID = {{{writer.instance_id}}}",
            f"\t\t- Supports restore events = {'TRUE' if restore else 'FALSE'}",
            f"\t\t- Writer restore conditions = VSS_WRE_{'ALWAYS' if restore else 'NEVER'}",
            f"\t\t- Restore method = VSS_RME_{'RESTORE_IF_CAN_REPLACE' if restore else 'UNDEFINED'}",
            "\t\t- Requires reboot after restore = FALSE",
            "\t\t- Excluded files: ",
        ]
        for component in components(host, writer):
            lines += component_block(host, writer, component, detailed=detailed)
        lines.append("")
    return [*lines, f"{len(writers)} writers listed."]


def component_block(host: HostRecord, writer: WriterRecord, component: WriterComponent, *, detailed: bool) -> list[str]:
    """A component of LIST WRITERS."""
    lines = [
        f'\t\t+ Component "{writer.name}:{component.full_path}"',
        f"\t\t\t- Name: {component.name}",
        f"\t\t\t- Logical path: {component.logical_path}",
        f"\t\t\t- Full path: {component.full_path}",
        f"\t\t\t- Caption: {component.caption}",
        "\t\t\t- Type: VSS_CT_FILEGROUP [2]",
        "\t\t\t- Is selectable: TRUE",
        "\t\t\t- Is top level: TRUE",
        "\t\t\t- Notify on backup complete: FALSE",
    ]
    if detailed:
        lines.append("\t\t\t- Components:")
        lines += [f"\t\t\t\t- File List: Path = {f.path}, Filespec = {f.filespec}" for f in component.files]
    lines.append("\t\t\t- Paths affected by this component:")
    lines += [f"\t\t\t\t- {path}" for path in component.folders()]
    lines.append("\t\t\t- Volumes affected by this component:")
    lines += [f"\t\t\t\t- {volume.id} [{volume.root}]" for volume in component.volumes(host)]
    return [*lines, "\t\t\t- Component Dependencies:"]
