"""What every transport promises, by one suite for all of them."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import CallTimeout, Cancelled, ContractViolated, ScriptFailed, VmNotFound
from hvbackup.events import Cancellation, Event, Progress

if TYPE_CHECKING:
    from tests.remote.conftest import Link

ODD_TEXT = "caf\u00e9 \u4e2d\u6587 \U0001f600 'single' \"double\" `$(Get-Date) _x0041_ <&> \t\r\n end"


def test_an_answer_comes_back_typed_with_its_warnings(link: Link) -> None:
    answer = link.echo("hello")

    assert answer.data.text == "hello"
    assert answer.warnings == ("echoed",)


def test_once_connected_nothing_looks_into_the_environment(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the caller that deletes a variable meanwhile would break whoever reads them all."""
    link.echo("connected")
    monkeypatch.setattr(urllib.request, "getproxies_environment", lambda: pytest.fail("it is read for each request"))

    assert link.echo("again").data.text == "again"
    assert link.frames(lambda _frame: None, count=3, size=1000).data.frames == 3


def test_text_survives_whatever_is_in_it(link: Link) -> None:
    assert link.echo(ODD_TEXT).data.text == ODD_TEXT


def test_a_request_and_an_answer_may_be_large(link: Link) -> None:
    text = "0123456789abcdef" * 40_000

    assert link.echo(text).data.text == text


def test_frames_come_in_order_and_the_answer_after_them(link: Link) -> None:
    frames: list[bytes] = []
    answer = link.frames(frames.append, count=7, size=100_000)

    assert [(frame[:4], len(frame)) for frame in frames] == [(bytes([n]) * 4, 100_000) for n in range(7)]
    assert (answer.data.frames, answer.data.bytes) == (7, 700_000)


def test_a_bulk_script_may_send_no_frame_at_all(link: Link) -> None:
    frames: list[bytes] = []

    assert link.frames(frames.append, count=0, size=1).data.frames == 0
    assert frames == []


def test_frames_go_in_in_order(link: Link) -> None:
    answer = link.send(bytes([number]) * 150_000 for number in range(6))

    assert (answer.data.frames, answer.data.bytes, answer.data.sum_of_first) == (6, 900_000, 15)


def test_no_frames_may_go_in(link: Link) -> None:
    assert link.send([]).data.frames == 0


def test_progress_becomes_events_in_percent(link: Link) -> None:
    events: list[Event] = []
    link.count(events=events.append)

    assert events == [
        Progress(host=link.transport.host, activity="Counting", item="step 10", done=10, total=100, unit="percent"),
        Progress(host=link.transport.host, activity="Counting", item="step 20", done=20, total=100, unit="percent"),
        Progress(host=link.transport.host, activity="Counting", item="step -1", done=0, total=None, unit="percent"),
    ]


def test_the_error_of_a_script_is_the_class_of_its_id_with_all_its_facts(link: Link) -> None:
    with pytest.raises(VmNotFound, match="no such VM") as caught:
        link.fail("VmNotFound", "no such VM")

    error = caught.value
    assert (error.script, error.error_id, error.details) == ("Test-Failure", "VmNotFound", {"place": "here"})
    assert (error.host, error.port) == (link.transport.host, link.transport.port)


def test_an_error_id_without_a_class_is_still_a_failure_of_the_script(link: Link) -> None:
    with pytest.raises(ScriptFailed) as caught:
        link.fail("NeverHeardOf", "odd")

    assert type(caught.value) is ScriptFailed
    assert caught.value.error_id == "NeverHeardOf"


def test_a_script_that_breaks_without_an_answer_fails_with_its_text(link: Link) -> None:
    with pytest.raises(ScriptFailed, match="the script broke") as caught:
        link.misbehave("throw")

    assert caught.value.error_id.split(",")[0] == "Unforeseen"


@pytest.mark.parametrize(
    ("manner", "said"),
    [("nothing", "without an answer"), ("twice", "2 texts instead of one"), ("chatter", "Welcome to this host")],
)
def test_anything_but_one_answer_violates_the_contract(link: Link, manner: str, said: str) -> None:
    with pytest.raises(ContractViolated) as caught:
        link.misbehave(manner)

    assert said in f"{caught.value} {caught.value.hint}"


def test_the_error_stream_is_quoted_where_there_is_no_answer(new_link: Callable[[str], Link]) -> None:
    with pytest.raises(ContractViolated, match="a quiet complaint"):
        new_link("psrp basic tls").misbehave("nothing")


@pytest.mark.parametrize(
    "way",
    ["psrp negotiate http", "psrp negotiate tls", "psrp certificate tls", "winrs ntlm http", "winrs certificate tls"],
)
def test_every_way_of_logging_on_carries_calls_frames_and_stops(new_link: Callable[[str], Link], way: str) -> None:
    link = new_link(way)
    sizes: list[int] = []
    link.frames(lambda frame: sizes.append(len(frame)), count=3, size=100_000)

    assert sizes == [100_000] * 3
    assert link.send([bytes(150_000)] * 3).data.bytes == 450_000
    with pytest.raises(Cancelled):
        link.slow(cancel=link.cancel_when_started())
    assert link.has_stopped()
    assert link.echo(ODD_TEXT).data.text == ODD_TEXT


def test_an_answer_of_another_shape_violates_the_contract(link: Link) -> None:
    with pytest.raises(ContractViolated, match="text"):
        link.expect_wrong_answer()


def test_bytes_where_only_an_answer_is_due_violate_the_contract(link: Link) -> None:
    with pytest.raises(ContractViolated, match="bytes"):
        link.send_to_frames()


def test_a_stop_ends_what_runs_on_the_host_and_the_next_call_works(link: Link) -> None:
    with pytest.raises(Cancelled):
        link.slow(cancel=link.cancel_when_started())

    assert link.has_stopped()
    assert link.echo("still there").data.text == "still there"


def test_a_deadline_ends_what_runs_on_the_host_and_the_next_call_works(link: Link) -> None:
    with pytest.raises(CallTimeout, match=f"within {link.short_timeout} s") as caught:
        link.slow(timeout=link.short_timeout)

    assert (caught.value.host, caught.value.port) == (link.transport.host, link.transport.port)
    assert link.has_stopped()
    assert link.echo("still there").data.text == "still there"


def test_a_bulk_call_has_time_as_long_as_frames_come(link: Link) -> None:
    with pytest.raises(CallTimeout):
        link.slow_receive(lambda frame: None, frames=False, timeout=link.short_timeout)

    assert link.has_stopped()


def test_a_stop_ends_a_bulk_script_in_full_flow(link: Link) -> None:
    with pytest.raises(Cancelled):
        link.slow_receive(lambda frame: None, frames=True, cancel=link.cancel_when_started())

    assert link.has_stopped()


def test_what_the_sink_raises_stops_the_script_and_comes_out_unchanged(link: Link) -> None:
    mistake = LookupError("mine")

    def sink(_frame: bytes) -> None:
        raise mistake

    with pytest.raises(LookupError) as caught:
        link.slow_receive(sink, frames=True)

    assert caught.value is mistake
    assert link.has_stopped()
    assert link.echo("still there").data.text == "still there"


def test_what_the_frames_raise_comes_out_unchanged(link: Link) -> None:
    mistake = LookupError("mine")

    def frames() -> Iterator[bytes]:
        yield b"first"
        raise mistake

    with pytest.raises(LookupError) as caught:
        link.send(frames())

    assert caught.value is mistake
    assert link.echo("still there").data.text == "still there"


def test_what_a_listener_raises_comes_out_unchanged(link: Link) -> None:
    mistake = LookupError("mine")

    def listener(_event: Event) -> None:
        raise mistake

    with pytest.raises(LookupError) as caught:
        link.count(events=listener)

    assert caught.value is mistake


def test_a_call_that_is_stopped_before_it_begins_never_reaches_the_host(link: Link) -> None:
    cancel = Cancellation()
    cancel.set()

    with pytest.raises(Cancelled):
        link.slow(cancel=cancel)

    assert not link.sign.exists()


def test_many_threads_may_use_one_transport(link: Link) -> None:
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = link.echo(f"from {number}").data.text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: f"from {number}" for number in range(3)}


def test_another_lane_works_while_the_first_is_busy(link: Link) -> None:
    cancel, errors = Cancellation(), []

    def busy() -> None:
        try:
            link.slow(cancel=cancel)
        except Cancelled as error:
            errors.append(error)

    thread = threading.Thread(target=busy)
    thread.start()
    started = link.has_started()
    lane = link.transport.lane()
    text = link.echo_on(lane, "side by side")
    lane.close()
    cancel.set()
    thread.join()

    assert (started, text, len(errors)) == (True, "side by side", 1)


def test_closing_stops_what_runs_and_nothing_is_left_on_the_host(link: Link) -> None:
    errors: list[BaseException] = []

    def busy() -> None:
        try:
            link.slow()
        except Cancelled as error:
            errors.append(error)

    thread = threading.Thread(target=busy)
    thread.start()
    assert link.has_started()
    link.transport.close()
    thread.join()

    assert len(errors) == 1
    assert link.has_stopped()
    assert link.nothing_is_left()


def test_a_closed_transport_closes_again_and_takes_no_calls(link: Link) -> None:
    link.echo("before")
    link.transport.close()
    link.transport.close()

    with pytest.raises(Cancelled, match="closed"):
        link.echo("after")


def test_a_stop_is_seen_within_seconds(link: Link) -> None:
    cancel = link.cancel_when_started()
    with pytest.raises(Cancelled):
        link.slow(cancel=cancel)
    seen_at = time.time()

    assert seen_at - link.sign.stat().st_mtime < 5
