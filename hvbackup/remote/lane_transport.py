"""What all transports share: a lane, a watch and a reception for each call, and mending a connection once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from hvbackup.errors import ConnectionLost, QuotaExceeded
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.models import Model
from hvbackup.remote.contract import Answer, Call
from hvbackup.remote.lane import Lane
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.reception import CallerError, Reception
from hvbackup.remote.scripts import script_text
from hvbackup.remote.watch import Watch

AnswerT = TypeVar("AnswerT", bound=Model)

#: Gives the text of a script of `ps_scripts/` by its name.
ScriptSource = Callable[[str], str]


class Exchange:
    """One call on its way.

    Attributes:
        frames: What goes in, or None.
        refused: Set when the host has refused to begin, so that nothing of the call has run.
    """

    def __init__(
        self,
        call: Call[Any],
        watch: Watch,
        options: ConnectionOptions,
        *,
        sink: Callable[[bytes], None] | None,
        frames: Iterable[bytes] | None,
        events: EventSink,
    ) -> None:
        self.call, self.watch, self.frames, self.refused = call, watch, frames, False
        self.wants_frames = sink is not None
        self._options, self._sink, self._events = options, sink, events
        self.reception = self._new_reception()

    def _new_reception(self) -> Reception:
        return Reception(
            self.call,
            self.watch,
            sink=self._sink,
            events=self._events,
            host=self._options.host,
            port=self._options.port,
        )

    def may_repeat(self) -> bool:
        """Whether asking again does no harm: nothing has run, or it may run twice and nobody saw any of it."""
        untouched = self.frames is None and self.reception.frames == 0
        return self.refused or (self.call.idempotent and untouched)

    def begin_anew(self) -> None:
        """Forget what came."""
        self.refused, self.watch.begun = False, False
        self.reception = self._new_reception()


class LaneTransport(ABC):
    """A `Transport` whose connection belongs to one thread. Sinks, frames and events are called in that thread."""

    def __init__(
        self, options: ConnectionOptions, *, events: EventSink = discard, scripts: ScriptSource = script_text
    ) -> None:
        self._options, self._events, self._scripts = options, events, scripts
        self._closing = Cancellation()
        self._lane = Lane(options.host, dispose=self._dispose)

    @property
    def host(self) -> str:
        """The host's name or address, as the user gave it."""
        return self._options.host

    @property
    def port(self) -> int | None:
        """The TCP port, or None when there is none."""
        return self._options.port

    def call(
        self,
        call: Call[AnswerT],
        *,
        timeout: float = 300.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """See `Transport.call`."""
        return self._ask(call, timeout, events, cancel)

    def receive(
        self,
        call: Call[AnswerT],
        sink: Callable[[bytes], None],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """See `Transport.receive`. A connection that breaks after the first frame is not mended."""
        return self._ask(call, timeout, events, cancel, sink=sink)

    def send(
        self,
        call: Call[AnswerT],
        frames: Iterable[bytes],
        *,
        timeout: float = 3600.0,
        events: EventSink | None = None,
        cancel: Cancellation | None = None,
    ) -> Answer[AnswerT]:
        """See `Transport.send`. A connection that breaks is not mended."""
        return self._ask(call, timeout, events, cancel, frames=frames)

    def lane(self) -> LaneTransport:
        """See `Transport.lane`."""
        return type(self)(self._options, events=self._events, scripts=self._scripts)

    def close(self) -> None:
        """See `Transport.close`."""
        self._closing.set()
        self._lane.close()

    def _ask(
        self,
        call: Call[AnswerT],
        timeout: float,
        events: EventSink | None,
        cancel: Cancellation | None,
        *,
        sink: Callable[[bytes], None] | None = None,
        frames: Iterable[bytes] | None = None,
    ) -> Answer[AnswerT]:
        watch = Watch(
            timeout=timeout, cancel=cancel, closing=self._closing, what=call.script, host=self.host, port=self.port
        )
        exchange = Exchange(call, watch, self._options, sink=sink, frames=frames, events=events or self._events)
        try:
            return cast("Answer[AnswerT]", self._lane.run(lambda: self._mended(exchange), watch))
        except CallerError as error:
            own = error.error
        raise own

    def _mended(self, exchange: Exchange) -> Answer[Model]:
        """Ask, and once more when the connection broke and asking again does no harm."""
        exchange.watch.restart()
        try:
            return self._once(exchange)
        except (ConnectionLost, QuotaExceeded):
            if not exchange.may_repeat():
                raise
        exchange.begin_anew()
        return self._once(exchange)

    @abstractmethod
    def _once(self, exchange: Exchange) -> Answer[Model]:
        """Ask once, in the lane's thread; raises our errors and `CallerError` only."""

    @abstractmethod
    def _dispose(self) -> None:
        """Free the connection, in the lane's thread; raises nothing."""
