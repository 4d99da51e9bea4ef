"""Every filter, test and global name that templates know."""

from __future__ import annotations

from typing import Any

from jinja2.defaults import DEFAULT_FILTERS, DEFAULT_TESTS

FILTERS: dict[str, Any] = dict(DEFAULT_FILTERS)
TESTS: dict[str, Any] = dict(DEFAULT_TESTS)
GLOBALS: dict[str, Any] = {}
