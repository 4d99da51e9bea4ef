"""The folder that files are extracted into, and the folders in it; nothing outside is ever touched.

On Linux and macOS every step goes through an open folder (`dir_fd`, `O_NOFOLLOW`), so that a link cannot lead out even
if it appears meanwhile. On Windows every folder is looked at before it is used (unverified there).
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Protocol, TypeAlias

from hvbackup.images.names import NameRules

#: Names from the destination down.
Parts: TypeAlias = tuple[str, ...]

#: Beginning and end of the names of files that are being written.
TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".hvbackup-", ".part"
_OPEN_FOLDERS = 64
_REPARSE_POINT = 0x400
_IN_THE_WAY = "a file or a link is where a folder must be"


def temporary_name() -> str:
    """A name for a file that is being written."""
    return f"{TEMPORARY_PREFIX}{token_hex(8)}{TEMPORARY_SUFFIX}"


class Folder(Protocol):
    """A folder of the destination. Names are those of entries in it, never paths.

    All methods raise `OSError` as the system's calls do.
    """

    def folder(self, name: str) -> Folder:
        """Enter a folder, which is created if it is not there; never through a link."""

    def look(self, name: str) -> os.stat_result | None:
        """What is there, links not followed."""

    def create(self, name: str, mode: int) -> int:
        """Create a file that is not there, and open it for reading and writing."""

    def open_there(self, name: str) -> int:
        """Open a file or folder that is there for reading, no link."""

    def rename(self, name: str, to: str) -> None:
        """Give a file another name; what had that name is replaced, a link itself and not what it leads to."""

    def remove(self, name: str) -> None:
        """Remove a file or a link."""

    def read_link(self, name: str) -> str:
        """Where a symbolic link leads."""

    def link_to(self, target: str, name: str) -> None:
        """Create a symbolic link."""

    def link_file(self, folder: Folder, other: str, name: str) -> None:
        """Give the file `other` of another folder a second name here."""

    def set_times(self, name: str, accessed: int, modified: int) -> None:
        """Set the times of a file, in nanoseconds."""

    def set_mode(self, name: str, mode: int) -> None:
        """Set the permission bits of a file or folder, which is no link."""

    def close(self) -> None:
        """Give it back."""


class HeldFolder:
    """A folder by its open descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def folder(self, name: str) -> Folder:
        """Enter a folder, which is created if it is not there; never through a link."""
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self.descriptor)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return HeldFolder(os.open(name, flags, dir_fd=self.descriptor))
        except OSError as error:
            found = self.look(name)
            if found is not None and not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(error.errno, _IN_THE_WAY) from error
            raise

    def look(self, name: str) -> os.stat_result | None:
        """What is there, links not followed."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def create(self, name: str, mode: int) -> int:
        """Create a file that is not there, and open it for reading and writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, mode, dir_fd=self.descriptor)

    def open_there(self, name: str) -> int:
        """Open a file or folder that is there for reading, no link."""
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.descriptor)

    def rename(self, name: str, to: str) -> None:
        """Give a file another name."""
        os.replace(name, to, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(name, dir_fd=self.descriptor)

    def read_link(self, name: str) -> str:
        """Where a symbolic link leads."""
        return os.readlink(name, dir_fd=self.descriptor)

    def link_to(self, target: str, name: str) -> None:
        """Create a symbolic link."""
        os.symlink(target, name, dir_fd=self.descriptor)

    def link_file(self, folder: Folder, other: str, name: str) -> None:
        """Give the file `other` of another folder a second name here."""
        assert isinstance(folder, HeldFolder)  # noqa: S101  # a destination has folders of one kind
        os.link(other, name, src_dir_fd=folder.descriptor, dst_dir_fd=self.descriptor, follow_symlinks=False)

    def set_times(self, name: str, accessed: int, modified: int) -> None:
        """Set the times of a file, in nanoseconds."""
        os.utime(name, ns=(accessed, modified), dir_fd=self.descriptor, follow_symlinks=False)

    def set_mode(self, name: str, mode: int) -> None:
        """Set the permission bits of a file or folder, which is no link."""
        held = self.open_there(name)
        try:
            os.fchmod(held, mode)
        finally:
            os.close(held)

    def close(self) -> None:
        """Give it back."""
        descriptor, self.descriptor = self.descriptor, -1  # its number may soon be that of another file
        os.close(descriptor)


class NamedFolder:
    """A folder by its path, where the system has no descriptors of folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, name: str) -> Folder:
        """Enter a folder, which is created if it is not there; never through a link."""
        path = self.path / name
        with suppress(FileExistsError):
            path.mkdir()
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or getattr(found, "st_file_attributes", 0) & _REPARSE_POINT:
            raise NotADirectoryError(_IN_THE_WAY)
        return NamedFolder(path)

    def look(self, name: str) -> os.stat_result | None:
        """What is there, links not followed."""
        try:
            return (self.path / name).lstat()
        except FileNotFoundError:
            return None

    def create(self, name: str, mode: int) -> int:
        """Create a file that is not there, and open it for reading and writing."""
        return os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)

    def open_there(self, name: str) -> int:
        """Open a file or folder that is there for reading, no link."""
        return os.open(self.path / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))

    def rename(self, name: str, to: str) -> None:
        """Give a file another name."""
        (self.path / name).replace(self.path / to)

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        (self.path / name).unlink()

    def read_link(self, name: str) -> str:
        """Where a symbolic link leads."""
        return os.readlink(self.path / name)  # noqa: PTH115  # the text, not a path made of it

    def link_to(self, target: str, name: str) -> None:
        """Create a symbolic link."""
        (self.path / name).symlink_to(target)

    def link_file(self, folder: Folder, other: str, name: str) -> None:
        """Give the file `other` of another folder a second name here."""
        assert isinstance(folder, NamedFolder)  # noqa: S101  # a destination has folders of one kind
        (self.path / name).hardlink_to(folder.path / other)

    def set_times(self, name: str, accessed: int, modified: int) -> None:
        """Set the times of a file, in nanoseconds."""
        if os.utime in os.supports_follow_symlinks:
            os.utime(self.path / name, ns=(accessed, modified), follow_symlinks=False)
        else:
            os.utime(self.path / name, ns=(accessed, modified))

    def set_mode(self, name: str, mode: int) -> None:
        """Set the permission bits of a file or folder, which is no link."""
        (self.path / name).chmod(mode)

    def close(self) -> None:
        """Give it back."""


class Destination:
    """The folder that files are extracted into. Use it in `with`.

    Attributes:
        path: Where it is, links resolved once.
        rules: What names must be like there, found out by trying.

    Raises:
        OSError: It cannot be created, or nothing can be written in it.
    """

    def __init__(self, path: Path, *, by_descriptor: bool | None = None) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path.resolve()
        if by_descriptor is None:
            by_descriptor = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
        self._root = _held_root(self.path) if by_descriptor else NamedFolder(_long_path(self.path))
        self._folders: OrderedDict[Parts, Folder] = OrderedDict()
        try:
            self.rules = _rules(self._root)
        except BaseException:
            self._root.close()
            raise

    def folder(self, parts: Parts) -> Folder:
        """Enter a folder by its names; it is to be used before the next one is asked for.

        Raises:
            OSError: It cannot be created, or a file or a link is in the way.
        """
        known = len(parts)
        while known and parts[:known] not in self._folders:
            known -= 1
        folder = self._root
        if known:
            folder = self._folders[parts[:known]]
            self._folders.move_to_end(parts[:known])
        for end in range(known + 1, len(parts) + 1):
            folder = folder.folder(parts[end - 1])
            self._folders[parts[:end]] = folder
            if len(self._folders) > _OPEN_FOLDERS:
                self._folders.popitem(last=False)[1].close()
        return folder

    def close(self) -> None:
        """Give everything back."""
        for folder in (*self._folders.values(), self._root):
            folder.close()
        self._folders.clear()

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _held_root(path: Path) -> Folder:
    return HeldFolder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def _long_path(path: Path) -> Path:
    """The path in the form that has no limit of 260 characters (Windows)."""
    text = str(path)
    if os.name != "nt" or text.startswith("\\\\?\\"):
        return path
    return Path("\\\\?\\UNC\\" + text[2:] if text.startswith("\\\\") else "\\\\?\\" + text)


def _rules(folder: Folder) -> NameRules:
    """Find out by a file of its own whether names are told apart by case, and by the form of their letters."""
    usual = NameRules()
    name = f"{TEMPORARY_PREFIX}{token_hex(8)}\N{LATIN SMALL LETTER E WITH ACUTE}"
    try:
        os.close(folder.create(name, 0o600))
    except (UnicodeError, FileNotFoundError):  # a system without Unicode: told apart as is usual there
        return usual
    try:
        return usual._replace(
            one_case=folder.look(name.upper()) is not None,
            one_form=folder.look(name[:-1] + "e\N{COMBINING ACUTE ACCENT}") is not None,
        )
    finally:
        folder.remove(name)
