"""What each error of pypsrp, pywinrm, requests, urllib3, spnego, ssl or the system means, and what to do about it.

Libraries are told apart by the names of their classes, so that this file imports none of them. Texts of libraries are
quoted only where they cannot hold a secret.
"""

from __future__ import annotations

import socket
import ssl

from hvbackup.errors import (
    AuthenticationRefused,
    CallTimeout,
    CertificateNotTrusted,
    ConnectionLost,
    ContractViolated,
    HostUnreachable,
    HvBackupError,
    InvalidRequest,
    NotAdministrator,
    QuotaExceeded,
    RemoteError,
)
from hvbackup.remote.options import ConnectionOptions

# WSMan fault codes, wsmerror.h.
ACCESS_DENIED = 5
LOGON_FAILURE = 1326
OPERATION_TIMED_OUT = 0x80338029
SHELL_NOT_FOUND = 0x8033805B
QUOTAS = {0x8033803F, 0x803381A5, 0x803381A6, 0x803381A7, 0x803381A8, 0x803381AB, *range(0x803381E4, 0x803381EB)}

# X509_V_ERR_*, OpenSSL x509_vfy.h.
_EXPIRED, _NOT_YET_VALID, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64

_ENABLE = (
    "On the host: Enable-PSRemoting -Force (or: winrm quickconfig), and let its firewall admit the port"
    " (rule group 'Windows Remote Management')."
)
_TLS_LISTENER = (
    " TLS needs a listener with a certificate (winrm enumerate winrm/config/listener); a host that is only in a domain"
    " often has none: then use port 5985 without TLS, where negotiate seals every message."
)
_REMOTE_UAC = (
    " A local account other than the built-in Administrator is filtered by UAC on the network: use a domain account,"
    " or set HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System\\LocalAccountTokenFilterPolicy to 1."
)


def wsman_fault_code(error: BaseException) -> int | None:
    """Return the WSMan fault code that an error of pypsrp or pywinrm carries, or None."""
    if not _is(error, "WSManFaultError"):
        return None
    code = getattr(error, "wsman_fault_code", None) or getattr(error, "code", None)
    return code if isinstance(code, int) else None


def _is(error: BaseException, *names: str) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def remote_error(kind: type[RemoteError], options: ConnectionOptions, text: str, hint: str) -> RemoteError:
    """Return an error about the host of `options`; `text` goes on after its place."""
    port = options.port
    place = options.host if port is None else f"{options.host}:{port}"
    return kind(f"{place} {text}", host=options.host, port=port, hint=hint)


def _missing_library(error: BaseException, options: ConnectionOptions) -> HvBackupError | None:
    kerberos = _is(error, "WinRMError") and "pykerberos is not installed" in str(error)
    credssp = _is(error, "WinRMError") and "requests-credssp is not installed" in str(error)
    if isinstance(error, ImportError) or kerberos or credssp:
        extra = "credssp" if options.auth == "credssp" else "kerberos"
        return InvalidRequest(
            f"auth {options.auth} needs a library that is not installed", hint=f"pip install 'hvbackup[{extra}]'"
        )
    return None


def _certificate(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return remote_error(CertificateNotTrusted, options, *_certificate_words(error, options))
    if not isinstance(error, ssl.SSLError):
        return None
    reason = str(getattr(error, "reason", None) or "").upper()
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason:
        return remote_error(
            AuthenticationRefused,
            options,
            "refused the client certificate",
            "Give the certificate that the host maps to an account (winrm enumerate winrm/config/service/certmapping).",
        )
    if "EOF" in reason:
        return remote_error(ConnectionLost, options, "ended the TLS connection", "Try again; then look at the host.")
    return remote_error(
        HostUnreachable,
        options,
        f"does not speak TLS there ({reason or 'no TLS'})",
        "Use port 5986 for TLS, or 5985 without TLS." + _TLS_LISTENER,
    )


def _certificate_words(error: ssl.SSLCertVerificationError, options: ConnectionOptions) -> tuple[str, str]:
    code = error.verify_code
    if code == _EXPIRED:
        return "shows a TLS certificate that has expired", "Renew the certificate of the host's WinRM listener."
    if code == _NOT_YET_VALID:
        return "shows a TLS certificate that is not valid yet", "Compare the clocks of both machines."
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        return (
            "shows a TLS certificate for another name",
            f"Use the name that is in the certificate instead of {options.host}.",
        )
    cure = (
        "Check the certificate with the host's administrator, save it or its authority as a PEM file and name it"
        " with --ca-file."
    )
    return "shows a TLS certificate that is not trusted (self-signed, or of an unknown authority)", cure


def _fault(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    code = wsman_fault_code(error)
    if code is None and not _is(error, "WSManFaultError"):
        return None
    reason = str(getattr(error, "reason", "") or "").strip()
    said = f" The host says: {reason[:500]}" if reason else ""
    if code == ACCESS_DENIED:
        return _not_administrator(options)
    if code == LOGON_FAILURE:
        return _refused(options)
    if code in QUOTAS:
        return remote_error(
            QuotaExceeded,
            options,
            f"refused because of a WinRM quota (0x{code:08X})",
            "Wait until other sessions end, or raise the quota (winrm get winrm/config/winrs)." + said,
        )
    if code == OPERATION_TIMED_OUT:
        return remote_error(CallTimeout, options, "did not answer in time", "Look at the load of the host.")
    if code == SHELL_NOT_FOUND:
        return remote_error(
            ConnectionLost,
            options,
            "no longer knows the session",
            "It was idle for long, or the WinRM service was restarted. Try again.",
        )
    number = f"WSMan fault 0x{code:08X}" if isinstance(code, int) else "a WSMan fault"
    return remote_error(
        RemoteError,
        options,
        f"refused with {number}",
        ("If PowerShell remoting is closed on the host, try the transport winrs." + said).strip(),
    )


def _http_status(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if not _is(error, "WinRMTransportError"):
        return None
    status = error.args[1] if len(error.args) > 1 else None
    words: dict[object, tuple[type[RemoteError], str, str]] = {
        400: (ConnectionLost, "no longer takes the messages of this session (HTTP 400)", "Try again."),
        403: (AuthenticationRefused, "forbids the access (HTTP 403)", "The host may demand TLS or another account."),
        404: (HostUnreachable, "answers, but has no WinRM there (HTTP 404)", _ENABLE),
        407: (HostUnreachable, "is behind a proxy that asks for a password", "Use a proxy that asks for none."),
        413: (QuotaExceeded, "refused a large message (HTTP 413)", "MaxEnvelopeSizekb of the host must be 500."),
        500: (ConnectionLost, "failed inside (HTTP 500)", "Look at the host's event log of WinRM."),
    }
    unreachable = (HostUnreachable, f"answers HTTP {status} instead of WinRM", _ENABLE)
    kind, text, hint = words.get(status, unreachable)
    return remote_error(kind, options, text, hint)


def _authentication(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if _is(error, "SpnegoError"):
        return remote_error(
            AuthenticationRefused,
            options,
            f"could not be logged on to by {options.auth} ({type(error).__name__})",
            "Without a password there must be a Kerberos ticket (kinit); else give user name and password."
            + (_REMOTE_UAC if _is_local(options) else ""),
        )
    if _is(error, "ValueError") and "auth protocol" in str(error):
        return _method_disabled(options)
    if _is(error, "AuthenticationError", "InvalidCredentialsError"):
        return _method_disabled(options) if "authentication methods" in str(error) else _refused(options)
    return None


def _refused(options: ConnectionOptions) -> RemoteError:
    who = options.username or "the current user"
    hint = f"Check the user name and the password, and that the host allows {options.auth}."
    return remote_error(
        AuthenticationRefused,
        options,
        f"refused to log {who} on by {options.auth}",
        hint + (_REMOTE_UAC if _is_local(options) else ""),
    )


def _method_disabled(options: ConnectionOptions) -> RemoteError:
    return remote_error(
        AuthenticationRefused,
        options,
        f"does not offer the authentication method {options.auth}",
        "Use a method that it has, or allow this one there (winrm get winrm/config/service/auth).",
    )


def _not_administrator(options: ConnectionOptions) -> RemoteError:
    who = options.username or "the current user"
    return remote_error(
        NotAdministrator,
        options,
        f"denies {who} the access: not an administrator there",
        "Use a member of the host's Administrators group." + (_REMOTE_UAC if _is_local(options) else ""),
    )


def _is_local(options: ConnectionOptions) -> bool:
    """Whether the account is one of the host itself, as far as its name shows."""
    name = options.username or ""
    return bool(name) and "@" not in name and ("\\" not in name or name.startswith(".\\"))


def _nobody_listens(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    # Looked for in the whole chain before `_network`: urllib3 wraps it in an error that is a kind of time-out.
    if isinstance(error, ConnectionRefusedError):
        return remote_error(
            HostUnreachable, options, "refuses the connection: nothing listens there", _ENABLE + _listener(options)
        )
    return None


def _network(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if _is(error, "ProxyError"):
        return remote_error(HostUnreachable, options, "cannot be reached through the proxy", f"Check {options.proxy}.")
    if isinstance(error, socket.gaierror) or _is(error, "NameResolutionError"):
        return remote_error(HostUnreachable, options, "is a name that is not found", "Check the name and the DNS.")
    if _is(error, "ConnectTimeout", "ConnectTimeoutError") and not _is(error, "NewConnectionError"):
        return remote_error(
            HostUnreachable,
            options,
            f"did not take the connection within {options.connect_timeout:g} s",
            "Check that the host is up. " + _ENABLE + _listener(options),
        )
    if _is(error, "NewConnectionError", "NewConnectionDisabled"):
        return remote_error(HostUnreachable, options, "cannot be connected to", _ENABLE + _listener(options))
    if _is(error, "ReadTimeout", "ReadTimeoutError"):
        return remote_error(
            ConnectionLost, options, "no longer answers", "Check the network and the host, then try again."
        )
    return None


def _broken(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if isinstance(error, OSError) or _is(error, "RequestException", "HTTPError", "HTTPException"):
        return remote_error(
            ConnectionLost, options, "broke the connection off", "Check the network and the host, then try again."
        )
    return None


def _listener(options: ConnectionOptions) -> str:
    return _TLS_LISTENER if options.tls else ""


def _protocol(error: BaseException, options: ConnectionOptions) -> RemoteError | None:
    if _is(error, "WinRMOperationTimeoutError"):
        return remote_error(CallTimeout, options, "did not answer in time", "Look at the load of the host.")
    if _is(error, "ParseError", "ExpatError"):
        return remote_error(HostUnreachable, options, "answers, but not as WinRM does", _ENABLE)
    if _is(error, "InvalidPSRPOperation", "_InvalidStateError"):
        return remote_error(
            ConnectionLost, options, "closed the PowerShell session", "Try again; then look at the host."
        )
    if _is(error, "WinRMError", "AssertionError", "FragmentError", "SerializationError", "StopIteration", "KeyError"):
        return remote_error(
            ContractViolated,
            options,
            f"sent what is not understood ({type(error).__name__})",
            "This is a bug here, or something between changes the messages. Please report it.",
        )
    return None


#: Each looks at one error of a chain; what an earlier one finds anywhere in the chain counts more.
RECOGNISERS = (
    _missing_library,
    _certificate,
    _fault,
    _http_status,
    _authentication,
    _nobody_listens,
    _network,
    _protocol,
    _broken,
)
