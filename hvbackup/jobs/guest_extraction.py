"""Files out of a disk by places as people write them: which volumes have them, and where each volume's files go."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvbackup.errors import EntryNotFound
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.images.extraction import ExtractedFile, ExtractionOptions, ExtractionResult, extract
from hvbackup.images.volumes import Volume
from hvbackup.jobs.guest_search import as_path, find
from hvbackup.models import Model

if TYPE_CHECKING:
    from hvbackup.jobs.guest_disk import GuestDisk


class VolumeFiles(Model, frozen=True, kw_only=True):
    """What was brought out of one volume."""

    volume: str
    result: ExtractionResult


class Extracted(Model, frozen=True, kw_only=True):
    """What was brought out of a disk, volume by volume; the numbers are those of all together."""

    volumes: tuple[VolumeFiles, ...]

    @property
    def ok(self) -> int:
        """Files that were written."""
        return sum(each.result.ok for each in self.volumes)

    @property
    def kept(self) -> int:
        """Files that were there already, whole."""
        return sum(each.result.kept for each in self.volumes)

    @property
    def failed(self) -> int:
        """Files that are not there; `records` of a result say why."""
        return sum(each.result.failed for each in self.volumes)

    @property
    def skipped(self) -> int:
        """Links, devices and the like, which were not to be written."""
        return sum(each.result.skipped for each in self.volumes)

    @property
    def size_bytes(self) -> int:
        """Bytes written."""
        return sum(each.result.size_bytes for each in self.volumes)

    @property
    def stopped(self) -> str | None:
        """Why nothing more could be written; None when all was tried."""
        return next((each.result.stopped for each in self.volumes if each.result.stopped), None)


def extract_places(
    guest: GuestDisk,
    places: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    options: ExtractionOptions | None = None,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
    records: Callable[[str, ExtractedFile], object] | None = None,
) -> Extracted:
    """Bring files out of a disk; see `GuestDisk.extract`."""
    wanted = _by_volume(guest, places)
    target = Path(folder)
    done: list[VolumeFiles] = []
    for volume, patterns in wanted.items():
        result = extract(
            guest.opened_files(volume),
            patterns,
            target if len(wanted) == 1 else target / folder_of(volume),
            options=options,
            events=events,
            cancel=cancel,
            records=None if records is None else _Sink(volume, records),
        )
        done.append(VolumeFiles(volume=volume, result=result))
        if result.stopped is not None:
            break
    return Extracted(volumes=tuple(done))


def folder_of(volume: str) -> str:
    """Return the folder for the files of a volume, where files of several are extracted."""
    return "volume-" + volume.replace("/", "-")


class _Sink:
    """Tells of each file together with its volume."""

    def __init__(self, volume: str, records: Callable[[str, ExtractedFile], object]) -> None:
        self._volume = volume
        self._records = records

    def __call__(self, file: ExtractedFile) -> None:
        self._records(self._volume, file)


def _by_volume(guest: GuestDisk, places: Sequence[str]) -> dict[str, list[str]]:
    """Return the patterns for each volume. A place without a volume is looked for in each that can be read.

    Raises:
        EntryNotFound: A place is nowhere. It is found out before anything is written.
    """
    wanted: dict[str, list[str]] = {}
    for text in places:
        place = guest.place(text)
        missing = EntryNotFound(f"nothing fits {text!r} in {guest.name}")
        hits = 0
        for volume in guest.volumes_of(place):
            try:
                hit = _is_there(guest, volume, place.path)
            except EntryNotFound as error:
                missing = error
                continue
            if hit:
                hits += 1
                wanted.setdefault(volume.name, []).append(as_path(place.path, volume.kind))
        if not hits:
            raise missing
    return wanted


def _is_there(guest: GuestDisk, volume: Volume, path: str) -> bool:
    # A folder that cannot be listed is no reason not to try: the extraction tells of it.
    troubles: list[str] = []
    first = next(find(guest.opened_files(volume.name), path, on_error=lambda at, _: troubles.append(at)), None)
    return first is not None or bool(troubles)
