"""What the libraries below would take from the environment, and must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


def leave_environment(session: requests.Session | None) -> None:
    """Let a session that is connected not look into the environment again.

    All that counts is in the options, but requests would look for proxies and passwords before each request. And a
    thread of the caller that takes a variable away meanwhile would break it: `os.environ.items()` raises KeyError then.
    """
    if session is not None:
        session.trust_env = False
