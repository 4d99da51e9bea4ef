"""One suite for both engines: every script, asked well and badly, says the same in Python and in PowerShell."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime, timezone
from typing import Any, NamedTuple, cast

import pytest
from script_cases import Case
from script_cases_files import HASHING, LISTING, READING, REMOVING, WRITING
from script_cases_host import DISKSHADOW, HOST, LEFTOVERS
from script_cases_requests import bad_paths, malformed_requests, without_the_role
from script_cases_vms import BUILDING, IMPORTING, INVENTORY, MOUNTING, VM_REMOVAL
from script_lanes import Lane, PowerShellLane, PythonLane

from hvbackup.errors import ScriptFailed
from hvbackup.remote.calls import CALLS
from hvbackup.remote.contract import parse_answer, unpacked
from hvbackup.simulator.state import HostState

HostSource = Callable[[str], HostState]

CASES = [
    *malformed_requests(), *bad_paths(), *without_the_role(), *HOST, *INVENTORY, *LISTING, *HASHING, *READING, *WRITING,
    *DISKSHADOW, *LEFTOVERS, *REMOVING, *VM_REMOVAL, *IMPORTING, *BUILDING, *MOUNTING,
]  # fmt: skip

#: What differs from call to call, or says which engine it was; an error says the same in each engine's words.
VOLATILE = {"time", "seconds", "powershellVersion", "stack", "category", "details", "message", "freeBytes"}
#: How well an engine packs, and when a folder was made.
VOLATILE_BY_SCRIPT = {"Read-HvbBlock": {"sentBytes"}, "Get-HvbLeftover": {"createdAt"}}
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_MADE_UP = re.compile(r"\d+/\d+/\d{4} +\d+:\d\d:\d\d [AP]M|(?<=Inserted file )Dis\w+(?=\.tmp)")
_REASON = re.compile(r"(cannot be read|was not removed): .*", re.DOTALL)
_BASE64 = {"output", "log", "content"}
_START = datetime.now(timezone.utc).isoformat()[:19]


class Normaliser:
    """Makes two answers comparable: GUIDs that a call makes up are numbered, times of now and errors' words go."""

    def __init__(self, host: HostState, request: str) -> None:
        self._known = {guid.lower() for guid in _GUID.findall((host.folder / "state.json").read_text() + request)}
        self._new: dict[str, str] = {}

    def value(self, value: Any, drop: Set[str]) -> Any:
        """A value of an answer."""
        if isinstance(value, Mapping):
            return {key: self._field(key, item, drop) for key, item in value.items() if key not in drop}
        if isinstance(value, list):
            return [self.value(item, drop) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _field(self, key: str, value: Any, drop: Set[str]) -> Any:
        if key == "error" and isinstance(value, str):
            return "in each engine's words"
        if key in _BASE64 and isinstance(value, str):
            raw = base64.b64decode(value)
            return self._text(raw.decode("utf-16") if raw.startswith(b"\xff\xfe") else raw.decode("cp437"))
        return self.value(value, drop)

    def _text(self, value: str) -> str:
        if _TIME.match(value):
            return "now" if value[:19] >= _START else re.sub(r"\.?0*Z$", "Z", value)
        plain = _REASON.sub(r"\1", _MADE_UP.sub("made-up", value))
        return _GUID.sub(self._guid, plain)

    def _guid(self, match: re.Match[str]) -> str:
        guid = match[0].lower()
        if guid in self._known:
            return match[0]
        return self._new.setdefault(guid, f"new-{len(self._new)}")


class Seen(NamedTuple):
    """What a case showed: its answer as it came, and everything in a form that can be compared."""

    answer: dict[str, Any]
    comparable: dict[str, Any]


def run(lane: Lane, source: HostState, case: Case) -> Seen:
    """Ask a case on a fresh host (or one that was only asked what it refuses) and return what can be seen of it."""
    host = lane.take(source)
    if case.prepare or case.then or case.error not in ("RequestRefused", "PathRefused"):
        lane.untouched = None
    if case.prepare:
        case.prepare(host)
    request = case.request(host) if callable(case.request) else case.request
    text = request if isinstance(request, str) else json.dumps(request)
    normalise = Normaliser(host, text)
    comparable: dict[str, Any] = {}
    answer = ask(lane, case.script, text, case.frames, normalise, comparable)
    for script, then in case.then:
        ask(lane, script, json.dumps(then), (), normalise, comparable)
    return Seen(answer, comparable)


def ask(
    lane: Lane, script: str, request: str, frames: Iterable[bytes], normalise: Normaliser, comparable: dict[str, Any]
) -> dict[str, Any]:
    """Ask one script and return its answer, which must be one of the contract."""
    output = lane.run(script, request, frames)
    document: dict[str, Any] = json.loads(unpacked(output.text))
    allowed = {*ScriptFailed.registry, "Unexpected"}
    with contextlib.suppress(ScriptFailed):
        # Only the class attributes of a call are looked at.
        parse_answer(cast(Any, CALLS[script]), output.text)
    assert document["ok"] or document["error"]["id"] in allowed
    drop = VOLATILE | VOLATILE_BY_SCRIPT.get(script, set())
    comparable[f"{len(comparable)} {script}"] = {
        "answer": {"warnings": [], **normalise.value(document, drop)},
        "frames": opened(script, output.frames),
    }
    return document


def opened(script: str, frames: list[bytes]) -> list[bytes]:
    """The frames; blocks as they were before they were packed."""
    if script != "Read-HvbBlock":
        return frames
    return [zlib.decompress(frame[1:], -15) if frame[0] else frame[1:] for frame in frames]


def check(case: Case, answer: dict[str, Any]) -> None:
    """Hold an answer to what the case expects literally."""
    if case.error is not None:
        assert answer["ok"] is False, answer
        assert answer["error"]["id"] == case.error, answer
        return
    assert answer["ok"] is True, answer
    for key, value in (case.data or {}).items():
        assert answer["data"][key] == value


def ids(case: Case) -> str:
    return f"{case.script}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_python_answers_as_the_contract_says(python_lane: PythonLane, host_source: HostSource, case: Case) -> None:
    check(case, run(python_lane, host_source(case.profile), case).answer)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_powershell_answers_as_python_does(
    powershell_lane: PowerShellLane, python_lane: PythonLane, host_source: HostSource, case: Case
) -> None:
    if case.only_python:
        pytest.skip(case.only_python)
    source = host_source(case.profile)

    seen = run(powershell_lane, source, case)

    check(case, seen.answer)
    assert run(python_lane, source, case).comparable == seen.comparable


def test_every_script_has_cases() -> None:
    assert {case.script for case in CASES} == set(CALLS)
