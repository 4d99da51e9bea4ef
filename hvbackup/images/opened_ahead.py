"""Reads one step ahead: the next file is opened, the next piece read, while the one before is written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from hvbackup.errors import HvBackupError, ImageDamaged
from hvbackup.images.filesystems.contract import FileSystem
from hvbackup.images.source import MIB, Source


class OpenedAhead:
    """One thread that reads for another one that writes. Use it in `with`; what it read in vain is forgotten.

    Attributes:
        kind: The kind of the file system.
    """

    def __init__(self, files: FileSystem) -> None:
        self.kind = files.info.kind
        self._files = files
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="hvbackup-extract-read")
        self._prepared: dict[str, Future[Source]] = {}

    def prepare(self, path: str) -> None:
        """Begin to open a file."""
        if len(self._prepared) > 1:  # prepared in vain
            self._prepared.clear()
        self._prepared[path] = self._reader.submit(self._open, path, None)

    def open(self, path: str, stream: str | None = None) -> Source:
        """Return the contents of a file or stream, which may be open already.

        Raises:
            ImageError: They cannot be opened.
        """
        prepared = self._prepared.pop(path, None) if stream is None else None
        return self._open(path, stream) if prepared is None else prepared.result()

    def _open(self, path: str, stream: str | None) -> Source:
        try:
            return self._files.open(path, stream=stream)
        except OSError as error:  # not to be taken for an error of the destination
            raise _of_disk(error) from error

    def pieces(self, source: Source, size: int) -> Iterator[bytes]:
        """Yield all bytes in pieces of a MiB.

        Raises:
            ImageDamaged: They are not `size` bytes, or cannot be read.
        """
        if source.size != size:
            raise ImageDamaged(f"it is {size} bytes long by its folder, and {source.size} when it is read")
        if size <= MIB:
            yield from [read(source, 0, size)] if size else []
            return
        coming = self._reader.submit(read, source, 0, MIB)
        for offset in range(MIB, size, MIB):
            piece = coming.result()
            coming = self._reader.submit(read, source, offset, min(MIB, size - offset))
            yield piece
        yield coming.result()

    def __enter__(self) -> OpenedAhead:
        return self

    def __exit__(self, *exc: object) -> None:
        self._reader.shutdown(cancel_futures=True)


def read(source: Source, offset: int, size: int) -> bytes:
    """Read bytes that must be there.

    Raises:
        ImageDamaged: They are not, or the disk could not be read.
    """
    try:
        data = source.read_at(offset, size)
    except OSError as error:
        raise _of_disk(error) from error
    if len(data) != size:
        raise ImageDamaged(f"it ends at {offset + len(data)} bytes, too early")
    return data


def _of_disk(error: OSError) -> HvBackupError:
    return ImageDamaged(f"the disk could not be read: {error}")
