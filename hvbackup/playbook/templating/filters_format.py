"""Filters between values and JSON, YAML and times, with the meaning of ansible-core 2.19."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping
from typing import Any

import yaml

from hvbackup.playbook.templating.opened import Opened
from hvbackup.playbook.yaml_reader import read_yaml_text


def _json_default(value: Any) -> Any:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def to_json(value: Any, **options: Any) -> str:
    """JSON; options are those of Python's `json.dumps` for layout."""
    layout = {key: options[key] for key in ("indent", "sort_keys", "ensure_ascii", "separators") if key in options}
    return json.dumps(value, default=_json_default, **layout)


def to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True, **options: Any) -> str:
    """JSON on many lines."""
    return to_json(value, **{**options, "indent": indent, "sort_keys": sort_keys, "separators": (",", ": ")})


def from_json(text: Any) -> Any:
    """The value of JSON."""
    return json.loads(text)


class _Dumper(yaml.SafeDumper):
    """Writes secret texts as texts."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out: aliases would only show which values happen to be the same object."""
        return True


_Dumper.add_representer(Opened, lambda dumper, text: dumper.represent_str(str.__str__(text)))


def to_yaml(value: Any, default_flow_style: bool | None = None, **options: Any) -> str:
    """YAML, short."""
    known = ("indent", "width", "sort_keys", "explicit_start", "explicit_end", "line_break", "default_style")
    layout = {key: options[key] for key in known if key in options}
    text = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, default_flow_style=default_flow_style, **layout)
    # PyYAML without libyaml marks the end of a document that is a single text.
    return str(text).removesuffix("...\n") if not layout.get("explicit_end") else str(text)


def to_nice_yaml(value: Any, indent: int = 4, default_flow_style: bool = False, **options: Any) -> str:
    """YAML on many lines."""
    return to_yaml(value, default_flow_style=default_flow_style, **{**options, "indent": indent})


def from_yaml(text: Any) -> Any:
    """The value of YAML; no text in it is a template."""
    if not isinstance(text, str):
        return text
    return _inert(read_yaml_text(str(text), "<from_yaml>"))


def _inert(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_inert(key): _inert(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_inert(each) for each in value]
    return value


def to_datetime(text: str, format: str = "%Y-%m-%d %H:%M:%S") -> dt.datetime:
    """A point in time; without a zone, unless the format has one."""
    return dt.datetime.strptime(text, format)  # noqa: DTZ007 - as in Ansible


def strftime(format: str, second: Any = None, utc: bool = False) -> str:
    """A time as text: now, or that of a number of seconds since 1970; local, or UTC."""
    moment = None if second is None else float(second)
    return time.strftime(format, time.gmtime(moment) if utc else time.localtime(moment))


def now(utc: bool = False, fmt: str | None = None) -> Any:
    """`now()`: the time, as text with `fmt`."""
    moment = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) if utc else dt.datetime.now()  # noqa: DTZ005
    return moment.strftime(fmt) if fmt else moment


FORMAT_FILTERS: dict[str, Any] = {
    "to_json": to_json,
    "to_nice_json": to_nice_json,
    "from_json": from_json,
    "to_yaml": to_yaml,
    "to_nice_yaml": to_nice_yaml,
    "from_yaml": from_yaml,
    "to_datetime": to_datetime,
    "strftime": strftime,
}
