"""One clear error each, a cure, the documented exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]
Options = tuple[str, ...]
HOST = "127.0.0.1"


def without(options: Options, name: str, *values: str) -> Options:
    at = options.index(name)
    return (*options[:at], *values, *options[at + 2 :])


def test_an_unknown_command_and_an_unknown_option_are_usage_errors(invoke: Invoke) -> None:
    assert 2 == invoke("backupp").code
    assert 2 == invoke("vms", "--frobnicate").code


def test_a_wrong_password_is_an_authentication_error(
    invoke: Invoke, on_host: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_PASSWORD", "canary-4711")

    done = invoke("writers", HOST, *on_host)

    assert 7 == done.code
    assert done.err.startswith("error: ")
    assert "hint: " in done.err
    assert "canary-4711" not in done.out + done.err


def test_an_untrusted_certificate_names_the_cure(invoke: Invoke, on_host: Options) -> None:
    done = invoke("writers", HOST, *without(on_host, "--ca-file"))

    assert 4 == done.code
    assert "--ca-file" in done.err


def test_a_host_that_does_not_answer_is_unreachable(invoke: Invoke, on_host: Options) -> None:
    done = invoke("writers", HOST, *without(on_host, "--port", "--port", "1"))

    assert 4 == done.code
    assert "127.0.0.1:1" in done.err


def test_basic_over_plain_http_is_refused(invoke: Invoke, on_host: Options) -> None:
    assert 2 == invoke("writers", HOST, "--no-tls", *on_host).code


def test_a_password_cannot_be_written_where_a_reference_belongs(invoke: Invoke, on_host: Options) -> None:
    done = invoke("writers", HOST, *without(on_host, "--password-from", "--password-from", "Passw0rd!"))

    assert 5 == done.code
    assert "Passw0rd!" not in done.out + done.err


def test_no_repository_named_says_how_to_name_one(invoke: Invoke) -> None:
    done = invoke("points")

    assert 2 == done.code
    assert "HVBACKUP_REPOSITORY" in done.err


def test_a_folder_without_repository_is_told(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = invoke("points", "--repository", str(tmp_path / "empty"), "--passphrase-from", "none")
    missing = invoke("points", "--repository", str(tmp_path / "nothing"), "--passphrase-from", "none")

    assert (1, True) == (empty.code, "repository init" in empty.err)
    assert (4, True) == (missing.code, "no such folder" in missing.err)


def test_a_wrong_passphrase_is_an_authentication_error(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHRASE", "right")
    options = ("--repository", str(tmp_path / "sealed"), "--passphrase-from", "env:PHRASE")
    assert 0 == invoke("repository", "init", *options).code
    monkeypatch.setenv("PHRASE", "wrong-canary")

    done = invoke("points", *options)

    assert 7 == done.code
    assert "wrong-canary" not in done.out + done.err


def test_an_unknown_point_is_told_with_those_that_come_near(invoke: Invoke, in_repository: Options) -> None:
    assert 1 == invoke("show", "20990101T000000Z-00000000", *in_repository).code


def test_errors_are_records_for_programs(invoke: Invoke) -> None:
    done = invoke("points", "--json")

    error, summary = done.records
    assert ("error", "InvalidRequest") == (error["type"], error["error"])
    assert error["message"]
    assert {"type": "summary", "exitCode": 2} == summary


def test_a_wrong_setting_names_the_file_and_the_key(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "hvbackup.toml").write_text("[connection]\nusernme = 'x'\n")

    done = invoke("config", "show")

    assert 5 == done.code
    assert "hvbackup.toml" in done.err
    assert "usernme" in done.err
    assert "username" in done.err


def test_settings_are_shown_with_their_origin(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hvbackup.toml").write_text("[connection]\nusername = 'a'\n[profiles.lab.connection]\nusername = 'b'\n")
    monkeypatch.setenv("HVBACKUP_REPOSITORY", "/backups")

    plain = {r["name"]: r for r in invoke("config", "show", "--json").of_type("setting")}
    profile = {r["name"]: r for r in invoke("--profile", "lab", "config", "show", "--json").of_type("setting")}

    assert ("a", "hvbackup.toml") == (plain["connection.username"]["value"], plain["connection.username"]["origin"])
    assert "HVBACKUP_REPOSITORY" in plain["repository.location"]["origin"]
    assert "b" == profile["connection.username"]["value"]
    assert "lab" in profile["connection.username"]["origin"]


def test_a_profile_that_is_nowhere_is_an_error(invoke: Invoke) -> None:
    assert 5 == invoke("--profile", "ghost", "config", "show").code


def test_a_variable_that_is_no_setting_is_an_error_with_a_suggestion(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVBACKUP_BACKUP_JOB", "2")

    done = invoke("config", "show")

    assert 5 == done.code
    assert "HVBACKUP_BACKUP_JOBS" in done.err


def test_a_bug_is_told_as_one_without_a_traceback(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("hvbackup.settings.load_settings", broken)

    done = invoke("config", "show")

    assert 1 == done.code
    assert "This is a bug" in done.err
    assert "Traceback" not in done.err


TRANSCRIPT = "The last operation failed.\r\n\t- Returned HRESULT: 80042306\r\n\t- Error text: VSS_E_PROVIDER_VETO\r\n"


@pytest.mark.parametrize("encoding", ["utf-16", "cp850"])
def test_a_saved_transcript_is_explained(invoke: Invoke, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(TRANSCRIPT.encode(encoding))

    done = invoke("transcript", str(file))

    assert 1 == done.code
    assert "0x80042306" in done.out
    assert "VETO" in done.out
    assert "cure" in done.out


def test_a_transcript_that_is_none_says_so(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(bytes(range(256)))

    done = invoke("transcript", str(file), "--json")

    assert 0 == done.code
    assert [] == done.of_type("transcript")[0]["kinds"]


def test_vms_can_be_classified_from_a_file(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("\t- Caption: Offline\\2012\n\t- Caption: Online\\centos\n")

    done = invoke("vms", "--from", str(file), "--json")

    found = {record["vmName"]: record["method"] for record in done.of_type("vm")}
    assert {"2012": "offline", "centos": "online"} == found


def test_names_from_hosts_cannot_steer_the_terminal() -> None:
    from hvbackup.cli.output import clean, table_lines

    assert "\x1b" not in clean("\x1b[31mred\x07")
    assert json.dumps("a\tb") == json.dumps(clean("a\tb"))
    assert ["a  b", "─  ─", "1  x"] == table_lines(("a", "b"), [("1", "x")], width=None)
