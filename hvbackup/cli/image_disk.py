"""What the commands of `hvbackup image` share: naming a disk of this machine or of a restore point, and opening it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from hvbackup.cli.context import CommandT, Invocation, repository_options
from hvbackup.errors import ImageError, InvalidRequest

if TYPE_CHECKING:
    from hvbackup.jobs.guest_disk import GuestDisk
    from hvbackup.models import RestorePoint
    from hvbackup.repository.reader import BlockPointReader


class DiskOptions(NamedTuple):
    """How the user says which disk is meant, besides its name."""

    point: str | None
    location: str | None
    passphrase: str | None
    parents: tuple[str, ...]
    folders: tuple[str, ...]
    companions: tuple[str, ...]
    allow_mismatch: bool
    raw: bool


class Chosen(NamedTuple):
    """A disk that was opened, and the words of the command line that follow its name.

    Attributes:
        arguments: What to type to name the same disk again.
        about: Of which VM and time the disk of a restore point is.
    """

    guest: GuestDisk
    rest: tuple[str, ...]
    arguments: str
    about: str | None = None


def about_point(point: RestorePoint, disk: str) -> str:
    """Say which state of the VM a disk of a point shows: a journal that nobody replays makes a difference."""
    from hvbackup.jobs.point_disks import recovery_disks

    text = f"{point.vm_name} of {point.host} as of {point.snapshot_at}, consistency: {point.consistency}"
    for name in recovery_disks(point, disk):
        text += f"\nwhat the guest's own writers wrote for the backup is in {name}: name it as DISK to see it, too"
    return text


def disk_options(function: CommandT) -> CommandT:
    """Add `--point`, the options of a repository, and those of chains; the command gets them as `options`."""
    added = [
        click.option("--point", metavar="ID", help="A disk of this restore point; `latest:VM` is the newest of a VM."),
        click.option("--parent", "parents", multiple=True, metavar="FILE",
                     help="The parent of a differencing disk, else it is looked for; then its parent, and so on."),
        click.option("--folder", "folders", multiple=True, metavar="FOLDER", help="Look for parents here too."),
        click.option("--with", "companions", multiple=True, metavar="FILE",
                     help="Another disk of the same VM, for logical volumes (LVM2) that lie on several."),
        click.option("--allow-mismatch", is_flag=True,
                     help="Take a parent whose id does not fit: what is read may be nonsense."),
        click.option("--raw", is_flag=True, help="Take a file that is neither VHD nor VHDX as a flat disk."),
    ]  # fmt: skip

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        options = DiskOptions(**{name: kwargs.pop(name) for name in DiskOptions._fields})
        if options.point is not None and (options.parents or options.folders or options.companions):
            raise InvalidRequest("--parent, --folder and --with are for files: a point has all its disks")
        return function(*args, options=options, **kwargs)

    decorated: Any = repository_options(cast("CommandT", wrapper))
    for option in reversed(added):
        decorated = option(decorated)
    return cast("CommandT", decorated)


@contextmanager
def opened_disk(
    invocation: Invocation, options: DiskOptions, words: Sequence[str], *, leaf_at_least: bool = False
) -> Iterator[Chosen]:
    """Open the disk that the options and the first of the words mean.

    Args:
        leaf_at_least: Open the leaf alone where its parents are missing or do not fit; `chain.broken` tells.

    Raises:
        InvalidRequest: No disk is named, or none of the point is meant; the hint names the disks.
        What `browse`, `browse_point` and the opening of a repository raise.
    """
    from hvbackup.jobs.browse import browse

    if options.point is not None:
        with _disk_of_point(invocation, options, words, leaf_at_least=leaf_at_least) as chosen:
            yield chosen
        return
    if not words:
        raise InvalidRequest("no disk is named", hint="Name a file, or a restore point with --point.")
    with browse(
        words[0],
        parents=options.parents,
        folders=options.folders,
        companions=options.companions,
        allow_mismatch=options.allow_mismatch,
        raw=options.raw,
        leaf_at_least=leaf_at_least,
        cancel=invocation.cancel,
    ) as guest:
        try:
            yield Chosen(guest, tuple(words[1:]), _again(options, words[0]))
        except BrokenPipeError:
            raise
        except OSError as error:  # a medium that fails, a share that is gone
            raise ImageError(f"{error.filename or words[0]} cannot be read: {error.strerror or error}") from error


@contextmanager
def _disk_of_point(
    invocation: Invocation, options: DiskOptions, words: Sequence[str], *, leaf_at_least: bool
) -> Iterator[Chosen]:
    from hvbackup.jobs.browse import browse_reader
    from hvbackup.jobs.point_disks import find_point

    with invocation.repository(options.location, options.passphrase) as repository:
        point = find_point(repository, str(options.point))
        reader = repository.read(point)
        name, rest = _split(reader, words)
        with browse_reader(
            reader,
            name,
            allow_mismatch=options.allow_mismatch,
            raw=options.raw,
            leaf_at_least=leaf_at_least,
            cancel=invocation.cancel,
        ) as guest:
            yield Chosen(guest, rest, _again(options._replace(point=point.id), name), about_point(point, guest.name))


def _again(options: DiskOptions, name: str | None) -> str:
    """What to type to name the same disk once more."""
    given = [("-r", options.location), ("--passphrase-from", options.passphrase), ("--point", options.point)]
    given += [("--parent", parent) for parent in options.parents]
    given += [("--folder", folder) for folder in options.folders]
    given += [("--with", companion) for companion in options.companions]
    words = [f"{flag} {quoted(text)}" for flag, text in given if text is not None]
    words += ["--allow-mismatch"] if options.allow_mismatch else []
    words += ["--raw"] if options.raw else []
    words += [quoted(name)] if name is not None else []
    return " ".join(words)


def _split(reader: BlockPointReader, words: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Tell the name of a disk, which may be left out, from the places in it that follow."""
    from hvbackup.jobs.guest_paths import looks_like_guest_path
    from hvbackup.jobs.point_disks import choose_disk

    if not words:
        return None, ()
    try:
        choose_disk(reader, words[0])
    except InvalidRequest:
        if looks_like_guest_path(words[0]):
            return None, tuple(words)
    return words[0], tuple(words[1:])


def refuse_rest(rest: Sequence[str]) -> None:
    """Refuse words behind the disk, for commands that take none."""
    if rest:
        raise InvalidRequest(f"{rest[0]!r} is one word too many: the command takes one disk")


def quoted(text: str) -> str:
    """Return a word as it must be typed into a shell."""
    import shlex

    return shlex.quote(text)
