"""Host names as inventories write them: ranges such as `hv[01:13]` and `hv[a:c]`, and ports."""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator

from hvbackup.errors import PlaybookError
from hvbackup.playbook.nodes import Place, place_text

#: Most hosts that one line stands for.
MAX_HOSTS = 100_000

_BRACKETED = re.compile(r"\[(.+)\]:([0-9]+)")
_WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)")
_RANGE = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_LABEL = rf"(?:\w|{_RANGE})(?:[\w-]|{_RANGE})*(?<![_-])"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_ADDRESS_RANGE = re.compile(r"\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is one host name or address, perhaps with ranges and a port, and no list with colons."""
    return _split_port(text) is not None


def expand(text: str, place: Place | None) -> tuple[list[str], int | None]:
    """Return the host names that a text stands for, and the port that it names.

    Raises:
        PlaybookError: A range is malformed, or stands for too many hosts.
    """
    name, port = _split_port(text) or (text, None)
    where = place_text(place)
    if port is not None and not 0 < port < 65536:
        raise PlaybookError(f"{port} is no port", place=where)
    names = []
    for each in _expanded(name, where):
        names.append(each)
        if len(names) > MAX_HOSTS:
            raise PlaybookError(f"{text!r} stands for more than {MAX_HOSTS} hosts", place=where)
    return names, port


def _split_port(text: str) -> tuple[str, int | None] | None:
    """The name and its port; None when it is no name and no address."""
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    name, port = (found[1], int(found[2])) if found and len(found[2]) < 10 else (text, None)
    if _NAME.fullmatch(name) or _is_ip(_ADDRESS_RANGE.sub("1", name)):
        return name, port
    return None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _expanded(text: str, where: str | None) -> Iterator[str]:
    before, bracket, rest = text.partition("[")
    if not bracket:
        yield text
        return
    inside, closing, after = rest.partition("]")
    if not closing:
        raise PlaybookError(f"the host range in {text!r} is not closed", place=where, hint="Write hv[01:13].")
    for item in _items(inside, text, where):
        yield from _expanded(before + item + after, where)


def _items(inside: str, text: str, where: str | None) -> Iterator[str]:
    def refused(reason: str) -> PlaybookError:
        return PlaybookError(f"the host range in {text!r} {reason}", place=where, hint="Write hv[01:13] or hv[a:c].")

    first, separator, rest = inside.partition(":")
    last, has_step, step_text = rest.partition(":")
    first = first or "0"
    if not separator or not last:
        raise refused("has no end")
    if has_step and not _is_number(step_text):
        raise refused("has no number as its step")
    step = int(step_text) if has_step else 1
    if step < 1:
        raise refused("has a step of 0")
    if first in string.ascii_letters and last in string.ascii_letters and len(first) == len(last) == 1:
        letters = string.ascii_letters[string.ascii_letters.index(first) : string.ascii_letters.index(last) + 1 : step]
        if not letters:
            raise refused("ends before it begins")
        yield from letters
        return
    if not _is_number(first) or not _is_number(last):
        raise refused("is neither of numbers nor of single letters")
    width = len(first) if first[0] == "0" and len(first) > 1 else 0
    if width and width != len(last):
        raise refused("begins and ends with different numbers of digits")
    if int(first) > int(last):
        raise refused("ends before it begins")
    for number in range(int(first), int(last) + 1, step):
        yield str(number).zfill(width)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
