"""Files of a restore point onto the host: written beside their names, read back and compared, then named.

What was written is removed again when something goes wrong. After a crash the next run removes what is half-written:
the journal names only that, for a file that has its name is complete, and may be in use by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hvbackup.errors import FileInUse, HvBackupError, RestoreRefused, VerificationFailed
from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.jobs.copying import block_at
from hvbackup.jobs.sources import owner_of
from hvbackup.models import Model, PointFile, Vm, Volume
from hvbackup.remote.calls import FileRoot, GetFile, RemoveFile, WriteFile
from hvbackup.remote.fanout import hash_blocks, write_blocks
from hvbackup.remote.session import Transport
from hvbackup.repository.seams import PointReader

#: What a file is called on the host until it is complete, see `WriteFile`.
PART = ".hvbpart"

#: Seconds between the tries to give a file its name while something holds the old one.
_NAMING_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)

_HASH_BYTES = 32
_ZERO_HASH = bytes(_HASH_BYTES)


class StagedFile(Model, frozen=True, kw_only=True):
    """A file of the point and its final path on the host; `existed` if a file of that name was there before."""

    file: PointFile
    path: str
    existed: bool = False


def plan_staging(
    transport: Transport, files: Sequence[tuple[PointFile, str]], *, replace: bool
) -> tuple[StagedFile, ...]:
    """Look at what is in the way.

    Raises:
        RestoreRefused: Files are there and `replace` is off; the message names the first.
    """
    import ntpath

    roots = tuple(FileRoot(path=ntpath.dirname(path), filespec=ntpath.basename(path)) for _, path in files)
    listing = transport.call(GetFile(roots=roots)).data
    there = {ntpath.normcase(entry.path) for entry in listing.files}
    staged = tuple(StagedFile(file=file, path=path, existed=ntpath.normcase(path) in there) for file, path in files)
    existing = [each.path for each in staged if each.existed]
    if existing and not replace:
        raise RestoreRefused(
            f"{len(existing)} file(s) are on {transport.host} already, the first is {existing[0]}",
            hint="Choose another folder with --path, or allow it with --replace.",
        )
    return staged


class Staging:
    """Puts files onto the host. One object for one restore."""

    def __init__(
        self,
        transport: Transport,
        reader: PointReader,
        files: Sequence[StagedFile],
        *,
        lanes: int,
        events: EventSink,
        cancel: Cancellation,
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._files = tuple(files)
        self._lanes = lanes
        self._events = events
        self._cancel = cancel
        self._total = sum(each.file.size_bytes for each in files)
        self._done = 0
        self._naming = False
        self._named: list[StagedFile] = []
        self.discarded = False

    @property
    def replaced(self) -> tuple[str, ...]:
        """Files that were there before, and hold the point's bytes now."""
        return tuple(each.path for each in self._named if each.existed)

    def write_all(self) -> None:
        """Write every file under its provisional name and compare its hashes with the point's.

        Raises:
            VerificationFailed: What is on the host is not what was sent.
            RemoteError, RepositoryError, Cancelled: As they come; call `discard` then.
        """
        for each in self._files:
            self._cancel.check()
            self._write(each)
            self._compare(each)
            self._done += each.file.size_bytes

    def name_all(self) -> None:
        """Give every file its name, replacing what may be replaced."""
        self._naming = True
        for each in self._files:
            self._name(each)
            self._named.append(each)

    def _name(self, each: StagedFile) -> None:
        call = WriteFile(
            path=each.path,
            size_bytes=each.file.size_bytes,
            first=False,
            last=True,
            replace=each.existed,
            modified_at=each.file.modified_at,
        )
        for wait in (*_NAMING_WAITS, None):
            try:
                self._transport.send(call, ())
            except FileInUse:
                if wait is None:
                    raise
                # The management service may hold a disk for a moment after its VM was removed. Not cut short by a
                # stop: the original is gone by now, so finishing is what leaves the host in order.
                Cancellation().wait(wait)
            else:
                return

    def discard(self, *, keep_named: bool = False) -> None:
        """Remove what was staged: provisional files, and those that have their names and were not there before.

        Args:
            keep_named: Only provisional ones.
        """
        # The one whose naming failed may have its name all the same.
        begun = self._files[: len(self._named) + 1]
        named = tuple(each.path for each in begun if not each.existed and self._naming and not keep_named)
        self._transport.call(RemoveFile(files=part_files(self._files) + named))
        self.discarded = True

    def _write(self, each: StagedFile) -> None:
        write_blocks(
            self._transport,
            each.path,
            each.file.size_bytes,
            self._blocks(each.file),
            lanes=self._lanes,
            last=False,
            replace=each.existed,
            cancel=self._cancel,
        )

    def _blocks(self, file: PointFile) -> Iterator[tuple[int, bytes]]:
        locate = block_at(self._reader.grid(file.name), file.size_bytes)
        for block, sha256 in enumerate(_each_hash(self._reader, file.name)):
            if sha256 == _ZERO_HASH:
                continue
            offset, length = locate(block)
            yield offset, self._reader.block(file.name, block)
            self._events(
                Progress(
                    vm=self._reader.point.vm_name,
                    activity="restore",
                    done=self._done + offset + length,
                    total=self._total,
                    item=file.name,
                )
            )

    def _compare(self, each: StagedFile) -> None:
        grid = self._reader.grid(each.file.name)
        expected = _each_hash(self._reader, each.file.name)

        def take(hashes: bytes) -> None:
            for at in range(0, len(hashes), _HASH_BYTES):
                if next(expected, None) != hashes[at : at + _HASH_BYTES]:
                    raise VerificationFailed(
                        f"{each.path} on {self._transport.host} does not hold what was sent",
                        hint="Something on the host changes or damages the file while it is written.",
                    )

        summary = hash_blocks(
            self._transport,
            each.path + PART,
            take,
            block_size=grid.block_size,
            cuts=grid.cuts,
            cancel=self._cancel,
        )
        if next(expected, None) is not None or summary.size_bytes != each.file.size_bytes:
            raise VerificationFailed(f"{each.path} on {self._transport.host} is not as long as it should be")


def _each_hash(reader: PointReader, name: str) -> Iterator[bytes]:
    """Give the hashes of a file one by one: all together would be 1.3 GB for a disk of 10 TB."""
    for part in reader.iterate_hashes(name):
        for at in range(0, len(part), _HASH_BYTES):
            yield part[at : at + _HASH_BYTES]


def part_files(files: Sequence[StagedFile]) -> tuple[str, ...]:
    """Return the paths of what an unfinished restore leaves half-written."""
    return tuple(each.path + PART for each in files)


def refuse_files_of_others(files: Sequence[StagedFile], vms: Sequence[Vm]) -> None:
    """Refuse to replace what a VM needs, such as a parent that several VMs have in common.

    Raises:
        RestoreRefused: Names the file and the VM.
    """
    for each in files:
        owner = owner_of(each.path, vms) if each.existed else None
        if owner is not None:
            raise RestoreRefused(
                f"{each.path} belongs to the VM {owner.name!r} ({owner.id})",
                hint="It is not replaced, whatever is asked for: choose another folder.",
            )


def require_room(files: Sequence[StagedFile], reader: PointReader, volumes: Sequence[Volume]) -> None:
    """Refuse a restore for which the host's volumes have no room.

    Raises:
        RestoreRefused: Blocks that are not zeros would not fit; names the volume and both figures.
    """
    from hvbackup.jobs.paths import volume_of

    needs: dict[str, int] = {}
    for each in files:
        volume = volume_of(each.path, volumes)
        if volume is None:
            raise RestoreRefused(f"{each.path}: the host has no such volume")
        grid = reader.grid(each.file.name)
        used = sum(sha256 != _ZERO_HASH for sha256 in _each_hash(reader, each.file.name))
        needs[volume.id] = needs.get(volume.id, 0) + min(used * grid.block_size, each.file.size_bytes)
    for volume in volumes:
        if needs.get(volume.id, 0) > volume.free_bytes:
            name = volume.paths[0] if volume.paths else volume.id
            raise RestoreRefused(
                f"{name} has {volume.free_bytes >> 20} MiB free, the restore needs {needs[volume.id] >> 20} MiB",
                hint="Choose another folder with --path.",
            )


def discard_quietly(staging: Staging, error: BaseException, *, keep_named: bool = False) -> None:
    """Remove what was staged after `error`; if that fails too, say so in a note of `error`, which stays the first."""
    try:
        staging.discard(keep_named=keep_named)
    except HvBackupError as second:
        add_note(error, f"What had been staged could not be removed: {second}. `hvbackup cleanup` will.")


def add_note(error: BaseException, text: str) -> None:
    """Attach a further fact to an error that is on its way (`BaseException.add_note` is there from 3.11 on)."""
    if isinstance(error, HvBackupError):
        error.hint = f"{error.hint} {text}" if error.hint else text
