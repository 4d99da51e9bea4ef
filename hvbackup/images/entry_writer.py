"""Writes files, their streams and links into the destination, each by the rules of `extraction`."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from hashlib import sha256
from typing import Any

from hvbackup.errors import ImageError, RepositoryDamaged
from hvbackup.images import extracted_file as writing
from hvbackup.images import extracted_streams as streams
from hvbackup.images.destination import Destination, Folder, Parts, temporary_name
from hvbackup.images.extraction_plan import Item
from hvbackup.images.extraction_record import ExtractionOptions, FileStatus, Ledger
from hvbackup.images.filesystems.contract import Entry, EntryKind, Stream
from hvbackup.images.link_targets import target_inside
from hvbackup.images.names import FolderNames, NameRules
from hvbackup.images.opened_ahead import OpenedAhead
from hvbackup.images.walk import CASELESS

#: What is wrong with one file, and not with the way to all of them.
OF_ONE_FILE = (ImageError, RepositoryDamaged)
#: The largest disk that a VHDX can hold, 64 TiB. A longer file would be nothing but holes, and days of work.
_LARGEST_DISK = 64 * 1024**4


class EntryWriter:
    """Writes what is no folder, and completes folders."""

    def __init__(
        self, files: OpenedAhead, place: Destination, rules: NameRules, options: ExtractionOptions, ledger: Ledger
    ) -> None:
        self._files = files
        self._place = place
        self._rules = rules
        self._options = options
        self._ledger = ledger
        #: The first name written of each file that has several, and how many are still to come.
        self._names: dict[int, tuple[Parts, int]] = {}

    def prepare(self, item: Item) -> None:
        """Begin to open a file that will be written next; what is there already, and may become a link, is not read."""
        if item.entry.kind is not EntryKind.FILE or item.entry.unreadable or item.entry.links > 1:
            return
        if item.entry.size_bytes > _LARGEST_DISK:
            return
        with suppress(OSError, ValueError):  # it will be met again, and told of, when the file is written
            there = self._place.folder(item.parts[:-1]).look(item.parts[-1])
            if there is None or self._options.replace:
                self._files.prepare(item.entry.path)

    def write(self, item: Item) -> None:
        """Write an entry, or record why not.

        Raises:
            Stopped: Nothing more can be written.
            Cancelled: The user wants to stop.
        """
        self._ledger.cancel.check()
        try:
            self._write(item)
        except OF_ONE_FILE as error:
            self._ledger.record(item, FileStatus.FAILED, reason=error.message)
        except (OSError, ValueError) as error:
            self._ledger.not_written(item, error)

    def _write(self, item: Item) -> None:
        kind = item.entry.kind
        if kind is EntryKind.FILE:
            self._file(item)
        elif kind is EntryKind.SYMLINK and self._options.links == "keep":
            self._link(item)
        elif kind is EntryKind.OTHER and item.entry.unreadable:  # what it is cannot be told
            self._ledger.record(item, FileStatus.FAILED, reason=item.entry.unreadable)
        elif kind is EntryKind.OTHER:
            self._ledger.record(item, FileStatus.SKIPPED, reason="a device, a pipe or a socket")
        else:
            self._ledger.record(item, FileStatus.SKIPPED, reason=f"a {kind.value} to {item.entry.target}")

    # ---------------------------------------------------------------- files

    def _file(self, item: Item) -> None:
        entry, name = item.entry, item.parts[-1]
        reason = entry.unreadable
        if entry.size_bytes > _LARGEST_DISK:
            reason = f"it claims to be {entry.size_bytes} bytes long, more than any virtual disk"
        if reason:
            self._ledger.record(item, FileStatus.FAILED, reason=reason)
            return
        folder = self._place.folder(item.parts[:-1])
        there = folder.look(name)
        if there is not None and writing.is_same(entry.size_bytes, entry.modified_at, there):
            self._remember_name(item)
            self._ledger.record(item, FileStatus.KEPT, size=entry.size_bytes)
            self._streams(item, folder)
        elif there is not None and (stat.S_ISDIR(there.st_mode) or not self._options.replace):
            self._ledger.record(item, FileStatus.FAILED, reason=_in_the_way(there))
        elif not self._as_hard_link(item):
            digest = self._contents(item)
            self._remember_name(item)
            self._ledger.record(item, FileStatus.OK, size=entry.size_bytes, digest=digest)

    def _contents(self, item: Item) -> str | None:
        entry = item.entry
        pieces = self._files.pieces(self._files.open(entry.path), entry.size_bytes)
        hasher: Any = sha256() if self._options.hashes else None

        def seen(data: bytes) -> None:
            self._ledger.progress(len(data), entry.path)
            if hasher is not None:
                hasher.update(data)

        folder = self._place.folder(item.parts[:-1])
        with writing.whole_file(folder, item.parts[-1], _mode(entry), entry) as (file, temporary):
            writing.copy_contents(pieces, entry.size_bytes, file, seen, sparse=writing.is_sparse(entry))
            if entry.streams:
                self._streams(item, folder, temporary)
            if self._options.modes and entry.mode is not None:
                folder.set_mode(temporary, entry.mode & 0o777)
        return None if hasher is None else hasher.hexdigest()

    def _as_hard_link(self, item: Item) -> bool:
        """Make the file another name of one that is written already; return whether that was possible."""
        first = self._names.get(item.entry.id) if item.entry.links > 1 else None
        if first is None:
            return False
        parts, left = first
        source, folder = self._place.folder(parts[:-1]), self._place.folder(item.parts[:-1])
        temporary = temporary_name()
        try:
            folder.link_file(source, parts[-1], temporary)
        except OSError:  # a file system without hard links, or with too many: a copy
            return False
        try:
            folder.rename(temporary, item.parts[-1])
        finally:
            with suppress(OSError):  # it is still there when both are names of the same file already
                folder.remove(temporary)
        if left > 1:
            self._names[item.entry.id] = parts, left - 1
        else:
            del self._names[item.entry.id]
        self._ledger.record(item, FileStatus.OK, reason=f"another name of {'/'.join(parts)}")
        return True

    def _remember_name(self, item: Item) -> None:
        entry = item.entry
        if self._options.hard_links and entry.links > 1 and entry.id and entry.id not in self._names:
            self._names[entry.id] = item.parts, entry.links - 1

    # ---------------------------------------------------------------- streams

    def _streams(self, item: Item, folder: Folder, temporary: str | None = None) -> None:
        """Extract the named streams of a file or folder that is there, each with a record of its own."""
        if not item.entry.streams or not item.parts:
            return
        names = FolderNames(self._rules)
        with streams.opened(folder, temporary or item.parts[-1]) as held:
            for stream in item.entry.streams:
                try:
                    self._stream(item, stream, names.name_for(stream.name), held)
                except OF_ONE_FILE as error:
                    self._ledger.record(item, FileStatus.FAILED, stream=stream.name, reason=error.message)
                except (OSError, ValueError) as error:
                    self._ledger.not_written(item, error, stream=stream.name)

    def _stream(self, item: Item, stream: Stream, name: str, held: int | None) -> None:
        entry = item.entry
        path = f"{entry.path}:{stream.name}"
        as_attribute = f"an extended attribute of {'/'.join(item.parts)}"
        if streams.has_attribute(held, stream):
            self._ledger.record(item, FileStatus.KEPT, stream=stream.name, reason=as_attribute, size=stream.size_bytes)
            return
        source = self._files.open(entry.path, stream.name)
        if streams.write_attribute(held, stream, source):
            self._ledger.record(item, FileStatus.OK, stream=stream.name, reason=as_attribute, size=stream.size_bytes)
            return
        parts, kept = streams.write_beside(
            self._place,
            item,
            name,
            stream,
            self._files.pieces(source, stream.size_bytes),
            lambda data: self._ledger.progress(len(data), path),
            replace=self._options.replace,
        )
        status = FileStatus.KEPT if kept else FileStatus.OK
        self._ledger.record(item, status, stream=stream.name, parts=parts, size=stream.size_bytes)

    # ---------------------------------------------------------------- links and folders

    def _link(self, item: Item) -> None:
        target = target_inside(item.entry.target or "", len(item.parts) - 1, windows=self._files.kind in CASELESS)
        if target is None:
            self._ledger.record(
                item, FileStatus.SKIPPED, reason=f"a link to {item.entry.target}, out of the destination"
            )
            return
        folder, name = self._place.folder(item.parts[:-1]), item.parts[-1]
        there = folder.look(name)
        if there is not None and stat.S_ISLNK(there.st_mode) and folder.read_link(name) == target:
            self._ledger.record(item, FileStatus.KEPT)
        elif there is not None and (stat.S_ISDIR(there.st_mode) or not self._options.replace):
            self._ledger.record(item, FileStatus.FAILED, reason=_in_the_way(there))
        else:
            temporary = temporary_name()
            folder.link_to(target, temporary)
            folder.rename(temporary, name)
            writing.set_times(folder, name, item.entry)
            self._ledger.record(item, FileStatus.OK)

    def complete(self, item: Item) -> None:
        """Give a folder in which nothing more is written its streams, permission bits and times."""
        if not item.parts:
            return
        name, mode = item.parts[-1], item.entry.mode
        with suppress(OSError):
            folder = self._place.folder(item.parts[:-1])
            there = folder.look(name)
            if there is None or not stat.S_ISDIR(there.st_mode):
                return
            self._streams(item, folder)
            if mode is not None:
                narrow = stat.S_IMODE(there.st_mode) & (mode | 0o700)
                folder.set_mode(name, mode & 0o777 if self._options.modes else narrow)
            writing.set_times(folder, name, item.entry)


def _mode(entry: Entry) -> int:
    """Permission bits to create a file with, before the umask: never open to more people than in the guest."""
    return 0o666 if entry.mode is None else (entry.mode & 0o777) | 0o600


def _in_the_way(there: os.stat_result) -> str:
    if stat.S_ISDIR(there.st_mode):
        return "a folder with this name is there"
    what = "a link" if stat.S_ISLNK(there.st_mode) else "a file that differs in length or time"
    return f"{what} is there with this name, and nothing is replaced unless asked for"
