"""Writes down what ansible-playbook did, a line of JSON for each event."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Records events."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"

    def _write(self, *event: Any) -> None:
        with open(os.environ["RECORD_TO"], "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(json.dumps(event, default=str) + "\n")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._write("play", play.get_name())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.action not in ("meta", "ansible.builtin.meta"):
            self._write("task", task.get_name(), False)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        if task.action not in ("meta", "ansible.builtin.meta"):
            self._write("task", task.get_name(), True)

    def _result(self, kind: str, result: Any, ignored: bool = False) -> None:
        if _part(result, "task").action in ("meta", "ansible.builtin.meta"):
            return
        plain = json.loads(json.dumps(dict(_part(result, "result")), default=str))
        self._write("result", _part(result, "host").get_name(), kind, ignored, plain)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("changed" if result.is_changed() else "ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result, bool(ignore_errors))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result, bool(_part(result, "task").ignore_unreachable))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        for host in sorted(stats.processed):
            self._write("recap", host, stats.summarize(host))


def _part(result: Any, name: str) -> Any:
    """A part of a result; before ansible-core 2.19 its name begins with an underscore."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")
