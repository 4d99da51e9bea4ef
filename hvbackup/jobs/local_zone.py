"""The calendar of this machine, summer time of each date included, as a time zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo


class LocalZone(tzinfo):
    """This machine's time zone by the operating system's own rules (`TZ`, the registry), for any date."""

    def fromutc(self, moment: datetime, /) -> datetime:
        """Return the local time; `fold` tells the two equal hours apart when clocks are set back."""
        local = moment.replace(tzinfo=timezone.utc).astimezone()
        plain = local.replace(tzinfo=None, fold=0)
        return plain.replace(tzinfo=self, fold=int(plain.astimezone().utcoffset() != local.utcoffset()))

    def utcoffset(self, moment: datetime | None, /) -> timedelta | None:
        """Return the offset at a local time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None, /) -> timedelta | None:
        """Return None: how much of the offset is summer time is not known here."""
        return None

    def tzname(self, moment: datetime | None, /) -> str | None:
        """Return the name as this machine has it."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()
