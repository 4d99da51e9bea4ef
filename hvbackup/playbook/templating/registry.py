"""Every filter, test and global name that templates know."""

from __future__ import annotations

from typing import Any

from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.tests import TESTS as JINJA_TESTS

FILTERS: dict[str, Any] = dict(JINJA_FILTERS)
TESTS: dict[str, Any] = dict(JINJA_TESTS)
GLOBALS: dict[str, Any] = {}
