"""Filters on texts, paths and sizes, with the meaning of ansible-core 2.19."""

from __future__ import annotations

import base64
import hashlib
import ntpath
import posixpath
import re
import shlex
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from hvbackup.errors import PlaybookError

#: Namespace of Ansible's `to_uuid`: the same text gives the same UUID in both.
_UUID_NAMESPACE = uuid.UUID("361E6D51-FAEC-444A-9079-341386DA8E2E")
_TRUE = frozenset({"yes", "on", "true", "1"})
_UNITS = {unit: 1 << 10 * power for power, unit in enumerate("BKMGTPEZY")}
_NAMES = dict(zip("KMGTPEZY", ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"), strict=True))
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]+)?\s*")


def to_bool(value: Any) -> bool:
    """`bool`: yes, on, true and 1 in any case are true, everything else is false."""
    return value == 1 or (isinstance(value, str) and value.lower() in _TRUE)


def _flags(ignorecase: bool, multiline: bool) -> int:
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def regex_replace(
    value: Any = "",
    pattern: str = "",
    replacement: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
    mandatory_count: int = 0,
) -> str:
    """`re.sub`; with `mandatory_count` it must match that often."""
    text, found = re.compile(pattern, _flags(ignorecase, multiline)).subn(replacement, str(value), count)
    if mandatory_count and mandatory_count != found:
        raise PlaybookError(f"{pattern!r} should match {mandatory_count} times, and matches {found} times")
    return text


def regex_findall(value: Any, regex: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    """`re.findall`."""
    return re.findall(regex, str(value), _flags(ignorecase, multiline))


def regex_search(value: Any, regex: str, *groups: str, ignorecase: bool = False, multiline: bool = False) -> Any:
    r"""`re.search`: the text found, or None; with groups such as `\1` or `\g<name>` a list of theirs."""
    wanted: list[int | str] = []
    for group in groups:
        reference = re.match(r"\\(?:g<(\S+)>|(\d+))", group)
        if reference is None:
            raise PlaybookError(rf"regex_search takes groups as \1 or \g<name>, not {group!r}")
        wanted.append(reference[1] if reference[1] is not None else int(reference[2]))
    found = re.search(regex, str(value), _flags(ignorecase, multiline))
    if found is None:
        return None
    return [found.group(group) for group in wanted] if wanted else found.group()


def regex_escape(value: Any, re_type: str = "python") -> str:
    """Escape what is special in a regular expression."""
    if re_type == "python":
        return re.escape(str(value))
    if re_type == "posix_basic":
        return re.sub(r"([].[^$*\\])", r"\\\1", str(value))
    raise PlaybookError(f"regex_escape knows python and posix_basic, not {re_type!r}")


def quote(value: Any) -> str:
    """Quote for a POSIX shell."""
    return shlex.quote("" if value is None else str(value))


def b64encode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Base64 of a text."""
    content = str(value).encode(encoding)
    return (base64.urlsafe_b64encode(content) if urlsafe else base64.b64encode(content)).decode()


def b64decode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """The text of base64."""
    content = str(value).encode()
    return (base64.urlsafe_b64decode(content) if urlsafe else base64.b64decode(content)).decode(encoding)


def digest(value: Any, hashtype: str = "sha1") -> str:
    """`hash`: the hexadecimal digest of a text. Not for passwords."""
    return hashlib.new(hashtype, str(value).encode(), usedforsecurity=False).hexdigest()


def to_uuid(value: Any, namespace: Any = _UUID_NAMESPACE) -> str:
    """UUID 5 of a text."""
    return str(uuid.uuid5(namespace if isinstance(namespace, uuid.UUID) else uuid.UUID(str(namespace)), str(value)))


def path_join(paths: Any) -> str:
    """Join parts of a path with `/`."""
    if not isinstance(paths, (str, list, tuple)):
        raise PlaybookError(f"path_join takes a list of texts, not {type(paths).__name__}")
    return str(paths) if isinstance(paths, str) else posixpath.join(*paths)


def human_readable(size: Any, isbits: bool = False, unit: str | None = None) -> str:
    """`1.50 GB` for a number of bytes; units are powers of 1024."""
    if isinstance(size, str):
        raise PlaybookError("human_readable takes a number", hint="Use `| int` before it.")
    base = "bits" if isbits else "Bytes"
    for letter, limit in sorted(_UNITS.items(), key=lambda item: item[1], reverse=True):
        if (unit is None and size >= limit) or (unit is not None and unit.upper() == letter):
            break
    return f"{size / limit:.2f} {base if limit == 1 else letter + base[0]}"


def human_to_bytes(size: Any, default_unit: str | None = None, isbits: bool = False) -> int:
    """The number of bytes (or bits) of `1.5G`, `10 MB`; units are powers of 1024."""
    found = _SIZE.fullmatch(str(size))
    if found is None:
        raise PlaybookError(f"human_to_bytes can't interpret {str(size)!r}")
    unit = found[2] or default_unit
    if unit is None:
        return round(float(found[1]))
    letter = unit[0].upper()
    short, long = ("b", "bit") if isbits else ("B", "byte")
    name = _NAMES.get(letter, "") + long
    if letter not in _UNITS or (len(unit) > 1 and unit != letter + short and unit.lower() != name):
        raise PlaybookError(f"human_to_bytes does not know the unit {unit!r}")
    return round(float(found[1]) * _UNITS[letter])


def split(value: Any, separator: str | None = None, limit: int = -1) -> list[str]:
    """Python's `str.split`."""
    return _text("split", value).split(separator, limit)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise PlaybookError(f"{name} takes a text, not {type(value).__name__}", hint="Use `| string` before it.")
    return str(value)


def _on_path(name: str, function: Callable[[str], Any]) -> Callable[[Any], Any]:
    def call(path: Any) -> Any:
        value = function(_text(name, path))
        return list(value) if isinstance(value, tuple) else value

    return call


def url_parts(url: str, query: str = "") -> Any:
    """`urlsplit`: the parts of a URL, or one of them."""
    split_url = urllib.parse.urlsplit(str(url))
    names = ("fragment", "hostname", "netloc", "password", "path", "port", "query", "scheme", "username")
    parts = {name: getattr(split_url, name) for name in names}
    if query and query not in parts:
        raise PlaybookError(f"urlsplit knows {', '.join(names)}, not {query!r}")
    return parts[query] if query else parts


TEXT_FILTERS: dict[str, Any] = {
    "bool": to_bool,
    "regex_replace": regex_replace,
    "regex_findall": regex_findall,
    "regex_search": regex_search,
    "regex_escape": regex_escape,
    "quote": quote,
    "b64encode": b64encode,
    "b64decode": b64decode,
    "hash": digest,
    "md5": lambda value: digest(value, "md5"),
    "sha1": digest,
    "checksum": digest,
    "to_uuid": to_uuid,
    "human_readable": human_readable,
    "human_to_bytes": human_to_bytes,
    "split": split,
    "urlsplit": url_parts,
    "urldecode": lambda text: urllib.parse.unquote_plus(str(text)),
    # Paths of the control machine have slashes in Ansible; here too, whatever this machine is.
    "basename": _on_path("basename", posixpath.basename),
    "dirname": _on_path("dirname", posixpath.dirname),
    "normpath": _on_path("normpath", posixpath.normpath),
    "splitext": _on_path("splitext", posixpath.splitext),
    "commonpath": posixpath.commonpath,
    "path_join": path_join,
    "win_basename": _on_path("win_basename", ntpath.basename),
    "win_dirname": _on_path("win_dirname", ntpath.dirname),
    "win_splitdrive": _on_path("win_splitdrive", ntpath.splitdrive),
}
