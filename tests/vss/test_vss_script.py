"""The text of diskshadow scripts, line by line, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.errors import InvalidRequest
from hvbackup.vss.script import (
    BackupScriptRequest,
    backup_script,
    cleanup_script,
    delete_exposed_script,
    delete_shadow_script,
    list_writers_script,
    unexpose_script,
)

VM = "0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11"
OTHER = "1c8f206b-4b64-4f1f-8d20-8e2c7b1d6f22"
VOLUME_C = "\\\\?\\Volume{aaaaaaaa-0000-0000-0000-100000000000}\\"
VOLUME_D = "\\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\"
SCRATCH = "C:\\ProgramData\\hvbackup\\runs\\r1"


def request(**changes: Any) -> BackupScriptRequest:
    values: dict[str, Any] = {
        "vm_ids": (VM,),
        "other_vm_ids": (OTHER,),
        "other_writer_ids": ("e8132975-6f93-4464-a53e-1050253ae220", "{afbab4a2-367d-4d15-a586-71dbb18f8485}"),
        "volumes": (VOLUME_C, VOLUME_D),
        "metadata_path": SCRATCH + "\\vss.cab",
        "mount_points": {"hv0": SCRATCH + "\\v0", "hv1": SCRATCH + "\\v1"},
    }
    return BackupScriptRequest(**{**values, **changes})


def test_a_backup_script_is_exactly_these_lines() -> None:
    assert backup_script(request()) == (
        "set verbose on",
        "set context persistent",
        "set metadata C:\\ProgramData\\hvbackup\\runs\\r1\\vss.cab",
        "writer exclude {e8132975-6f93-4464-a53e-1050253ae220}",
        "writer exclude {afbab4a2-367d-4d15-a586-71dbb18f8485}",
        'writer exclude "Microsoft Hyper-V VSS Writer:\\1C8F206B-4B64-4F1F-8D20-8E2C7B1D6F22"',
        'writer exclude "Microsoft Hyper-V VSS Writer:\\Host Component"',
        'writer verify "Microsoft Hyper-V VSS Writer:\\0B7E1F5A-3A53-4E0E-9C1F-7D1B6A0C5E11"',
        "begin backup",
        "add volume \\\\?\\Volume{aaaaaaaa-0000-0000-0000-100000000000}\\ alias hv0",
        "add volume \\\\?\\Volume{bbbbbbbb-0000-0000-0000-100000000000}\\ alias hv1",
        "create",
        "list writers status",
        "end backup",
        "expose %hv0% C:\\ProgramData\\hvbackup\\runs\\r1\\v0",
        "expose %hv1% C:\\ProgramData\\hvbackup\\runs\\r1\\v1",
    )


def test_the_host_component_is_excluded_unless_it_is_wanted() -> None:
    assert not [line for line in backup_script(request(host_component=True)) if "Host Component" in line]


def test_a_writer_that_is_listed_twice_is_excluded_once() -> None:
    twice = ("e8132975-6f93-4464-a53e-1050253ae220",) * 2
    lines = backup_script(request(other_writer_ids=twice))
    assert lines.count("writer exclude {e8132975-6f93-4464-a53e-1050253ae220}") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"vm_ids": ()},
        {"vm_ids": ("one",)},
        {"vm_ids": (VM + "\r\ndelete shadows all",)},
        {"vm_ids": ("０b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11",)},
        {"other_vm_ids": (VM.upper(),)},
        {"other_writer_ids": ("{" + VM,)},
        {"volumes": ()},
        {"volumes": ("D:\\",)},
        {"volumes": (VOLUME_C, VOLUME_C)},
        {"volumes": (VOLUME_C, VOLUME_C.upper().replace("VOLUME", "Volume").rstrip("\\"))},
        {"volumes": (VOLUME_C + "x", VOLUME_D)},
        {"volumes": (VOLUME_C,)},
        {"metadata_path": SCRATCH + "\\vss.txt"},
        {"metadata_path": "vss.cab"},
        {"metadata_path": 'C:\\a" b.cab'},
        {"metadata_path": "C:\\%TEMP%\\vss.cab"},
        {"metadata_path": "C:\\Büro\\vss.cab"},
        {"metadata_path": "C:\\a\nb\\vss.cab"},
        {"metadata_path": "C:\\a\\..\\vss.cab"},
        {"metadata_path": "C:\\a:stream.cab"},
        {"mount_points": {"hv0": SCRATCH + "\\v0", "hv1": SCRATCH + "\\V0"}},
        {"mount_points": {"hv0": SCRATCH + "\\v0", "HV0": SCRATCH + "\\v1"}},
        {"mount_points": {"hv0": SCRATCH + "\\v0", "VSS_SHADOW_SET": SCRATCH + "\\v1"}},
        {"mount_points": {"hv0": SCRATCH + "\\v0", "a b": SCRATCH + "\\v1"}},
        {"mount_points": {"hv0": SCRATCH + "\\v0", "hv1": "Z:"}},
    ],
)
def test_what_could_change_the_meaning_of_a_script_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        backup_script(request(**changes))


def test_more_than_64_volumes_are_refused() -> None:
    volumes = tuple(f"\\\\?\\Volume{{{number:08x}-0000-0000-0000-100000000000}}\\" for number in range(65))
    mounts = {f"hv{number}": f"{SCRATCH}\\v{number}" for number in range(65)}
    with pytest.raises(InvalidRequest, match="65 volumes"):
        backup_script(request(volumes=volumes, mount_points=mounts))
    assert len(backup_script(request(volumes=volumes[:64], mount_points=dict(list(mounts.items())[:64])))) == 140


def test_paths_with_spaces_stand_in_quotes() -> None:
    lines = backup_script(request(metadata_path="C:\\Program Data\\vss.cab"))
    assert lines[2] == 'set metadata "C:\\Program Data\\vss.cab"'


def test_clean_up_takes_exposures_back_and_deletes_one_set_only() -> None:
    assert cleanup_script("{" + VM.upper() + "}", (OTHER, SCRATCH + "\\v0\\")) == (
        "set verbose on",
        "unexpose {1c8f206b-4b64-4f1f-8d20-8e2c7b1d6f22}",
        "unexpose C:\\ProgramData\\hvbackup\\runs\\r1\\v0",
        "delete shadows set {0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11}",
    )
    assert delete_shadow_script(VM)[-1] == "delete shadows id {0b7e1f5a-3a53-4e0e-9c1f-7d1b6a0c5e11}"
    assert (
        delete_exposed_script(SCRATCH + "\\v0")[-1] == "delete shadows exposed C:\\ProgramData\\hvbackup\\runs\\r1\\v0"
    )
    assert unexpose_script(OTHER)[-1] == "unexpose {1c8f206b-4b64-4f1f-8d20-8e2c7b1d6f22}"


@pytest.mark.parametrize("wrong", ["all", "", "set all", VM + " ", VM + "\nreset"])
def test_nothing_but_one_id_can_be_deleted(wrong: str) -> None:
    for script in (cleanup_script, delete_shadow_script):
        with pytest.raises(InvalidRequest):
            script(wrong)


def test_listing_asks_for_states_first() -> None:
    assert list_writers_script() == ("set verbose on", "list writers status", "list writers detailed")


@given(text=st.text(max_size=60), where=st.sampled_from(["vm_ids", "volumes", "metadata_path", "mount_points"]))
def test_no_text_can_bring_a_line_end_a_quote_or_an_alias_in(text: str, where: str) -> None:
    value: Any = {
        "vm_ids": (text,),
        "volumes": (VOLUME_C, "\\\\?\\Volume{" + text + "}\\"),
        "metadata_path": "C:\\" + text + ".cab",
        "mount_points": {"hv0": SCRATCH + "\\v0", "hv1": "C:\\" + text},
    }[where]
    try:
        lines = backup_script(request(**{where: value}))
    except InvalidRequest:
        return
    assert len(lines) == 16
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert line.count('"') in (0, 2)
        assert line.count("%") == (2 if line.startswith("expose") else 0)
