"""Secrets are masked, and come from where a reference points to."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from hvbackup.errors import SecretUnavailable
from hvbackup.secrets import Secret, read_secret

TEXT = "Correct-Horse-7"


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = Secret(TEXT)

    assert [str(secret), repr(secret), f"{secret}", f"{secret:>40}", "%s" % secret] == [  # noqa: UP031
        "********", "Secret(********)", "********", "********", "********",
    ]  # fmt: skip
    assert secret.reveal() == TEXT


def test_a_secret_compares_but_its_hash_says_nothing() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert hash(Secret(TEXT)) == hash(Secret("other"))
    assert [bool(Secret(TEXT)), bool(Secret(""))] == [True, False]


def test_a_secret_cannot_be_written_by_accident() -> None:
    secret = Secret(TEXT)
    for write in (pickle.dumps, json.dumps, msgspec.json.encode, msgspec.to_builtins, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            write(secret)
        assert TEXT not in str(caught.value)


def test_a_secret_is_text() -> None:
    with pytest.raises(TypeError):
        Secret(b"bytes")  # type: ignore[arg-type]


def test_the_environment_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HV_TEST_SECRET", TEXT)

    assert read_secret("env:HV_TEST_SECRET").reveal() == TEXT


def test_an_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HV_TEST_SECRET", raising=False)

    with pytest.raises(SecretUnavailable, match="HV_TEST_SECRET"):
        read_secret("env:HV_TEST_SECRET")


@pytest.mark.parametrize("content", [TEXT, TEXT + "\n", TEXT + "\r\nsecond line\n", "\ufeff" + TEXT])
def test_the_first_line_of_a_private_file_is_a_source(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content, encoding="utf-8", newline="")
    path.chmod(0o600)

    assert read_secret(f"file:{path}").reveal() == TEXT


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o777])
def test_a_file_that_others_may_read_or_change_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(TEXT)
    path.chmod(mode)

    with pytest.raises(SecretUnavailable, match=f"mode 0{mode:o}") as caught:
        read_secret(f"file:{path}")
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00", b"x" * 70_000])
def test_a_file_without_a_line_of_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(SecretUnavailable, match="does not begin"):
        read_secret(f"file:{path}")


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SecretUnavailable, match="cannot be read"):
        read_secret(f"file:{tmp_path / name}")


class Drawer(KeyringBackend):
    """A keyring with one entry."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if service == "broken":
            raise KeyringError("locked, and here is a detail")
        return TEXT if (service, username) == ("hvbackup/hosts", "admin") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


@pytest.fixture
def drawer() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Drawer())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("drawer")
def test_the_keyring_is_a_source() -> None:
    assert read_secret("keyring:hvbackup/hosts/admin").reveal() == TEXT


@pytest.mark.usefixtures("drawer")
@pytest.mark.parametrize(
    "reference", ["keyring:hvbackup/nobody", "keyring:broken/admin", "keyring:no-user", "keyring:/x"]
)
def test_a_keyring_without_the_entry_is_refused(reference: str) -> None:
    with pytest.raises(SecretUnavailable, match="keyring"):
        read_secret(reference)


def test_a_person_is_a_source() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return TEXT

    assert read_secret("prompt", ask=ask, question="Password of admin").reveal() == TEXT
    assert asked == ["Password of admin: "]


def test_no_answer_is_no_secret() -> None:
    with pytest.raises(SecretUnavailable, match="typed"):
        read_secret("prompt", ask=lambda question: "")


def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(SecretUnavailable, match="terminal"):
        read_secret("prompt")


@pytest.mark.parametrize("literal", [TEXT, "prompt:now", "vault:x", "env:", "", "file:"])
def test_anything_else_is_refused_without_repeating_it(literal: str) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        read_secret(literal)
    assert not literal or literal not in f"{caught.value}"
    assert "env:NAME" in (caught.value.hint or "")
