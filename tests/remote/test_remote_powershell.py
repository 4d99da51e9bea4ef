"""The same promises when PowerShell itself is on the other side of WinRM."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import CallTimeout, Cancelled, ContractViolated, ScriptFailed, VmNotFound
from hvbackup.events import Event, Progress

if TYPE_CHECKING:
    from tests.remote.conftest import Link

ODD_TEXT = "caf\u00e9 \u4e2d\u6587 \U0001f600 'single' \"double\" `$(Get-Date) _x0041_ <&> \t\r\n end"


@pytest.fixture(params=["psrp basic powershell", pytest.param("winrs basic powershell", marks=pytest.mark.slow)])
def real(request: pytest.FixtureRequest, new_link: Callable[[str], Link]) -> Link:
    return new_link(request.param)


def test_text_frames_and_progress_travel(real: Link) -> None:
    sizes: list[int] = []
    events: list[Event] = []
    real.frames(lambda frame: sizes.append(len(frame)), count=5, size=300_000)
    real.count(events=events.append)
    sent = real.send(bytes([number]) * 150_000 for number in range(6))

    assert real.echo(ODD_TEXT).data.text == ODD_TEXT
    assert sizes == [300_000] * 5
    assert (sent.data.frames, sent.data.bytes, sent.data.sum_of_first) == (6, 900_000, 15)
    assert real.send([]).data.frames == 0
    assert [event.item for event in events if isinstance(event, Progress)] == ["step 10", "step 20", "step -1"]


def test_failures_of_scripts_are_told_apart(real: Link) -> None:
    with pytest.raises(VmNotFound, match="no such VM"):
        real.fail("VmNotFound", "no such VM")
    with pytest.raises(ScriptFailed, match="the script broke"):
        real.misbehave("throw")
    with pytest.raises(ContractViolated, match="a quiet complaint"):
        real.misbehave("nothing")
    with pytest.raises(ContractViolated, match="2 texts"):
        real.misbehave("twice")


def test_variables_of_one_call_are_gone_in_the_next(real: Link) -> None:
    real.echo("first")

    assert real.look_for_leak() == "none"


def test_a_stop_and_a_deadline_end_what_runs(real: Link) -> None:
    with pytest.raises(Cancelled):
        real.slow_receive(lambda frame: None, frames=True, cancel=real.cancel_when_started())
    with pytest.raises(CallTimeout):
        real.slow(timeout=3)

    assert real.echo("still there").data.text == "still there"
