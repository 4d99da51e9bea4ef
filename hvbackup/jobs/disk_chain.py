"""A disk with all files of its chain, wherever they are: on this machine, or in a restore point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from hvbackup.errors import ImageError, InvalidRequest, ParentMismatch, ParentMissing
from hvbackup.images.chain import Image, open_disk, open_image
from hvbackup.images.disk import RawDisk
from hvbackup.images.source import FileSource, Source


class ChainFile(NamedTuple):
    """One image file of a chain: what it is called where it is, and its bytes."""

    name: str
    source: Source


class DiskChain:
    """A disk, open for reading, with the files of its chain. Use it in `with`, or close it.

    Attributes:
        name: What people call the disk: its path here, or its name in the restore point.
        image: The disk as the guest sees it.
        files: The files, leaf first.
        broken: Why only the leaf is open, where its parents are missing or do not fit, and it was wanted all the same.
    """

    def __init__(
        self, image: Image, files: Sequence[ChainFile], opened: ExitStack, *, broken: ImageError | None = None
    ) -> None:
        self.name = files[0].name
        self.image = image
        self.files = tuple(files)
        self.broken = broken
        self._opened = opened

    @property
    def is_raw(self) -> bool:
        """Whether it is a flat file without the signature of a VHD or VHDX."""
        return isinstance(self.image, RawDisk)

    def close(self) -> None:
        """Close all files; closing twice is no error."""
        self._opened.close()

    def __enter__(self) -> DiskChain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_local_disk(
    path: str | os.PathLike[str],
    *,
    parents: Sequence[str | os.PathLike[str]] = (),
    folders: Sequence[str | os.PathLike[str]] = (),
    allow_mismatch: bool = False,
    raw: bool = False,
    leaf_at_least: bool = False,
) -> DiskChain:
    """Open a disk by its file on this machine; see `hvbackup.images.chain.open_disk`.

    Args:
        leaf_at_least: Open the leaf alone where its parents are missing or do not fit; `broken` tells.

    Raises:
        InvalidRequest: There is no such file.
        ImageError: It is damaged, of a kind that is not read, or lacks a parent; or the machine cannot read it.
    """
    try:
        opened = open_disk(path, parents=parents, folders=folders, allow_mismatch=allow_mismatch, raw=raw)
    except OSError as error:
        raise unreadable_file(error.filename or path, error) from error
    except (ParentMissing, ParentMismatch) as error:
        if not leaf_at_least:
            raise
        with ExitStack() as files:
            source = files.enter_context(FileSource(path))
            return DiskChain(open_image(source), [ChainFile(str(path), source)], files.pop_all(), broken=error)
    with ExitStack() as files:
        files.callback(opened.close)
        chain = [ChainFile(str(file), files.enter_context(FileSource(file))) for file in opened.paths]
        return DiskChain(opened.image, chain, files.pop_all())


def unreadable_file(path: str | os.PathLike[str] | bytes, error: OSError) -> InvalidRequest | ImageError:
    """Say in one sentence that a file of this machine cannot be read."""
    name = Path(os.fsdecode(path))
    if isinstance(error, FileNotFoundError):
        return InvalidRequest(f"there is no file {name}")
    if isinstance(error, IsADirectoryError):
        return InvalidRequest(f"{name} is a folder, not a disk image")
    return ImageError(f"{name} cannot be read: {error.strerror or error}")
