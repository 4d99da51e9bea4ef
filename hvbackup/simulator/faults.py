"""Faults on demand: what goes wrong between a client and the simulated host, set at run time by a test."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum


class CertificateKind(str, Enum):
    """Which certificate the host shows on new connections."""

    GOOD = "good"
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    UNTRUSTED = "untrusted"


class Denial(str, Enum):
    """How a host turns an account away that is no administrator."""

    FAULT = "fault"
    HTTP_401 = "http-401"
    HTTP_403 = "http-403"


class Moment(str, Enum):
    """When a planned fault strikes."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass
class PlannedFault:
    """A fault of the n-th matching request from now on; `status` is the HTTP status, 0 a dropped connection."""

    at: int
    moment: Moment
    status: int
    verb: str


class Faults:
    """What is wrong with the host at present. Every attribute may be set while clients are connected.

    Attributes:
        delay: Seconds that each request takes in addition: the round trip of a slow link.
        idle_close: Seconds after which an idle connection is closed, or None.
        max_commands: MaxConcurrentCommandsPerShell; one more is fault 2150859174.
        refuse_accounts: Every account is refused, whatever its password.
        not_administrator: How an account without administrator's rights is turned away, or None.
        powershell_missing: The host has no endpoint for PowerShell remoting.
        winrs_missing: The host allows no WinRS shells.
        certificate: Which certificate new connections see.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[PlannedFault] = []
        self.clear()

    def clear(self) -> None:
        """Make everything well again."""
        self.delay: float = 0.0
        self.idle_close: float | None = None
        self.max_commands: int = 1000
        self.refuse_accounts: bool = False
        self.not_administrator: Denial | None = None
        self.powershell_missing: bool = False
        self.winrs_missing: bool = False
        self.certificate: CertificateKind = CertificateKind.GOOD
        with self._lock:
            self._planned.clear()

    def drop_connection(self, *, at: int = 1, verb: str = "", during: Moment | str = Moment.REQUEST) -> None:
        """Break the connection in the middle of the `at`-th request from now on.

        `verb` counts only requests of one kind (`Receive`, `Command`, ...). During `request` nothing is done for it;
        during `response` it is done, and half of the answer is sent.
        """
        self._plan(PlannedFault(at, Moment(during), 0, verb))

    def answer_http(self, status: int, *, at: int = 1, verb: str = "") -> None:
        """Answer the `at`-th request from now on by an HTTP status with an empty body; nothing is done for it."""
        self._plan(PlannedFault(at, Moment.REQUEST, status, verb))

    def _plan(self, fault: PlannedFault) -> None:
        if fault.at < 1:
            raise ValueError(f"at={fault.at}: requests are counted from 1")
        with self._lock:
            self._planned.append(fault)

    def strike(self, verb: str) -> PlannedFault | None:
        """Count one request and return the fault that is due for it, if any."""
        due = None
        with self._lock:
            for fault in list(self._planned):
                if fault.verb and fault.verb.lower() != verb.lower():
                    continue
                fault.at -= 1
                if fault.at == 0:
                    self._planned.remove(fault)
                    due = due or fault
        return due
