"""Every filter, test and global name that templates know."""

from __future__ import annotations

from typing import Any

from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import Namespace

from hvbackup.playbook.templating.filters_data import DATA_FILTERS, default, extract, mandatory, ternary
from hvbackup.playbook.templating.filters_format import FORMAT_FILTERS, now
from hvbackup.playbook.templating.filters_text import TEXT_FILTERS
from hvbackup.playbook.templating.plugins import as_filter, as_test
from hvbackup.playbook.templating.tests_ansible import ANSIBLE_TESTS, defined, undefined
from hvbackup.playbook.templating.type_names import type_name

#: They look at what they are given, also when it is undefined.
_TAKE_MISSING: dict[str, Any] = {
    "default": default,
    "d": default,
    "mandatory": mandatory,
    "ternary": ternary,
    "type_debug": type_name,
}
#: They take items one by one, so that one undefined item does not spoil the others.
_TAKE_LAZY = ("map", "select", "reject", "selectattr", "rejectattr", "length", "count", "first", "last", "list", "zip")
#: Marks for HTML have no meaning here, and `pprint` shows Python's inner names.
_LEFT_OUT = frozenset({"safe", "forceescape", "e", "escape", "xmlattr", "urlize", "pprint"})


def _filters() -> dict[str, Any]:
    known = {name: function for name, function in JINJA_FILTERS.items() if name not in _LEFT_OUT}
    known |= {**TEXT_FILTERS, **DATA_FILTERS, **FORMAT_FILTERS}
    wrapped = {
        name: as_filter(name, function, takes_missing=False, takes_lazy=name in _TAKE_LAZY)
        for name, function in known.items()
    }
    wrapped["extract"] = as_filter("extract", extract, takes_missing=False, takes_lazy=True)
    for name, function in _TAKE_MISSING.items():
        wrapped[name] = as_filter(name, function, takes_missing=True, takes_lazy=True)
    return _with_full_names(wrapped)


def _tests() -> dict[str, Any]:
    known = {**JINJA_TESTS, **ANSIBLE_TESTS}
    wrapped = {name: as_test(name, function, takes_missing=False) for name, function in known.items()}
    wrapped["defined"] = as_test("defined", defined, takes_missing=True)
    wrapped["undefined"] = as_test("undefined", undefined, takes_missing=True)
    return _with_full_names(wrapped)


def _with_full_names(plugins: dict[str, Any]) -> dict[str, Any]:
    return plugins | {f"ansible.builtin.{name}": plugin for name, plugin in plugins.items() if name.isidentifier()}


FILTERS: dict[str, Any] = _filters()
TESTS: dict[str, Any] = _tests()
GLOBALS: dict[str, Any] = {"now": now, "namespace": Namespace}
