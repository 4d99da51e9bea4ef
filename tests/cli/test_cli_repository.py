"""`hvbackup repository ...` without a host: everything that looks after a repository."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.repository.format import PACK_TAIL
from hvbackup.repository.repository import Repository

Invoke = Callable[..., Any]
Options = tuple[str, ...]
MIB = 1024 * 1024


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "export"
    (place / "disks").mkdir(parents=True)
    (place / "disks" / "a.bin").write_bytes(noise(MIB))
    (place / "settings.xml").write_bytes(b"<configuration/>" * 1000)
    return place


@pytest.fixture
def sealed(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """The options that name an encrypted repository that is there."""
    monkeypatch.setenv("PHRASE", "first passphrase")
    monkeypatch.setenv("OTHER", "second passphrase")
    options = ("--repository", str(tmp_path / "sealed"), "--passphrase-from", "env:PHRASE")
    assert 0 == invoke("repository", "init", *options).code
    return options


def bring(invoke: Invoke, folder: Path, options: Options, *more: str) -> str:
    done = invoke("repository", "import", str(folder), "--vm", "web01", "--host", "HV01", "--json", *more, *options)
    assert 0 == done.code, done.out
    point: str = done.records[-1]["pointId"]
    return point


@pytest.mark.parametrize(
    "command",
    ["init", "info", "stats", "import", "check", "repair", "prune", "collect", "pin", "unpin", "forget-lease", "key",
     "key list", "key add", "key remove", "key change"],
)  # fmt: skip
def test_every_command_has_help(invoke: Invoke, command: str) -> None:
    done = invoke("repository", *command.split(), "--help")

    assert 0 == done.code
    assert done.out.startswith("Usage: hvbackup repository")


# ---------------------------------------------------------------- import and restore


def test_a_folder_goes_in_and_comes_back(invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path) -> None:
    done = invoke("repository", "import", str(folder), "--vm", "web01", *in_repository)
    point = done.out.split()[0]
    points = invoke("points", "--json", *in_repository).of_type("point")
    restore = invoke("restore", point, "--to", str(tmp_path / "back"), *in_repository)
    verify = invoke("verify", point, *in_repository)

    assert (0, 0, 0) == (done.code, restore.code, verify.code)
    assert "2 files" in done.out
    assert [("web01", "unknown", "crash")] == [(p["vmName"], p["method"], p["consistency"]) for p in points]
    for name in ("disks/a.bin", "settings.xml"):
        assert (folder / name).read_bytes() == (tmp_path / "back" / name).read_bytes()


def test_import_refuses_with_one_error_and_its_exit_code(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    missing = invoke("repository", "import", str(tmp_path / "no"), "--vm", "web01", *in_repository)
    (folder / "disk.vhdx").write_bytes(b"not a disk")
    damaged = invoke("repository", "import", str(folder), "--vm", "web01", *in_repository)
    (folder / "disk.vhdx").unlink()
    (folder / "link").symlink_to("settings.xml")
    link = invoke("repository", "import", str(folder), "--vm", "web01", *in_repository)

    assert (2, 1, 2) == (missing.code, damaged.code, link.code)
    assert "not a folder" in missing.err
    assert "disk.vhdx" in damaged.err
    assert "hint: " in damaged.err
    assert "is a link" in link.err
    assert [] == invoke("points", "--json", *in_repository).of_type("point")


# ---------------------------------------------------------------- places that refuse


def test_a_wrong_passphrase_and_a_missing_one_are_told_apart(invoke: Invoke, sealed: Options) -> None:
    wrong = invoke("repository", "info", *sealed[:3], "env:OTHER")
    none = invoke("repository", "info", *sealed[:3], "none")

    assert (7, 7) == (wrong.code, none.code)
    assert "does not open this repository" in wrong.err
    assert "second passphrase" not in wrong.err


def test_a_newer_format_is_refused_by_name(
    invoke: Invoke, in_repository: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "repository" / "hvbackup.repository"
    config.write_bytes(config.read_bytes().replace(b'"version":1', b'"version":9'))

    done = invoke("repository", "info", *in_repository)

    assert 1 == done.code
    assert "9" in done.err


def test_a_folder_that_is_no_repository_and_one_that_is_not_empty(invoke: Invoke, folder: Path) -> None:
    options = ("--repository", str(folder), "--passphrase-from", "none")

    info, init = invoke("repository", "info", *options), invoke("repository", "init", *options)

    assert (1, True) == (info.code, "there is no repository" in info.err)
    assert (1, True) == (init.code, "something else here" in init.err)


@pytest.mark.parametrize(("code", "text"), [(28, "no space is left"), (30, "read-only"), (13, "access is refused")])
def test_a_store_that_refuses_to_be_written_to(
    invoke: Invoke, in_repository: Options, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    def refuse(self: object, path: Path, data: memoryview) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("hvbackup.repository.folder.FolderStore._write", refuse)

    done = invoke("repository", "import", str(folder), "--vm", "web01", *in_repository)

    assert (4, True) == (done.code, text in done.err)


# ---------------------------------------------------------------- keys


def test_passphrases_are_added_listed_and_removed(invoke: Invoke, sealed: Options) -> None:
    added = invoke("repository", "key", "add", "--new-passphrase-from", "env:OTHER", "--label", "safe", *sealed)
    slots = invoke("repository", "key", "list", "--json", *sealed).of_type("key")
    by_other = invoke("repository", "info", *sealed[:3], "env:OTHER")
    first = next(slot["slot"] for slot in slots if slot["label"] == "")
    removed = invoke("repository", "key", "remove", first[:8], *sealed[:3], "env:OTHER")

    assert (0, 0, 0) == (added.code, by_other.code, removed.code)
    assert ["", "safe"] == sorted(slot["label"] for slot in slots)
    assert 7 == invoke("repository", "info", *sealed).code
    last = invoke("repository", "key", "list", "--json", *sealed[:3], "env:OTHER").of_type("key")[0]["slot"]
    refused = invoke("repository", "key", "remove", last, *sealed[:3], "env:OTHER")
    assert (2, True) == (refused.code, "last key slot" in refused.err)


def test_a_changed_passphrase_opens_and_the_old_one_does_not(invoke: Invoke, sealed: Options) -> None:
    done = invoke("repository", "key", "change", "--new-passphrase-from", "env:OTHER", *sealed)

    assert 0 == done.code
    assert 0 == invoke("repository", "info", *sealed[:3], "env:OTHER").code
    assert 7 == invoke("repository", "info", *sealed).code
    assert 1 == len(invoke("repository", "key", "list", "--json", *sealed[:3], "env:OTHER").of_type("key"))
    assert "passphrase" not in done.out


def test_keys_refuse_what_cannot_be_meant(invoke: Invoke, sealed: Options, in_repository: Options) -> None:
    same = invoke("repository", "key", "change", "--new-passphrase-from", "env:PHRASE", *sealed)
    unknown = invoke("repository", "key", "remove", "zz", *sealed)
    plain = invoke("repository", "key", "add", "--new-passphrase-from", "env:OTHER", *in_repository)
    nowhere = invoke("repository", "key", "add", "--new-passphrase-from", "env:NOBODY", *sealed)
    literal = invoke("repository", "key", "add", "--new-passphrase-from", "canary-4711", *sealed)

    assert (2, 2, 2, 5, 5) == (same.code, unknown.code, plain.code, nowhere.code, literal.code)
    assert "canary-4711" not in literal.out + literal.err
    assert 0 == invoke("repository", "info", *sealed).code


# ---------------------------------------------------------------- leases


def test_a_lease_is_shown_and_released_only_when_that_is_confirmed(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    point = bring(invoke, folder, in_repository)
    with Repository.open(tmp_path / "repository", passphrase=None) as repository:
        vm_id = repository.point(point).vm_id
        with repository.lease(f"vm/{vm_id}", owner="dead-machine run 1"):
            listed = invoke("repository", "forget-lease", "--json", *in_repository)
            locked = invoke("repository", "import", str(folder), "--vm", "web01", "--host", "HV01", *in_repository)
            unconfirmed = invoke("repository", "forget-lease", "--vm", "WEB01", *in_repository)
            released = invoke("repository", "forget-lease", "--vm", "web01", "--yes", *in_repository)
    again = invoke("repository", "forget-lease", "--vm", vm_id.upper(), "--yes", *in_repository)

    assert [(f"vm/{vm_id}", "dead-machine run 1")] == [(r["scope"], r["owner"]) for r in listed.of_type("lease")]
    assert (6, True) == (locked.code, "forget-lease" in locked.err)
    assert (6, True) == (unconfirmed.code, "dead-machine run 1" in unconfirmed.err)
    assert (0, True) == (released.code, "released" in released.out)
    assert (2, True) == (again.code, "nobody holds a lease" in again.err)


def test_no_lease_is_held_in_a_quiet_repository(invoke: Invoke, in_repository: Options) -> None:
    done = invoke("repository", "forget-lease", *in_repository)

    assert (0, True) == (done.code, "no lease is held" in done.err)


# ---------------------------------------------------------------- numbers


def test_stats_tell_dedup_and_compression_apart(invoke: Invoke, in_repository: Options, folder: Path) -> None:
    (folder / "settings.xml").unlink()
    (folder / "disks" / "a.bin").write_bytes(noise(MIB))
    (folder / "disks" / "same.bin").write_bytes(noise(MIB))
    (folder / "disks" / "text.bin").write_bytes(b"".join(b"%07d\n" % n for n in range(131072)))
    (folder / "disks" / "zeros.bin").write_bytes(bytes(MIB))
    bring(invoke, folder, in_repository)
    bring(invoke, folder, in_repository)

    done = invoke("repository", "stats", "--json", *in_repository)
    table = invoke("repository", "stats", *in_repository)

    (vm,), (stats,) = done.of_type("vm_stats"), done.of_type("stats")
    assert (8 * MIB, 2 * MIB, 2, True) == (vm["sourceBytes"], vm["distinctBytes"], vm["points"], vm["exact"])
    assert 4.0 == vm["dedup"] == stats["dedup"]
    assert 1.3 < vm["compression"] < 2.0
    assert 0 == vm["history"][1] < vm["history"][0]
    assert stats["distinctStoredBytes"] <= stats["packBytes"]
    assert 2 == sum(period["points"] for period in done.of_type("period_stats"))
    assert (0, True, True) == (table.code, "4.0x" in table.out, "█·" in table.out)


def test_info_and_stats_of_an_empty_repository(invoke: Invoke, in_repository: Options) -> None:
    assert 0 == invoke("repository", "info", *in_repository).code
    assert 0 == invoke("repository", "stats", *in_repository).code


# ---------------------------------------------------------------- pins, retention


def test_prune_shows_first_and_then_deletes_what_no_rule_keeps(
    invoke: Invoke, in_repository: Options, folder: Path
) -> None:
    points = [bring(invoke, folder, in_repository, *more) for more in ((), ("--tag", "gold"), (), (), ())]
    assert 0 == invoke("repository", "pin", points[2], "--reason", "audit", *in_repository).code

    dry = invoke("repository", "prune", "--keep-last", "1", "--keep-tag", "gold", "--dry-run", *in_repository)
    after_dry = invoke("points", "--json", *in_repository).of_type("point")
    done = invoke("repository", "prune", "--keep-last", "1", "--keep-tag", "gold", "--json", *in_repository)

    assert (0, 5) == (dry.code, len(after_dry))
    assert 2 == sum(line.startswith("GO") for line in dry.out.splitlines())
    assert "3 stay, 2 would go" in dry.out
    assert "pinned" in dry.out
    kept = {record["pointId"] for record in done.of_type("decision") if record["kept"]}
    assert {points[1], points[2], points[4]} == kept
    assert (3, 2, False) == tuple(done.records[-1][key] for key in ("kept", "removed", "dryRun"))
    assert kept == {point["id"] for point in invoke("points", "--json", *in_repository).of_type("point")}
    assert 0 == invoke("repository", "check", *in_repository).code


def test_an_unpinned_point_is_judged_like_any_other(invoke: Invoke, in_repository: Options, folder: Path) -> None:
    first = bring(invoke, folder, in_repository)
    bring(invoke, folder, in_repository)
    invoke("repository", "pin", first, *in_repository)
    assert 0 == invoke("repository", "unpin", first, *in_repository).code
    assert "was not pinned" in invoke("repository", "unpin", first, *in_repository).out

    done = invoke("repository", "prune", "--keep-last", "1", "--json", *in_repository)

    assert 1 == done.records[-1]["removed"]


def test_prune_without_a_rule_or_with_a_wrong_one_deletes_nothing(
    invoke: Invoke, in_repository: Options, folder: Path
) -> None:
    bring(invoke, folder, in_repository)

    for arguments in ((), ("--keep-within", "soon"), ("--keep-last", "-1"), ("--keep-last", "1", "--timezone", "x/y")):
        assert 2 == invoke("repository", "prune", *arguments, *in_repository).code
    assert 1 == len(invoke("points", "--json", *in_repository).of_type("point"))


def test_collect_frees_in_two_steps_what_no_point_needs(invoke: Invoke, in_repository: Options, folder: Path) -> None:
    bring(invoke, folder, in_repository)
    (folder / "disks" / "a.bin").write_bytes(noise(MIB, 2))
    kept = bring(invoke, folder, in_repository)
    invoke("repository", "prune", "--keep-last", "1", *in_repository)

    dry = invoke("repository", "collect", "--grace", "0m", "--dry-run", *in_repository)
    first = invoke("repository", "collect", "--grace", "0m", "--json", *in_repository)
    second = invoke("repository", "collect", "--grace", "0m", "--json", *in_repository)

    condemned = first.of_type("collect")[0]["condemnedPacks"]
    assert condemned >= 2
    assert (0, True) == (dry.code, f"would be condemned: {condemned} packs" in dry.out)
    assert (0, 0) == (first.code, first.records[-1]["deletedBytes"])
    assert first.records[-1]["waitingBytes"] > MIB
    assert (0, True) == (second.code, second.records[-1]["deletedBytes"] > MIB)
    assert 0 == invoke("verify", kept, *in_repository).code
    assert 0 == invoke("repository", "check", "--read-data", *in_repository).code


def test_pins_of_points_that_are_not_there(invoke: Invoke, in_repository: Options) -> None:
    assert 1 == invoke("repository", "pin", "20990101T000000Z-00000000", *in_repository).code


def test_a_good_verification_is_remembered_and_a_bad_one_is_not(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    point = bring(invoke, folder, in_repository)

    def marks() -> tuple[bool, bool]:
        (found,) = invoke("points", "--json", *in_repository).of_type("point")
        return found["verifiedAt"] is not None, found["pinned"]

    before = marks()
    assert 0 == invoke("verify", point, *in_repository).code
    after = marks()
    invoke("repository", "pin", point, *in_repository)
    table = invoke("points", *in_repository).out
    packs = [path for path in (tmp_path / "repository" / "packs").rglob("*") if path.is_file()]
    max(packs, key=lambda path: path.stat().st_size).unlink()
    bad = invoke("verify", point, *in_repository)

    assert ((False, False), (True, False), (False, True)) == (before, after, marks())
    assert "verified pinned" in table
    assert (1, True) == (bad.code, "DAMAGED" in bad.out)


def test_a_repository_that_cannot_be_written_to_can_be_verified(
    invoke: Invoke, in_repository: Options, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = bring(invoke, folder, in_repository)

    def refuse(self: object, path: Path, data: memoryview) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("hvbackup.repository.folder.FolderStore._write", refuse)

    done = invoke("verify", point, *in_repository)

    assert (0, True, True) == (done.code, "good" in done.out, "not remembered" in done.out)


# ---------------------------------------------------------------- check, limits


def test_check_reads_a_part_and_says_what_is_hurt(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    bring(invoke, folder, in_repository)
    part = invoke("repository", "check", "--since", "1d", "--json", *in_repository)
    share = invoke("repository", "check", "--percent", "50", *in_repository)
    packs = [path for path in (tmp_path / "repository" / "packs").rglob("*") if path.is_file()]
    shutil.move(max(packs, key=lambda path: path.stat().st_size), tmp_path / "lost")
    hurt = invoke("repository", "check", *in_repository)

    assert (0, 0) == (part.code, share.code)
    assert part.of_type("check")[0]["blocks"] > 0
    assert (1, True) == (hurt.code, "hurt: " in hurt.out)
    assert 2 == invoke("repository", "check", "--since", "yesterday", *in_repository).code


def test_repair_saves_the_rest_and_a_new_backup_makes_the_old_point_whole(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    point = bring(invoke, folder, in_repository)
    pack = max((tmp_path / "repository" / "packs").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
    content = bytearray(pack.read_bytes())
    _, blocks, _ = PACK_TAIL.unpack(content[-PACK_TAIL.size :])
    content[1000] ^= 1
    pack.write_bytes(content)

    check = invoke("repository", "check", "--read-data", *in_repository)
    dry = invoke("repository", "repair", "--dry-run", *in_repository)
    untouched = pack.read_bytes()
    repaired = invoke("repository", "repair", "--json", *in_repository)
    lost = invoke("verify", point, *in_repository)
    bring(invoke, folder, in_repository)
    whole = invoke("verify", point, *in_repository)

    assert (1, True) == (check.code, "repair --dry-run" in check.err)
    assert (1, True) == (dry.code, "would be put aside: packs/" in dry.out)
    assert untouched == bytes(content)
    (report,) = repaired.of_type("repair")
    assert (1, [point]) == (repaired.code, [hurt["pointId"] for hurt in report["hurt"]])
    assert blocks - 1 == report["salvagedBlocks"] > 0
    assert (1, 0) == (lost.code, whole.code)
    done = invoke("repository", "repair", *in_repository)
    assert (0, True) == (done.code, "nothing was wrong" in done.out)


def test_a_rate_limit_is_checked_and_comes_from_options_or_settings(
    invoke: Invoke, in_repository: Options, folder: Path, tmp_path: Path
) -> None:
    fast = invoke("repository", "import", str(folder), "--vm", "a", "--limit-rate", "1G", *in_repository)
    wrong = invoke("points", "--limit-rate", "fast", *in_repository)
    (tmp_path / "hvbackup.toml").write_text("[repository]\nlimit_upload = 'nothing'\nlimit_download = 1000000\n")
    setting = invoke("points", *in_repository)
    overruled = invoke("points", "--limit-rate", "10M", *in_repository)

    assert (0, 2, 5, 0) == (fast.code, wrong.code, setting.code, overruled.code)
    assert "repository.limit_upload" in setting.err
