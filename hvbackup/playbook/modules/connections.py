"""Ansible's connection variables for psrp and winrm, taken over as they are, for hvbackup's own connection.

Two ways in, one meaning: the light runner has the variables of a host, the collection has what Ansible's connection
plugin made of them. Names and defaults are those of ansible-core 2.17 to 2.19 (`plugins/connection/psrp.py`,
`winrm.py`) and, for what winrm passes on, of `winrm.protocol.Protocol`. What differs on purpose:

- winrm without a transport takes negotiate, or kerberos for NAME@DOMAIN. Ansible would take basic, which hands the
  password to the host. `ansible_winrm_transport: ssl` is basic over TLS, as in Ansible.
- Of several transports the first is taken; nothing is tried in turn, so that nobody is downgraded.
- Over HTTP messages are always sealed; to ask for the opposite is refused.
- Proxies of the environment are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from hvbackup.errors import InvalidRequest
from hvbackup.playbook.modules.coercion import NotOfType, coerced
from hvbackup.remote.options import Auth, ConnectionOptions
from hvbackup.secrets import Secret

Kind = Literal["psrp", "winrm"]

_HINT = "Hyper-V hosts need ansible_connection: psrp (or winrm) in the inventory."

#: Option of the connection plugin -> variables that set it, the last one wins (as in Ansible).
_PSRP: dict[str, tuple[str, ...]] = {
    "remote_addr": ("ansible_host", "ansible_psrp_host"),
    "remote_user": ("ansible_user", "ansible_psrp_user"),
    "remote_password": ("ansible_password", "ansible_winrm_pass", "ansible_winrm_password"),
    "port": ("ansible_port", "ansible_psrp_port"),
    "protocol": ("ansible_psrp_protocol",),
    "path": ("ansible_psrp_path",),
    "auth": ("ansible_psrp_auth",),
    "cert_validation": ("ansible_psrp_cert_validation",),
    "ca_cert": ("ansible_psrp_cert_trust_path", "ansible_psrp_ca_cert"),
    "connection_timeout": ("ansible_psrp_connection_timeout",),
    "message_encryption": ("ansible_psrp_message_encryption",),
    "proxy": ("ansible_psrp_proxy",),
    "certificate_key_pem": ("ansible_psrp_certificate_key_pem",),
    "certificate_pem": ("ansible_psrp_certificate_pem",),
    "negotiate_hostname_override": ("ansible_psrp_negotiate_hostname_override",),
    "negotiate_service": ("ansible_psrp_negotiate_service",),
    "configuration_name": ("ansible_psrp_configuration_name",),
}
_WINRM: dict[str, tuple[str, ...]] = {
    "remote_addr": ("ansible_host", "ansible_winrm_host"),
    "remote_user": ("ansible_user", "ansible_winrm_user"),
    "remote_password": ("ansible_password", "ansible_winrm_pass", "ansible_winrm_password"),
    "port": ("ansible_port", "ansible_winrm_port"),
    "scheme": ("ansible_winrm_scheme",),
    "path": ("ansible_winrm_path",),
    "transport": ("ansible_winrm_transport",),
}
#: What winrm hands on to pywinrm as it is: variables only, never options of the plugin.
_WINRM_EXTRAS = {
    "cert_validation": "ansible_winrm_server_cert_validation",
    "ca_cert": "ansible_winrm_ca_trust_path",
    "certificate_pem": "ansible_winrm_cert_pem",
    "certificate_key_pem": "ansible_winrm_cert_key_pem",
    "message_encryption": "ansible_winrm_message_encryption",
    "negotiate_hostname_override": "ansible_winrm_kerberos_hostname_override",
    "negotiate_service": "ansible_winrm_service",
    "proxy": "ansible_winrm_proxy",
}
#: Variables that mean nothing here, and why.
IGNORED: dict[str, str] = {
    **dict.fromkeys(
        (
            "ansible_psrp_read_timeout", "ansible_psrp_operation_timeout", "ansible_winrm_connection_timeout",
            "ansible_winrm_read_timeout_sec", "ansible_winrm_operation_timeout_sec",
        ),
        "every call of hvbackup has a time-out of its own",
    ),
    **dict.fromkeys(
        (
            "ansible_psrp_reconnection_retries", "ansible_psrp_reconnection_backoff", "ansible_psrp_connection_backoff",
        ),
        "hvbackup mends a broken connection itself, where it is safe",
    ),
    "ansible_psrp_ignore_proxy": "proxies of the environment are never used",
    "ansible_psrp_max_envelope_size": "hvbackup asks for what the host can take",
    "ansible_psrp_negotiate_send_cbt": "the channel binding token is always sent",
    "ansible_winrm_send_cbt": "the channel binding token is always sent",
    **dict.fromkeys(
        ("ansible_psrp_negotiate_delegate", "ansible_winrm_kerberos_delegation"),
        "hvbackup needs no second hop, and delegates no credentials",
    ),
    **dict.fromkeys(
        (
            "ansible_psrp_credssp_auth_mechanism", "ansible_psrp_credssp_disable_tlsv1_2",
            "ansible_psrp_credssp_minimum_version", "ansible_winrm_credssp_disable_tlsv1_2",
        ),
        "CredSSP is used with its safe defaults",
    ),
    **dict.fromkeys(
        (
            "ansible_winrm_kinit_cmd", "ansible_winrm_kinit_args", "ansible_winrm_kinit_env_vars",
            "ansible_winrm_kinit_mode", "ansible_winrm_realm", "ansible_winrm_keytab",
        ),
        "no kinit is run: a ticket is got with the password, or is there already",
    ),
    **dict.fromkeys(
        ("ansible_psrp_pipelining", "ansible_winrm_pipelining"), "there is nothing to pipeline"
    ),
}  # fmt: skip

#: All variables that are taken, by the names of psrp's options; of several the last one counts.
TAKEN: dict[str, tuple[str, ...]] = {
    option: tuple(
        dict.fromkeys(
            [
                *names,
                *_WINRM.get({"protocol": "scheme", "auth": "transport"}.get(option, option), ()),
                *((_WINRM_EXTRAS[option],) if option in _WINRM_EXTRAS else ()),
            ]
        )
    )
    for option, names in _PSRP.items()
}

_WINRM_AUTH = {"ssl": "basic", "plaintext": "basic"}


def connection_from_variables(variables: Mapping[str, Any], inventory_hostname: str) -> ConnectionOptions:
    """Return how to reach a host, by the variables that Ansible has for it.

    Args:
        variables: The host's variables, templates resolved. Passwords may be `Secret`s.

    Raises:
        InvalidRequest: No psrp or winrm, an unknown `ansible_psrp_*` or `ansible_winrm_*` variable, a value that means
            nothing, or a connection that would give the password away.
    """
    named = variables.get("ansible_connection")
    kind = str(named).rpartition(".")[2] if named is not None else None
    if kind == "local":
        return ConnectionOptions(transport="local")
    if kind not in ("psrp", "winrm"):
        said = f"ansible_connection is {named!r}" if named is not None else "ansible_connection is not set"
        raise InvalidRequest(f"{inventory_hostname}: {said}", hint=_HINT)
    _refuse_unknown(variables, kind, inventory_hostname)
    table = _PSRP if kind == "psrp" else _WINRM
    options = {
        option: variables[name]
        for option, names in table.items()
        for name in names
        if name in variables and variables[name] is not None
    }
    options.setdefault("remote_addr", inventory_hostname)
    return connection_from_options(cast(Kind, kind), options, variables, inventory_hostname)


def connection_from_options(
    kind: str, options: Mapping[str, Any], variables: Mapping[str, Any], inventory_hostname: str
) -> ConnectionOptions:
    """Return how to reach a host, by what Ansible's connection plugin has resolved.

    Args:
        kind: `psrp`, `winrm` or `local`: the plugin's `transport`.
        options: Of the plugin, by their names.
        variables: Of the host, for what winrm hands on without looking at it (`ansible_winrm_*`).

    Raises:
        InvalidRequest: As `connection_from_variables`.
    """
    if kind == "local":
        return ConnectionOptions(transport="local")
    if kind not in ("psrp", "winrm"):
        raise InvalidRequest(f"{inventory_hostname}: ansible_connection is {kind!r}", hint=_HINT)
    _refuse_unknown(variables, kind, inventory_hostname)
    try:
        return _options(dict(options) if kind == "psrp" else _as_psrp(options, variables))
    except (InvalidRequest, NotOfType) as error:
        raise InvalidRequest(f"{inventory_hostname}: {error}", hint=getattr(error, "hint", None)) from None


def _refuse_unknown(variables: Mapping[str, Any], kind: str, inventory_hostname: str) -> None:
    known = {name for names in (*_PSRP.values(), *_WINRM.values()) for name in names}
    known |= {*_WINRM_EXTRAS.values(), *IGNORED}
    prefix = f"ansible_{kind}_"
    unknown = sorted(name for name in variables if name.startswith(prefix) and name not in known)
    if unknown:
        import difflib

        near = difflib.get_close_matches(unknown[0], sorted(each for each in known if each.startswith(prefix)), n=1)
        raise InvalidRequest(
            f"{inventory_hostname}: unknown connection variable {unknown[0]}",
            hint=f"Did you mean {near[0]}?" if near else f"Known ones are those of the {kind} connection of Ansible.",
        )


def _as_psrp(options: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return winrm's options by the names that psrp has for them."""
    same = {name: options.get(name) for name in ("remote_addr", "remote_user", "remote_password", "port", "path")}
    extras = {name: variables[each] for name, each in _WINRM_EXTRAS.items() if variables.get(each) is not None}
    for name in ("ca_cert", "proxy"):
        if extras.get(name) == "legacy_requests":  # pywinrm's word for "as requests does by itself"
            del extras[name]
    asked = options.get("transport") or []
    transports = coerced(list[str], asked) if asked else []
    first = str(transports[0] or "").strip() if transports else ""
    user = options.get("remote_user")
    if not first:
        first = "kerberos" if user is not None and "@" in str(user) else "negotiate"
    if first == "ssl" and "certificate_pem" in extras:
        first = "certificate"
    return {**same, "protocol": options.get("scheme"), "auth": _WINRM_AUTH.get(first, first), **extras}


def _options(wanted: Mapping[str, Any]) -> ConnectionOptions:
    port = _number(wanted, "port")
    protocol = _word(wanted, "protocol", ("http", "https")) or ("http" if port == 5985 else "https")
    tls = protocol == "https"
    if not tls and _word(wanted, "message_encryption", ("auto", "always", "never")) == "never":
        raise InvalidRequest(
            "HTTP with message encryption off would send everything readable by everybody on the way",
            hint="Leave message_encryption out, or use HTTPS (port 5986).",
        )
    _refuse_other_endpoints(wanted)
    validated = _word(wanted, "cert_validation", ("validate", "ignore")) != "ignore"
    ca_file = _text(wanted, "ca_cert")
    auth = _text(wanted, "auth") or "negotiate"
    password = wanted.get("remote_password")
    certificate = auth == "certificate"
    return ConnectionOptions(
        host=_text(wanted, "remote_addr") or "",
        port=port,
        tls=tls,
        username=None if certificate else _text(wanted, "remote_user") or None,
        password=None if certificate else _secret(password),
        auth=cast(Auth, auth),
        verify=validated if tls else True,
        ca_file=_expanded(ca_file) if ca_file and tls and validated else None,
        client_certificate=_expanded(_text(wanted, "certificate_pem")) if certificate else None,
        client_key=_expanded(_text(wanted, "certificate_key_pem")) if certificate else None,
        proxy=_text(wanted, "proxy") or None,
        connect_timeout=float(_number(wanted, "connection_timeout") or 30),
    )


def _refuse_other_endpoints(wanted: Mapping[str, Any]) -> None:
    usual = {
        "path": ("wsman", "/wsman"),
        "configuration_name": ("Microsoft.PowerShell",),
        "negotiate_service": ("WSMAN", "HTTP"),
        "negotiate_hostname_override": (),
    }
    for name, values in usual.items():
        text = _text(wanted, name)
        if text and text.casefold() not in {each.casefold() for each in values}:
            raise InvalidRequest(
                f"the connection option {name} is {text!r}, which hvbackup cannot do",
                hint="Leave it out: hvbackup connects to /wsman of the host's own name."
                if values or name == "negotiate_hostname_override"
                else None,
            )


def _text(wanted: Mapping[str, Any], name: str) -> str | None:
    value = wanted.get(name)
    if isinstance(value, Secret):
        value = value.reveal()
    return None if value is None else str(coerced(str, value))


def _word(wanted: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str | None:
    text = _text(wanted, name)
    if text is not None and text not in words:
        raise InvalidRequest(f"{name} is {text!r}", hint=f"Use one of: {', '.join(words)}.")
    return text


def _number(wanted: Mapping[str, Any], name: str) -> int | None:
    value = wanted.get(name)
    if value is None:
        return None
    try:
        return int(coerced(int, value))
    except NotOfType:
        raise InvalidRequest(f"{name} is no whole number") from None


def _secret(value: Any) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    return Secret(str(coerced(str, value)))


def _expanded(path: str | None) -> str | None:
    import os

    return None if path is None else os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111 - as Ansible's `path`
