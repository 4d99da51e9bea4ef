"""WSMan messages: what a request says, and the text of answers and faults (MS-WSMV, DSP0226)."""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "cfg": "http://schemas.microsoft.com/wbem/wsman/1/config",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "wsmid": "http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd",
    "pwsh": "http://schemas.microsoft.com/powershell",
}
WINRS_URI = NAMESPACES["rsp"] + "/cmd"
POWERSHELL_URI = NAMESPACES["pwsh"] + "/"
COMMAND_STATE = NAMESPACES["rsp"] + "/CommandState/"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"

# Codes of wsmerror.h and winerror.h.
ACCESS_DENIED = 5
OPERATION_ABORTED = 995
INTERNAL_ERROR = 2150858751
NOT_SUPPORTED = 2150858752
TIMED_OUT = 2150858793
SCHEMA_ERROR = 2150858817
NOT_FOUND = 2150858843
TOO_MANY_COMMANDS = 2150859174
SHELL_DISCONNECTED = 2150859189

_PREFIXES = ("s", "a", "w", "x", "p", "rsp", "f")
_LONG_PAYLOAD = 1 << 15
_DURATION = re.compile(r"P(?:\d+D)?T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$")


class Fault(Exception):
    """A WSMan fault; `subcode` is a qualified name such as `w:TimedOut`."""

    def __init__(self, code: int, reason: str, subcode: str = "w:InternalError") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.subcode = subcode


class MalformedEnvelope(Exception):
    """The body of a request is no SOAP envelope; answered by HTTP 400."""


@dataclass(frozen=True)
class Request:
    """What the header of a request says, and its body.

    Attributes:
        verb: Last part of the action: Create, Command, Send, Receive, Signal, Delete ...
        timeout: OperationTimeout in seconds.
        max_envelope: Largest answer that the client takes, in bytes.
    """

    action: str
    verb: str
    message_id: str
    resource_uri: str
    shell_id: str
    timeout: float
    max_envelope: int
    body: ET.Element

    def required(self, path: str) -> ET.Element:
        """Return the element of the body at `path`, or raise a schema fault."""
        node = self.body.find(path, NAMESPACES)
        if node is None:
            raise Fault(SCHEMA_ERROR, f"The request lacks {path}.", "w:SchemaValidationError")
        return node


def parse_request(data: bytes) -> Request:
    """Read a request's envelope.

    Raises:
        MalformedEnvelope: It is no XML, no envelope, or has a document type (which no WSMan client sends).
    """
    if b"<!DOCTYPE" in data[:2048]:
        raise MalformedEnvelope("a document type is not allowed")
    rest, payload = _lift_payload(data)
    try:
        root = ET.fromstring(rest)  # noqa: S314 - document types are refused above
    except ET.ParseError as error:
        raise MalformedEnvelope(str(error)) from None
    head, body = root.find("s:Header", NAMESPACES), root.find("s:Body", NAMESPACES)
    if head is None or body is None:
        raise MalformedEnvelope("no SOAP header or body")
    if payload:
        carriers = body.findall("rsp:Send/rsp:Stream", NAMESPACES)
        if not carriers:
            raise MalformedEnvelope("a payload outside of a Send")
        carriers[-1].text = payload.decode("ascii", "replace")
    action = head.findtext("a:Action", "", NAMESPACES).strip()
    if not action:
        raise MalformedEnvelope("no action")
    shell_id = ""
    for selector in head.iterfind("w:SelectorSet/w:Selector", NAMESPACES):
        if selector.get("Name") == "ShellId":
            shell_id = (selector.text or "").upper()
    size = head.findtext("w:MaxEnvelopeSize", "153600", NAMESPACES).strip()
    return Request(
        action=action,
        verb=action.rsplit("/", 1)[-1],
        message_id=head.findtext("a:MessageID", "", NAMESPACES),
        resource_uri=head.findtext("w:ResourceURI", "", NAMESPACES).strip(),
        shell_id=shell_id,
        timeout=parse_duration(head.findtext("w:OperationTimeout", "PT60S", NAMESPACES)),
        max_envelope=int(size) if size.isdecimal() else 153600,
        body=body,
    )


def _lift_payload(data: bytes) -> tuple[bytes, bytes]:
    """Take the text of the last `Stream` out of a long request: a tree of it would cost more than all the rest."""
    closed = data.rfind(b"<", 0, data.rfind(b"Stream>") + 1)
    opened = data.rfind(b">", 0, closed + 1) + 1
    if not 0 < opened < closed - _LONG_PAYLOAD:
        return data, b""
    return data[:opened] + data[closed:], data[opened:closed]


def parse_duration(text: str) -> float:
    """Return the seconds of an XML duration such as `PT20.000S`; 60 when it cannot be read."""
    match = _DURATION.match(text.strip())
    if match is None:
        return 60.0
    hours, minutes, seconds = match.groups()
    try:
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    except ValueError:
        return 60.0


def is_identify(data: bytes) -> bool:
    """Whether the body asks who answers here (DSP0226 11)."""
    return b"wsmanidentity.xsd" in data and b"Identify" in data


def identify_answer(os_version: str) -> bytes:
    """Answer an Identify request as Windows does."""
    return (
        f'<s:Envelope xml:lang="en-US" xmlns:s="{NAMESPACES["s"]}"><s:Header/><s:Body>'
        f'<wsmid:IdentifyResponse xmlns:wsmid="{NAMESPACES["wsmid"]}">'
        f"<wsmid:ProtocolVersion>{NAMESPACES['w']}</wsmid:ProtocolVersion>"
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>OS: {escape(os_version)} SP: 0.0 Stack: 3.0</wsmid:ProductVersion>"
        "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
    ).encode()


_HEAD = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in _PREFIXES).encode()


def build_answer(action: str, relates_to: str, body: bytes) -> bytes:
    """Wrap the body of an answer in its envelope."""
    header = (
        f"><s:Header><a:Action>{escape(action)}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{NAMESPACES['a']}/role/anonymous</a:To><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
        "</s:Header><s:Body>"
    )
    return b"".join([b'<s:Envelope xml:lang="en-US"', _HEAD, header.encode(), body, b"</s:Body></s:Envelope>"])


def build_fault(fault: Fault, relates_to: str, machine: str) -> bytes:
    """Return the envelope of a fault, with the detail that clients read the code from."""
    reason = escape(fault.reason)
    body = (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value>"
        f"<s:Subcode><s:Value>{escape(fault.subcode)}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault Code="{fault.code}" Machine="{escape(machine)}"><f:Message>{reason}</f:Message></f:WSManFault>'
        "</s:Detail></s:Fault>"
    )
    return build_answer(FAULT_ACTION, relates_to, body.encode())
