"""Ready-made envelopes are what pypsrp would send, and answers are read as an XML parser would read them."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvbackup.remote.envelope import Envelope, Fault, Shell, check_answers, is_done, read_fault, streams
from hvbackup.remote.fragments import BytesBroken

NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
}
SHELL = Shell(
    endpoint="https://host:5986/wsman?x=1&y=2",
    resource_uri="http://schemas.microsoft.com/powershell/Microsoft.PowerShell",
    shell_id="11111111-2222-3333-4444-555555555555",
    session_id="66666666-7777-8888-9999-000000000000",
    locale="en-US",
    data_locale="en-US",
    envelope_bytes=512000,
    seconds=1,
)


def answer(*parts: str, relates_to: str = "ID", state: str = "Running") -> bytes:
    streams = "".join(f'<rsp:Stream Name="stdout" CommandId="C">{part}</rsp:Stream>' for part in parts)
    return (
        f'<s:Envelope xmlns:s="{NAMES["s"]}" xmlns:a="{NAMES["a"]}" xmlns:rsp="{NAMES["rsp"]}"><s:Header>'
        f"<a:RelatesTo>uuid:{relates_to}</a:RelatesTo></s:Header><s:Body><rsp:ReceiveResponse>{streams}"
        f'<rsp:CommandState CommandId="C" State="{NAMES["rsp"]}/CommandState/{state}"/></rsp:ReceiveResponse></s:Body>'
        "</s:Envelope>"
    ).encode()


def test_a_receive_request_names_command_shell_and_time() -> None:
    message_id, request = Envelope.receive(SHELL, "COMMAND").render()

    root = ET.fromstring(request)  # noqa: S314
    assert root.findtext("s:Header/a:MessageID", "", NAMES) == f"uuid:{message_id.decode()}"
    assert root.findtext("s:Header/a:To", "", NAMES) == "https://host:5986/wsman?x=1&y=2"
    assert root.findtext("s:Header/a:Action", "", NAMES) == NAMES["rsp"] + "/Receive"
    assert root.findtext("s:Header/w:OperationTimeout", "", NAMES) == "PT1S"
    assert root.findtext("s:Header/w:MaxEnvelopeSize", "", NAMES) == "512000"
    assert root.findtext("s:Header/w:SelectorSet/w:Selector", "", NAMES) == SHELL.shell_id
    wanted = root.find("s:Body/rsp:Receive/rsp:DesiredStream", NAMES)
    assert wanted is not None
    assert (wanted.get("CommandId"), wanted.text) == ("COMMAND", "stdout")


def test_every_request_has_a_new_message_id() -> None:
    envelope = Envelope.receive(SHELL, "COMMAND")

    assert envelope.render()[0] != envelope.render()[0]


@given(size=st.integers(min_value=2000, max_value=9000))
def test_a_send_request_with_as_much_as_fits_is_not_longer_than_the_envelope(size: int) -> None:
    envelope = Envelope.send(SHELL, "COMMAND")
    payload = bytes(range(256)) * (envelope.payload_room(size) // 256 + 1)
    payload = payload[: envelope.payload_room(size)]

    request = envelope.render(payload)[1]

    stream = ET.fromstring(request).find("s:Body/rsp:Send/rsp:Stream", NAMES)  # noqa: S314
    assert stream is not None
    assert base64.b64decode(stream.text or "") == payload
    assert size - 4 < len(request) <= size


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_streams_are_read_in_order(contents: list[bytes]) -> None:
    assert list(streams(answer(*(base64.b64encode(each).decode() for each in contents)))) == contents


def test_empty_streams_hold_nothing() -> None:
    text = answer("QQ==", "", "Qg==").replace(
        b"</rsp:ReceiveResponse>", b'<rsp:Stream End="true"/></rsp:ReceiveResponse>'
    )

    assert list(streams(text)) == [b"A", b"B"]


def test_base64_that_spells_the_name_of_an_element_is_no_element() -> None:
    content = base64.b64decode("StreamStream")

    assert list(streams(answer("StreamStream", "QQ=="))) == [content, b"A"]


def test_the_end_of_a_command_is_seen() -> None:
    assert is_done(answer("QQ==", state="Done"))
    assert not is_done(answer("QQ=="))


def test_an_answer_to_another_request_is_refused() -> None:
    check_answers(answer(relates_to="MINE"), b"MINE")
    with pytest.raises(BytesBroken, match="another request"):
        check_answers(answer(relates_to="OTHER"), b"MINE")


@pytest.mark.parametrize("damaged", [b"<rsp:Stream Name='stdout'>QQ==", b"<rsp:Stream Name='stdout'"])
def test_an_answer_that_is_cut_off_is_refused(damaged: bytes) -> None:
    with pytest.raises(BytesBroken, match="not closed"):
        list(streams(damaged))


def test_a_fault_is_read() -> None:
    text = (
        b"<s:Envelope><s:Body><s:Fault><s:Reason><s:Text xml:lang='en'>The operation timed &amp; out.</s:Text>"
        b'</s:Reason><s:Detail><f:WSManFault Code="2150858793" Machine="HV01"><f:Message>words</f:Message>'
        b"</f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>"
    )

    assert read_fault(text) == Fault(2150858793, "The operation timed & out.")
    assert read_fault(b"<html>no</html>") is None
    assert read_fault(b"<s:Fault><s:Code>s:Receiver</s:Code></s:Fault>") == Fault(0, "")
