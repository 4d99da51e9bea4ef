"""What `hvbackup play` shows: as ansible-playbook does, and then what became of each VM."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hvbackup.cli.output import Output
from hvbackup.models import JobStatus
from hvbackup.playbook.run_events import HostFinished, NoHostsLeft, PlayStarted, RunEvent, Status, TaskStarted, Warned

if TYPE_CHECKING:
    from hvbackup.playbook.redaction import Redactor
    from hvbackup.playbook.run_events import Recap
    from hvbackup.playbook.tally import RunResult

CENSORED = "the output has been hidden due to the fact that 'no_log: true' was specified for this result"
CENSORED_LABEL = "(censored due to no_log)"
_WIDTH = 80
_COLOURS = {
    Status.OK: "green", Status.CHANGED: "yellow", Status.SKIPPED: "cyan", Status.FAILED: "red",
    Status.UNREACHABLE: "bright_red",
}  # fmt: skip
_WORDS = {Status.SKIPPED: "skipping", Status.FAILED: "fatal", Status.UNREACHABLE: "fatal"}
_VM_COLOURS = {JobStatus.FAILED: "red", JobStatus.WARNING: "yellow"}
#: Shown whatever the verbosity is: the result is what the task is for.
_SPEAKING = frozenset({"ansible.builtin.debug", "ansible.builtin.assert"})


class PlayOutput:
    """Shows the events of a run, with every secret masked. The runner calls it with one event at a time."""

    def __init__(self, output: Output, redactor: Redactor, *, verbosity: int) -> None:
        self._output = output
        self._redactor = redactor
        self._verbosity = verbosity
        self._play = ""

    def __call__(self, event: RunEvent) -> None:
        """Take an event."""
        if isinstance(event, PlayStarted):
            self._play = self._redactor.mask(event.name)
            self._output.record("play_start", {"play": self._play, "hosts": event.hosts, "check": event.check})
            self._banner("PLAY", self._play)
        elif isinstance(event, TaskStarted):
            self._banner("RUNNING HANDLER" if event.handler else "TASK", self._redactor.mask(event.name))
        elif isinstance(event, HostFinished):
            self._result(event)
        elif isinstance(event, Warned):
            self._output.talk(f"warning: {self._redactor.mask(event.text)}", fg="yellow")
        elif isinstance(event, NoHostsLeft):
            self._output.line()
            self._output.line("NO MORE HOSTS LEFT " + "*" * (_WIDTH - 19))

    def finish(self, result: RunResult) -> None:
        """Show the recap of hosts and what became of VMs."""
        self._banner("PLAY RECAP", None)
        width = max((len(host) for host in result.recaps), default=0)
        for host, recap in result.recaps.items():
            self._output.line(f"{host:<{width}} : {_counts(recap)}", fg=_recap_colour(recap))
        self._vms(result)
        counted = Counter(each.status for each in result.outcomes)
        self._output.summary(
            result.exit_code,
            ansibleExitCode=result.ansible_exit_code,
            interrupted=result.interrupted,
            hosts={host: vars(recap) for host, recap in result.recaps.items()},
            vms={status.value: counted.get(status, 0) for status in JobStatus},
            failedHosts=result.failed_hosts,
            unreachableHosts=result.unreachable_hosts,
        )

    # ------------------------------------------------------------ lines

    def _banner(self, kind: str, name: str | None) -> None:
        text = f"{kind} [{name}] " if name is not None else f"{kind} "
        self._output.line()
        self._output.line(text + "*" * max(3, _WIDTH - len(text)))

    def _result(self, event: HostFinished) -> None:
        content = self._content(event)
        if not event.is_item and event.attempt is None:
            self._output.record("task_result", self._document(event, content))
        if self._output.json:
            return
        if event.attempt is not None and event.attempts is not None:
            left = event.attempts - event.attempt
            name = self._redactor.mask(event.task)
            self._output.line(f"FAILED - RETRYING: [{event.host}]: {name} ({left} retries left).", fg="yellow")
            return
        if not event.is_item and isinstance(event.result.get("results"), list) and event.result["results"]:
            self._ignoring(event)  # the items have been shown
            return
        self._output.line(self._line(event, content), fg=_COLOURS[event.status])
        self._warnings(content)
        self._diff(event, content)
        if not event.is_item:
            self._outcomes(event)
            self._ignoring(event)

    def _ignoring(self, event: HostFinished) -> None:
        if event.ignored:
            self._output.line("...ignoring", fg="cyan")

    def _line(self, event: HostFinished, content: Mapping[str, Any]) -> str:
        word = _WORDS.get(event.status, event.status.value)
        if event.is_item and event.status is Status.FAILED:
            word = "failed"
        text = f"{word}: [{event.host}]"
        if event.status is Status.UNREACHABLE:
            text += ": UNREACHABLE!"
        elif event.status is Status.FAILED and not event.is_item:
            text += ": FAILED!"
        if event.is_item:
            label = CENSORED_LABEL if event.hidden else _label(self._redactor.masked(jsonable(event.label)))
            text += f" => (item={label})"
        if self._speaks(event):
            text += " => " + _json(content)
        return text

    def _speaks(self, event: HostFinished) -> bool:
        if event.status in (Status.FAILED, Status.UNREACHABLE) or self._verbosity > 0:
            return True
        return event.module in _SPEAKING and event.status is not Status.SKIPPED

    def _warnings(self, content: Mapping[str, Any]) -> None:
        for text in content.get("warnings") or ():
            self._output.talk(f"warning: {text}", fg="yellow")

    def _diff(self, event: HostFinished, content: Mapping[str, Any]) -> None:
        diff = content.get("diff")
        if not event.diff or not isinstance(diff, Mapping):
            return
        import difflib

        before, after = (str(diff.get(key, "")).splitlines() for key in ("before", "after"))
        for line in difflib.unified_diff(before, after, "before", "after", lineterm=""):
            self._output.line(line, fg={"+": "green", "-": "red"}.get(line[:1]))

    def _outcomes(self, event: HostFinished) -> None:
        for each in event.outcomes:
            reason = f": {self._redactor.mask(each.message)}" if each.message else ""
            self._output.line(f"    {each.vm_name}: {each.status.value}{reason}", fg=_VM_COLOURS.get(each.status))

    def _vms(self, result: RunResult) -> None:
        if not result.outcomes:
            return
        self._output.line()
        self._output.table(
            ("host", "VM", "status", "reason"),
            [
                (each.host, each.vm_name, each.status.value, self._redactor.mask(each.message or ""))
                for each in result.outcomes
            ],
        )
        counted = Counter(each.status.value for each in result.outcomes)
        self._output.line()
        self._output.line("VMs: " + ", ".join(f"{counted[each.value]} {each.value}" for each in JobStatus))

    # ------------------------------------------------------------ content

    def _content(self, event: HostFinished) -> dict[str, Any]:
        """The result as it may be shown."""
        if event.hidden:
            return {"censored": CENSORED, "changed": bool(event.result.get("changed"))}
        shown: dict[str, Any] = self._redactor.masked(jsonable(event.result))
        return shown

    def _document(self, event: HostFinished, content: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "play": self._play,
            "task": self._redactor.mask(event.task),
            "module": event.module,
            "place": str(event.place) if event.place else None,
            "host": event.host,
            "status": event.status.value,
            "ignored": event.ignored,
            "result": content,
            "vms": [
                {
                    "vmId": each.vm_id,
                    "vmName": each.vm_name,
                    "status": each.status.value,
                    "message": None if each.message is None else self._redactor.mask(each.message),
                }
                for each in event.outcomes
            ],
        }


def jsonable(value: Any) -> Any:
    """Return a value with only what JSON has; texts keep their kind, so that secrets are masked later."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(value)


def _json(content: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in content.items() if key not in ("changed", "failed") or value}
    return json.dumps(shown, indent=4, ensure_ascii=False)


def _label(label: Any) -> str:
    return label if isinstance(label, str) else json.dumps(label, ensure_ascii=False)


def _counts(recap: Recap) -> str:
    return "  ".join(f"{name}={count}" for name, count in vars(recap).items())


def _recap_colour(recap: Recap) -> str:
    if recap.failed or recap.unreachable:
        return "red"
    return "yellow" if recap.changed else "green"
