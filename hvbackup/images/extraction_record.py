"""What is asked of an extraction, what became of each file, and the book that is kept meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Literal, TypeAlias

from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.images.destination import Parts
from hvbackup.images.extraction_plan import Item
from hvbackup.images.source import MIB
from hvbackup.models import Model

#: After these nothing else can be written either.
_NO_MORE = {errno.ENOSPC: "there is no room left", errno.EROFS: "it is read-only", errno.EDQUOT: "the quota is used up"}


class ExtractionOptions(Model, frozen=True, kw_only=True):
    """How files are extracted.

    Attributes:
        replace: Write over files and links that are there; a folder is never replaced by a file.
        links: `record` names symbolic links in the result and writes none; `keep` writes those that lead to a place
            inside the destination.
        hard_links: Names of the same file become links to one file, where the destination can; else copies.
        streams: Named streams (NTFS) are extracted: small ones as extended attributes `user.ads.NAME` on Linux, others
            as files in `FILE.ads`.
        portable_names: Only names that Windows and macOS can hold, too.
        modes: Permission bits exactly as in the guest, without set-user-id; else no file is open to more people than
            it was there, or than the umask says.
        hashes: Give the SHA-256 of each file that is written.
        window: So many entries are held in memory, and read in the order in which they lie in the volume.
    """

    replace: bool = False
    links: Literal["record", "keep"] = "record"
    hard_links: bool = True
    streams: bool = True
    portable_names: bool = False
    modes: bool = False
    hashes: bool = False
    window: int = 50_000


class FileStatus(str, Enum):
    """What became of a file: `kept` was there already, whole; `skipped` was not to be written."""

    OK = "ok"
    KEPT = "kept"
    FAILED = "failed"
    SKIPPED = "skipped"


class ExtractedFile(Model, frozen=True, kw_only=True):
    """What became of one entry that is no folder; or of a folder that could not be listed or created.

    Attributes:
        path: In the volume; a named stream follows after `:`.
        written: Below the destination, with `/`; None when nothing is there.
        reason: Why it is not there as asked, or what is different from the disk.
        renamed: The machine cannot hold the name that it has on the disk.
    """

    path: str
    status: FileStatus
    written: str | None = None
    reason: str | None = None
    size_bytes: int = 0
    sha256: str | None = None
    renamed: bool = False


class ExtractionResult(Model, frozen=True, kw_only=True):
    """What was extracted.

    Attributes:
        destination: The folder, links resolved.
        files: How many files have each status.
        folders: How many folders are there now.
        size_bytes: Bytes written.
        records: One for each file; empty when they were given to `records` one by one.
        stopped: Why nothing more could be written; None when all was tried.
    """

    destination: str
    ok: int = 0
    kept: int = 0
    failed: int = 0
    skipped: int = 0
    folders: int = 0
    size_bytes: int = 0
    records: tuple[ExtractedFile, ...] = ()
    stopped: str | None = None


RecordSink: TypeAlias = Callable[[ExtractedFile], object]


class Stopped(Exception):
    """Nothing more can be written; it never leaves the extraction."""


class Ledger:
    """Counts and tells what became of each file, and how far the work is.

    Raises:
        Cancelled: The user wants to stop; from `progress`.
    """

    def __init__(self, place: Path, events: EventSink, cancel: Cancellation, sink: RecordSink | None) -> None:
        self.cancel = cancel
        self.folders = 0
        self._place = place
        self._events = events
        self._kept: list[ExtractedFile] = []
        self._tell: RecordSink = sink or self._kept.append
        self._counts = dict.fromkeys(FileStatus, 0)
        self._bytes = 0
        self._reported = 0

    def record(
        self,
        item: Item,
        status: FileStatus,
        *,
        stream: str | None = None,
        parts: Parts | None = None,
        reason: str | None = None,
        size: int = 0,
        digest: str | None = None,
    ) -> None:
        """Tell what became of an item, or of one of its streams."""
        there = status in (FileStatus.OK, FileStatus.KEPT)
        self._record(
            ExtractedFile(
                path=item.entry.path if stream is None else f"{item.entry.path}:{stream}",
                status=status,
                written="/".join(parts or item.parts) if there else None,
                reason=reason,
                size_bytes=size,
                sha256=digest,
                renamed=item.renamed,
            )
        )

    def failed(self, path: str, reason: str) -> None:
        """Tell of a path or pattern that gave nothing."""
        self._record(ExtractedFile(path=path, status=FileStatus.FAILED, reason=reason))

    def not_written(self, item: Item, error: OSError | ValueError, *, stream: str | None = None) -> None:
        """Tell of an error of the destination.

        Raises:
            Stopped: It is one that all files after this one would have.
        """
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        self.record(item, FileStatus.FAILED, stream=stream, reason=f"it could not be written: {reason}")
        why = _NO_MORE.get(error.errno or 0) if isinstance(error, OSError) else None
        if why is not None:
            raise Stopped(f"nothing more could be written in {self._place}: {why}") from error

    def folder(self, item: Item) -> None:
        """Count a folder; tell of it when it has another name than on the disk."""
        self.folders += bool(item.parts)
        if item.renamed:
            self._tell(
                ExtractedFile(path=item.entry.path, status=FileStatus.OK, written="/".join(item.parts), renamed=True)
            )

    def progress(self, count: int, path: str) -> None:
        """Count bytes, tell of every MiB, and stop when the user wants it."""
        self.cancel.check()
        self._bytes += count
        if self._bytes - self._reported >= MIB:
            self._reported = self._bytes
            self._events(Progress(activity="extract", done=self._bytes, item=path))

    def result(self, stopped: str | None) -> ExtractionResult:
        """What was achieved."""
        self._events(Progress(activity="extract", done=self._bytes))
        return ExtractionResult(
            destination=str(self._place),
            **{status.value: count for status, count in self._counts.items()},
            folders=self.folders,
            size_bytes=self._bytes,
            records=tuple(self._kept),
            stopped=stopped,
        )

    def _record(self, record: ExtractedFile) -> None:
        self._counts[record.status] += 1
        self._tell(record)
