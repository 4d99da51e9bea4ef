"""Ready-made WSMan envelopes for the two requests that carry bulk bytes, and a reading of their answers without a tree.

Formats: MS-WSMV 3.1.4.13 (Send), 3.1.4.14 (Receive) and DMTF DSP0226 for the headers. All but the message id and the
payload is the same in each request of a pipeline, so it is built once. An answer is read by looking for the few
elements that it can hold; an XML tree of half a megabyte of base64 costs more than all the rest.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from xml.sax.saxutils import escape

from pybase64 import b64encode

from hvbackup.remote.fragments import BytesBroken, decode_base64

_NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsa": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "wsman": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "wsmv": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
}
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_ID_LENGTH = 36
#: Where the header of an answer, with the id of its request, ends at the latest; the same for what follows the payload.
_EDGE = 4096


class Shell(NamedTuple):
    """What the headers of a request to a shell say.

    Attributes:
        envelope_bytes: The largest envelope that host and client agreed on.
        seconds: How long the host may keep a request waiting (`OperationTimeout`).
    """

    endpoint: str
    resource_uri: str
    shell_id: str
    session_id: str
    locale: str
    data_locale: str
    envelope_bytes: int
    seconds: int


class Envelope:
    """A request with holes for the message id and the payload."""

    def __init__(self, before_id: bytes, before_payload: bytes, after: bytes) -> None:
        self._before_id, self._before_payload, self._after = before_id, before_payload, after

    @classmethod
    def receive(cls, shell: Shell, command_id: str) -> Envelope:
        """Return the request for output of a command."""
        options = (
            '<wsman:OptionSet s:mustUnderstand="true">'
            '<wsman:Option Name="WSMAN_CMDSHELL_OPTION_KEEPALIVE">True</wsman:Option></wsman:OptionSet>'
        )
        body = (
            f'<rsp:Receive><rsp:DesiredStream CommandId="{escape(command_id)}">stdout</rsp:DesiredStream></rsp:Receive>'
        )
        return cls(*_texts(shell, "Receive", options, body), b"")

    @classmethod
    def send(cls, shell: Shell, command_id: str) -> Envelope:
        """Return the request that carries input for a command."""
        body = f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{escape(command_id)}">'
        before_id, rest = _texts(shell, "Send", "", body + "\0</rsp:Stream></rsp:Send>")
        before_payload, after = rest.split(b"\0")
        return cls(before_id, before_payload, after)

    def payload_room(self, envelope_bytes: int) -> int:
        """Return how many bytes fit, as base64, into an envelope of this size."""
        fixed = len(self._before_id) + _ID_LENGTH + len(self._before_payload) + len(self._after)
        return (envelope_bytes - fixed) // 4 * 3

    def render(self, payload: bytes = b"") -> tuple[bytes, bytes]:
        """Return a new message id and the request with it."""
        message_id = str(uuid.uuid4()).upper().encode()
        parts = (self._before_id, message_id, self._before_payload, b64encode(payload), self._after)
        return message_id, b"".join(parts)


def _texts(shell: Shell, action: str, options: str, body: str) -> tuple[bytes, bytes]:
    namespaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    must, may = 's:mustUnderstand="true"', 's:mustUnderstand="false"'
    text = (
        f"<s:Envelope{namespaces}><s:Header>"
        f"<wsa:Action {must}>{_NAMESPACES['rsp']}/{action}</wsa:Action>"
        f'<wsmv:DataLocale {may} xml:lang="{escape(shell.data_locale)}"/>'
        f'<wsman:Locale {may} xml:lang="{escape(shell.locale)}"/>'
        f"<wsman:MaxEnvelopeSize {must}>{shell.envelope_bytes}</wsman:MaxEnvelopeSize>"
        f"<wsa:MessageID>uuid:\0</wsa:MessageID>"
        f"<wsman:OperationTimeout>PT{shell.seconds}S</wsman:OperationTimeout>"
        f"<wsa:ReplyTo><wsa:Address {must}>{_ANONYMOUS}</wsa:Address></wsa:ReplyTo>"
        f"<wsman:ResourceURI {must}>{escape(shell.resource_uri)}</wsman:ResourceURI>"
        f"<wsmv:SessionId {may}>uuid:{escape(shell.session_id)}</wsmv:SessionId>"
        f"<wsa:To>{escape(shell.endpoint)}</wsa:To>{options}"
        f'<wsman:SelectorSet><wsman:Selector Name="ShellId">{escape(shell.shell_id)}</wsman:Selector>'
        f"</wsman:SelectorSet></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    before_id, rest = text.encode().split(b"\0", 1)
    return before_id, rest


# ---------------------------------------------------------------- answers


def check_answers(answer: bytes, message_id: bytes) -> None:
    """Raise `BytesBroken` when an answer is for another request."""
    if message_id not in answer[:_EDGE]:
        raise BytesBroken("the answer is for another request")


def streams(answer: bytes) -> Iterator[bytes]:
    """Yield the contents of the `Stream` elements of a Receive answer, decoded, in order."""
    view, position = memoryview(answer), 0
    while (position := answer.find(b"Stream", position)) >= 0:
        opened = answer.find(b">", position)
        closed = answer.find(b"<", opened)
        if opened < 0 or closed < 0:
            raise BytesBroken("an element is not closed")
        if closed > opened + 1 and answer[opened - 1] != 0x2F:  # not <Stream .../>
            yield decode_base64(view[opened + 1 : closed])
            # The end tag has the name again.
            closed = answer.find(b">", closed)
        position = closed


def is_done(answer: bytes) -> bool:
    """Whether a Receive answer says that the command has ended and nothing more will come."""
    return b"/CommandState/Done" in answer[-_EDGE:]


class Fault(NamedTuple):
    """A SOAP fault: WSMan's number (0 when there is none) and the host's words."""

    code: int
    reason: str


_CODE = re.compile(rb"<(?:\w+:)?WSManFault[^>]*\sCode=[\"'](\d+)[\"']")
_MESSAGE = re.compile(rb"<(?:\w+:)?(?:Message|Text)(?:\s[^>]*)?>([^<]+)<")


def read_fault(answer: bytes) -> Fault | None:
    """Return the fault of an answer, or None when it is none."""
    if b"Fault" not in answer:
        return None
    code, message = _CODE.search(answer), _MESSAGE.search(answer)
    reason = unescape(message[1].decode("utf-8", "replace")).strip() if message else ""
    return Fault(int(code[1]) if code else 0, reason)
