"""Which library reads which file system, in this process.

The parsers are C and a disk is untrusted: programs use `hvbackup.images.filesystems.sandbox`, which calls this in a
limited process.
"""

from __future__ import annotations

from typing import Any

from hvbackup.errors import ImageUnsupported
from hvbackup.images.filesystems.adapter import Guard, SourceFile
from hvbackup.images.filesystems.contract import FileSystem
from hvbackup.images.filesystems.tree import Parser, TreeFileSystem
from hvbackup.images.source import Source


def open_file_system(volume: Source, kind: str, *, engine: str | None = None) -> FileSystem:
    """Open the file system of a volume for reading.

    Args:
        kind: What is in it, as `hvbackup.images.volumes.Volume.kind` says.
        engine: `tsk` to take The Sleuth Kit, as a witness; None for the one that is best for the kind.

    Raises:
        ImageUnsupported: No library reads this kind.
        ImageDamaged: It is damaged.
    """
    file = SourceFile(volume)
    guard = Guard(file)
    with guard(f"the {kind} file system"):
        parser = _second_parser(file, kind) if engine == "tsk" else _parser(file, kind)
    return TreeFileSystem(parser, guard)


def _parser(file: SourceFile, kind: str) -> Parser[Any]:
    if kind == "ntfs":
        from hvbackup.images.filesystems.ntfs import NtfsParser

        return NtfsParser(file)
    if kind in ("ext2", "ext3", "ext4"):
        from hvbackup.images.filesystems.ext import open_ext

        return open_ext(file, kind)
    if kind == "xfs":
        from hvbackup.images.filesystems.xfs import open_xfs

        return open_xfs(file, kind)
    if kind in ("fat12", "fat16", "fat32"):
        from hvbackup.images.filesystems.fat import open_fat

        return open_fat(file, kind)
    if kind == "exfat":
        from hvbackup.images.filesystems.exfat import open_exfat

        return open_exfat(file)
    raise ImageUnsupported(f"a file system of the kind {kind} is not read here")


def _second_parser(file: SourceFile, kind: str) -> Parser[Any]:
    from hvbackup.images.filesystems.tsk import KINDS, TskParser

    if kind not in KINDS:
        raise ImageUnsupported(f"a file system of the kind {kind} is not read by The Sleuth Kit")
    return TskParser(file, kind)
