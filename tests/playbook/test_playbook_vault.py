"""Ansible Vault: what ansible-vault 2.19 wrote is opened, and stays secret; what does not open says why."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import re
from binascii import hexlify
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.errors import PlaybookError, SecretUnavailable
from hvbackup.playbook.inventory import read_inventory
from hvbackup.playbook.nodes import EncryptedText, Place, Text
from hvbackup.playbook.redaction import Redactor, SecretText, revealed
from hvbackup.playbook.templates import Templar
from hvbackup.playbook.vault import Vault
from hvbackup.playbook.yaml_reader import read_yaml, read_yaml_text
from hvbackup.secrets import Secret

#: Written by `ansible-vault encrypt_string` of ansible-core 2.19.14; passwords "correct horse" and "other secret".
VARIABLES = """\
pw: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          39633161386263383263326163376231346532613439346565633838373230363634373437393932
          3034363630383738666432316661356362333438643961330a366163356561363163393935643165
          30386265376631343362323263373731366562386438376462373233643535343366326632613162
          3430326663356565620a613838343139616634363132636332626133386536393937373636333363
          65313965313237646330343264613238633839623964633139643165613230663030
pw2: !vault |
          $ANSIBLE_VAULT;1.2;AES256;prod
          64646634653730646430663262383562366664313066333334373838616361313766343565383763
          3466383335396664363838653966323361663066613538350a323866613032623230303365623239
          64333838383665373337653736353265366464653238623131633734313466666137346437393031
          3835633861376138640a316565646230353037333239643332326137346437363934393333333738
          3765
name: backup
url: "https://{{ pw2 }}@host"
"""
#: Written by `ansible-vault encrypt`.
WHOLE_FILE = """\
$ANSIBLE_VAULT;1.1;AES256
64616466633637393538383766303531333861663533633235613936366236346566643538363332
6265353238643030626664346431306530643332643862320a313331333034303131663436316365
34656365613164623133343165663362343435363837633634626638613336326532396566316263
6562616138653435320a326237636365343238343237326538626565346363366635306265613239
32303730373334383635326137613134316264633033646133653738616138363365303738643536
32383166646535396237613138376265616164393934383162306535376531396433663630333666
626138363430376139313437343164666263
"""
DEFAULT = {"default": Secret("correct horse")}
BOTH = {**DEFAULT, "prod": Secret("other secret")}


def encrypted(plain: bytes, password: bytes, header: str = "$ANSIBLE_VAULT;1.1;AES256") -> str:
    """What ansible-vault writes, with a fixed salt."""
    from cryptography.hazmat.primitives import hashes, hmac, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    salt = bytes(range(32))
    keys = PBKDF2HMAC(hashes.SHA256(), 80, salt, 10000).derive(password)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).encryptor()
    content = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    signer = hmac.HMAC(keys[32:64], hashes.SHA256())
    signer.update(content)
    body = hexlify(b"\n".join(hexlify(part) for part in (salt, signer.finalize(), content))).decode()
    return "\n".join([header, *(body[at : at + 80] for at in range(0, len(body), 80))]) + "\n"


def variables(vault: Vault | None) -> Any:
    return read_yaml_text(VARIABLES, "vars.yml", vault=vault)


def test_values_of_ansible_vault_are_opened() -> None:
    content = variables(Vault(BOTH))
    assert content["pw"].open().reveal() == "s3cr{{x}}t-ünï"
    assert content["pw2"].open().reveal() == "prod-password"


def test_a_file_that_is_vaulted_as_a_whole_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vault.yml"
    path.write_text(WHOLE_FILE, encoding="utf-8")
    vault = Vault(DEFAULT)
    content = read_yaml(path, vault=vault)
    assert content == {"vault_password": "file-secret-1", "user": "{{ name }}", "number": 7}
    assert content["vault_password"].place == Place(str(path), 1, 17)
    assert vault.redactor.mask("it is file-secret-1.") == "it is ********."
    rendered = Templar().render(content, {**content, "name": "joe"})
    assert isinstance(rendered["vault_password"], SecretText)
    assert isinstance(rendered["user"], SecretText)
    with pytest.raises(PlaybookError, match="no vault password"):
        read_yaml(path)


def test_who_does_not_use_a_value_needs_no_password() -> None:
    content = variables(None)
    assert Templar().render(Text("{{ name }}"), content) == "backup"
    with pytest.raises(PlaybookError, match="no vault password") as caught:
        Templar().render(Text("{{ pw }}"), content)
    assert caught.value.place == "vars.yml:1:5"


def test_another_password_that_fits_is_found_whatever_its_id() -> None:
    vault = Vault({"a": Secret("wrong"), "b": Secret("other secret")})
    assert variables(vault)["pw2"].open().reveal() == "prod-password"


@pytest.mark.parametrize(
    ("passwords", "words"),
    [
        ({"prod": Secret("wrong")}, "the password of the vault id 'prod' does not open this"),
        ({"default": Secret("wrong")}, "no password for the vault id 'prod'"),
        ({}, "there is no vault password"),
    ],
)
def test_a_value_that_does_not_open_says_why(passwords: dict[str, Secret], words: str) -> None:
    with pytest.raises(PlaybookError, match=words) as caught:
        variables(Vault(passwords))["pw2"].open()
    assert caught.value.place == "vars.yml:8:6"
    assert "wrong" not in str(caught.value).replace("wrong password", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no vaulted value"),
        ("hello", "no vaulted value"),
        ("$ANSIBLE_VAULT;1.0;AES\n00", "unknown vault format"),
        ("$ANSIBLE_VAULT;1.1;AES256", "damaged"),
        ("$ANSIBLE_VAULT;1.1;AES256\nzz", "damaged"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3030", "damaged"),
        (VARIABLES.partition("|")[2].partition("pw2")[0].replace("396331", "396332"), "does not open"),
        (encrypted(b"\xff\xfe", b"correct horse"), "not UTF-8"),
    ],
)
def test_damaged_values_are_errors_with_their_place(text: str, words: str) -> None:
    with pytest.raises(PlaybookError, match=words) as caught:
        Vault(DEFAULT).decrypt_value(text, Place("f", 1, 1))
    assert caught.value.place == "f:1:1"


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=25, deadline=None)
def test_an_altered_value_never_opens_to_something_else(plain: bytes, at: int, byte: int) -> None:
    text = encrypted(plain, b"correct horse")
    at %= len(text)
    altered = text[:at] + chr(byte) + text[at + 1 :]
    with contextlib.suppress(PlaybookError):
        assert Vault(DEFAULT).decrypt_value(altered).reveal().encode() == plain


def test_the_same_ciphertext_is_decrypted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(DEFAULT)
    text = encrypted(b"value", b"correct horse")
    assert vault.decrypt_value(text).reveal() == "value"
    monkeypatch.setattr(vault, "_passwords", {})
    assert vault.decrypt_value(text).reveal() == "value"


def test_vaulted_inventories_and_variables_are_opened(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(encrypted(b"[g]\nh secret=in-the-ini\n", b"correct horse"), encoding="utf-8")
    (tmp_path / "group_vars" / "g").mkdir(parents=True)
    (tmp_path / "group_vars" / "g" / "vault.yml").write_text(WHOLE_FILE, encoding="utf-8")
    vault = Vault(DEFAULT)
    variables = read_inventory([tmp_path / "hosts"], vault=vault).variables("h")
    assert variables["vault_password"] == "file-secret-1"
    rendered = Templar().render(variables["secret"], variables)
    assert rendered.reveal() == "in-the-ini"
    assert str(rendered) == "********"
    with pytest.raises(PlaybookError, match="there is no vault password"):
        read_inventory([tmp_path / "hosts"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.yml", "a: hunter-secret\na: hunter-secret\n"),
        ("x.yml", "a: !!int hunter-secret\n"),
        ("x.yml", "a: [hunter-secret\n"),
        ("x.yml", "a: hunter-secret\n\tb: 1\n"),
        ("x.ini", "h hunter-secret\n"),
        ("x.ini", "[hunter-secret x]\n"),
        ("x.ini", "[g]\n[g:vars]\nhunter-secret\n"),
        ("x.ini", "h a='hunter-secret\n"),
    ],
)
def test_errors_in_a_vaulted_file_show_nothing_of_it(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(encrypted(text.encode(), b"correct horse"), encoding="utf-8")
    with pytest.raises(PlaybookError) as caught:
        read_inventory([path], vault=Vault(DEFAULT))
    assert "hunter" not in f"{caught.value.message} {caught.value.hint} {caught.value.place}"


def test_every_value_of_a_vaulted_file_is_masked() -> None:
    vault = Vault({})
    content = read_yaml_text(
        "a: !unsafe '{{ inert }}'\nd: true\nb: 90210\nc: [text-in-list]\n", "x", vault=vault, secret=True
    )
    assert isinstance(content["a"], SecretText)
    assert vault.redactor.mask("{{ inert }} 90210 text-in-list true") == "******** ******** ******** true"


# ---------------------------------------------------------------- where passwords come from


@pytest.mark.parametrize(
    "template",
    [
        "{{ s }}", "{{ s[0:5] }}", "{{ s[0] }}", "{{ s | list }}", "{{ s.split('-') }}", "{{ s | split('-') }}",
        "{{ s.partition('-')[0] }}", "{{ 'a' ~ s[0:5] }}", "{{ s[0:5] + 'x' }}", "{{ 'x' + s[0:5] }}",
        "{{ '%s!' % s[0:5] }}", "{{ s.lower() }}", "{{ s | regex_findall('[a-z]+') }}",
        "{{ s | regex_search('[a-z]+') }}", "{{ (s | list)[0:5] | join }}", "{{ s.replace('-', '')[0:5] }}",
        "{{ {'k': s[0:5]} }}", "{{ [s[0:5]] | to_json }}", "{{ (s | split('-')) | first }}",
        "{{ s | upper | lower | truncate(5, true, '') }}", "{% for c in s %}{{ c }}{% endfor %}",
        "{% set t = s[0:5] %}{{ t }}", "{{ s | wordwrap(5, true, '|') }}",
    ],
)  # fmt: skip
def test_a_piece_of_a_secret_is_as_secret_as_all_of_it(template: str) -> None:
    variables = {"s": SecretText("tulip-secret-4711")}
    redactor = Redactor()
    redactor.add("tulip-secret-4711")

    rendered = Templar().render(Text(template), variables)

    shown = json.dumps(redactor.masked(rendered))
    assert "********" in shown
    assert not re.search('tul|lip|secr|4711|"t"', shown)


def secret_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_passwords_come_from_files_by_id(tmp_path: Path) -> None:
    first = secret_file(tmp_path / "a", "correct horse\n")
    second = secret_file(tmp_path / "b", "other secret\n\n")
    content = variables(Vault.from_options([str(first), f"prod@{second}"]))
    assert content["pw"].open().reveal() == "s3cr{{x}}t-ünï"
    assert content["pw2"].open().reveal() == "prod-password"


def test_passwords_are_asked_for() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "other secret" if "prod" in question else "correct horse"

    vault = Vault.from_options(["prod@prompt"], ask_password=True, ask=ask)
    assert variables(vault)["pw2"].open().reveal() == "prod-password"
    assert asked == ["Vault password (prod): ", "Vault password: "]


def test_nothing_typed_is_an_error() -> None:
    with pytest.raises(SecretUnavailable):
        Vault.from_options(ask_password=True, ask=lambda _question: "")


@pytest.mark.skipif(os.name != "posix", reason="scripts and modes are those of POSIX")
def test_a_file_that_can_be_executed_is_a_script(tmp_path: Path) -> None:
    script = secret_file(
        tmp_path / "ask-client", '#!/bin/sh\ntest "$1 $2" = "--vault-id prod" && echo "other secret"\n', 0o700
    )
    assert variables(Vault.from_options([f"prod@{script}"]))["pw2"].open().reveal() == "prod-password"


@pytest.mark.skipif(os.name != "posix", reason="scripts and modes are those of POSIX")
@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("password", 0o644, "can be read or changed by others"),
        ("", 0o600, "gives nothing"),
        ("$ANSIBLE_VAULT;1.1;AES256\n00", 0o600, "is vaulted itself"),
        ("#!/bin/sh\nexit 3\n", 0o700, "failed with exit code 3"),
        ("#!/does/not/exist\n", 0o700, "cannot be run"),
        ("#!/bin/sh\n", 0o700, "gives nothing"),
    ],
)
def test_a_source_that_gives_no_password_is_an_error(text: str, mode: int, words: str, tmp_path: Path) -> None:
    path = secret_file(tmp_path / "source", text, mode)
    with pytest.raises(PlaybookError, match=words):
        Vault.from_options([str(path)])


def test_a_missing_file_and_two_passwords_for_one_id_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="cannot be read"):
        Vault.from_options([str(tmp_path / "missing")])
    path = secret_file(tmp_path / "a", "x1234")
    with pytest.raises(PlaybookError, match="two passwords for the vault id 'a'"):
        Vault.from_options([f"a@{path}", f"a@{path}"])


# ---------------------------------------------------------------- secret from then on


def test_a_secret_is_true_for_templates_and_masked_for_people(caplog: pytest.LogCaptureFixture) -> None:
    vault = Vault(BOTH)
    content = variables(vault)
    templar = Templar()
    secret = templar.render(Text("{{ pw2 }}"), content)
    assert isinstance(secret, SecretText)
    assert secret.reveal() == "prod-password"
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r %s", secret, secret, [secret])
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", "%s" % secret, repr([secret]), caplog.text]  # noqa: UP031
    assert not any("prod-password" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert templar.condition(Text("pw2 == 'prod-password' and pw2 is match('prod')"), content)
    assert templar.render(Text("{{ pw2 | length }}"), content) == 13


def test_what_is_built_from_a_secret_is_secret() -> None:
    vault = Vault(BOTH)
    content = variables(vault)
    url = Templar().render(content["url"], content)
    assert isinstance(url, SecretText)
    assert url.reveal() == "https://prod-password@host"
    assert vault.redactor.mask(url) == "https://********@host"
    encoded = Templar().render(Text("{{ pw2 | b64encode }}"), content)
    assert encoded.reveal() == "cHJvZC1wYXNzd29yZA=="
    assert vault.redactor.mask(encoded) == "********"


def test_a_password_with_braces_is_no_template() -> None:
    content = {**variables(Vault(BOTH)), "x": "evaluated"}
    assert Templar().render(Text("{{ pw }}"), content).reveal() == "s3cr{{x}}t-ünï"


def test_a_rendered_secret_can_be_a_variable_again() -> None:
    content = variables(Vault(BOTH))
    templar = Templar()
    fact = templar.render({"token": Text("{{ pw2 }}")}, content)
    again = templar.render(Text("{{ token }}!"), fact)
    assert again.reveal() == "prod-password!"


def test_the_redactor_masks_texts_and_data() -> None:
    redactor = Redactor()
    redactor.add("hunter22")
    redactor.add(Secret("hunter22-longer"))
    redactor.add("abc")
    assert redactor.mask("hunter22 hunter22-longer abc") == "******** ******** abc"
    data = {"a": ["hunter22", 1, None], "hunter22": SecretText("x"), "s": Secret("y")}
    assert redactor.masked(data) == {"a": ["********", 1, None], "********": "********", "s": "********"}
    assert json.dumps(redactor.masked({"k": SecretText("hunter22")})) == '{"k": "********"}'


def test_each_line_of_a_secret_is_masked() -> None:
    redactor = Redactor()
    redactor.add("-----BEGIN-----\nkeydata-1\nkeydata-2\n")
    assert redactor.mask("error near keydata-2") == "error near ********"


def test_modules_get_plain_texts() -> None:
    plain = revealed({"a": SecretText("x"), "b": [SecretText("y"), Secret("z"), 1]})
    assert plain == {"a": "x", "b": ["y", "z", 1]}
    assert type(plain["a"]) is str


def test_an_encrypted_text_shows_nothing() -> None:
    encrypted_text = EncryptedText("3030", Place("f", 1, 1), lambda *_arguments: Secret("x"))
    assert repr(encrypted_text) == "EncryptedText(f:1:1)"
