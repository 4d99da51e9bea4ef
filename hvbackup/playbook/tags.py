"""`--tags` and `--skip-tags`: which tasks of a play run at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hvbackup.playbook.plays import Node, Task

_UNTAGGED = frozenset({"untagged"})


def selected(nodes: tuple[Node, ...], only: Collection[str], skip: Collection[str]) -> tuple[Node, ...]:
    """Return the nodes without the tasks that tags leave out; a block that has none left is left out too.

    Args:
        only: Tags to run; empty: all but `never`.
        skip: Tags to leave out.
    """
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Task):
            if runs(node, only, skip):
                kept.append(node)
            continue
        block = replace(
            node,
            block=selected(node.block, only, skip),
            rescue=selected(node.rescue, only, skip),
            always=selected(node.always, only, skip),
        )
        if block.block or block.rescue or block.always:
            kept.append(block)
    return tuple(kept)


def runs(task: Task, only: Collection[str], skip: Collection[str]) -> bool:
    """Whether tags let a task run."""
    tags = task.tags or _UNTAGGED
    return _wanted(tags, set(only) or {"all"}) and not _unwanted(tags, set(skip))


def _wanted(tags: frozenset[str], only: set[str]) -> bool:
    if "always" in tags or tags & only:
        return True
    if "never" in tags:
        return False
    return "all" in only or ("tagged" in only and tags != _UNTAGGED)


def _unwanted(tags: frozenset[str], skip: set[str]) -> bool:
    if "all" in skip:
        return "always" not in tags or "always" in skip
    return bool(tags & skip) or ("tagged" in skip and tags != _UNTAGGED)
