"""Plays of the corpus: how they are cut out of their files, run here and by ansible-core, and made comparable."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hvbackup.cli.play_output import CENSORED
from hvbackup.errors import PlaybookError
from hvbackup.events import Cancellation
from hvbackup.playbook.inventory.reading import read_inventory
from hvbackup.playbook.modules.contract import ModuleContext, ModuleReply
from hvbackup.playbook.play_reader import read_playbook
from hvbackup.playbook.redaction import revealed
from hvbackup.playbook.run_events import HostFinished, PlayStarted, RunEvent, TaskStarted
from hvbackup.playbook.run_options import RunOptions
from hvbackup.playbook.runner import Runner
from hvbackup.playbook.tally import RunResult

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
_SIDE = HERE / "ansible_side"
PROBE = "hvbackup.tests.probe"


class Case(NamedTuple):
    """A playbook of the corpus and the options it is run with."""

    file: str
    name: str
    arguments: tuple[str, ...]
    text: str

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


class Record(NamedTuple):
    """What a runner did, comparable."""

    events: list[Any]
    exit_code: int


#: How a record ends when the playbook itself is wrong: 1 for ansible-playbook, 5 for hvbackup.
REFUSED = ["refused"]


def cases() -> list[Case]:
    """All cases: `#: NAME` begins one, `#! OPTIONS` gives its options."""
    found = []
    for path in sorted(CORPUS.glob("*.yml")):
        for part in path.read_text(encoding="utf-8").split("\n#: " if path.stem != "inventory" else "\0"):
            head, _, text = part.removeprefix("#: ").partition("\n")
            if path.stem == "inventory" or not text.strip() or not part.strip():
                continue
            options: list[str] = []
            if text.startswith("#! "):
                line, _, text = text.partition("\n")
                options = shlex.split(line.removeprefix("#! "))
            found.append(Case(path.stem, head.strip(), tuple(options), text))
    return found


class ProbeModules:
    """The one module of the corpus, as `ansible_side` has it for ansible-core."""

    names: Collection[str] = (PROBE,)
    group = "hvbackup.tests.probes"

    def argument_names(self, _fqcn: str) -> Collection[str]:
        return ("changed", "changed_on", "failed", "failed_on", "unreachable", "unreachable_on", "msg", "values",
                "report", "echo")  # fmt: skip

    def argument_problem(self, _fqcn: str, _name: str, _value: Any) -> str | None:
        return None

    def needs_host(self, _fqcn: str) -> bool:
        return False

    def writes(self, _fqcn: str) -> bool:
        return True

    def run(self, _fqcn: str, given: Mapping[str, Any], context: ModuleContext) -> ModuleReply:
        arguments: dict[str, Any] = revealed(given)
        host = context.inventory_hostname
        result = {"changed": bool(arguments.get("changed", False)), **(arguments.get("values") or {})}
        if host in (arguments.get("changed_on") or []):
            result["changed"] = True
        if arguments.get("failed") or host in (arguments.get("failed_on") or []):
            result |= {"failed": True, "msg": arguments.get("msg", "probe failed")}
        if arguments.get("unreachable") or host in (arguments.get("unreachable_on") or []):
            result |= {"unreachable": True, "msg": "probe unreachable"}
        if arguments.get("report"):
            result |= {"check": context.check, "diff_mode": context.diff}
        if "echo" in arguments:
            result["echo"] = arguments["echo"]
        return ModuleReply(result=result)


# ---------------------------------------------------------------- here


def options_of(arguments: tuple[str, ...]) -> RunOptions:
    """The options of a case, as `hvbackup play` reads them."""
    from hvbackup.cli.play import play as command
    from hvbackup.cli.play import run_options

    return run_options(command.make_context("play", [*arguments, "site.yml"]).params)


def play(
    text: str,
    folder: Path,
    options: RunOptions | None = None,
    *,
    inventory: Path = CORPUS / "inventory.yml",
    events: list[RunEvent] | None = None,
) -> tuple[RunResult, list[RunEvent]]:
    """Run a playbook here with the probe module; `events` are there also when it ends with an error."""
    path = folder / "site.yml"
    path.write_text(text, encoding="utf-8")
    events = [] if events is None else events
    modules = ProbeModules()
    runner = Runner(
        read_playbook(path, modules), read_inventory([inventory], playbook_folder=folder), modules, options,
        listen=events.append, cancel=Cancellation(),
    )  # fmt: skip
    return runner.run(), events


def record_here(case: Case, folder: Path) -> Record:
    """Run a case here."""
    events: list[RunEvent] = []
    try:
        result, _ = play(case.text, folder, options_of(case.arguments), events=events)
    except PlaybookError:
        return Record([*_shown(events), REFUSED], 1)
    counts = {host: {**vars(recap), "failures": recap.failed} for host, recap in sorted(result.recaps.items())}
    recaps = [["recap", host, count] for host, count in counts.items()]
    return Record(comparable([*_shown(events), *recaps]), result.ansible_exit_code)


def _shown(events: list[RunEvent]) -> list[Any]:
    shown: list[Any] = []
    for event in events:
        if isinstance(event, PlayStarted):
            shown.append(["play", event.name])
        elif isinstance(event, TaskStarted):
            shown.append(["task", event.name, event.handler])
        elif isinstance(event, HostFinished) and not event.is_item and event.attempt is None:
            result = {"censored": CENSORED, "changed": event.result["changed"]} if event.hidden else event.result
            shown.append(["result", event.host, event.status.value, event.ignored, dict(result)])
    found: list[Any] = json.loads(json.dumps(shown, default=str))
    return found


# ---------------------------------------------------------------- ansible-core


def record_ansible(ansible_folder: Path, wanted: list[Case], folder: Path) -> list[Record]:
    """Run cases with ansible-core, all in one process that forks."""
    orders: list[dict[str, Any]] = []
    for number, case in enumerate(wanted):
        home = folder / str(number)
        home.mkdir()
        (home / "site.yml").write_text(case.text, encoding="utf-8")
        orders.append({
            "cwd": str(home), "record": str(home / "record.jsonl"), "output": str(home / "output.txt"),
            "arguments": ["-i", str(CORPUS / "inventory.yml"), "site.yml", *case.arguments],
        })  # fmt: skip
    environment = {
        "PATH": f"{ansible_folder}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(_SIDE / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "record",
        "ANSIBLE_COLLECTIONS_PATH": str(_SIDE / "collections"), "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_RETRY_FILES_ENABLED": "0", "ANSIBLE_LOCALHOST_WARNING": "0", "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }  # fmt: skip
    (folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    done = subprocess.run(
        [str(ansible_folder / "python"), str(_SIDE / "run_cases.py")],
        input=json.dumps(orders), env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"ansible-core did not run: {done.stderr[-2000:]}")
    return [
        Record([*_read(Path(order["record"])), *([REFUSED] if code == 1 else [])], code)
        for order, code in zip(orders, json.loads(done.stdout), strict=True)
    ]


def _read(path: Path) -> list[Any]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return comparable([json.loads(line) for line in lines])


# ---------------------------------------------------------------- what was recorded

RECORDED = HERE / "recorded.jsonl"


def recorded() -> dict[str, tuple[Case, Record]]:
    """What ansible-core did with each case when it was last recorded (`record_corpus.py`)."""
    found = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        case = Case(each["file"], each["name"], tuple(each["arguments"]), each["text"])
        found[case.id] = (case, Record(each["events"], each["exit_code"]))
    return found


def write_recorded(records: list[tuple[Case, Record]]) -> None:
    """Keep what ansible-core did, a line for each case."""
    lines = [
        json.dumps({**case._asdict(), "events": record.events, "exit_code": record.exit_code}, sort_keys=True)
        for case, record in records
    ]
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---------------------------------------------------------------- comparing

_DROPPED = frozenset(
    {"invocation", "exception", "warnings", "deprecations", "hint", "start", "stop", "delta", "stdout", "stderr", "rc",
     "failed_when_suppressed_exception"}
)  # fmt: skip
_RECAP = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")


def comparable(events: list[Any]) -> list[Any]:
    """The same events with what may differ left out: order of hosts in a task, words of errors."""
    found: list[Any] = []
    hosts: list[Any] = []
    for event in [*events, ["end"]]:
        if event[0] == "result":
            # The status says it already, and ansible-core takes these out before it shows a result.
            shown = {key: value for key, value in normal(event[4]).items() if key not in ("failed", "skipped")}
            hosts.append([*event[:4], shown])
            continue
        found += sorted(hosts, key=lambda each: str(each[1]))
        hosts = []
        is_recap = event[0] == "recap"
        found.append([*event[:2], {key: event[2][key] for key in _RECAP}] if is_recap else event)
    return found[:-1]


def normal(result: Any) -> Any:
    """A result without what may differ."""
    if isinstance(result, list):
        return [normal(each) for each in result]
    if not isinstance(result, dict):
        return result
    kept = {
        key: normal(value) for key, value in result.items() if key not in _DROPPED and not key.startswith("_ansible")
    }
    for key in ("changed_when_result", "failed_when_result"):
        if isinstance(kept.get(key), str):
            kept[key] = "error"
    if is_error(result):
        kept["msg"] = "error"
        kept.setdefault("changed", False)
    return kept


_ERRORS = ("Task failed", "Failed to template", "The `loop` value", "Error rendering template", "Error while")


def is_error(result: Mapping[str, Any]) -> bool:
    """Whether a task failed by an error of the language, whose words are each runner's own."""
    text = str(result.get("msg"))
    return result.get("failed_when_result") is True or text.startswith(_ERRORS) or "site.yml:" in text
