"""What loops add: variables of an item, its label, and one result out of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hvbackup.errors import PlaybookError
from hvbackup.playbook.ended import Ended
from hvbackup.playbook.plays import LoopControl
from hvbackup.playbook.settings import setting
from hvbackup.playbook.templates import Templar


def pause_of(control: LoopControl, templar: Templar, variables: Mapping[str, Any]) -> float:
    """Seconds between two items."""
    return float(setting(control.pause, templar, variables, kind=float, name="pause", place=None) or 0)


def item_variables(
    control: LoopControl, items: Sequence[Any], index: int, templar: Templar, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The variables of one item; they are in its result too."""
    found: dict[str, Any] = {control.loop_var: items[index], "ansible_loop_var": control.loop_var}
    if control.index_var:
        found |= {control.index_var: index, "ansible_index_var": control.index_var}
    if setting(control.extended, templar, variables, kind=bool, name="extended", place=None):
        everything = setting(
            control.extended_allitems, templar, variables, kind=bool, name="extended_allitems", place=None
        )
        found["ansible_loop"] = _extended(items, index, everything=bool(everything))
    return found


def _extended(items: Sequence[Any], index: int, *, everything: bool) -> dict[str, Any]:
    length = len(items)
    found: dict[str, Any] = {
        "index": index + 1, "index0": index, "first": index == 0, "last": index + 1 == length, "length": length,
        "revindex": length - index, "revindex0": length - index - 1,
    }  # fmt: skip
    if everything:
        found["allitems"] = list(items)
    if index + 1 < length:
        found["nextitem"] = items[index + 1]
    if index > 0:
        found["previtem"] = items[index - 1]
    return found


def label_of(control: LoopControl, item: Any, ended: Ended, templar: Templar, variables: Mapping[str, Any]) -> Any:
    """What stands for an item where it is shown; a label that cannot be rendered fails the item."""
    if control.label is None:
        return item
    try:
        return templar.render(control.label, variables)
    except PlaybookError as error:
        ended.result.update(failed=True, msg=f"Failed to template loop_control.label: {error.message}")
        return None


def combined(ended: Sequence[Ended], *, looped: bool) -> Ended:
    """One result for all items of a loop."""
    if not looped:
        empty = {"changed": False, "skipped": True, "skipped_reason": "No items in the list", "results": []}
        return Ended(result=empty)
    results = [each.result for each in ended]
    result: dict[str, Any] = {
        "results": results,
        "skipped": all(each.get("skipped") for each in results),
        "changed": any(each.get("changed") for each in results),
    }
    failed = [each for each in ended if each.result.get("failed")]
    lost = [each for each in ended if each.result.get("unreachable")]
    if failed:
        result |= {"failed": True, "msg": "One or more items failed"}
    else:
        result["msg"] = "All items skipped" if result["skipped"] else "All items completed"
    if lost:
        result["unreachable"] = True
    warnings = [text for each in results for text in each.get("warnings") or ()]
    if warnings:
        result["warnings"] = warnings
    return Ended(
        result=result,
        ignore_errors=bool(failed) and all(each.ignore_errors for each in failed),
        ignore_unreachable=bool(lost) and all(each.ignore_unreachable for each in lost),
        hidden=any(each.hidden for each in ended),
        notify=tuple(dict.fromkeys(name for each in ended for name in each.notify)) if result["changed"] else (),
        replies=tuple(reply for each in ended for reply in each.replies),
    )
