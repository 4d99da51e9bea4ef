"""The only place of the jobs that reads the time and makes ids."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone


def now_text() -> str:
    """Return the present as ISO 8601 in UTC, to the second, with `Z`."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_run_id() -> str:
    """Return an id that sorts by time: `20261125T013000Z-` and eight hex digits."""
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ-") + secrets.token_hex(4)
