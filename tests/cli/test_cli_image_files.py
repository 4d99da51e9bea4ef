"""`hvbackup image ls` and `cat`: the files in a disk, of this machine and in restore points."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.cli.main import run
from hvbackup.images.writer import create_vhdx
from hvbackup.simulator.small_disk import own_content, write_small_disk

Invoke = Callable[..., Any]
Options = tuple[str, ...]
MIB = 1024 * 1024
README = b"This small disk ships with hvbackup. It is what the VMs of the simulated host have in them.\r\n"
LEDGER = "".join(f"booking,{number:06},open\n" for number in range(1, 12001)).encode()


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The small disk: one NTFS volume with four files."""
    write_small_disk(tmp_path / "disk.vhdx", variant=1)
    return tmp_path / "disk.vhdx"


@pytest.fixture
def linux_disk(tmp_path: Path) -> Path:
    """A disk that is one ext4 volume with folders, a link, and names that are no Unicode."""
    program = shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin")
    if program is None:
        pytest.skip("mkfs.ext4 is not installed")
    tree = tmp_path / "tree"
    (tree / "home" / "anna" / "Desktop").mkdir(parents=True)
    (tree / "home" / "anna" / "Budget.xlsx").write_bytes(b"money")
    (tree / "home" / "anna" / "Desktop" / "report [1].txt").write_bytes(b"one")
    (tree / "home" / "anna" / "link").symlink_to("Budget.xlsx")
    (tree / "home" / "caf\udce9.txt").write_bytes(b"latin-1")
    (tree / "home" / "fake\n    1 B").write_bytes(b"no line")
    (tree / "a:b.txt").write_bytes(b"colon")
    raw = tmp_path / "volume.raw"
    with raw.open("wb") as file:
        file.truncate(8 * MIB)
    subprocess.run([program, "-q", "-F", "-d", str(tree), str(raw)], check=True, capture_output=True)
    data = raw.read_bytes()
    blocks = {number: data[number * MIB : (number + 1) * MIB] for number in range(8)}
    create_vhdx(tmp_path / "linux.vhdx", 8 * MIB, blocks)
    return tmp_path / "linux.vhdx"


def places(done: Any) -> list[str]:
    return [record["place"] for record in done.of_type("entry")]


def import_point(invoke: Invoke, disk: Path, options: Options) -> str:
    folder = disk.parent / "export"
    folder.mkdir()
    disk.rename(folder / disk.name)
    done = invoke("repository", "import", str(folder), "--vm", "web01", "--host", "HV01", "--json", *options)
    assert 0 == done.code, done.out
    point: str = done.records[-1]["pointId"]
    return point


# ---------------------------------------------------------------- ls


def test_without_a_place_the_volumes_are_listed(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "ls", "disk.vhdx")

    assert 0 == done.code
    assert "     1  ntfs   62 MiB  Data   can be read" in done.out
    assert "next: hvbackup image ls disk.vhdx 1:/" in done.err


def test_a_folder_is_listed_with_sizes_and_times_of_the_guest(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "ls", "disk.vhdx", "1:/")

    assert 0 == done.code
    assert done.out.splitlines() == [
        "      43 B  2026-01-01 00:00Z  Grüße 你好.txt",
        "   234 KiB  2026-01-01 00:00Z  ledger.csv",
        "     4 KiB  2026-01-01 00:00Z  machine.txt",
        "      93 B  2026-01-01 00:00Z  read me.txt",
    ]


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("1", ["Grüße 你好.txt", "ledger.csv", "machine.txt", "read me.txt"]),
        ("/", ["Grüße 你好.txt", "ledger.csv", "machine.txt", "read me.txt"]),
        ("C:\\", ["Grüße 你好.txt", "ledger.csv", "machine.txt", "read me.txt"]),
        (r"1:\READ ME.TXT", ["read me.txt"]),
        ("**/*.TXT", ["Grüße 你好.txt", "machine.txt", "read me.txt"]),
        ("1:/grü*", ["Grüße 你好.txt"]),
        ("/l?dger.*", ["ledger.csv"]),
    ],
)
def test_a_place_may_be_written_in_the_way_of_the_one_who_writes(
    invoke: Invoke, disk: Path, place: str, names: list[str]
) -> None:
    done = invoke("image", "ls", "disk.vhdx", place, "--json")

    assert (0, names) == (done.code, [record["name"] for record in done.of_type("entry")])
    assert {"type": "summary", "exitCode": 0, "entries": len(names), "unreadable": 0} == done.records[-1]


def test_a_drive_letter_is_told_to_be_no_part_of_a_disk(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "ls", "disk.vhdx", r"D:\ledger.csv")

    assert (0, True) == (done.code, "does not know its drive letters: looking for /ledger.csv in volume 1" in done.err)


def test_long_lines_have_owner_and_exact_size(invoke: Invoke, disk: Path) -> None:
    done = invoke("image", "ls", "disk.vhdx", "1:/ledger.csv", "-l")

    assert ["-", "1", "S-1-5-32-544", "240000", "2026-01-01", "00:00:00Z", "ledger.csv"] == done.out.split()


def test_programs_get_every_field_of_an_entry(invoke: Invoke, disk: Path) -> None:
    (entry,) = invoke("image", "ls", "disk.vhdx", "1:/ledger.csv", "--json").of_type("entry")

    assert ("1", "1:/ledger.csv", "/ledger.csv", "file", 240000, "2026-01-01T00:00:00Z", "S-1-5-32-544", []) == tuple(
        entry[key] for key in ("volume", "place", "path", "kind", "sizeBytes", "modifiedAt", "owner", "streams")
    )


@pytest.mark.parametrize(
    ("place", "code", "says"),
    [
        ("1:/nothing", 1, "/ has no entry `nothing`"),
        ("1:/nothing*", 1, "nothing fits '1:/nothing*'"),
        ("1:/ledger.csv/x", 1, ""),
        ("2:/", 1, "the disk has no volume '2'"),
    ],
)
def test_what_is_not_there_is_one_error(invoke: Invoke, disk: Path, place: str, code: int, says: str) -> None:
    done = invoke("image", "ls", "disk.vhdx", place)

    assert (code, "", 1) == (done.code, done.out, done.err.count("error: "))
    assert says in done.err


def test_files_in_a_point_are_found_in_two_commands(invoke: Invoke, disk: Path, in_repository: Options) -> None:
    point = import_point(invoke, disk, in_repository)

    listed = invoke("points", *in_repository)
    found = invoke("image", "ls", "--point", point[:20], "**/*ledger*", *in_repository)

    assert point in listed.out
    assert (0, "   234 KiB  2026-01-01 00:00Z  1:/ledger.csv\n") == (found.code, found.out)


def test_what_a_listing_names_can_be_given_to_the_next_command(invoke: Invoke, linux_disk: Path) -> None:
    named = places(invoke("image", "ls", "linux.vhdx", "**/*.txt", "--json"))

    assert ["0:/a:b.txt", "0:/home/anna/Desktop/report [1].txt", "0:/home/caf\udce9.txt"] == sorted(named)
    for place in named:
        assert [place] == places(invoke("image", "ls", "linux.vhdx", place, "--json"))


def test_linux_files_have_permissions_owners_and_links(invoke: Invoke, linux_disk: Path) -> None:
    done = invoke("image", "ls", "linux.vhdx", "/home/anna", "-l")

    lines = sorted(line.split() for line in done.out.splitlines())
    assert ["-rw-", "drwx", "lrwx"] == [line[0][:4] for line in lines]
    assert "link -> Budget.xlsx" in done.out
    assert "Desktop/" in done.out


def test_case_counts_in_a_linux_disk(invoke: Invoke, linux_disk: Path) -> None:
    assert 1 == invoke("image", "ls", "linux.vhdx", "**/budget*").code
    assert ["0:/home/anna/Budget.xlsx"] == places(invoke("image", "ls", "linux.vhdx", "**/Budget*", "--json"))


def test_a_name_cannot_pass_for_a_line_of_its_own(invoke: Invoke, linux_disk: Path) -> None:
    done = invoke("image", "ls", "linux.vhdx", "/home")

    assert 3 == len(done.out.splitlines())
    assert "fake\N{REPLACEMENT CHARACTER}    1 B" in done.out


def test_recursion_without_a_place_lists_every_volume(invoke: Invoke, linux_disk: Path) -> None:
    listed = set(places(invoke("image", "ls", "linux.vhdx", "-R", "--json")))

    assert {"0:/a:b.txt", "0:/home/anna/link", "0:/lost+found"} <= listed


def test_recursion_lists_all_that_is_below(invoke: Invoke, linux_disk: Path) -> None:
    done = invoke("image", "ls", "linux.vhdx", "-R", "/home/anna", "--json")

    assert [
        "0:/home/anna/Budget.xlsx", "0:/home/anna/Desktop", "0:/home/anna/Desktop/report [1].txt",
        "0:/home/anna/link",
    ] == sorted(places(done))  # fmt: skip


# ---------------------------------------------------------------- cat


def cat(capsysbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, bytes, str]:
    capsysbinary.readouterr()
    code = run(["image", "cat", *arguments])
    captured = capsysbinary.readouterr()
    return code, captured.out, captured.err.decode()


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("1:/read me.txt", README),
        (r"C:\READ ME.TXT", README),
        ("1:/ledger.csv", LEDGER),
        ("**/machine*", own_content(1)),
    ],
)
def test_a_file_is_written_byte_for_byte(
    capsysbinary: pytest.CaptureFixture[bytes], disk: Path, place: str, content: bytes
) -> None:
    assert (0, content) == cat(capsysbinary, str(disk), place)[:2]


def test_a_file_of_a_point_is_written_byte_for_byte(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("HVBACKUP_STATE_DIR", str(tmp_path / "state"))
    options = ("--repository", str(tmp_path / "repository"), "--passphrase-from", "none")
    (tmp_path / "vm").mkdir()
    disk.rename(tmp_path / "vm" / "disk.vhdx")
    assert 0 == run(["repository", "init", *options])
    assert 0 == run(["repository", "import", str(tmp_path / "vm"), "--vm", "web01", *options])

    assert (0, LEDGER) == cat(capsysbinary, "--point", "latest:web01", "1:/ledger.csv", *options)[:2]


@pytest.mark.parametrize(
    ("place", "code", "says"),
    [
        ("1:/nothing", 1, "/ has no entry `nothing`"),
        ("1:/", 2, "1:/ is no file but a folder"),
        ("*", 2, "'*' is no place in a disk"),
        ("/*.txt", 2, "several files fit '/*.txt'"),
        ("1:/no*", 1, "nothing fits '1:/no*'"),
    ],
)
def test_what_is_no_single_file_is_one_error(
    capsysbinary: pytest.CaptureFixture[bytes], disk: Path, place: str, code: int, says: str
) -> None:
    done = cat(capsysbinary, str(disk), place)

    assert (code, b"", 1) == (done[0], done[1], done[2].count("error: "))
    assert says in done[2]


def test_a_link_is_not_followed_and_says_where_it_leads(
    capsysbinary: pytest.CaptureFixture[bytes], linux_disk: Path
) -> None:
    code, out, err = cat(capsysbinary, str(linux_disk), "/home/anna/link")

    assert (2, b"") == (code, out)
    assert "0:/home/anna/link is no file but a symlink to Budget.xlsx" in err


def test_cat_has_no_json(capsysbinary: pytest.CaptureFixture[bytes], disk: Path) -> None:
    assert 2 == cat(capsysbinary, str(disk), "1:/ledger.csv", "--json")[0]
