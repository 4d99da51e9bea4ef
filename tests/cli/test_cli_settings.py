"""Settings that are wrong are refused by file and key, and no secret gets into what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hvbackup.errors import ConfigurationError
from hvbackup.settings import load_settings

Invoke = Callable[..., Any]
CANARY = "canary-4711"


def written(folder: Path, text: str) -> Path:
    file = folder / "hvbackup.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f'[connection]\npassword = "{CANARY}"\n', "connection.password"),
        (f'[repository]\npassphrase = "{CANARY}"\n', "repository.passphrase"),
        (f'[hosts."hv01.lab"]\npassword = "{CANARY}"\n', "hosts.hv01.lab.password"),
        (f'[profiles.lab.connection]\npassword = "{CANARY}"\n', "connection.password"),
        (f'[connection]\nproxy = "http://me:{CANARY}@proxy:3128"\n', "connection.proxy"),
        (f'[repository]\nlocation = "s3://me:{CANARY}@bucket/x"\n', "repository.location"),
    ],
)
def test_a_secret_written_into_the_settings_is_refused_and_not_shown(
    invoke: Invoke, tmp_path: Path, text: str, key: str
) -> None:
    written(tmp_path, text)

    done = invoke("config", "show")
    for_programs = invoke("config", "show", "--json")

    assert 5 == done.code == for_programs.code
    assert key in done.err
    assert "hvbackup.toml" in done.err
    assert CANARY not in done.out + done.err + for_programs.out + for_programs.err


def test_a_secret_in_a_variable_that_takes_a_reference_is_refused_and_not_shown(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HVBACKUP_CONNECTION_PASSWORD", CANARY)

    done = invoke("config", "show")

    assert (5, True) == (done.code, "HVBACKUP_CONNECTION_PASSWORD" in done.err)
    assert CANARY not in done.out + done.err


@pytest.mark.parametrize("reference", ["prompt", "env:NAME", "file:/etc/secret", "keyring:hvbackup/me"])
def test_references_are_taken_and_shown(tmp_path: Path, reference: str) -> None:
    settings = load_settings(files=[written(tmp_path, f'[connection]\npassword = "{reference}"\n')], environment={})

    assert reference == settings.get("connection", "password")


def test_none_is_a_passphrase_and_no_password(tmp_path: Path) -> None:
    settings = load_settings(files=[written(tmp_path, '[repository]\npassphrase = "none"\n')], environment={})

    assert "none" == settings.get("repository", "passphrase")
    with pytest.raises(ConfigurationError):
        load_settings(files=[written(tmp_path, '[connection]\npassword = "none"\n')], environment={})


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("lanes = 0", "lanes"), ("lanes = 9", "lanes"), ("jobs = 0", "jobs"), ("jobs = 17", "jobs"),
        ("create_attempts = 0", "create_attempts"), ("longest_wait_seconds = -1", "longest_wait_seconds"),
        ('grouping = "all"', "grouping"), ('jobs = "two"', "jobs"), ("compress = 1", "compress"),
    ],
)  # fmt: skip
def test_a_number_or_word_that_cannot_be_is_refused_by_its_key(
    invoke: Invoke, tmp_path: Path, line: str, key: str
) -> None:
    written(tmp_path, f"[backup]\n{line}\n")

    done = invoke("config", "show")

    assert (5, True) == (done.code, key in done.err)


def test_a_host_whose_name_begins_another_s_has_settings_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, '[hosts.hv01]\nport = 1\n[hosts."hv01.lab"]\nport = 2\nusername = "x"\n')
    settings = load_settings(files=[file], environment={})

    assert {"port": 1} == settings.for_host("HV01")
    assert {"port": 2, "username": "x"} == settings.for_host("hv01.lab")
