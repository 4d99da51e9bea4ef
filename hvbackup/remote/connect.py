"""The way in: options in, a transport out."""

from __future__ import annotations

from hvbackup.errors import InvalidRequest
from hvbackup.events import EventSink, Note, discard
from hvbackup.remote.lane_transport import ScriptSource
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.scripts import script_text
from hvbackup.remote.session import Transport


def open_transport(
    options: ConnectionOptions, *, events: EventSink = discard, scripts: ScriptSource = script_text
) -> Transport:
    """Return a transport to a host; nothing is sent before its first call. The caller closes it.

    Args:
        events: Takes the warnings about the choices made here, and the progress of calls that name no sink.
        scripts: Gives the text of a script by its name; tests bring their own.

    Raises:
        InvalidRequest: A certificate file does not hold what it should.
    """
    if options.ca_file is not None or options.client_certificate is not None:
        _check_certificate_files(options)
    for text in connection_warnings(options):
        events(Note(host=options.host, text=text, level="warning"))
    if options.transport == "local":
        from hvbackup.remote.local import LocalTransport

        return LocalTransport(options, events=events, scripts=scripts)
    if options.transport == "winrs":
        from hvbackup.remote.winrs import WinrsTransport

        return WinrsTransport(options, events=events, scripts=scripts)
    from hvbackup.remote.psrp import PsrpTransport

    return PsrpTransport(options, events=events, scripts=scripts)


def connection_warnings(options: ConnectionOptions) -> list[str]:
    """Return what is unsafe or unusual about a connection, a sentence each."""
    if options.transport == "local":
        return []
    found = []
    if options.auth == "credssp":
        found.append(
            f"CredSSP hands the password itself to {options.host}; whoever controls that host has it then."
            " Kerberos with delegation does without."
        )
    if options.tls and not options.verify:
        found.append(f"The certificate of {options.host} is not checked: anybody on the way can pose as it.")
    if options.transport == "winrs" and options.auth == "negotiate":
        found.append("The transport winrs has no negotiate; it uses NTLM. For Kerberos choose auth kerberos.")
    return found


def _check_certificate_files(options: ConnectionOptions) -> None:
    """Read the PEM files once, where the error can name the file; a TLS library names neither file nor reason."""
    import ssl  # not at the top: whoever only imports this module waits for nothing

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.ca_file is not None:
        try:
            context.load_verify_locations(cafile=options.ca_file)
        except (ssl.SSLError, OSError):
            raise InvalidRequest(
                f"ca_file: {options.ca_file} holds no certificate",
                hint="It must be PEM text: -----BEGIN CERTIFICATE-----. A DER file: openssl x509 -inform der -in FILE.",
            ) from None
    if options.client_certificate is not None:
        password = options.client_key_password.reveal() if options.client_key_password is not None else ""
        try:
            context.load_cert_chain(options.client_certificate, options.client_key, password)
        except (ssl.SSLError, OSError):
            raise InvalidRequest(
                f"client_certificate {options.client_certificate} and client_key {options.client_key} cannot be used",
                hint="Both must be PEM text and belong together; an encrypted key needs client_key_password.",
            ) from None
