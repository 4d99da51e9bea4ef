"""A disk image that a command has written: checked, then told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvbackup.cli.output import Output
from hvbackup.cli.sizes import size_text
from hvbackup.errors import StoreUnavailable, VerificationFailed


@contextmanager
def tell_written(output: Output, target: str) -> Iterator[None]:
    """Run the writing of one image, check the structure of what came of it, and tell.

    Raises:
        StoreUnavailable: The file cannot be written.
        VerificationFailed: What was written is no sound image.
    """
    from hvbackup.images.check import check_image
    from hvbackup.images.source import FileSource

    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror or error}") from error
    with FileSource(target) as source:
        report = check_image(source)
    if report.problems:
        raise VerificationFailed(f"{target} was written, and is not sound: {report.problems[0]}")
    path = str(Path(target))
    output.record("written", {"path": path, "report": report})
    output.line(
        f"{path}: a disk of {size_text(report.virtual_size_bytes)} in a file of {size_text(report.file_size_bytes)}",
        fg="green",
    )
    output.summary(0, path=path, fileSizeBytes=report.file_size_bytes)
