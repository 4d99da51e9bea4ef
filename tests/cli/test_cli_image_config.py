"""`hvbackup image config`: a VM out of its configuration file, and the plan to make it anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]
Options = tuple[str, ...]

#: The form of Server 2012 R2.
CONFIGURATION = """<?xml version="1.0" encoding="UTF-16" standalone="yes"?>
<configuration>
  <properties>
    <global_id type="string">B90AC31B-C6F8-479F-9B91-07B894A6A3F6</global_id>
    <name type="string">web01</name>
    <subtype type="integer">0</subtype>
    <type_id type="string">Virtual Machines</type_id>
    <version type="integer">1280</version>
  </properties>
  <settings>
    <memory>
      <bank>
        <dynamic_memory_enabled type="bool">True</dynamic_memory_enabled>
        <limit type="integer">4096</limit>
        <reservation type="integer">512</reservation>
        <size type="integer">1024</size>
      </bank>
    </memory>
    <processors><count type="integer">2</count></processors>
  </settings>
</configuration>
"""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An exported VM of Server 2012 R2, without disks."""
    folder = tmp_path / "export" / "Virtual Machines"
    folder.mkdir(parents=True)
    (folder / "B90AC31B-C6F8-479F-9B91-07B894A6A3F6.xml").write_bytes(CONFIGURATION.encode("utf-16"))
    return tmp_path / "export"


def import_point(invoke: Invoke, folder: Path, options: Options) -> str:
    done = invoke("repository", "import", str(folder), "--vm", "web01", "--host", "HV01", "--json", *options)
    assert 0 == done.code, done.out
    point: str = done.records[-1]["pointId"]
    return point


def test_the_settings_that_the_file_has_are_shown(invoke: Invoke, export: Path) -> None:
    (file,) = export.rglob("*.xml")

    done = invoke("image", "config", str(file))

    assert 0 == done.code
    lines = [(line[:23].strip(), line[24:]) for line in done.out.splitlines()[1:]]
    shown = dict(lines)
    assert {
        "name": "web01",
        "id": "b90ac31b-c6f8-479f-9b91-07b894a6a3f6",
        "version": "5.0",
        "generation": "1",
        "memory": "1 GiB, dynamic (512 MiB to 4 GiB)",
        "processors": "2",
    } == {label: shown[label] for label in ("name", "id", "version", "generation", "memory", "processors")}
    assert "secure" not in shown


def test_programs_get_the_whole_configuration(invoke: Invoke, export: Path) -> None:
    (file,) = export.rglob("*.xml")

    done = invoke("image", "config", str(file), "--json")

    (found,) = done.of_type("configuration")
    assert (str(file), "xml", "web01", 1 << 30) == (
        found["file"], found["format"], found["name"], found["memory"]["startupBytes"],
    )  # fmt: skip
    assert {"type": "summary", "exitCode": 0, "files": 1, "failed": 0} == done.records[-1]


def test_a_vm_whose_host_is_gone_is_planned_anew_from_its_restore_point(
    invoke: Invoke, export: Path, in_repository: Options
) -> None:
    point = import_point(invoke, export, in_repository)

    done = invoke("image", "config", "--point", point, "--new-vm", "--name", "web02", *in_repository)
    record = invoke("image", "config", "--point", "latest:web01", "--new-vm", "--json", *in_repository)

    assert 0 == done.code
    assert "$vm = New-VM -Name 'web02' -Generation 1 -MemoryStartupBytes 1073741824 -NoVHD\n" in done.out
    assert done.out.startswith("# Warning: the VM gets a new id")
    assert "New-VM -Name 'web01'" in record.of_type("new_vm_plan")[0]["script"]


def test_of_a_point_the_file_can_be_chosen(invoke: Invoke, export: Path, in_repository: Options) -> None:
    (export / "notes.txt").write_text("no configuration")
    point = import_point(invoke, export, in_repository)

    all_of_them = invoke("image", "config", "--point", point, "--json", *in_repository)
    wrong = invoke("image", "config", "notes.txt", "--point", point, *in_repository)
    none = invoke("image", "config", "*.vmcx", "--point", point, *in_repository)

    assert 1 == len(all_of_them.of_type("configuration"))
    assert (1, True) == (wrong.code, "neither a VMCX container nor XML" in wrong.err)
    assert (2, True) == (none.code, "no file of " in none.err)


def test_of_several_files_those_that_can_be_read_are_shown(invoke: Invoke, export: Path) -> None:
    (file,) = export.rglob("*.xml")
    (export / "bad.vmcx").write_bytes(b"no configuration" * 1000)

    some = invoke("image", "config", str(file), str(export / "bad.vmcx"), "--json")
    one = invoke("image", "config", str(export / "bad.vmcx"))

    assert (3, 1, 1) == (some.code, len(some.of_type("configuration")), len(some.of_type("error")))
    assert {"type": "summary", "exitCode": 3, "files": 1, "failed": 1} == some.records[-1]
    assert (1, 1) == (one.code, one.err.count("error: "))


def test_names_for_the_plan_are_refused_where_no_plan_is_asked_for(invoke: Invoke, export: Path) -> None:
    (file,) = export.rglob("*.xml")

    done = invoke("image", "config", str(file), "--name", "web02")

    assert (2, True) == (done.code, "--name and --disk-folder belong to --new-vm" in done.err)


@pytest.mark.parametrize(
    ("sample", "name"), [("dissect_hypervisor/test.vmcx", "Other Location"), ("dissect_target/data.vmcx", None)]
)
def test_files_that_hyper_v_wrote_are_shown(invoke: Invoke, sample: str, name: str | None) -> None:
    path = Path(__file__).resolve().parents[2] / "../shared/data/hyperv_configs" / sample
    if not path.exists():
        pytest.skip("the samples that Hyper-V wrote are not here")

    done = invoke("image", "config", str(path))

    assert 0 == done.code
    assert (f"name                  {name}" if name else "4c57771a-3230-4b92-b029-d63f96518e70") in done.out
