"""The WSMan operations on shells: Create, Command, Send, Receive, Signal, Delete, Disconnect, Connect, Enumerate."""

from __future__ import annotations

import binascii
import threading
import time
import uuid
from collections.abc import Callable
from xml.sax.saxutils import escape

from pybase64 import b64decode, b64encode

from hvbackup.simulator.faults import Denial, Faults
from hvbackup.simulator.wsman_answers import describe_shell, receive_answer
from hvbackup.simulator.wsman_envelope import (
    ACCESS_DENIED,
    NAMESPACES,
    NOT_FOUND,
    NOT_SUPPORTED,
    OPERATION_ABORTED,
    POWERSHELL_URI,
    SCHEMA_ERROR,
    SHELL_DISCONNECTED,
    TIMED_OUT,
    WINRS_URI,
    Fault,
    Request,
)
from hvbackup.simulator.wsman_queues import OutputQueue
from hvbackup.simulator.wsman_shell import Limits, Shell

#: Bytes of an answer that are not Stream elements.
_ENVELOPE_OVERHEAD = 2048

ShellMaker = Callable[[str, str, str], Shell]


class Service:
    """The shells of a host, and what clients do with them."""

    def __init__(
        self, *, address: str, limits: Limits, faults: Faults, powershell: ShellMaker, winrs: ShellMaker
    ) -> None:
        self.address = address
        self.limits = limits
        self.faults = faults
        self._makers = {"powershell": powershell, "winrs": winrs}
        self._lock = threading.Lock()
        self._shells: dict[str, Shell] = {}
        self._operations: dict[str, Callable[[Request, str], bytes]] = {
            "Create": self._create,
            "Get": self._get,
            "Enumerate": self._enumerate,
            "Delete": self._delete,
            "Disconnect": self._disconnect,
            "Reconnect": self._reconnect,
            "Connect": self._connect,
            "Command": self._command,
            "Send": self._send,
            "Signal": self._signal,
            "Receive": self._receive,
        }

    @property
    def shells(self) -> tuple[Shell, ...]:
        """The shells that are open."""
        with self._lock:
            return tuple(self._shells.values())

    def handle(self, request: Request, user: str) -> bytes:
        """Do what a request asks; return the body of the answer.

        Raises:
            Fault: It cannot be done.
        """
        operation = self._operations.get(request.verb)
        if operation is None:
            raise Fault(NOT_SUPPORTED, f"The action {request.action} is not supported.", "a:ActionNotSupported")
        return operation(request, user)

    def close(self) -> None:
        """Close all shells."""
        while self.shells:
            for shell in self.shells:
                shell.close()
                self._forget(shell)

    def _forget(self, shell: Shell) -> None:
        with self._lock:
            self._shells.pop(shell.id, None)

    def _find(self, request: Request) -> Shell:
        with self._lock:
            shell = self._shells.get(request.shell_id)
        if shell is None:
            raise Fault(
                NOT_FOUND,
                "The request for the Windows Remote Shell with ShellId "
                f"{request.shell_id} failed because the shell was not found on the server. Possible causes are: the "
                "specified ShellId is incorrect or the shell no longer exists on the server.",
                "w:InvalidSelectors",
            )
        shell.used = time.monotonic()
        return shell

    # ------------------------------------------------------------ shells

    def _create(self, request: Request, user: str) -> bytes:
        node = request.required("rsp:Shell")
        if self.faults.not_administrator is Denial.FAULT:
            raise Fault(ACCESS_DENIED, "Access is denied. ", "w:AccessDenied")
        shell_id = (node.get("ShellId") or str(uuid.uuid4())).upper()
        shell = self._maker(request.resource_uri)(shell_id, request.resource_uri, user)
        shell.idle_timeout = node.findtext("rsp:IdleTimeOut", shell.idle_timeout, NAMESPACES)
        shell.output_streams = node.findtext("rsp:OutputStreams", "stdout", NAMESPACES)
        shell.input_streams = node.findtext("rsp:InputStreams", "stdin", NAMESPACES)
        try:
            shell.open(node)
        except Exception:
            shell.close()
            raise
        with self._lock:
            self._shells[shell_id] = shell
        return (
            f"<x:ResourceCreated><a:Address>{escape(self.address)}</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{escape(request.resource_uri)}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{escape(shell_id)}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
            f"</x:ResourceCreated>{describe_shell(shell)}"
        ).encode()

    def _maker(self, uri: str) -> ShellMaker:
        if uri == WINRS_URI:
            if self.faults.winrs_missing:
                raise Fault(ACCESS_DENIED, "Access is denied. ", "w:AccessDenied")
            return self._makers["winrs"]
        if uri.startswith(POWERSHELL_URI) and not self.faults.powershell_missing:
            return self._makers["powershell"]
        raise Fault(
            NOT_SUPPORTED,
            "The WS-Management service cannot process the request. The service cannot find the resource identified "
            f"by the resource URI ({uri}) and selectors.",
            "a:DestinationUnreachable",
        )

    def _get(self, request: Request, _user: str) -> bytes:
        if request.resource_uri == NAMESPACES["cfg"]:
            return (
                f'<cfg:Config xmlns:cfg="{NAMESPACES["cfg"]}">'
                f"<cfg:MaxEnvelopeSizekb>{self.limits.envelope // 1024}</cfg:MaxEnvelopeSizekb>"
                "<cfg:MaxTimeoutms>60000</cfg:MaxTimeoutms></cfg:Config>"
            ).encode()
        return describe_shell(self._find(request)).encode()

    def _enumerate(self, request: Request, _user: str) -> bytes:
        if request.resource_uri.endswith("/Command"):
            selector = request.body.find(".//w:Selector", NAMESPACES)
            wanted = (selector.text or "").upper() if selector is not None else ""
            items = "".join(
                f"<rsp:Command><rsp:ShellId>{escape(shell.id)}</rsp:ShellId>"
                f"<rsp:CommandId>{escape(command)}</rsp:CommandId><rsp:State>Running</rsp:State></rsp:Command>"
                for shell in self.shells
                if shell.id == wanted
                for command in list(shell.commands)
            )
        else:
            items = "".join(describe_shell(shell) for shell in self.shells)
        return (
            f'<n:EnumerateResponse xmlns:n="{NAMESPACES["n"]}"><n:EnumerationContext/><w:Items>{items}</w:Items>'
            "<w:EndOfSequence/></n:EnumerateResponse>"
        ).encode()

    def _delete(self, request: Request, _user: str) -> bytes:
        shell = self._find(request)
        self._forget(shell)
        shell.close()
        return b""

    def _disconnect(self, request: Request, _user: str) -> bytes:
        self._find(request).disconnected.set()
        return b"<rsp:DisconnectResponse/>"

    def _reconnect(self, request: Request, _user: str) -> bytes:
        self._find(request).disconnected.clear()
        return b"<rsp:ReconnectResponse/>"

    def _connect(self, request: Request, _user: str) -> bytes:
        shell = self._find(request)
        node = request.required("rsp:Connect")
        data = node.find("pwsh:connectXml", NAMESPACES)
        if data is None:
            shell.output_of(_command_id(node.get("CommandId")))
            shell.disconnected.clear()
            return b"<rsp:ConnectResponse/>"
        answer = shell.connect(_decode(data.text))
        shell.disconnected.clear()
        return (
            b'<rsp:ConnectResponse><connectResponseXml xmlns="http://schemas.microsoft.com/powershell">'
            + b64encode(answer)
            + b"</connectResponseXml></rsp:ConnectResponse>"
        )

    # ------------------------------------------------------------ commands

    def _connected(self, request: Request) -> Shell:
        shell = self._find(request)
        if shell.disconnected.is_set():
            raise Fault(SHELL_DISCONNECTED, "The shell is disconnected.")
        return shell

    def _command(self, request: Request, _user: str) -> bytes:
        shell = self._connected(request)
        node = request.required("rsp:CommandLine")
        command_id = _command_id(node.get("CommandId")) or str(uuid.uuid4()).upper()
        line = node.findtext("rsp:Command", "", NAMESPACES) or ""
        arguments = [argument.text or "" for argument in node.iterfind("rsp:Arguments", NAMESPACES)]
        shell.start_command(command_id, line, arguments)
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>".encode()

    def _send(self, request: Request, _user: str) -> bytes:
        shell = self._connected(request)
        for stream in request.body.iterfind("rsp:Send/rsp:Stream", NAMESPACES):
            shell.send(
                _command_id(stream.get("CommandId")),
                stream.get("Name") or "stdin",
                _decode(stream.text),
                end=(stream.get("End") or "").lower() == "true",
                timeout=request.timeout,
            )
        return b"<rsp:SendResponse/>"

    def _signal(self, request: Request, _user: str) -> bytes:
        shell = self._connected(request)
        node = request.required("rsp:Signal")
        shell.signal(_command_id(node.get("CommandId")) or "", node.findtext("rsp:Code", "", NAMESPACES))
        return b"<rsp:SignalResponse/>"

    def _receive(self, request: Request, _user: str) -> bytes:
        shell = self._connected(request)
        command_id = _command_id(request.required("rsp:Receive/rsp:DesiredStream").get("CommandId"))
        queue = shell.output_of(command_id)
        room = (min(request.max_envelope, self.limits.envelope) - _ENVELOPE_OVERHEAD) // 4 * 3
        taken = self._wait_for_output(shell, queue, request.timeout, max(room, 1024))
        return receive_answer(taken[0], taken[1], command_id, queue.exit_code)

    def _wait_for_output(
        self, shell: Shell, queue: OutputQueue, timeout: float, room: int
    ) -> tuple[list[tuple[str, bytes]], bool]:
        end = time.monotonic() + timeout
        while True:
            if shell.disconnected.is_set():
                raise Fault(SHELL_DISCONNECTED, "The shell was disconnected.")
            left = end - time.monotonic()
            if left <= 0:
                raise Fault(
                    TIMED_OUT,
                    "The WS-Management service cannot complete the operation within the time specified in "
                    "OperationTimeout.",
                    "w:TimedOut",
                )
            taken = queue.get(min(left, 0.5), room)
            if taken is not None:
                break
        if queue.closed and not taken[0]:
            raise Fault(
                OPERATION_ABORTED,
                "The I/O operation has been aborted because of either a thread exit or an application request.",
            )
        return taken


def _command_id(text: str | None) -> str | None:
    """Return a command's id as it is kept; ids are GUIDs."""
    if not text:
        return None
    try:
        return str(uuid.UUID(text)).upper()
    except ValueError:
        raise Fault(SCHEMA_ERROR, f"{text!r} is no CommandId.", "w:SchemaValidationError") from None


def _decode(text: str | None) -> bytes:
    try:
        return b64decode(text or "")
    except (binascii.Error, ValueError) as error:
        raise Fault(SCHEMA_ERROR, f"Not base64: {error}.", "w:SchemaValidationError") from None
