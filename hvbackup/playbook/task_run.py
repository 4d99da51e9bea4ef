"""One task on one host: conditions, loop, attempts, and what its result means. Runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvbackup.errors import Cancelled, HvBackupError, PlaybookError
from hvbackup.events import Cancellation, EventSink
from hvbackup.playbook import loops
from hvbackup.playbook.actions import ACTIONS, SET_FACT, Surroundings
from hvbackup.playbook.ended import Ended, failure
from hvbackup.playbook.module_run import ModuleRun, RunModule
from hvbackup.playbook.modules.contract import ModuleReply
from hvbackup.playbook.nodes import Map
from hvbackup.playbook.plays import Task
from hvbackup.playbook.run_events import HostFinished, RunListener, status_of
from hvbackup.playbook.run_options import RunOptions
from hvbackup.playbook.settings import setting
from hvbackup.playbook.templates import Templar

#: What `until` tries at most, after the first time, where `retries` does not say it.
DEFAULT_RETRIES = 3


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all tasks of a run work with."""

    templar: Templar
    options: RunOptions
    run_module: RunModule
    action_group: str
    listen: RunListener
    events: EventSink
    cancel: Cancellation


@dataclass
class TaskRun:
    """A task on a host.

    Args:
        title: The task's name as it is shown.
        variables: Of the host for this task; a loop's own are added to it.
    """

    task: Task
    host: str
    title: str
    variables: dict[str, Any]
    shared: Shared
    _replies: list[ModuleReply] = field(default_factory=list)

    def run(self) -> Ended:
        """Run it. What goes wrong is a failed result; nothing is raised but programming mistakes."""
        try:
            items = self._items()
        except PlaybookError as error:
            return self._execute(self.variables, loop_error=error)
        if items is None:
            return self._execute(self.variables)
        return loops.combined(self._each(items), looped=bool(items))

    # ------------------------------------------------------------ loops

    def _items(self) -> list[Any] | None:
        loop = self.task.loop
        if loop is None:
            return None
        items = self.shared.templar.render(loop, self.variables)
        if not isinstance(items, list):
            kind = type(items).__name__
            raise PlaybookError(
                f"loop gives {kind}, not a list", place=str(getattr(loop, "place", None) or self.task.place)
            )
        return items

    def _each(self, items: list[Any]) -> list[Ended]:
        control = self.task.loop_control
        ended: list[Ended] = []
        for index, item in enumerate(items):
            if self.shared.cancel.is_set:
                break
            pause = loops.pause_of(control, self.shared.templar, self.variables)
            if ended and pause and self.shared.cancel.wait(pause):
                break
            local = loops.item_variables(control, items, index, self.shared.templar, self.variables)
            variables = {**self.variables, **local}
            one = self._execute(variables)
            one.result.update(local)
            if self.task.register:
                self.variables[self.task.register] = variables[self.task.register] = one.result
            label = loops.label_of(control, item, one, self.shared.templar, variables)
            ended.append(one)
            self._tell_item(one, label)
            if self._breaks(variables):
                break
        return ended

    def _breaks(self, variables: Mapping[str, Any]) -> bool:
        conditions = list(self.task.loop_control.break_when)
        return bool(conditions) and self.shared.templar.condition(conditions, variables)

    def _tell_item(self, ended: Ended, label: Any) -> None:
        self.shared.listen(self._event(ended, label=label, is_item=True))

    def _event(self, ended: Ended, **more: Any) -> HostFinished:
        return HostFinished(
            task=self.title,
            module=self.task.module,
            host=self.host,
            status=status_of(ended.result),
            result=ended.result,
            place=self.task.place,
            ignored=ended.ignored,
            hidden=ended.hidden,
            diff=ended.diff,
            **more,
        )

    # ------------------------------------------------------------ one item

    def _execute(self, variables: dict[str, Any], loop_error: PlaybookError | None = None) -> Ended:
        self._replies = []
        variables = dict(variables)
        try:
            result, notify = self._conditional(variables, loop_error), self._notify(variables)
        except HvBackupError as error:
            result, notify = failure(error), ()
        except Exception as error:  # noqa: BLE001 - a mistake in here must end the task of this host, not the run
            result, notify = {"failed": True, "changed": False, "msg": f"{type(error).__name__}: {error}"}, ()
        if self.task.register:
            self.variables[self.task.register] = result
        self.variables.update(facts_of(result, self.task))
        return Ended(
            result=result,
            ignore_errors=self._static("ignore_errors", variables, unclear=True),
            ignore_unreachable=self._static("ignore_unreachable", variables, unclear=True),
            hidden=self._static("no_log", variables, unclear=True),
            diff=self._static("diff", variables, default=self.shared.options.diff),
            notify=notify if result.get("changed") or self.task.loop is not None else (),
            replies=tuple(self._replies),
        )

    def _conditional(self, variables: dict[str, Any], loop_error: PlaybookError | None) -> dict[str, Any]:
        try:
            for condition in self.task.conditions:
                if not self.shared.templar.condition(condition, variables):
                    return {
                        "changed": False,
                        "skipped": True,
                        "skip_reason": "Conditional result was False",
                        "false_condition": str(condition) if isinstance(condition, str) else condition,
                    }
        except PlaybookError as error:
            raise (loop_error or error) from None
        if loop_error is not None:
            raise loop_error
        for name, value in self.task.settings.items():
            kind = int if name == "throttle" else bool
            setting(value, self.shared.templar, variables, kind=kind, name=name, place=self.task.place)
        return self._attempts(variables)

    def _attempts(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Run it until it is well, or was tried often enough."""
        task, templar = self.task, self.shared.templar
        again = setting(task.retries, templar, variables, kind=int, name="retries", place=task.place)
        more = max(0, again) if again is not None else DEFAULT_RETRIES if task.until else 0
        delay = setting(task.delay, templar, variables, kind=float, name="delay", place=task.place)
        attempts = 1 + more
        given = dict(variables)  # arguments are rendered from these: what one attempt sets, the next must not see
        for attempt in range(1, attempts + 1):
            result = self._once(variables, given)
            if attempts > 1:
                result["attempts"] = attempt
            self._judge(result, variables)
            if attempts == 1 or self._is_well(result, variables):
                return result
            if attempt < attempts:
                self._tell_retry(result, attempt, more)
                if self.shared.cancel.wait(delay if delay >= 0 else 1):
                    break
        result["attempts"] = more
        result["failed"] = True
        result.setdefault("msg", f"Task failed: it was not as wanted after {attempts} attempts")
        return result

    def _once(self, variables: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        self._replies = []
        result = self._module(variables, given)
        result.setdefault("failed", False)
        result.setdefault("changed", False)
        if self.task.register:
            variables[self.task.register] = result
        variables.update(facts_of(result, self.task))
        return result

    def _judge(self, result: dict[str, Any], variables: dict[str, Any]) -> None:
        """Let `changed_when` and `failed_when` speak."""
        if "skipped" in result:
            return
        name = "changed"
        try:
            if self.task.changed_when:
                result["changed"] = self.shared.templar.condition(list(self.task.changed_when), variables)
            name = "failed"
            if self.task.failed_when:
                failed = self.shared.templar.condition(list(self.task.failed_when), variables)
                result["failed"] = result["failed_when_result"] = failed
                if failed:
                    result.setdefault("msg", "Task failed: failed_when is true")
        except PlaybookError as error:
            result["failed"] = True
            result[f"{name}_when_result"] = error.message

    def _is_well(self, result: dict[str, Any], variables: dict[str, Any]) -> bool:
        if self.task.until:
            return self.shared.templar.condition(list(self.task.until), variables)
        return not result["failed"]

    def _tell_retry(self, result: dict[str, Any], attempt: int, retries: int) -> None:
        result["retries"] = retries + 1
        ended = Ended(result=dict(result), hidden=self._static("no_log", {}, unclear=True))
        self.shared.listen(self._event(ended, attempt=attempt, attempts=retries + 1))

    # ------------------------------------------------------------ modules

    def _module(self, variables: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        task, shared = self.task, self.shared
        arguments = with_defaults(task, shared.action_group, builtin=task.module in ACTIONS)
        if task.module in ACTIONS:
            around = Surroundings(shared.templar, variables, given, shared.options, shared.cancel, self.title)
            return ACTIONS[task.module](arguments, around)
        check = self._static("check_mode", variables, default=shared.options.check)
        diff = self._static("diff", variables, default=shared.options.diff)
        reply = shared.run_module(
            ModuleRun(
                fqcn=task.module,
                arguments=shared.templar.render(arguments, given),
                variables=variables,
                host=self.host,
                check=check,
                diff=diff,
                events=shared.events,
                cancel=shared.cancel,
            )
        )
        self._replies.append(reply)
        if reply.exit_code == Cancelled.exit_code:
            shared.cancel.set()
        return dict(reply.result)

    def _notify(self, variables: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(self.shared.templar.render(name, variables)) for name in self.task.notify)

    def _static(self, name: str, variables: Mapping[str, Any], *, default: bool = False, unclear: bool = False) -> bool:
        """A setting that is true or false; `unclear` where its template cannot be rendered (the task fails by that)."""
        value = self.task.settings.get(name, default)
        try:
            return bool(setting(value, self.shared.templar, variables, kind=bool, name=name, place=self.task.place))
        except PlaybookError:
            return unclear


def facts_of(result: Mapping[str, Any], task: Task) -> Mapping[str, Any]:
    """What `set_fact` has set; other modules set no variables."""
    facts = result.get("ansible_facts")
    return facts if isinstance(facts, dict) and task.module == SET_FACT else {}


def with_defaults(task: Task, group: str, *, builtin: bool) -> Map:
    """The arguments of a task, with those of `module_defaults` below them."""
    if not task.module_defaults:
        return task.arguments
    named: dict[str, Map] = {}
    for each in task.module_defaults:
        named.update(each)
    merged = Map({}, task.arguments.place)
    sources = [named.get(task.module), task.arguments]
    if not builtin:
        sources.insert(0, named.get(f"group/{group}"))
    for source in sources:
        if source is not None:
            merged.update(source)
            merged.key_places.update(source.key_places)
    return merged
