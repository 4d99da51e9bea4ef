"""Ansible's connection variables and options as hvbackup's own connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hvbackup import ConnectionOptions, Secret
from hvbackup.errors import InvalidRequest
from hvbackup.playbook.modules.connections import IGNORED, connection_from_options, connection_from_variables

PSRP = {"ansible_connection": "psrp", "ansible_user": "EXAMPLE\\svc", "ansible_password": "s3cret"}
WINRM = {**PSRP, "ansible_connection": "winrm"}


def of(**variables: Any) -> ConnectionOptions:
    return connection_from_variables(variables, "hv01.example.com")


def test_psrp_with_nothing_more_is_negotiate_over_tls_with_a_checked_certificate() -> None:
    options = of(**PSRP)

    assert ("hv01.example.com", 5986, True, "negotiate", True, "psrp") == (
        options.host, options.port, options.tls, options.auth, options.verify, options.transport,
    )  # fmt: skip
    assert "EXAMPLE\\svc" == options.username
    assert Secret("s3cret") == options.password
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({"ansible_host": "10.0.0.7"}, {"host": "10.0.0.7"}),
        ({"ansible_host": "10.0.0.7", "ansible_psrp_host": "10.0.0.8"}, {"host": "10.0.0.8"}),
        ({"ansible_psrp_user": "other"}, {"username": "other"}),
        ({"ansible_port": 5985}, {"port": 5985, "tls": False}),
        ({"ansible_port": "5985"}, {"port": 5985, "tls": False}),
        ({"ansible_psrp_protocol": "http"}, {"port": 5985, "tls": False}),
        ({"ansible_port": 443}, {"port": 443, "tls": True}),
        ({"ansible_port": 5985, "ansible_psrp_protocol": "https"}, {"port": 5985, "tls": True}),
        ({"ansible_psrp_auth": "kerberos"}, {"auth": "kerberos"}),
        ({"ansible_psrp_auth": "credssp"}, {"auth": "credssp"}),
        ({"ansible_psrp_auth": "basic"}, {"auth": "basic", "tls": True}),
        ({"ansible_psrp_cert_validation": "ignore"}, {"verify": False}),
        ({"ansible_psrp_cert_validation": "ignore", "ansible_psrp_ca_cert": "/nowhere.pem"}, {"ca_file": None}),
        ({"ansible_psrp_connection_timeout": 90}, {"connect_timeout": 90.0}),
        ({"ansible_psrp_proxy": "http://proxy:3128"}, {"proxy": "http://proxy:3128"}),
        ({"ansible_psrp_message_encryption": "never"}, {"tls": True}),
        ({"ansible_psrp_path": "wsman", "ansible_psrp_configuration_name": "Microsoft.PowerShell"}, {"port": 5986}),
        ({"ansible_connection": "ansible.builtin.psrp"}, {"port": 5986}),
        ({"ansible_password": None, "ansible_user": None}, {"username": None, "password": None}),
        ({"ansible_password": 1234}, {"password": Secret("1234")}),
        ({"ansible_password": Secret("from a vault")}, {"password": Secret("from a vault")}),
    ],
)  # fmt: skip
def test_variables_of_psrp_mean_what_they_mean_in_ansible(variables: dict[str, Any], changes: dict[str, Any]) -> None:
    options = of(**{**PSRP, **variables})

    assert changes == {name: getattr(options, name) for name in changes}


@pytest.mark.parametrize(
    ("variables", "changes"),
    [
        ({}, {"auth": "negotiate", "tls": True, "port": 5986}),
        ({"ansible_user": "svc@EXAMPLE.COM"}, {"auth": "kerberos"}),
        ({"ansible_port": 5985}, {"auth": "negotiate", "tls": False}),
        ({"ansible_winrm_scheme": "http", "ansible_port": 80}, {"tls": False, "port": 80}),
        ({"ansible_winrm_transport": "ntlm"}, {"auth": "ntlm"}),
        ({"ansible_winrm_transport": ["credssp"]}, {"auth": "credssp"}),
        ({"ansible_winrm_transport": "kerberos,ntlm"}, {"auth": "kerberos"}),
        ({"ansible_winrm_transport": "ssl"}, {"auth": "basic", "tls": True}),
        ({"ansible_winrm_server_cert_validation": "ignore"}, {"verify": False}),
        ({"ansible_winrm_ca_trust_path": "legacy_requests"}, {"ca_file": None, "verify": True}),
        ({"ansible_winrm_read_timeout_sec": 90, "ansible_winrm_kinit_mode": "manual"}, {"connect_timeout": 30.0}),
        ({"ansible_winrm_password": "more precise"}, {"password": Secret("more precise")}),
    ],
)
def test_variables_of_winrm_mean_the_same_for_our_own_transport(
    variables: dict[str, Any], changes: dict[str, Any]
) -> None:
    options = of(**{**WINRM, **variables})

    assert "psrp" == options.transport
    assert changes == {name: getattr(options, name) for name in changes}


def test_a_client_certificate_is_taken_from_either_connection(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_text("x")
    key.write_text("x")

    for variables in (
        {**PSRP, "ansible_psrp_auth": "certificate", "ansible_psrp_certificate_pem": str(certificate),
         "ansible_psrp_certificate_key_pem": str(key)},
        {**WINRM, "ansible_winrm_transport": "ssl", "ansible_winrm_cert_pem": str(certificate),
         "ansible_winrm_cert_key_pem": str(key)},
    ):  # fmt: skip
        options = of(**variables)
        assert ("certificate", str(certificate), str(key)) == (
            options.auth, options.client_certificate, options.client_key,
        )  # fmt: skip


def test_an_authority_is_a_file_that_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("x")
    assert str(file) == of(**PSRP, ansible_psrp_ca_cert=str(file)).ca_file
    assert str(file) == of(**PSRP, ansible_psrp_cert_trust_path=str(file)).ca_file
    assert str(file) == of(**WINRM, ansible_winrm_ca_trust_path=str(file)).ca_file

    with pytest.raises(InvalidRequest, match=r"hv01\.example\.com: ca_file: there is no file /nowhere\.pem"):
        of(**PSRP, ansible_psrp_ca_cert="/nowhere.pem")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "ansible_connection is not set"),
        ({"ansible_connection": "ssh"}, "ansible_connection is 'ssh'"),
        ({**PSRP, "ansible_psrp_auth": "basic", "ansible_port": 5985}, "basic authentication over plain HTTP"),
        ({**WINRM, "ansible_winrm_transport": "plaintext", "ansible_port": 5985}, "basic authentication over plain"),
        ({**PSRP, "ansible_port": 5985, "ansible_psrp_message_encryption": "never"}, "message encryption off"),
        ({**WINRM, "ansible_port": 5985, "ansible_winrm_message_encryption": "never"}, "message encryption off"),
        ({**PSRP, "ansible_psrp_auht": "ntlm"}, "unknown connection variable ansible_psrp_auht"),
        ({**WINRM, "ansible_winrm_frobnicate": 1}, "unknown connection variable ansible_winrm_frobnicate"),
        ({**PSRP, "ansible_psrp_auth": "digest"}, "unknown auth 'digest'"),
        ({**PSRP, "ansible_psrp_cert_validation": "no"}, "cert_validation is 'no'"),
        ({**PSRP, "ansible_psrp_protocol": "ftp"}, "protocol is 'ftp'"),
        ({**PSRP, "ansible_port": "five"}, "port is no whole number"),
        ({**PSRP, "ansible_port": 70000}, "70000 is not a TCP port"),
        ({**PSRP, "ansible_psrp_configuration_name": "Jea"}, "configuration_name is 'Jea'"),
        ({**PSRP, "ansible_psrp_path": "other"}, "path is 'other'"),
        ({**PSRP, "ansible_psrp_negotiate_hostname_override": "hv"}, "negotiate_hostname_override is 'hv'"),
        ({**PSRP, "ansible_host": ["a"]}, "a list where a text belongs"),
    ],
)
def test_what_cannot_be_meant_is_one_error_that_names_the_host(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^hv01.example.com: .*{message}") as caught:
        of(**variables)

    assert "s3cret" not in str(caught.value)


def test_a_misspelt_variable_has_a_suggestion() -> None:
    with pytest.raises(InvalidRequest) as caught:
        of(**PSRP, ansible_psrp_auht="ntlm")

    assert "Did you mean ansible_psrp_auth?" == caught.value.hint


def test_what_is_ignored_is_listed_with_its_reason_and_changes_nothing() -> None:
    for name, reason in IGNORED.items():
        base = PSRP if name.startswith("ansible_psrp_") else WINRM
        assert of(**base) == of(**base, **{name: 1})
        assert reason


def test_local_is_this_machine() -> None:
    assert "local" == of(ansible_connection="local").transport
    assert "local" == connection_from_options("local", {}, {}, "localhost").transport


def test_resolved_options_of_psrp_give_the_same_as_the_variables() -> None:
    resolved = {
        "remote_addr": "hv01.example.com", "remote_user": "EXAMPLE\\svc", "remote_password": "s3cret", "port": None,
        "protocol": None, "path": "wsman", "auth": "negotiate", "cert_validation": "validate", "ca_cert": None,
        "connection_timeout": 30, "read_timeout": 30, "reconnection_retries": 0, "message_encryption": "auto",
        "proxy": None, "ignore_proxy": False, "negotiate_service": "WSMAN", "negotiate_hostname_override": None,
        "configuration_name": "Microsoft.PowerShell", "max_envelope_size": 153600, "pipelining": False,
    }  # fmt: skip

    assert of(**PSRP) == connection_from_options("psrp", resolved, PSRP, "hv01.example.com")


def test_resolved_options_of_winrm_take_what_it_hands_on_from_the_variables() -> None:
    resolved = {
        "remote_addr": "hv01.example.com", "remote_user": "EXAMPLE\\svc", "remote_password": "s3cret", "port": 5986,
        "scheme": None, "path": "/wsman", "transport": None, "kerberos_command": "kinit", "connection_timeout": None,
    }  # fmt: skip
    extras = {"ansible_winrm_server_cert_validation": "ignore"}

    assert of(**WINRM, **extras) == connection_from_options("winrm", resolved, extras, "hv01.example.com")
    assert connection_from_options("winrm", resolved, extras, "hv01.example.com").verify is False
