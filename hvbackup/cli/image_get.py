"""`hvbackup image get`: files and folders out of a disk, into a folder of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.image_disk import DiskOptions, disk_options, opened_disk
from hvbackup.cli.image_volumes import tell_notes, tell_where
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.output import Output, one_line
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.cli.sizes import count_text, size_text
from hvbackup.errors import InvalidRequest

if TYPE_CHECKING:
    from hvbackup.images.extraction import ExtractedFile
    from hvbackup.jobs.guest_extraction import Extracted


@click.command()
@click.argument("disk", metavar="DISK VOLUME:/PATH...", nargs=-1)
@click.option("--output", "-o", "folder", required=True, metavar="FOLDER", help="Where to; made if it is not there.")
@click.option("--replace", is_flag=True, help="Write over other files that are there.")
@click.option("--keep-links", is_flag=True, help="Make symbolic links that lead to a place inside FOLDER.")
@click.option("--no-streams", is_flag=True, help="Without the named streams of NTFS.")
@click.option("--portable-names", is_flag=True, help="Only names that Windows and macOS can hold, too.")
@click.option("--permissions", is_flag=True, help="Permission bits exactly as in the guest, without set-user-id.")
@click.option("--hashes", is_flag=True, help="Give the SHA-256 of each file (--json).")
@disk_options
@pass_invocation
def get(
    invocation: Invocation,
    disk: tuple[str, ...],
    folder: str,
    replace: bool,
    keep_links: bool,
    no_streams: bool,
    portable_names: bool,
    permissions: bool,
    hashes: bool,
    options: DiskOptions,
) -> int:
    """Bring files and folders out of DISK into FOLDER, folders with all that is in them.

    Places are written as for `ls`. Run it again after a stop: files that are there whole are kept, the others are
    brought. Nothing is written outside FOLDER, whatever the disk says; names that this machine cannot hold are changed
    and told. What cannot be read is a failure, never zeros.

    \b
    hvbackup image get disk.vhdx 2:/Users/anna/Documents -o out
    hvbackup image get --point latest:web01 '**/*budget*.xls?' -o found

    \b
    Exit status: 0 · 1 nothing is there, or nothing could be read · 2 usage · 3 some files failed; the list says why
    · 4 no room · 130 interrupted, and can be continued
    """
    from hvbackup.images.extraction import ExtractionOptions

    output = invocation.output
    with (
        opened_disk(invocation, options, disk) as chosen,
        ProgressDisplay(output) as progress,
        interruptible(output, invocation.cancel),
    ):
        guest = chosen.guest
        if not chosen.rest:
            raise InvalidRequest(
                "no files are named", hint=f"hvbackup image get {chosen.arguments} VOLUME:/PATH -o {folder}"
            )
        for text in chosen.rest:
            tell_where(output, guest, guest.place(text))
        if chosen.about:
            output.talk(chosen.about)
        done = guest.extract(
            chosen.rest,
            folder,
            options=ExtractionOptions(
                replace=replace,
                links="keep" if keep_links else "record",
                streams=not no_streams,
                portable_names=portable_names,
                modes=permissions,
                hashes=hashes,
            ),
            events=progress,
            records=lambda volume, file: _tell_file(output, volume, file),
        )
        tell_notes(output, guest)
    return _tell_result(output, folder, done)


def _tell_file(output: Output, volume: str, file: ExtractedFile) -> None:
    """Write what became of one file; for people only what is not as they would think."""
    output.record("file", {"volume": volume, **file.to_dict()})
    if output.json:
        return
    if file.status.value in ("failed", "skipped"):
        colour = "red" if file.status.value == "failed" else None
        reason = file.reason or "no reason is known"
        output.line(one_line(f"{file.status.value}: {volume}:{file.path}: {reason}"), fg=colour)
    elif file.renamed or file.reason:
        reason = f" ({file.reason})" if file.reason else ""
        output.line(one_line(f"{volume}:{file.path} is {file.written} here{reason}"))


def _tell_result(output: Output, folder: str, done: Extracted) -> int:
    there = done.ok + done.kept
    code = 4 if done.stopped else 0 if not done.failed else 3 if there else 1
    for each in done.volumes:
        output.record("extracted", each)
    words = [f"{count_text(done.ok, 'file')}, {size_text(done.size_bytes)}"]
    words += [f"{count} {word}" for count, word in ((done.kept, "kept"), (done.skipped, "skipped")) if count]
    words += [f"{done.failed} FAILED"] if done.failed else []
    output.line(f"{folder}: {', '.join(words)}", fg="red" if code else "green")
    if done.stopped:
        output.record("error", {"error": "StoreUnavailable", "message": done.stopped, "hint": None})
        if not output.json:
            output.talk(f"error: {done.stopped}", fg="red")
    output.summary(
        code, ok=done.ok, kept=done.kept, failed=done.failed, skipped=done.skipped, sizeBytes=done.size_bytes
    )
    return code
