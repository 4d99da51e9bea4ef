"""Playbooks by chance: blocks, failures, handlers, loops, settings in any mixture. A seed is always the same one."""

from __future__ import annotations

import random
from typing import Any

import yaml
from play_corpus import PROBE, Case

_WEB, _DB = ("web1", "web2", "web3"), ("db1", "db2")
_HOSTS = (*_WEB, *_DB)
_CONDITIONS = (
    "number > 2",
    "number is odd",
    "inventory_hostname in ['web1', 'db2']",
    "'web' in group_names",
    "out is defined and out is changed",
    "out is not defined or out is not failed",
    "true",
    "false",
)
_META = (*2 * ("flush_handlers", "end_host"), "noop", "clear_host_errors", "end_play", "end_batch")
_HANDLERS = ("first", "second", "topic")


class _Writer:
    """Writes one playbook."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - chance makes plays, no secrets
        self._number = 0

    def playbook(self) -> list[dict[str, Any]]:
        return [self._play() for _ in range(self._chance.choice((1, 1, 2)))]

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share

    def _some_hosts(self) -> list[str]:
        return sorted(self._chance.sample(_HOSTS, self._chance.choice((1, 1, 2, 3))))

    def _play(self) -> dict[str, Any]:
        play: dict[str, Any] = {"hosts": self._chance.choice(("web", "db", "both", "web:db1")), "gather_facts": False}
        if self._maybe(0.3):
            play["serial"] = self._chance.choice((1, 2, "50%", [1, 2], [2, "100%"]))
        if self._maybe(0.12):
            play["any_errors_fatal"] = True
        if self._maybe(0.2):
            play["max_fail_percentage"] = self._chance.choice((0, 30, 50, 80))
        if self._maybe(0.25):
            play["force_handlers"] = True
        if self._maybe(0.2):
            play["pre_tasks"] = self._nodes(0, (1, 2))
        play["tasks"] = self._nodes(0, (2, 5))
        if self._maybe(0.2):
            play["post_tasks"] = self._nodes(0, (1, 2))
        play["handlers"] = [self._handler(name) for name in ("first", "second")]
        return play

    def _nodes(self, depth: int, count: tuple[int, int]) -> list[dict[str, Any]]:
        return [self._node(depth) for _ in range(self._chance.randint(*count))]

    def _node(self, depth: int) -> dict[str, Any]:
        if depth < 3 and self._maybe(0.35):
            return self._block(depth)
        return self._meta() if self._maybe(0.12) else self._task()

    def _block(self, depth: int) -> dict[str, Any]:
        block: dict[str, Any] = {"block": self._nodes(depth + 1, (1, 3))}
        if self._maybe(0.6):
            block["rescue"] = self._nodes(depth + 1, (1, 2))
        if self._maybe(0.4):
            block["always"] = self._nodes(depth + 1, (1, 2))
        if self._maybe(0.2):
            block["when"] = self._chance.choice(_CONDITIONS)
        if self._maybe(0.1):
            block["ignore_errors"] = True
        if self._maybe(0.08):
            block["any_errors_fatal"] = True
        return block

    def _meta(self) -> dict[str, Any]:
        kind = self._chance.choice(_META)
        meta: dict[str, Any] = {"meta": kind}
        if kind in ("end_host", "end_play", "end_batch"):
            meta["when"] = f"inventory_hostname == '{self._chance.choice(_HOSTS)}'"
        return meta

    def _task(self) -> dict[str, Any]:
        self._number += 1
        task: dict[str, Any] = {"name": f"task {self._number}", **self._action()}
        for share, key, values in (
            (0.2, "when", _CONDITIONS), (0.12, "ignore_errors", (True,)), (0.1, "ignore_unreachable", (True,)),
            (0.12, "run_once", (True,)), (0.3, "notify", _HANDLERS), (0.4, "register", ("out",)),
            (0.06, "any_errors_fatal", (True,)), (0.08, "changed_when", (True, "number == 1")),
            (0.08, "failed_when", (False, "number == 2", "inventory_hostname == 'db1'")),
        ):  # fmt: skip
            if self._maybe(share):
                task[key] = self._chance.choice(values)
        if self._maybe(0.08):
            task |= {"retries": 1, "delay": 0}
        return task

    def _action(self) -> dict[str, Any]:
        kind = self._chance.random()
        if kind < 0.2:
            return {"debug": {"msg": "{{ ansible_play_hosts }} {{ ansible_play_batch }}"}}
        if kind < 0.3:
            return {"set_fact": {"seen": "{{ seen | default(0) + number }}"}}
        if kind < 0.45:
            failed = "{{ item == number }}"
            return {PROBE: {"failed": failed, "changed": "{{ item == 1 }}"}, "loop": [1, 2, 3]}
        probe: dict[str, Any] = {}
        if self._maybe(0.6):
            probe["changed_on"] = self._some_hosts()
        if self._maybe(0.45):
            probe["failed_on"] = self._some_hosts()
        if self._maybe(0.1):
            probe["unreachable_on"] = self._some_hosts()
        return {PROBE: probe}

    def _handler(self, name: str) -> dict[str, Any]:
        handler: dict[str, Any] = {"name": name, PROBE: {}}
        if self._maybe(0.3):
            handler[PROBE]["failed_on"] = self._some_hosts()
        if name == "first" or self._maybe(0.5):  # a name that nobody has or listens to is refused here before the run
            handler["listen"] = "topic"
        if self._maybe(0.15):
            handler["run_once"] = True
        if name == "first" and self._maybe(0.3):
            handler |= {"notify": "second", "changed_when": True}
        return handler


def random_case(seed: int) -> Case:
    """The playbook of a seed."""
    return Case("random", str(seed), (), yaml.safe_dump(_Writer(seed).playbook(), sort_keys=False))
