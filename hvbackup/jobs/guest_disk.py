"""A disk as its guest sees it: volumes, folders and files, without Windows and without a mount."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hvbackup.errors import EntryNotFound, ImageUnsupported, InvalidRequest
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.images.disk import VirtualDisk
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem
from hvbackup.images.source import Source
from hvbackup.images.volumes import DiskLayout, Volume, open_volume, read_layout
from hvbackup.images.walk import Unreadable
from hvbackup.jobs.disk_chain import DiskChain
from hvbackup.jobs.guest_paths import GuestPath, parse_guest_path, split_stream, volumes_text
from hvbackup.jobs.guest_search import find

if TYPE_CHECKING:
    from hvbackup.images.extraction import ExtractedFile, ExtractionOptions
    from hvbackup.images.filesystems.limits import Limits
    from hvbackup.jobs.guest_extraction import Extracted


#: Files that an error names where one was meant.
_MOST_NAMED = 3


class Found(NamedTuple):
    """An entry, and the name of the volume that it is in."""

    volume: str
    entry: Entry

    @property
    def place(self) -> str:
        """How it is named to every command: `VOLUME:/PATH`."""
        return f"{self.volume}:{self.entry.path}"


#: Opens the other disks of the same VM.
FindCompanions: TypeAlias = Callable[[], Sequence[DiskChain]]


class GuestDisk:
    """A disk, open to look into. Use it in `with`, or close it.

    Attributes:
        chain: The disk with the files that it is kept in.

    Args:
        companions: Called only where parts of logical volumes (LVM2) may lie on other disks.
        cancel: Stops whatever is done with it.
    """

    def __init__(
        self, chain: DiskChain, *, companions: FindCompanions = lambda: (), cancel: Cancellation | None = None
    ) -> None:
        self.chain = chain
        self._find_companions = companions
        self._cancel = cancel
        self._opened = ExitStack()
        self._kept: dict[str, FileSystem] = {}

    @property
    def name(self) -> str:
        """Its path on this machine, or its name in the restore point."""
        return self.chain.name

    @property
    def image(self) -> VirtualDisk:
        """The disk as bytes: `size`, `read_at`, and `extents`, its allocation map."""
        return self.chain.image

    @cached_property
    def companions(self) -> tuple[Source, ...]:
        """The other disks of the same VM, where this one is part of a volume group; else none."""
        if all(volume.kind != "lvm2" for volume in self._alone.volumes):
            return ()
        return tuple(self._opened.enter_context(chain).image for chain in self._find_companions())

    @cached_property
    def layout(self) -> DiskLayout:
        """The partition table and the volumes; read when it is first asked for.

        Raises:
            ImageDamaged: The partition table is damaged, and so is its backup.
        """
        return self._read_layout(self.companions) if self.companions else self._alone

    @cached_property
    def _alone(self) -> DiskLayout:
        return self._read_layout(())

    def _read_layout(self, companions: Sequence[Source]) -> DiskLayout:
        return read_layout(self.image, sector_size=self.image.sector_size, companions=companions)

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The volumes, those whose files cannot be read here too: `unreadable` says why."""
        return self.layout.volumes

    def volume(self, name: str | None = None) -> Volume:
        """Return a volume whose files can be read; without a name, the only one.

        Raises:
            EntryNotFound: There is no such volume.
            ImageUnsupported: Its files cannot be read here; the message says why and what works.
            InvalidRequest: There are several, and none was named.
        """
        if name is None:
            readable = self.readable_volumes()
            if len(readable) > 1:
                raise InvalidRequest(f"{self.name} has {len(readable)} volumes", hint=volumes_text(readable))
            return readable[0]
        for volume in self.volumes:
            if volume.name == name:
                if volume.unreadable is not None:
                    raise ImageUnsupported(f"volume {name} ({volume.kind}) cannot be read: {volume.unreadable}")
                return volume
        raise EntryNotFound(f"{self.name} has no volume {name!r}", hint=volumes_text(self.volumes))

    def readable_volumes(self) -> tuple[Volume, ...]:
        """Return the volumes whose files can be read.

        Raises:
            ImageUnsupported: There is none; the message says why.
        """
        readable = tuple(volume for volume in self.volumes if volume.unreadable is None)
        if readable:
            return readable
        reasons = [f"volume {each.name} ({each.kind}): {each.unreadable}" for each in self.volumes]
        raise ImageUnsupported(
            f"{self.name} has no volume whose files can be read", hint="; ".join(reasons) or "It holds no volumes."
        )

    def files(self, volume: str | None = None, *, limits: Limits | None = None) -> FileSystem:
        """Open the file system of a volume; use it in `with`. A limited process of its own parses it.

        Args:
            volume: Its name; not needed where only one can be read.
            limits: What that process may use: memory, time.

        Raises:
            What `volume` raises, and ImageDamaged when the file system is damaged.
        """
        from hvbackup.images.filesystems.sandbox import open_in_sandbox

        chosen = self.volume(volume)
        _, source = open_volume(self.image, chosen.name, sector_size=self.image.sector_size, companions=self.companions)
        return open_in_sandbox(source, chosen.kind, limits=limits, cancel=self._cancel)

    def place(self, text: str) -> GuestPath:
        """Read `VOLUME:/PATH`; see `hvbackup.jobs.guest_paths.parse_guest_path`."""
        return parse_guest_path(text, self.volumes)

    def volumes_of(self, place: GuestPath) -> tuple[Volume, ...]:
        """Return where a place may be: its volume, or each that can be read."""
        return self.readable_volumes() if place.volume is None else (self.volume(place.volume),)

    def find(
        self,
        text: str,
        *,
        inside: bool = False,
        recursive: bool = False,
        streams: bool = False,
        on_error: Unreadable | None = None,
    ) -> Iterator[Found]:
        """Yield the files and folders that `VOLUME:/PATH` means, while they are being read.

        In the path `*` and `?` fit any characters of a name, `**` any number of folders, by the file system's rule of
        case. Without a volume each one that can be read is looked at.

        Args:
            inside: Where a path without patterns leads to a folder, yield what it holds instead of the folder itself.
            recursive: All that is below the folders that fit, too.
            streams: Look up named streams too.
            on_error: Told of each folder that cannot be read, as (path, error); without it the error is raised.

        Raises:
            EntryNotFound: There is no such volume or file. A pattern that nothing fits yields nothing.
            InvalidRequest: The text is no place.
            ImageError: A volume cannot be read.
        """
        place = self.place(text)
        missing: EntryNotFound | None = None
        hits = 0
        for volume in self.volumes_of(place):
            found = find(
                self.opened_files(volume.name),
                place.path,
                inside=inside,
                recursive=recursive,
                streams=streams,
                on_error=on_error,
                cancel=self._cancel,
            )
            try:
                for entry in found:
                    hits += 1
                    yield Found(volume.name, entry)
            except EntryNotFound as error:
                missing = error
        if missing is not None and not hits:
            raise missing

    def extract(
        self,
        places: str | Sequence[str],
        folder: str | os.PathLike[str],
        *,
        options: ExtractionOptions | None = None,
        events: EventSink = discard,
        records: Callable[[str, ExtractedFile], object] | None = None,
    ) -> Extracted:
        """Bring files and folders, with all that is below them, into a folder of this machine; never outside of it.

        The files of one volume go straight into `folder`, those of several into one folder for each. A second run
        keeps what the first one has written.

        Args:
            places: `VOLUME:/PATH`, as for `find`.
            records: Told of every file at once, as (volume, file); without it they are in the result.

        Raises:
            EntryNotFound: A place is nowhere; nothing was written.
            RestoreRefused: Nothing can be written in the folder.
            Cancelled: It was stopped; no unfinished file is left.
            ImageError: A volume cannot be read. What is wrong with one file is in its record.
        """
        from hvbackup.jobs.guest_extraction import extract_places

        wanted = [places] if isinstance(places, str) else list(places)
        return extract_places(
            self, wanted, folder, options=options, events=events, cancel=self._cancel, records=records
        )

    def notes(self) -> tuple[str, ...]:
        """Return what should be known of the volumes that were looked into, such as a journal that is not replayed."""
        return tuple(f"volume {name}: {text}" for name, files in self._kept.items() for text in files.info.notes)

    def open(self, text: str) -> Source:
        """Open the contents of the one file that `VOLUME:/PATH` means, or `VOLUME:/PATH:STREAM` on NTFS.

        It can be read until the disk is closed.

        Raises:
            EntryNotFound: There is no such file.
            InvalidRequest: It is a folder or a link, or several files fit.
            ImageUnsupported: Its contents cannot be read here; the message says what can.
        """
        place = self.place(text)
        hits: list[tuple[Found, str | None]] = []
        missing = EntryNotFound(f"nothing fits {text!r} in {self.name}")
        for volume in self.volumes_of(place):
            path, stream = split_stream(place.path, volume.kind)
            try:
                entries = find(self.opened_files(volume.name), path)
                hits += [(Found(volume.name, entry), stream) for entry in islice(entries, _MOST_NAMED)]
            except EntryNotFound as error:
                missing = error
        if not hits:
            raise missing
        if len(hits) > 1:
            raise InvalidRequest(f"several files fit {text!r}", hint=", ".join(found.place for found, _ in hits))
        found, stream = hits[0]
        kind = found.entry.kind
        if kind is not EntryKind.FILE and (stream is None or kind is not EntryKind.FOLDER):
            target = f" to {found.entry.target}" if found.entry.target else ""
            raise InvalidRequest(f"{found.place} is no file but a {kind.value}{target}")
        return self.opened_files(found.volume).open(found.entry.path, stream=stream)

    def opened_files(self, volume: str) -> FileSystem:
        """Return the file system of a volume that is opened once and closed with the disk; raises as `files` does."""
        if volume not in self._kept:
            self._kept[volume] = self._opened.enter_context(self.files(volume))
        return self._kept[volume]

    def close(self) -> None:
        """Close the file systems and all files of the chain; closing twice is no error."""
        self._kept.clear()
        self._opened.close()
        self.chain.close()

    def __enter__(self) -> GuestDisk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
