"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A machine that is busy is no failure: nothing here is judged by the clock.
settings.register_profile("hvbackup", deadline=None)
settings.load_profile("hvbackup")
