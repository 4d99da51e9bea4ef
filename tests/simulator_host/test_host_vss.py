"""The simulated diskshadow and its writers: what they print, what they do, what they refuse."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from hvbackup.models import HYPERV_WRITER_ID
from hvbackup.simulator.diskshadow import Run, run_script
from hvbackup.simulator.inventory import with_described_vms
from hvbackup.simulator.state import HostState
from hvbackup.simulator.vss import components, offline_reasons
from hvbackup.simulator.vssadmin import list_writers

if TYPE_CHECKING:
    from tests.simulator_host.conftest import Asker

WRITER = "Microsoft Hyper-V VSS Writer"


def run(host: HostState, lines: Sequence[str], *, end: str = "\r\n") -> Run:
    return run_script(host, "".join(line + end for line in lines).encode("ascii"), cwd="C:\\Windows\\Temp")


def printed(result: Run) -> list[str]:
    return result.output.decode("cp437").split("\r\n")


def backup(host: HostState, *letters: str, extra: Sequence[str] = ()) -> list[str]:
    """Lines of a backup of these drives."""
    ids = {volume.letter: volume.id for volume in host.read().volumes}
    added = [f"add volume {ids[letter]} alias vol{letter}" for letter in letters]
    return ["set verbose on", "set context persistent", *extra, "begin backup", *added, "create", "end backup"]


def history(host: HostState, *events: str) -> list[tuple[str, str]]:
    names = {record.vm.id: record.vm.name for record in host.read().vms}
    return [(e.event, names.get(e.subject, "")) for e in host.read().history if e.event in events]


def test_each_vm_of_the_demo_has_the_method_that_its_conditions_give(template: HostState) -> None:
    record = template.read()

    assert {
        "web01": [],
        "db01": [],
        "legacy": ["no SCSI controller"],
        "build01": ["not running"],
        "files [old]": ["integration service disabled"],
        "far01": ["checkpoints on another volume"],
        'Büro O\'Neil "neu"': [],
        "clu01": [],
        "chain01": [],
    } == {item.vm.name: offline_reasons(record, item) for item in record.vms if item.vm.name != "twin"}
    assert [[], ["not running"]] == [offline_reasons(record, item) for item in record.vms if item.vm.name == "twin"]


def test_a_guest_that_cannot_be_frozen_makes_its_vm_offline(ask: Asker) -> None:
    with ask.host.change() as record:
        record.vms[0].truth.guest_dynamic_disk = True
        record.vms[1].truth.guest_unsupported_file_system = True

    record = ask.host.read()
    assert [["dynamic disk in the guest"], ["file system in the guest"]] == [
        offline_reasons(record, item) for item in record.vms[:2]
    ]


def test_the_listing_has_the_shape_of_the_captures(template: HostState) -> None:
    lines = printed(run(template, ["list writers detailed"]))

    assert ["Microsoft DiskShadow version 1.0", "Copyright (C) 2013 Microsoft Corporation"] == lines[:2]
    at = lines.index('\t\t+ Component "Microsoft Hyper-V VSS Writer:\\CD11516B-F2D2-508B-9B1B-CC3685D34F48"')
    assert [
        "\t\t\t- Name: CD11516B-F2D2-508B-9B1B-CC3685D34F48",
        "\t\t\t- Logical path: ",
        "\t\t\t- Full path: \\CD11516B-F2D2-508B-9B1B-CC3685D34F48",
        "\t\t\t- Caption: Online\\chain01",
        "\t\t\t- Type: VSS_CT_FILEGROUP [2]",
        "\t\t\t- Is selectable: TRUE",
        "\t\t\t- Is top level: TRUE",
        "\t\t\t- Notify on backup complete: FALSE",
        "\t\t\t- Components:",
    ] == lines[at + 1 : at + 10]
    block = lines[at : lines.index("\t\t\t- Component Dependencies:", at)]
    disks = "\t\t\t\t- File List: Path = E:\\Hyper-V\\chain01\\Virtual Hard Disks, Filespec = chain01"
    assert [disks + "_3CAA1EC8-0D87-5F7D-9489-DC337686B2BA.avhdx", disks + ".vhdx"] == [
        line for line in block if "vhdx" in line
    ]
    assert "10 writers listed." in lines


def test_the_status_listing_tells_a_failed_writer(host: HostState) -> None:
    with host.change() as record:
        writer = record.find_writer(HYPERV_WRITER_ID)
        assert writer is not None
        writer.state, writer.failure_code = 9, 0x800423F4

    lines = printed(run(host, ["list writers status"]))

    at = lines.index(f'* WRITER "{WRITER}"')
    assert [
        "\t- Status: 9 (VSS_WS_FAILED_AT_FREEZE)",
        "\t- Writer Failure code: 0x800423f4 (VSS_E_WRITERERROR_NONRETRYABLE)",
        "\t- Writer ID: {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}",
    ] == lines[at + 1 : at + 4]


def test_a_shadow_set_holds_the_files_as_they_were(ask: Asker) -> None:
    file = ask.local("D:\\note.txt")
    file.write_bytes(b"before")

    result = run(ask.host, backup(ask.host, "D"))
    file.write_bytes(b"after")

    assert 0 == result.exit_code
    (shadow,) = ask.host.read().shadow_copies
    copy = ask.host.folder / "GLOBALROOT" / "Device" / "HarddiskVolumeShadowCopy1" / "note.txt"
    assert b"before" == copy.read_bytes()
    assert "Number of shadow copies listed: 1" in printed(result)
    assert f"\t* Shadow copy ID = {{{shadow.id}}}\t\t%volD%" in printed(result)
    assert "\t\t- Attributes:  No_Auto_Release Persistent Differential" in printed(result)
    assert b"MSCF" == next(ask.local("C:\\Windows\\Temp").glob("*_HV01.cab")).read_bytes()[:4]


def test_offline_vms_that_run_are_paused_and_online_ones_are_not(host: HostState) -> None:
    run(host, backup(host, "D", "E"))

    paused = ["legacy", "files [old]", "far01"]
    assert [("vm-saved", name) for name in paused] + [("vm-resumed", name) for name in paused] == history(
        host, "vm-saved", "vm-resumed"
    )
    assert ["web01", "db01", "twin", 'Büro O\'Neil "neu"', "clu01", "chain01"] == [
        name for _, name in history(host, "vm-child-snapshot")
    ]


def test_excluded_vms_are_left_alone(host: HostState) -> None:
    others = [record.vm for record in host.read().vms if record.vm.name != "legacy"]
    lines = [f'writer exclude "{WRITER}:\\{vm.id.upper()}"' for vm in others]

    run(host, backup(host, "D", extra=lines))

    assert [("vm-saved", "legacy"), ("vm-resumed", "legacy")] == history(
        host, "vm-saved", "vm-resumed", "vm-child-snapshot"
    )


def test_a_component_with_a_file_on_another_volume_is_left_out_without_an_error(host: HostState) -> None:
    result = run(host, backup(host, "D"))

    assert 0 == result.exit_code
    db01 = '"\\0A1E446F-4518-56E6-BE52-8FC888AD625B"'
    lines = printed(result)
    at = lines.index(f'Component {db01} from writer "{WRITER}" is excluded from backup,')
    assert "because it requires volume E:\\ which is not in the shadow copy set." == lines[at + 1]
    assert "db01" not in [name for _, name in history(host, "vm-child-snapshot")]


def test_verifying_that_component_turns_it_into_a_failure(host: HostState) -> None:
    verify = f'writer verify "{WRITER}:\\0A1E446F-4518-56E6-BE52-8FC888AD625B"'

    result = run(host, backup(host, "D", extra=[verify]))

    assert 1 == result.exit_code
    assert "The last operation failed." in printed(result)
    assert [] == host.read().shadow_copies


@pytest.mark.parametrize("fault", ["missing", "vanish", "excluded"])
def test_verifying_a_component_that_is_not_there_fails(host: HostState, fault: str) -> None:
    web01 = host.read().vms[0].vm.id
    extra = [f'writer verify "{WRITER}:\\{web01.upper()}"']
    if fault == "excluded":
        extra.append(f'writer exclude "{WRITER}:\\{web01.upper()}"')
    else:
        with host.change() as record:
            record.faults.missing_components = [web01]

    assert 1 == run(host, backup(host, "D", extra=extra)).exit_code


def test_verifying_the_whole_writer_fails_as_soon_as_one_of_its_components_is_left_out(host: HostState) -> None:
    whole = "writer verify {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}"
    one = f'writer exclude "{WRITER}:\\{host.read().vms[0].vm.id.upper()}"'

    assert 0 == run(host, backup(host, "C", "D", "E", extra=[whole])).exit_code
    assert 1 == run(host, backup(host, "C", "D", "E", extra=[whole, one])).exit_code
    assert 1 == run(host, backup(host, "D", "E", extra=[whole])).exit_code


def test_a_vm_may_vanish_while_the_set_is_created(host: HostState) -> None:
    web01 = host.read().vms[0].vm.id
    with host.change() as record:
        record.faults.vanish_at_create = [web01]

    assert 0 == run(host, backup(host, "D")).exit_code
    assert host.read().find_vm(web01) is None


@pytest.mark.parametrize(
    ("lines", "hresult"),
    [
        (["add volume d:", "add volume D:\\"], "8004230d"),
        (["add volume X:"], "80042308"),
        (["add volume \\\\?\\Volume{00000000-0000-0000-0000-000000000000}\\"], "80042308"),
        (["create"], "80042301"),
        (["end backup"], "80042301"),
        (["begin backup", "begin backup"], "80042301"),
        (["unexpose z:"], "80042308"),
        (["delete shadows set {00000000-0000-0000-0000-000000000000}"], "80042308"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_hresult(template: HostState, lines: list[str], hresult: str) -> None:
    result = run(template, [*lines, "list providers"])

    assert 1 == result.exit_code
    assert ["", "The last operation failed.", f"\t- Returned HRESULT: {hresult}"] == printed(result)[-5:-2]
    assert "1 provider registered." not in printed(result)


def test_a_failure_at_create_is_told_as_the_real_one_tells_it(host: HostState) -> None:
    with host.change() as record:
        record.faults.create_hresult = 0x80042306

    result = run(host, backup(host, "D"))

    assert [
        "",
        "The last operation failed.",
        "\t- Returned HRESULT: 80042306",
        "\t- Error text: VSS_E_PROVIDER_VETO",
        "",
    ] == printed(result)[-5:]
    assert 1 == result.exit_code


def test_a_volume_without_room_for_its_shadow_copy_fails(host: HostState) -> None:
    with host.change() as record:
        record.volumes[1].free_bytes = 100 << 20

    assert "\t- Error text: VSS_E_INSUFFICIENT_STORAGE" in printed(run(host, backup(host, "D")))


def test_without_end_backup_the_note_is_told_and_the_vms_stay_in_backup(host: HostState) -> None:
    result = run(host, backup(host, "D")[:-1])

    assert [
        "->",
        "Note: END BACKUP was not commanded, writers not notified BackupComplete.",
        "DiskShadow is exiting.",
        "",
    ] == printed(result)[-4:]
    assert host.read().vms[0].truth.backing_up
    assert 1 == len(host.read().shadow_copies)


def test_end_backup_prints_nothing(host: HostState) -> None:
    lines = printed(run(host, backup(host, "D")))

    assert ["-> end backup", "->", ""] == lines[-3:]
    assert not host.read().vms[0].truth.backing_up


def test_a_script_with_bare_line_feeds_loses_the_last_character_of_each_line(template: HostState) -> None:
    lines = printed(run(template, ["# note", "end backup"], end="\n"))

    assert ["-> # not", "-> end backu", "", "END { BACKUP | RESTORE }"] == lines[4:8]


def test_exec_is_refused(template: HostState) -> None:
    assert 1 == run(template, ["exec C:\\copy.cmd"]).exit_code


def test_an_account_that_is_no_administrator_fails_at_the_first_volume(host: HostState) -> None:
    with host.change() as record:
        record.machine.elevated = False

    result = run(host, ["set context persistent", "add volume c:"])

    assert ["", 'COM call "(*vssObject)->InitializeForBackup" failed.', ""] == printed(result)[-3:]
    assert 1 == result.exit_code


def test_an_exposed_shadow_copy_is_a_link_that_goes_when_the_copy_is_deleted(ask: Asker) -> None:
    place = ask.local("C:\\mount")
    place.mkdir()
    ask.local("D:\\note.txt").write_bytes(b"x")

    result = run(ask.host, [*backup(ask.host, "D"), "expose %volD% C:\\mount", "expose %volD% Z:"])
    assert 1 == result.exit_code  # one place for each shadow copy
    assert "The shadow copy was successfully exposed as C:\\mount\\." in printed(result)
    assert b"x" == (place / "note.txt").read_bytes()
    (shadow,) = ask.host.read().shadow_copies
    assert "C:\\mount" == shadow.exposed

    result = run(ask.host, [f"delete shadows set {{{shadow.set_id}}}"])

    assert "Number of shadow copies deleted: 1" in printed(result)
    assert not place.is_symlink()
    assert [] == list(place.iterdir())
    assert [] == list((ask.host.folder / "GLOBALROOT" / "Device").iterdir())


def test_a_shadow_copy_is_exposed_only_in_an_empty_folder_or_at_a_free_drive(ask: Asker) -> None:
    ask.local("C:\\full\\x").mkdir(parents=True)

    for place in ("C:\\full", "C:\\none", "D:"):
        assert 1 == run(ask.host, [*backup(ask.host, "E"), f"expose %volE% {place}"]).exit_code
    result = run(ask.host, [*backup(ask.host, "E"), "expose %volE% Z:", "unexpose Z:"])
    assert 0 == result.exit_code
    assert not (ask.host.folder / "Z").is_symlink()


def test_the_saved_state_of_a_paused_vm_is_in_the_shadow_copy_only(ask: Asker) -> None:
    legacy = ask.vm("legacy").vm
    assert legacy.configuration_file is not None
    run(ask.host, backup(ask.host, "D"))

    live = ask.local(legacy.configuration_file).with_suffix(".vmrs")
    copy = ask.host.folder / "GLOBALROOT/Device/HarddiskVolumeShadowCopy1" / live.relative_to(ask.host.folder / "D")
    assert live.stat().st_size < 100
    assert copy.stat().st_size > 50000
    assert "Running" == ask.vm("legacy").vm.state


def test_the_recovery_files_of_2012_r2_are_there_on_request(ask: Asker) -> None:
    with ask.host.change() as record:
        record.machine.auto_recovery = True

    run(ask.host, backup(ask.host, "D"))

    shadow = ask.host.folder / "GLOBALROOT/Device/HarddiskVolumeShadowCopy1/Hyper-V"
    assert (shadow / "web01/Virtual Hard Disks/web01-AutoRecovery.avhdx").exists()
    assert not (shadow / "legacy/Virtual Hard Disks/legacy-AutoRecovery.avhdx").exists()
    listed = with_described_vms(ask.host.folder, ask.host.read())
    writer = listed.find_writer(HYPERV_WRITER_ID)
    assert writer is not None
    files = [
        file.filespec for item in components(listed, writer) if item.caption == "Online\\web01" for file in item.files
    ]
    assert ["web01-AutoRecovery.avhdx", "582D7E2E-9D6B-5D60-B72C-3990F340CDED-BackupSnapshot.xml"] == files[-2:]


def test_the_log_is_utf_16_with_a_mark_and_says_the_same(template: HostState) -> None:
    result = run(template, ["list writers"])

    assert b"\xff\xfe" == result.log[:2]
    assert 'Caption: Online\\Büro O\'Neil "neu"' in result.log[2:].decode("utf-16-le")
    assert 'Caption: Online\\Büro O\'Neil "neu"' in result.output.decode("cp437")
    assert base64.b64encode(result.output) != base64.b64encode(result.log)


def test_vssadmin_speaks_english_and_german(host: HostState) -> None:
    with host.change() as record:
        writer = record.find_writer(HYPERV_WRITER_ID)
        assert writer is not None
        writer.state, writer.failure_code = 9, 0x800423F3
    record = host.read()
    english = list_writers(record)
    record.machine.language = "de"

    assert "Writer name: 'Microsoft Hyper-V VSS Writer'" in english
    assert "   State: [8] Failed\r\n   Last error: Retryable error\r\n" in english
    assert 'Verfassername: "Microsoft Hyper-V VSS Writer"' in list_writers(record)
    assert "[8] Fehlgeschlagen\r\n   Letzter Fehler: Wiederholbarer Fehler\r\n" in list_writers(record)


def test_the_german_host_writes_german_dates_and_listings(make_ask: Callable[[str], Asker]) -> None:
    german = make_ask("german").host

    assert re.fullmatch(r"On computer:  HV01,  \d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", printed(run(german, ["exit"]))[2])
    assert "- Caption: Online\\Büro O'Neil" in run(german, ["list writers"]).output.decode("cp850")
    done = subprocess.run(
        [german.folder / "C/Windows/System32/vssadmin.exe", "list", "writers"], capture_output=True, check=True
    )
    assert 'Verfassername: "Microsoft Hyper-V VSS Writer"\r\n' in done.stdout.decode("cp850")


def test_a_writer_that_fails_during_create_shows_it_afterwards(host: HostState) -> None:
    with host.change() as record:
        record.faults.writer_fails_at = 11

    assert 0 == run(host, backup(host, "D")).exit_code
    assert "\t- Status: 11 (VSS_WS_FAILED_AT_POST_SNAPSHOT)" in printed(run(host, ["list writers status"]))


def test_a_writer_that_is_not_registered_is_not_listed(host: HostState) -> None:
    with host.change() as record:
        record.writers[-1].missing = True

    assert "9 writers listed." in printed(run(host, ["list writers status"]))
    assert "Hyper-V" not in "".join(printed(run(host, ["list writers detailed"])))
    assert "Hyper-V" not in list_writers(host.read())


def test_shadow_copies_are_listed_by_set_and_by_id(host: HostState) -> None:
    run(host, backup(host, "D", "E"))
    run(host, backup(host, "C"))
    first, _, third = host.read().shadow_copies

    def count(what: str) -> str:
        return printed(run(host, [f"list shadows {what}"]))[-3]

    assert "Number of shadow copies listed: 3" == count("all")
    assert "Number of shadow copies listed: 2" == count(f"set {{{first.set_id}}}")
    assert "Number of shadow copies listed: 1" == count(f"id {third.id.upper()}")
    assert "No shadow copies found in system." == count("id {00000000-0000-0000-0000-000000000000}")


@pytest.mark.parametrize(
    "line",
    [
        "set context forever", "set context clientaccessible nowriters", "set verbose", "set option fast",
        "set metadata", "load metadata C:\\none.cab", "add alias x", "add volume", "add volume d: alias",
        "writer verify", "expose x", "unexpose", "list writers everything", "list shadows volume d:",
        "begin restore", "frobnicate", "set metadata C:\\a|b.cab",
    ],
)  # fmt: skip
def test_a_command_that_is_not_understood_ends_the_script(template: HostState, line: str) -> None:
    result = run(template, [line, "list providers"])

    assert 1 == result.exit_code
    assert "1 provider registered." not in printed(result)


def test_aliases_are_expanded_and_told(template: HostState) -> None:
    lines = printed(run(template, ["add alias who {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}", "writer exclude %who%"]))

    assert ["-> writer exclude %who%", "-> %who% = {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}"] == lines[5:7]


def test_an_excluded_writer_brings_nothing(host: HostState) -> None:
    run(host, backup(host, "D", "E", extra=["writer exclude {66841cd4-6ded-4f4b-8f17-fd23f8ddc3de}"]))

    assert [] == history(host, "vm-saved", "vm-child-snapshot")


def test_reset_forgets_volumes_and_context(template: HostState) -> None:
    assert 1 == run(template, ["set context persistent", "add volume d:", "reset", "create"]).exit_code


def test_without_writers_no_vm_takes_part(host: HostState) -> None:
    result = run(host, ["set context persistent nowriters", "add volume d:", "create"])

    assert "\t\t- Attributes:  No_Auto_Release Persistent No_Writers Differential" in printed(result)
    assert [] == history(host, "vm-saved", "vm-child-snapshot")
    assert "DiskShadow is exiting." not in printed(result)


def test_an_existing_metadata_file_is_overwritten_with_a_word(ask: Asker) -> None:
    ask.local("C:\\Windows\\Temp\\a.cab").write_bytes(b"old")

    lines = printed(run(ask.host, ["set metadata a.cab", "add volume d:", "create"]))

    assert ["-> set metadata a.cab", "The existing file will be overwritten."] == lines[4:6]
    assert b"MSCF" == ask.local("C:\\Windows\\Temp\\a.cab").read_bytes()[:4]


def test_a_metadata_file_in_a_missing_folder_fails_at_create(host: HostState) -> None:
    result = run(host, ["set metadata C:\\none\\a.cab", "add volume d:", "create"])

    assert "\t- Returned HRESULT: 80070003" in printed(result)
    assert [] == host.read().shadow_copies
