"""Files out of a disk into a folder of this machine.

What the disk says is untrusted: names, links and lengths. Nothing is written outside the destination, nothing through a
link, nothing over what is there unless `replace` is set, and no file gets its name before it is whole. What cannot be
read is a failure of that file, never zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from hvbackup.errors import ImageError, RestoreRefused
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.images.destination import Destination
from hvbackup.images.entry_writer import OF_ONE_FILE, EntryWriter
from hvbackup.images.extraction_plan import Item, Targets, windows
from hvbackup.images.extraction_record import (
    ExtractedFile,
    ExtractionOptions,
    ExtractionResult,
    FileStatus,
    Ledger,
    RecordSink,
    Stopped,
)
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.images.opened_ahead import OpenedAhead
from hvbackup.images.walk import parse_pattern, walk

__all__ = ["ExtractedFile", "ExtractionOptions", "ExtractionResult", "FileStatus", "extract"]


def extract(
    files: FileSystem,
    patterns: str | Sequence[str],
    destination: Path,
    *,
    options: ExtractionOptions | None = None,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
    records: RecordSink | None = None,
) -> ExtractionResult:
    """Extract what paths and patterns mean (see `walk`), folders with all that is below them.

    Below the destination a path begins with the last name before the first wildcard: `/etc/ssh` gives `ssh/...`,
    `/var/log/*.gz` gives `log/...`, `/` gives what is in the volume. A second run keeps what the first one wrote.

    Args:
        records: Told of every file at once; without it they are kept for the result, in memory.

    Raises:
        InvalidRequest: A pattern cannot be meant.
        RestoreRefused: Nothing can be written in the destination.
        Cancelled: `cancel` was set; no unfinished file is left.
        HvBackupError: The source of the volume is gone. What is wrong with one file is in its record.
    """
    wanted = [patterns] if isinstance(patterns, str) else list(patterns)
    bases = [_base(pattern) for pattern in wanted]
    try:
        place = Destination(destination)
    except OSError as error:
        raise RestoreRefused(
            f"cannot write in {destination}: {error.strerror or error}",
            hint="Name a folder that can be written in; it is created if it is not there.",
        ) from error
    with place:
        ledger = Ledger(place.path, events, cancel or Cancellation(), records)
        return _Extraction(files, place, options or ExtractionOptions(), ledger).run(zip(wanted, bases, strict=True))


def _base(pattern: str) -> str:
    """The folder below which paths are kept."""
    return parse_pattern(pattern).fixed.rpartition("/")[0] or "/"


class _Extraction:
    """One extraction: a walk on one side, a writer on the other."""

    def __init__(self, files: FileSystem, place: Destination, options: ExtractionOptions, ledger: Ledger) -> None:
        self._files = files
        self._place = place
        self._options = options
        self._ledger = ledger
        self._rules = place.rules.portable() if options.portable_names else place.rules

    def run(self, patterns: Iterable[tuple[str, str]]) -> ExtractionResult:
        """Extract, and say what was achieved."""
        try:
            with OpenedAhead(self._files) as ahead:
                writer = EntryWriter(ahead, self._place, self._rules, self._options, self._ledger)
                for window in windows(self._items(patterns), self._options.window):
                    for item, before in zip_longest(window.items, [None, *window.items]):
                        if item is not None:
                            writer.prepare(item)
                        if before is not None:
                            writer.write(before)
                    for item in window.complete:
                        writer.complete(item)
        except Stopped as stopped:
            return self._ledger.result(str(stopped))
        return self._ledger.result(None)

    def _items(self, patterns: Iterable[tuple[str, str]]) -> Iterator[Item]:
        """Walk; create folders on the way, so that those without files are there, too."""
        targets = Targets(self._rules)
        for pattern, base in patterns:
            found = False
            try:
                for entry in self._walk(pattern):
                    found = True
                    item = targets.item(entry, base)
                    if entry.kind is not EntryKind.FOLDER or self._create(item):
                        yield item
            except OF_ONE_FILE as error:
                self._ledger.failed(pattern, error.message)
                continue
            if not found:
                self._ledger.failed(pattern, "nothing in the volume is named like this")

    def _walk(self, pattern: str) -> Iterator[Entry]:
        def unreadable(path: str, error: ImageError) -> None:
            self._ledger.failed(path, f"what is in the folder cannot be listed: {error.message}")

        return walk(
            self._files, pattern, streams=self._options.streams, unreadable=unreadable, cancel=self._ledger.cancel
        )

    def _create(self, item: Item) -> bool:
        """Create a folder; return whether it is there."""
        try:
            self._place.folder(item.parts)
        except (OSError, ValueError) as error:
            self._ledger.not_written(item, error)
            return False
        self._ledger.folder(item)
        return True
