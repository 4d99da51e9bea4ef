"""One batch of a play: its hosts go from task to task together (Ansible's linear strategy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.ended import Ended
from hvbackup.playbook.lockstep import Lockstep
from hvbackup.playbook.notifications import Notifications
from hvbackup.playbook.play_reader import no_handler
from hvbackup.playbook.plays import Node, Play, Task
from hvbackup.playbook.run_events import HostFinished, NoHostsLeft, TaskStarted, status_of
from hvbackup.playbook.settings import setting
from hvbackup.playbook.tally import Tally
from hvbackup.playbook.task_run import Shared, TaskRun
from hvbackup.playbook.variables import Variables
from hvbackup.playbook.workers import run_each

#: `meta` that is done for each host; the others are done once for all.
_FOR_EACH_HOST = frozenset({"noop", "flush_handlers", "end_host"})
#: Modules that run once whatever the task says.
_ALWAYS_ONCE = frozenset({"ansible.builtin.pause"})


@dataclass
class Batch:
    """The hosts of a batch in one play.

    Args:
        nodes: Of the play, without what tags leave out.
        writes: Whether a module changes anything.

    Attributes:
        play_ended: `meta: end_play` was met.
    """

    play: Play
    nodes: tuple[Node, ...]
    hosts: tuple[str, ...]
    all_hosts: tuple[str, ...]
    shared: Shared
    variables: Variables
    tally: Tally
    pool: ThreadPoolExecutor
    writes: Mapping[str, bool]
    play_ended: bool = False

    def __post_init__(self) -> None:
        handlers = self.play.handlers
        self._notifications = Notifications(handlers, [self._handler_name(each) for each in handlers])
        self._lockstep = Lockstep(self.nodes, handlers, self.hosts, self._notifications, self.tally)

    def run(self) -> None:
        """Run the play for these hosts; `tally` knows afterwards who failed."""
        self._skip_to_start()
        while not self.shared.cancel.is_set:
            chosen, task = self._lockstep.next()
            if task is None:
                break
            self._tell_hosts()
            if not (self._run_meta(task, chosen) if task.meta else self._run_task(task, chosen)):
                break
        self.tally.interrupted |= self.shared.cancel.is_set
        self._lockstep.report()

    def _skip_to_start(self) -> None:
        pattern = self.shared.options.start_at_task
        if pattern is not None and not self.tally.started:
            self.tally.started = self._lockstep.skip_to(pattern)

    def _tell_hosts(self) -> None:
        present = self._lockstep.present
        self.variables.set_hosts(play_hosts=present(self.all_hosts), batch=present(self.hosts))

    # ------------------------------------------------------------ tasks

    def _run_task(self, task: Task, chosen: Sequence[str]) -> bool:
        """Run a task on its hosts; return whether the play goes on."""
        first = self.variables.of_host(chosen[0], task)
        once = bool(self._setting(task, "run_once", first, bool))
        who = chosen[:1] if once or task.module in _ALWAYS_ONCE else list(chosen)
        title = self._title(task, first)
        handler = task in self.play.handlers
        if not self._is_wanted(title):
            return True
        if handler and once:
            self._notifications.done_for_all(task)
        elif handler:
            for host in who:
                self._notifications.done(host, task)
        left = self._lockstep.reachable
        self.shared.listen(TaskStarted(name=title, module=task.module, place=task.place, handler=handler))
        results = self._results(task, title, who, first)
        for host in who:
            if host in results:
                self._settle(host, task, title, results[host], once=once)
        fatal = (once or len(who) < len(chosen) or bool(self._setting(task, "any_errors_fatal", first, bool))) and not (
            self._setting(task, "ignore_errors", first, bool)
        )
        return self._consequences(results, left, fatal=fatal)

    def _results(self, task: Task, title: str, who: Sequence[str], first: Mapping[str, Any]) -> dict[str, Ended]:
        throttle = self._setting(task, "throttle", first, int) or 0
        forks = self.shared.options.forks

        def work(host: str) -> Ended:
            return TaskRun(task, host, title, self.variables.of_host(host, task), self.shared).run()

        def ended(host: str, one: Ended) -> None:
            self._tell(host, task, title, one)

        limit = min(forks, throttle) if throttle > 0 else forks
        return run_each(self.pool, who, work, limit=limit, cancel=self.shared.cancel, ended=ended)

    def _tell(self, host: str, task: Task, title: str, ended: Ended) -> None:
        self.shared.listen(
            HostFinished(
                task=title,
                module=task.module,
                host=host,
                status=status_of(ended.result),
                result=ended.result,
                place=task.place,
                ignored=ended.ignored,
                hidden=ended.hidden,
                diff=ended.diff,
                outcomes=tuple(outcome for reply in ended.replies for outcome in reply.outcomes),
            )
        )

    def _is_wanted(self, title: str) -> bool:
        if self.shared.options.step is None or self.tally.stepping is False:
            return True
        answer = self.shared.options.step(title).strip().lower()
        if answer in ("c", "continue"):
            self.tally.stepping = False
        return answer in ("y", "yes", "c", "continue")

    def _settle(self, host: str, task: Task, title: str, ended: Ended, *, once: bool) -> None:
        """Draw the consequences of a result for its host (of a task that runs once, for all)."""
        result, recap = ended.result, self.tally.recaps.of(host)
        for reply in ended.replies:
            self.tally.add(host, reply, writes=self.writes.get(task.module, False))
        reached = self._lockstep.reachable if once else [host]
        if (result.get("failed") or result.get("unreachable")) and ended.ignored:
            recap.ok += 1
            recap.ignored += 1
            recap.changed += bool(result.get("failed") and result.get("changed"))
        elif result.get("failed"):
            self._fail(host, task, title, ended, once=once)
        elif result.get("unreachable"):
            self._lockstep.lose(host)
            recap.unreachable += 1
        elif result.get("skipped"):
            recap.skipped += 1
        else:
            recap.ok += 1
            recap.changed += bool(result.get("changed"))
            self._notify(host, task, ended)
            self._keep_facts(result, reached)
        if task.register:
            for each in reached:
                self.variables.set_facts(each, {task.register: result})

    def _fail(self, host: str, task: Task, title: str, ended: Ended, *, once: bool) -> None:
        recap = self.tally.recaps.of(host)
        if not self._lockstep.fail(host, all_of_them=once):
            recap.failed += 1
            return
        recap.rescued += 1
        name = title if task.name else ""
        told = {"name": name, "action": task.action, "tags": sorted(task.tags), "register": task.register}
        self.variables.set_facts(host, {"ansible_failed_task": told, "ansible_failed_result": ended.result})

    def _notify(self, host: str, task: Task, ended: Ended) -> None:
        for name in ended.notify if ended.result.get("changed") else ():
            handlers = list(self._notifications.find(name))
            if not handlers:
                raise no_handler(name, task.place, self._notifications.names)
            if self._lockstep.in_handlers(host):
                for handler in handlers:
                    self._notifications.notify(host, handler)
            else:
                self._notifications.save(host, name)

    def _keep_facts(self, result: Mapping[str, Any], hosts: Sequence[str]) -> None:
        items = result["results"] if isinstance(result.get("results"), list) else [result]
        for item in items:
            facts = item.get("ansible_facts") if isinstance(item, dict) else None
            if isinstance(facts, dict):
                for host in hosts:
                    self.variables.set_facts(host, facts)

    def _consequences(self, results: Mapping[str, Ended], left: Sequence[str], *, fatal: bool) -> bool:
        """`any_errors_fatal` and `max_fail_percentage`; return whether the play goes on.

        Args:
            left: The hosts that were left before the task.
        """
        bad = {host for host, each in results.items() if each.result.get("failed")}
        lost = {host for host, each in results.items() if each.result.get("unreachable")} - bad
        if fatal and (bad or lost):
            self._lockstep.fail_others(left, than=bad)
        share = self.play.max_fail_percentage
        if share is not None and 100 * self._lockstep.failed_count > share * len(self.hosts):
            self._lockstep.fail_others(left, than=bad)
            self.shared.listen(NoHostsLeft())
            self.tally.broken = True
        return not (self.tally.broken and self._lockstep.failed_count >= len(self._lockstep.reachable))

    # ------------------------------------------------------------ meta

    def _run_meta(self, task: Task, chosen: Sequence[str]) -> bool:
        """Do what `meta` says; return whether the play goes on."""
        left = self._lockstep.reachable
        for host in chosen if task.meta in _FOR_EACH_HOST else chosen[:1]:
            if task.conditions:
                variables = self.variables.of_host(host, task)
                if not self.shared.templar.condition(list(task.conditions), variables):
                    continue
            if task.meta == "flush_handlers":
                self._notifications.deliver(host)
                self._lockstep.start_handlers(host, task)
            elif task.meta == "end_host":
                self._lockstep.end(host)
            elif task.meta in ("end_play", "end_batch"):
                for each in self._lockstep.reachable:
                    self._lockstep.end(each)
                self.play_ended |= task.meta == "end_play"
            elif task.meta == "clear_host_errors":
                self._lockstep.clear_errors()
        return self._consequences({}, left, fatal=False)

    # ------------------------------------------------------------ words

    def _setting(self, task: Task, name: str, variables: Mapping[str, Any], kind: type) -> Any:
        value = task.settings.get(name)
        return setting(value, self.shared.templar, variables, kind=kind, name=name, place=task.place)

    def _title(self, task: Task, variables: Mapping[str, Any]) -> str:
        try:
            return str(self.shared.templar.render(task.name, variables)) if task.name else task.action
        except PlaybookError:
            return task.title

    def _handler_name(self, handler: Task) -> str | None:
        if handler.name is None:
            return None
        try:
            return str(self.shared.templar.render(handler.name, self.variables.of_run()))
        except PlaybookError:
            return None
