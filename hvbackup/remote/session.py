"""The one way to a host: `Transport`. All transports keep it, and one conformance suite holds them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from hvbackup.events import Cancellation, EventSink
from hvbackup.models import Model
from hvbackup.remote.contract import Answer, Call

AnswerT = TypeVar("AnswerT", bound=Model)


class Transport(Protocol):
    """Carries calls to one host.

    A transport may be used from several threads; calls of one transport run one after the other (one *lane*). For
    work side by side take another `lane`. Every call has a deadline of its own, looks at `cancel` at least every
    second, really stops what runs on the host when time is up or a stop was asked for, and leaves nothing behind
    there. Progress records become `Progress` events.

    Raises (all methods): `RemoteError` and its subclasses, each with host, port and hint; `Cancelled`. Errors of the
    libraries below never come out. A broken connection is mended once, by itself, for idempotent calls only.
    """

    @property
    def host(self) -> str:
        """The host's name or address, as the user gave it."""

    @property
    def port(self) -> int | None:
        """The TCP port, or None when there is none."""

    def call(
        self,
        call: Call[AnswerT],
        *,
        timeout: float = 300.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """Ask one script and return its answer; `timeout` in seconds."""

    def receive(
        self,
        call: Call[AnswerT],
        sink: Callable[[bytes], None],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """Ask a bulk script; give each output frame to `sink`, in order, then return the answer.

        While `sink` works nothing more is taken than the buffers of one round trip: memory stays flat. What `sink`
        raises stops the script and comes out unchanged. `timeout` is the longest time without a frame or an end.
        """

    def send(
        self,
        call: Call[AnswerT],
        frames: Iterable[bytes],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """Ask a script that takes `frames` as its input; return its answer.

        The frames of one call should stay below 32 MiB together: a host takes 50 MB for a command by default.
        """

    def lane(self) -> Transport:
        """Open another lane to the same host; the caller closes it."""

    def close(self) -> None:
        """Close the lane; running calls are stopped. Closing twice is no error."""
