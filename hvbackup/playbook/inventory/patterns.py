"""Host patterns: `all`, names, globs, `a:b`, `a:&b`, `a:!b`, `~regex`, subscripts `group[0]`, `group[1:3]`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

from hvbackup.errors import PlaybookError
from hvbackup.playbook.inventory.groups import ALL, Graph
from hvbackup.playbook.inventory.ranges import is_address
from hvbackup.playbook.nodes import place_of, place_text
from hvbackup.playbook.yaml_reader import read_text

#: Names of this machine, which are a host although no inventory names one.
LOCALHOST = ("127.0.0.1", "localhost", "::1")

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]{1,9})|([0-9]{1,9})[:-]([0-9]{0,9}))\]")
_BETWEEN_COLONS = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")


def split_pattern(pattern: object) -> list[str]:
    """Return the single patterns in a text with commas or colons, or in a list of such texts.

    Raises:
        PlaybookError: It is neither text nor list.
    """
    if isinstance(pattern, (list, tuple)):
        return [part for each in pattern for part in split_pattern(each)]
    if not isinstance(pattern, str):
        raise PlaybookError(f"a host pattern is a text, not {pattern!r}", place=place_text(place_of(pattern)))
    if "," in pattern:
        parts = pattern.split(",")
    elif is_address(pattern):
        parts = [pattern]
    else:
        parts = _BETWEEN_COLONS.findall(pattern)
    return [part.strip() for part in parts if part.strip()]


def split_limit(limit: str | Sequence[str]) -> list[str]:
    """As `split_pattern`, with `@FILE` replaced by the lines of that file.

    Raises:
        PlaybookError: The file cannot be read.
    """
    parts: list[str] = []
    for part in split_pattern(limit):
        if part.startswith("@"):
            parts += [line.strip() for line in read_text(Path(part[1:])).splitlines() if line.strip()]
        else:
            parts.append(part)
    return parts


def select(graph: Graph, parts: Sequence[str]) -> list[str]:
    """Return the hosts that patterns select: first what they add, then `&`, then `!`, in the inventory's order.

    Raises:
        PlaybookError: A pattern is malformed, or its subscript is outside what it matches.
    """
    adding = [part for part in parts if part[0] not in "&!"] or [ALL]
    chosen: dict[str, None] = {}
    for part in adding:
        chosen.update(dict.fromkeys(matches(graph, part)))
    for part in parts:
        if part[0] == "&":
            kept = set(matches(graph, part[1:]))
            chosen = {host: None for host in chosen if host in kept}
    for part in parts:
        if part[0] == "!":
            dropped = set(matches(graph, part[1:]))
            chosen = {host: None for host in chosen if host not in dropped}
    return list(chosen)


def matches(graph: Graph, part: str) -> list[str]:
    """Return the hosts that one pattern, without `&` and `!`, matches; groups before hosts, as in Ansible.

    Raises:
        PlaybookError: As for `select`.
    """
    if not part:
        raise PlaybookError("a host pattern is empty")
    if part in graph.hosts:
        return [part]
    subscript = None if part[0] == "~" else _SUBSCRIPT.fullmatch(part)
    if subscript is None:
        return _named(graph, part)
    # A trailing [13] or [1-3] is a subscript, never a set of characters: hv0[13] is the 14th host of "hv0".
    found = _named(graph, subscript[1])
    if not found:
        return []
    if subscript[4]:
        last = int(subscript[4])
        return found[int(subscript[3]) : last + 1] if last else found[int(subscript[3]) :][:1]
    if subscript[3]:
        return found[int(subscript[3]) :]
    try:
        return [found[int(subscript[2])]]
    except IndexError:
        raise PlaybookError(
            f"the pattern {part!r} asks for number {subscript[2]} of {len(found)} hosts",
            hint="The first is [0]. To list hosts by digits, write them with commas.",
        ) from None


def _named(graph: Graph, part: str) -> list[str]:
    try:
        expression = re.compile(part[1:] if part[0] == "~" else fnmatch.translate(part))
    except (re.error, OverflowError, RecursionError) as error:
        raise PlaybookError(f"{part!r} is no host pattern: {error}") from None
    groups = [name for name in graph.groups if expression.match(name)]
    found = [host for name in groups for host in graph.members(name)]
    if not groups or part[0] == "~" or any(special in part for special in ".?*["):
        found += [name for name in graph.hosts if expression.match(name)]
    if not found and part in LOCALHOST:
        return [part]
    return found
