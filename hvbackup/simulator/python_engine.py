"""The engine without PowerShell: it knows the scripts of `ps_scripts/` by their text and runs Python handlers."""

from __future__ import annotations

import base64
import json
import re
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hvbackup.remote.contract import PACKED
from hvbackup.simulator.engine import Channel, Handler, HostError, ScriptContext, Stopped, TerminatingError

PRELUDE = "_Prelude"
BOOTSTRAP = "_Bootstrap"
_CONTRACT = 1
_LONG_ANSWER = 32768


@dataclass(frozen=True)
class Statement:
    """One command of a pipeline: a script's text or a command's name, and what is bound to it."""

    text: str
    arguments: tuple[Any, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlainCall:
    """A command that is none of our scripts, as a function registered for its text sees it."""

    text: str
    match: re.Match[str]
    arguments: tuple[Any, ...]
    parameters: Mapping[str, Any]
    channel: Channel


PlainFunction = Callable[[PlainCall], None]


def normalise(text: str) -> str:
    """Return a script's text without what newlines, byte order mark and outer blank lines may change on the way."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").strip()


def load_scripts(folder: Path) -> dict[str, str]:
    """Return the normalised texts of the scripts in `folder`, by name without `.ps1`."""
    return {path.stem: normalise(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.ps1"))}


class HandlerContext:
    """`ScriptContext` over a channel."""

    def __init__(self, name: str, request: dict[str, Any], channel: Channel) -> None:
        self.name = name
        self.request = request
        self.stopped: threading.Event = channel.stopped
        self.warnings: list[str] = []
        self._channel = channel

    def frames(self) -> Iterator[bytes]:
        """The `byte[]` objects that the client sends as pipeline input, in order."""
        for item in self._channel.input():
            if not isinstance(item, bytes):
                raise HostError("RequestRefused", f"{self.name} takes byte[] as input, not {type(item).__name__}")
            yield item
        if self.stopped.is_set():
            raise Stopped

    def write_frame(self, data: bytes) -> None:
        """Write one `byte[]` to the output; blocks while the client does not read."""
        self._channel.write_bytes(data)

    def progress(self, activity: str, status: str, percent: int) -> None:
        """Write a progress record."""
        self._channel.write_progress(activity, status, percent)


class PythonEngine:
    """Runs commands: our scripts by their handlers, plain commands by registered functions, nothing else."""

    def __init__(self, handlers: Mapping[str, Handler], scripts: Mapping[str, str]) -> None:
        self._handlers = handlers
        self._names = {text: name for name, text in scripts.items() if not name.startswith("_")}
        self._prelude = scripts.get(PRELUDE)
        self.bootstrap = scripts.get(BOOTSTRAP)
        self._plain: list[tuple[re.Pattern[str], PlainFunction]] = []

    def register(self, pattern: str, function: PlainFunction) -> None:
        """Answer commands whose whole text matches `pattern` (no case) by `function`; the latest wins."""
        self._plain.insert(0, (re.compile(pattern, re.IGNORECASE | re.DOTALL), function))

    def run(self, statements: Sequence[Statement], channel: Channel) -> None:
        """Run the statements of a pipeline.

        Raises:
            TerminatingError: The command is not known here, or ended by an error.
            Stopped: The client has stopped it.
        """
        ours = [statement for statement in statements if normalise(statement.text) != self._prelude]
        for statement in ours:
            name = self.recognise(statement.text)
            if name is not None:
                request = statement.parameters.get("Request", statement.arguments[0] if statement.arguments else None)
                self.run_script(name, request, channel)
            else:
                self._run_plain(statement, channel)

    def recognise(self, text: str) -> str | None:
        """Return the name of the script that has this text; the prelude may stand before it."""
        plain = normalise(text)
        if self._prelude and plain.startswith(self._prelude):
            plain = plain[len(self._prelude) :].strip()
        return self._names.get(plain)

    def run_script(self, name: str, request: object, channel: Channel) -> None:
        """Run the handler of a script and write its one JSON answer."""
        try:
            context = HandlerContext(name, _decode_request(name, request), channel)
            data = self._handlers.get(name, _no_handler)(context)
            text = _packed(_dump({"contract": _CONTRACT, "ok": True, "data": data, "warnings": context.warnings}))
        except (Stopped, TerminatingError):
            raise
        except HostError as error:
            stack = f"at <ScriptBlock>, {name}.ps1"
            text = _refusal(error.error_id, error.message, error.details, "InvalidOperation", stack)
        except Exception as error:  # noqa: BLE001 - the client must get an answer, whatever a handler does
            message = f"{type(error).__name__}: {error}"
            text = _refusal("Unexpected", message, None, "NotSpecified", traceback.format_exc())
        channel.write_output(text)

    def _run_plain(self, statement: Statement, channel: Channel) -> None:
        text = statement.text.strip()
        for pattern, function in self._plain:
            match = pattern.fullmatch(text)
            if match is not None:
                function(PlainCall(text, match, statement.arguments, statement.parameters, channel))
                return
        shown = text.splitlines()[0][:80] if text else ""
        raise TerminatingError(
            "CommandNotFoundException",
            f"The term '{shown}' is not recognized. This simulated host runs in Python: it knows hvbackup's own "
            "scripts and a handful of commands. With the PowerShell engine it runs anything.",
            "ObjectNotFound",
        )


def _no_handler(context: ScriptContext) -> dict[str, Any]:
    raise HostError("Unexpected", f"the simulated host has no handler for {context.name}")


def _decode_request(name: str, request: object) -> dict[str, Any]:
    if not isinstance(request, str):
        raise HostError("RequestRefused", f"{name} takes its request as JSON text in the parameter Request")
    try:
        decoded = json.loads(request)
    except ValueError as error:
        raise HostError("RequestRefused", f"the request of {name} is not JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise HostError("RequestRefused", f"the request of {name} is not a JSON object")
    return decoded


def _refusal(error_id: str, message: str, details: object, category: str, stack: str) -> str:
    error = {"id": error_id, "message": message, "details": details, "category": category, "stack": stack}
    return _dump({"contract": _CONTRACT, "ok": False, "error": error})


def _packed(text: str) -> str:
    """Pack a long answer as `Write-HvbAnswer` does."""
    if len(text) <= _LONG_ANSWER:
        return text
    packing = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packing.compress(text.encode()) + packing.flush()
    return PACKED + base64.b64encode(packed).decode()


def _dump(document: dict[str, Any]) -> str:
    """Return JSON of one line of ASCII, as `ConvertTo-HvbJson` of the prelude makes it."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"))
