"""What a call brings back: frames for the sink, progress for the listener, and one JSON document as the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hvbackup.errors import ContractViolated, ScriptFailed
from hvbackup.events import EventSink, Progress, discard
from hvbackup.models import Model
from hvbackup.remote.contract import Answer, Call, parse_answer
from hvbackup.remote.watch import Watch

#: A script writes one document; whoever writes more than this many texts is not ours.
_TEXT_LIMIT = 64
#: Longest error text that is kept, in characters.
_ERROR_LIMIT = 2000


class CallerError(Exception):
    """Carries what the caller's own sink or frames raised past the places where library errors are translated."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def frames_of_caller(frames: Iterable[bytes], watch: Watch) -> Iterator[bytes]:
    """Yield the caller's frames; looks at the watch before each, and begins its time anew."""
    source = iter(frames)
    while True:
        watch.check()
        try:
            frame = next(source)
        except StopIteration:
            return
        except BaseException as error:  # noqa: BLE001 - it comes out unchanged, whatever it is
            raise CallerError(error) from None
        watch.restart()
        yield bytes(frame)


class Reception:
    """Collects what one call brings back.

    Attributes:
        texts: The texts that came; one of them is the answer.
        errors: Texts of PowerShell's error stream.
        failure: The terminating error (id, text), when there was one.
        frames: How many frames the sink has been given.
    """

    def __init__(
        self,
        call: Call[Any],
        watch: Watch,
        *,
        sink: Callable[[bytes], None] | None = None,
        events: EventSink | None = None,
        host: str = "",
        port: int | None = None,
    ) -> None:
        self.call, self.watch = call, watch
        self.texts: list[str] = []
        self.errors: list[str] = []
        self.failure: tuple[str, str] | None = None
        self.frames = 0
        self._sink, self._events = sink, events or discard
        self._host, self._port = host, port

    def frame(self, data: bytes) -> None:
        """Give a frame to the sink; the time without a frame begins anew when the sink is done."""
        if self._sink is None:
            raise self.violated("it sent bytes, but only an answer was asked for")
        self.frames += 1
        try:
            self._sink(data)
        except BaseException as error:  # noqa: BLE001 - it comes out unchanged, whatever it is
            raise CallerError(error) from None
        self.watch.restart()

    def output(self, item: object) -> None:
        """Take one object of the output stream."""
        if isinstance(item, bytes):
            self.frame(item)
        elif isinstance(item, str):
            self.text(item)
        elif item is not None:
            raise self.violated(f"its output holds an object of type {type(item).__name__}")

    def text(self, text: str) -> None:
        """Take a text of the output stream."""
        self.texts.append(text)
        if len(self.texts) > _TEXT_LIMIT:
            raise self.violated("its output holds many texts")

    def progress(self, activity: str, item: str, percent: int | None) -> None:
        """Take a progress record; -1 or None percent means unknown."""
        done, total = (percent, 100) if percent is not None and 0 <= percent <= 100 else (0, None)
        event = Progress(host=self._host, activity=activity, item=item, done=done, total=total, unit="percent")
        try:
            self._events(event)
        except BaseException as error:  # noqa: BLE001 - it comes out unchanged, whatever it is
            raise CallerError(error) from None

    def error(self, text: str) -> None:
        """Take a text of the error stream."""
        if len(self.errors) < _TEXT_LIMIT:
            self.errors.append(text.strip()[:_ERROR_LIMIT])

    def failed(self, error_id: str, text: str) -> None:
        """Take the error that ended the script."""
        self.failure = (error_id, text.strip()[:_ERROR_LIMIT])

    def answer(self) -> Answer[Model]:
        """Return the answer.

        Raises:
            ScriptFailed: The script said no, or ended by an error before it answered.
            ContractViolated: There is no answer, more than one, or something else.
        """
        if not self.texts:
            raise self._nothing()
        if len(self.texts) > 1:
            raise self.violated(f"{len(self.texts)} texts instead of one")
        answer: Answer[Model] = parse_answer(self.call, self.texts[0], host=self._host, port=self._port)
        if self.errors:
            warnings = tuple(f"PowerShell's error stream: {text}" for text in self.errors)
            answer = Answer(answer.data, answer.warnings + warnings)
        return answer

    def _nothing(self) -> ScriptFailed | ContractViolated:
        if self.failure is not None:
            error_id, text = self.failure
            return ScriptFailed(
                f"{self.call.script} on {self._host} ended by an error: {text}",
                script=self.call.script,
                error_id=error_id,
                host=self._host,
                port=self._port,
                hint="If the text does not say what to do on the host, please report it.",
            )
        said = "; PowerShell's error stream says: " + " / ".join(self.errors) if self.errors else ""
        return self.violated("it ended without an answer" + said)

    def violated(self, reason: str) -> ContractViolated:
        """Return the error for an answer that breaks the contract."""
        return ContractViolated(
            f"{self.call.script} on {self._host} did not answer by the contract: {reason}",
            host=self._host,
            port=self._port,
            hint="This is a bug, or something on the host writes into PowerShell's output. It answered: "
            + repr("".join(self.texts)[:300]),
        )
