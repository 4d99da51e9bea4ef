"""The two sides of a copy: what one of them ends with ends the other."""

from __future__ import annotations

from typing import Any

import pytest

from hvbackup.errors import Cancelled, ContractViolated
from hvbackup.events import Cancellation, discard
from hvbackup.jobs.copying import FileCopy, FileToCopy
from hvbackup.remote.calls import GetBlockHash
from hvbackup.remote.fanout import Lanes


class Host:
    """A host that hashes one block and then hangs, and whose reading side breaks."""

    host, port = "HV01", 5986

    def __init__(self) -> None:
        self.was_stopped = False

    def receive(self, call: Any, sink: Any, *, cancel: Cancellation, **_: object) -> Any:
        if not isinstance(call, GetBlockHash):
            raise ContractViolated("the reading side is broken")
        sink(bytes(range(32)))
        self.was_stopped = cancel.wait(20)
        raise Cancelled("stopped")


class LacksEverything:
    def offer(self, first_block: int, hashes: list[bytes]) -> list[int]:
        return list(range(first_block, first_block + len(hashes)))


def test_a_reading_side_that_fails_does_not_wait_for_a_host_that_hangs_while_it_hashes() -> None:
    host: Any = Host()
    writer: Any = LacksEverything()

    class OneLane:
        control = reader = host
        reading = Lanes(host, 1)

    lanes: Any = OneLane()
    file = FileToCopy(path="x", label="x", size_bytes=1 << 20)

    with pytest.raises(ContractViolated, match="reading side"):
        FileCopy(lanes, file, writer, compress=False, events=discard, cancel=Cancellation()).run()

    assert host.was_stopped
