"""The way in: options in, a transport out."""

from __future__ import annotations

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
    """
    for text in _warnings(options):
        events(Note(host=options.host, text=text, level="warning"))
    if options.transport == "local":
        from hvbackup.remote.local import LocalTransport

        return LocalTransport(options, events=events, scripts=scripts)
    if options.transport == "winrs":
        from hvbackup.remote.winrs import WinrsTransport

        return WinrsTransport(options, events=events, scripts=scripts)
    from hvbackup.remote.psrp import PsrpTransport

    return PsrpTransport(options, events=events, scripts=scripts)


def _warnings(options: ConnectionOptions) -> list[str]:
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
