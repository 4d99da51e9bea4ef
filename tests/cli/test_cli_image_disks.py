"""`hvbackup image` on disks as a whole: info, check, flatten, bake-log; of this machine and in restore points."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hvbackup.images import vhdx_layout as layout
from hvbackup.images.chain import open_disk
from hvbackup.images.vhd_writer import create_vhd
from hvbackup.images.writer import VhdxParent, create_vhdx
from hvbackup.jobs.guest_disk import GuestDisk
from hvbackup.simulator.small_disk import SMALL_DISK_SIZE, write_small_disk

Invoke = Callable[..., Any]
Options = tuple[str, ...]
MIB = 1024 * 1024
LOG = UUID("0fd4ba5c-3b1f-4d8f-8a6c-2a8a4bb0b5a1")


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """`leaf.avhdx` on `base.vhdx`: the small disk with one block more."""
    folder = tmp_path / "vm"
    folder.mkdir()
    base = write_small_disk(folder / "base.vhdx", variant=1)
    parent = VhdxParent(data_write_guid=base, relative_path=".\\base.vhdx")
    create_vhdx(folder / "leaf.avhdx", SMALL_DISK_SIZE, {50: b"n" * MIB}, parent=parent)
    return folder / "leaf.avhdx"


def import_point(invoke: Invoke, folder: Path, options: Options, *, vm: str = "web01") -> str:
    done = invoke("repository", "import", str(folder), "--vm", vm, "--host", "HV01", "--json", *options)
    assert 0 == done.code, done.out
    point: str = done.records[-1]["pointId"]
    return point


def write_dirty_disk(path: Path) -> None:
    """A disk of 1 MiB with one block of `o`, and a log that puts 4096 times `a` at its beginning."""
    create_vhdx(path, MIB, {0: b"o" * MIB})
    image = bytearray(path.read_bytes())
    page = b"a" * 4096
    described = struct.pack("<4s4s8sQQ", b"desc", page[-4:], page[:8], 4 * MIB, 7)
    head = struct.pack("<4sIIIQI4x", b"loge", 0, 8192, 0, 7, 1) + LOG.bytes_le + struct.pack("<QQ", 5 * MIB, 5 * MIB)
    data = struct.pack("<4sI", b"data", 0) + page[8:4092] + struct.pack("<I", 7)
    image[MIB : MIB + 8192] = layout.with_checksum((head + described).ljust(4096, b"\0") + data)
    for sequence, offset in enumerate(layout.HEADER_OFFSETS, start=5):
        image[offset : offset + 4096] = layout.pack_header(layout.Header(sequence, LOG, LOG, LOG, MIB, MIB, 0))
    path.write_bytes(image)


@pytest.mark.parametrize("command", ["", "info", "ls", "cat", "check", "flatten", "bake-log", "config"])
def test_every_command_has_help(invoke: Invoke, command: str) -> None:
    done = invoke("image", *command.split(), "--help")

    assert 0 == done.code
    assert done.out.startswith("Usage: hvbackup image")


# ---------------------------------------------------------------- info


def test_info_shows_the_chain_and_the_volumes_and_what_to_type_next(invoke: Invoke, chain: Path) -> None:
    done = invoke("image", "info", str(chain))

    assert 0 == done.code
    assert "VHDX, differencing, blocks of 1 MiB, sectors of 512/4096 bytes" in done.out
    assert f"lies on     {chain.with_name('base.vhdx')}" in done.out
    assert "partitions  GPT, disk id 0d15c0de-0000-4000-8000-000000000001" in done.out
    assert "     1  ntfs   62 MiB  Data   can be read" in done.out
    assert f"next: hvbackup image ls {chain} 1:/" in done.err


def test_info_for_programs_has_the_disk_the_table_and_each_volume(invoke: Invoke, chain: Path) -> None:
    done = invoke("image", "info", str(chain), "--json")

    assert ["disk", "partition_table", "volume", "summary"] == [record["type"] for record in done.records]
    disk, table, volume, summary = done.records
    assert (SMALL_DISK_SIZE, 512) == (disk["sizeBytes"], disk["sectorSize"])
    assert ["differencing", "dynamic"] == [each["report"]["type"] for each in disk["chain"]]
    assert ("gpt", 1) == (table["style"], table["partitions"][0]["number"])
    assert ("1", "ntfs", "Data", None) == tuple(volume[key] for key in ("name", "kind", "label", "unreadable"))
    assert {"type": "summary", "exitCode": 0, "volumes": 1} == summary
    assert "" == done.err


def test_info_tells_what_it_knows_of_a_disk_whose_parent_is_missing(invoke: Invoke, chain: Path) -> None:
    chain.with_name("base.vhdx").unlink()

    done = invoke("image", "info", str(chain))

    assert 1 == done.code
    assert "VHDX, differencing" in done.out
    assert "error: the parent of " in done.err
    assert "hint: Name the parent file" in done.err


def test_info_says_that_a_log_is_dirty(invoke: Invoke, tmp_path: Path) -> None:
    write_dirty_disk(tmp_path / "dirty.vhdx")

    done = invoke("image", "info", "dirty.vhdx")

    assert "log         1 entry not written back" in done.out
    assert "     0  unknown  1 MiB         no" in done.out


def test_a_flat_file_is_read_where_it_is_said_to_be_one(invoke: Invoke, tmp_path: Path, chain: Path) -> None:
    with open_disk(chain) as disk:
        (tmp_path / "disk.raw").write_bytes(disk.image.read_at(0, SMALL_DISK_SIZE))

    refused = invoke("image", "info", "disk.raw")
    done = invoke("image", "info", "disk.raw", "--raw")

    assert (1, True) == (refused.code, "signature of neither a VHDX nor a VHD" in refused.err)
    assert "say so: --raw" in refused.err
    assert (0, True) == (done.code, "format      flat file" in done.out)
    assert "ntfs" in done.out
    assert "next: hvbackup image ls --raw disk.raw 1:/" in done.err


# ---------------------------------------------------------------- which disk


def test_with_a_point_of_one_disk_the_disk_need_not_be_named(
    invoke: Invoke, chain: Path, in_repository: Options
) -> None:
    point = import_point(invoke, chain.parent, in_repository)

    done = invoke("image", "info", "--point", point, *in_repository)
    latest = invoke("image", "info", "--point", "latest:web01", *in_repository, "--json")

    assert 0 == done.code
    assert "disk        leaf.avhdx" in done.out
    assert "lies on     base.vhdx" in done.out
    assert f"next: hvbackup image ls -r {in_repository[1]} --passphrase-from none --point {point} 1:/" in done.err
    assert "leaf.avhdx" == latest.of_type("disk")[0]["name"]


def test_with_a_point_of_several_disks_they_are_named(invoke: Invoke, chain: Path, in_repository: Options) -> None:
    write_small_disk(chain.with_name("data.vhdx"), variant=2)
    point = import_point(invoke, chain.parent, in_repository)

    refused = invoke("image", "info", "--point", point, *in_repository)
    wrong = invoke("image", "info", "x.vhdx", "--point", point, *in_repository)
    done = invoke("image", "info", "DATA.vhdx", "--point", point, *in_repository)

    assert (2, True) == (refused.code, "has 2 disks" in refused.err)
    assert "hint: Name one of them as DISK: data.vhdx, leaf.avhdx." in refused.err
    assert (2, True) == (wrong.code, "has no disk 'x.vhdx'" in wrong.err)
    assert (0, True) == (done.code, "disk        data.vhdx" in done.out)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("info",), 2, "no disk is named"),
        (("info", "nothing.vhdx"), 2, "there is no file nothing.vhdx"),
        (("info", "."), 2, "is a folder, not a disk image"),
        (("check", "text.txt"), 1, "signature of neither a VHDX nor a VHD"),
        (("info", "text.txt", "another"), 1, "signature of neither"),
        (("ls", "vm/base.vhdx", "7:/x"), 1, "the disk has no volume '7'"),
        (("ls", "vm/base.vhdx", "Users"), 2, "'Users' is no place in a disk"),
        (("cat", "vm/base.vhdx"), 2, "`cat` takes one file, not 0"),
        (("check", "vm/base.vhdx", "1:/a"), 2, "'1:/a' is one word too many"),
        (("info", "--point", "x", "--parent", "y"), 2, "--parent, --folder and --with are for files"),
        (("info", "--point", "x"), 2, "no repository is named"),
        (("flatten", "vm/leaf.avhdx"), 2, "Missing option '--output'"),
        (("flatten", "vm/leaf.avhdx", "-o", "vm/base.vhdx"), 2, "base.vhdx"),
        (("flatten", "vm/leaf.avhdx", "-o", "no/where.vhdx"), 4, "no/where.vhdx cannot be written"),
        (("bake-log", "vm/base.vhdx", "-o", "new.vhdx"), 2, "has no log to write back"),
        (("config",), 2, "no file is named"),
        (("config", "nothing.vmcx"), 2, "there is no file nothing.vmcx"),
    ],
)
def test_bad_input_is_one_clear_error(
    invoke: Invoke, tmp_path: Path, chain: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "text.txt").write_text("no disk\n" * 1000)

    done = invoke("image", *arguments)

    assert (code, 1) == (done.code, done.err.count("error: ")), done.err
    assert says in done.err
    assert "Traceback" not in done.err


# ---------------------------------------------------------------- check


def test_check_says_that_a_chain_is_good(invoke: Invoke, chain: Path) -> None:
    done = invoke("image", "check", str(chain), "--json")

    assert 0 == done.code
    assert [[], []] == [image["report"]["problems"] for image in done.of_type("image")]
    assert {"type": "summary", "exitCode": 0, "images": 2, "damaged": 0, "linkProblems": 0} == done.records[-1]


def test_check_finds_a_disk_that_was_cut_short(invoke: Invoke, chain: Path) -> None:
    with chain.with_name("base.vhdx").open("r+b") as file:
        file.truncate(8 * MIB)

    done = invoke("image", "check", str(chain))

    assert 1 == done.code
    assert f"{chain}: good" in done.out
    assert f"{chain.with_name('base.vhdx')}: DAMAGED" in done.out


def test_check_finds_a_parent_that_does_not_fit_and_forgives_it_when_it_is_told_to(invoke: Invoke, chain: Path) -> None:
    chain.with_name("base.vhdx").unlink()
    write_small_disk(chain.with_name("base.vhdx"), variant=2)

    done = invoke("image", "check", str(chain))
    forgiven = invoke("image", "check", str(chain), "--allow-mismatch")
    info = invoke("image", "info", str(chain))

    assert (1, True) == (done.code, "chain: image 1 is not the parent of image 0" in done.out)
    assert (0, True) == (forgiven.code, "chain: image 1 is not the parent of image 0" in forgiven.out)
    assert (1, True) == (info.code, "error: this is not the parent" in info.err)


def test_check_tells_of_a_missing_parent_and_finds_it_where_it_is_told_to_look(invoke: Invoke, chain: Path) -> None:
    elsewhere = chain.parent / "elsewhere"
    elsewhere.mkdir()
    base = chain.with_name("base.vhdx").rename(elsewhere / "base.vhdx")

    missing = invoke("image", "check", str(chain))
    found = invoke("image", "check", str(chain), "--folder", str(elsewhere))
    named = invoke("image", "check", str(chain), "--parent", str(base))

    assert (1, True) == (missing.code, "chain: the parent of " in missing.out)
    assert (0, 0) == (found.code, named.code)


def test_check_looks_into_a_point(invoke: Invoke, chain: Path, in_repository: Options) -> None:
    point = import_point(invoke, chain.parent, in_repository)

    done = invoke("image", "check", "--point", point, *in_repository)

    assert (0, "leaf.avhdx: good\nbase.vhdx: good\n") == (done.code, done.out)


# ---------------------------------------------------------------- flatten, bake-log


def test_flatten_makes_one_disk_with_the_same_contents(invoke: Invoke, chain: Path, tmp_path: Path) -> None:
    done = invoke("image", "flatten", str(chain), "-o", "flat.vhdx", "--json")

    assert 0 == done.code
    (written,) = done.of_type("written")
    assert ("flat.vhdx", "dynamic", []) == (written["path"], written["report"]["type"], written["report"]["problems"])
    with open_disk(chain) as disk, open_disk(tmp_path / "flat.vhdx") as flat:
        assert [tmp_path / "flat.vhdx"] == [Path(path) for path in flat.paths]
        assert disk.image.read_at(0, SMALL_DISK_SIZE) == flat.image.read_at(0, SMALL_DISK_SIZE)


def test_flatten_gives_the_disk_a_new_id_or_keeps_it(invoke: Invoke, chain: Path) -> None:
    def disk_id(*arguments: str) -> Any:
        return invoke("image", *arguments, "--json").records[0]["report"]["diskId"]

    before = disk_id("check", str(chain))

    assert before != disk_id("flatten", str(chain), "-o", "fresh.vhdx")
    assert before == disk_id("flatten", str(chain), "-o", "kept.vhdx", "--keep-id")


def test_flatten_takes_a_disk_out_of_a_point(
    invoke: Invoke, chain: Path, in_repository: Options, tmp_path: Path
) -> None:
    point = import_point(invoke, chain.parent, in_repository)

    done = invoke("image", "flatten", "--point", point, "-o", "flat.vhdx", *in_repository)

    assert (0, True) == (done.code, done.out.startswith("flat.vhdx: a disk of 64 MiB in a file of "))
    with open_disk(chain) as disk, open_disk(tmp_path / "flat.vhdx") as flat:
        assert disk.image.read_at(0, SMALL_DISK_SIZE) == flat.image.read_at(0, SMALL_DISK_SIZE)


def test_flatten_turns_a_vhd_into_a_vhdx(invoke: Invoke, tmp_path: Path) -> None:
    create_vhd(tmp_path / "old.vhd", 4 * MIB, {1: b"x" * 2 * MIB})

    done = invoke("image", "flatten", "old.vhd", "-o", "new.vhdx")

    assert 0 == done.code
    with open_disk(tmp_path / "new.vhdx") as disk:
        assert bytes(2 * MIB) + b"x" * 2 * MIB == disk.image.read_at(0, 4 * MIB)


def test_bake_log_makes_a_clean_copy_with_the_same_contents(invoke: Invoke, tmp_path: Path) -> None:
    write_dirty_disk(tmp_path / "dirty.vhdx")
    before = (tmp_path / "dirty.vhdx").read_bytes()

    done = invoke("image", "bake-log", "dirty.vhdx", "-o", "clean.vhdx")

    assert 0 == done.code
    assert "log         clean" in invoke("image", "info", "clean.vhdx").out
    with open_disk(tmp_path / "clean.vhdx") as disk:
        assert b"a" * 4096 + b"o" * (MIB - 4096) == disk.image.read_at(0, MIB)
    assert before == (tmp_path / "dirty.vhdx").read_bytes()


def test_bake_log_needs_no_parent(invoke: Invoke, chain: Path) -> None:
    chain.with_name("base.vhdx").unlink()

    done = invoke("image", "bake-log", str(chain), "-o", "new.avhdx")

    assert (2, True) == (done.code, "has no log to write back" in done.err)


def test_bake_log_refuses_a_vhd(invoke: Invoke, tmp_path: Path) -> None:
    create_vhd(tmp_path / "old.vhd", 4 * MIB, {})

    done = invoke("image", "bake-log", "old.vhd", "-o", "new.vhd")

    assert (2, True) == (done.code, "is no VHDX, and has no log" in done.err)


def test_a_medium_that_fails_is_one_error(invoke: Invoke, chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_guest: GuestDisk) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(GuestDisk, "layout", property(fail))

    done = invoke("image", "ls", str(chain), "1:/")

    assert (1, f"error: {chain} cannot be read: Input/output error\n") == (done.code, done.err)
