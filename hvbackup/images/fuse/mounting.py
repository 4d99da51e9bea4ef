"""Mount, wait, and unmount whatever happens."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType

from hvbackup.errors import InvalidRequest
from hvbackup.events import Cancellation, EventSink, Note, discard
from hvbackup.images.exports import chosen_exports, exports_of
from hvbackup.images.filesystems.contract import FileSystem
from hvbackup.images.fuse.files_view import FilesView
from hvbackup.images.fuse.library import load_fuse
from hvbackup.images.fuse.raw_view import RawView
from hvbackup.images.fuse.view import View
from hvbackup.images.source import Source
from hvbackup.models import Model

#: How often it is seen that somebody else unmounted.
_LOOK_SECONDS = 0.5
_UNMOUNT_SECONDS = 10.0
#: Nothing in an image changes, so the kernel may remember what it saw.
_REMEMBER = {"attr_timeout": 3600, "entry_timeout": 3600, "kernel_cache": True}


class Mounted(Model, frozen=True, kw_only=True):
    """What is mounted, and where; `files` are those of the raw view, `notes` what is not there, and why."""

    folder: str
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def mount_raw(
    disk: Source,
    folder: Path,
    *,
    sector_size: int = 512,
    companions: Sequence[Source] = (),
    names: Sequence[str] = (),
    allow_other: bool = False,
    ready: Callable[[Mounted], None],
    cancel: Cancellation,
    events: EventSink = discard,
) -> None:
    """Show a disk and its volumes as flat files (`disk.raw`, `1.raw`, `GROUP/NAME.raw`) until `cancel` is set.

    Args:
        disk: Its reads come from several threads.
        folder: An empty folder.
        sector_size: Bytes of a logical sector of the disk.
        companions: Other disks of the same VM, on which parts of logical volumes may lie.
        names: Show these alone, `disk` for the disk.
        allow_other: Let other users in; only root may, or whom `/etc/fuse.conf` allows to.
        ready: Called once the files are there.
        events: Gets a note for each read that failed, from other threads.

    Raises:
        ConfigurationError: FUSE is missing; the hint is the cure.
        InvalidRequest: The folder cannot be mounted on.
        EntryNotFound: There is nothing of one of the `names`.
    """
    exports = chosen_exports(exports_of(disk, sector_size=sector_size, companions=companions), names)
    view = RawView(exports.by_name, events)
    mounted = Mounted(folder=str(folder.absolute()), files=view.names, notes=exports.notes)
    _mount(view, mounted, allow_other=allow_other, ready=ready, cancel=cancel, events=events)


def mount_files(
    files: FileSystem,
    folder: Path,
    *,
    size_bytes: int = 0,
    allow_other: bool = False,
    ready: Callable[[Mounted], None],
    cancel: Cancellation,
    events: EventSink = discard,
) -> None:
    """Show the files of a volume until `cancel` is set.

    Named streams are extended attributes `user.ads.NAME`; links lead to places inside the mount only.

    Args:
        files: Stays open; who opened it closes it.
        folder: As for `mount_raw`.
        size_bytes: Of the volume, for `df`.
        allow_other: As for `mount_raw`. Whoever is let in can read all files: the guest's rights are not looked at.
        ready: As for `mount_raw`.
        events: As for `mount_raw`.

    Raises:
        ConfigurationError: FUSE is missing; the hint is the cure.
        InvalidRequest: The folder cannot be mounted on.
    """
    view = FilesView(files, events, size_bytes)
    mounted = Mounted(folder=str(folder.absolute()), notes=files.info.notes)
    _mount(view, mounted, allow_other=allow_other, ready=ready, cancel=cancel, events=events)


def _mount(
    view: View,
    mounted: Mounted,
    *,
    allow_other: bool,
    ready: Callable[[Mounted], None],
    cancel: Cancellation,
    events: EventSink,
) -> None:
    fuse = load_fuse()
    folder = Path(mounted.folder)
    _check_folder(folder)
    loop = _Loop(fuse, view, folder, allow_other=allow_other)
    with _signals_stop(cancel), _unmounted_if_we_die(folder):
        try:
            loop.start()
            ready(mounted)
            while loop.is_running and not cancel.wait(_LOOK_SECONDS):
                pass
        finally:
            if loop.is_running and _unmount(folder, events):
                loop.join()


class _Loop:
    """Answers the kernel, in threads of libfuse; ends when the folder is unmounted."""

    def __init__(self, fuse: ModuleType, view: View, folder: Path, *, allow_other: bool) -> None:
        self._fuse = fuse
        self._view = view
        self._folder = folder
        self._allow_other = allow_other
        self._settled = threading.Event()
        self._is_mounted = False
        self._thread = threading.Thread(target=self._run, name="fuse", daemon=True)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        """Mount.

        Raises:
            InvalidRequest: libfuse refuses; why, it wrote to standard error.
        """
        self._view.mounted = self._has_mounted
        self._thread.start()
        self._settled.wait()
        if not self._is_mounted:
            self._thread.join()
            raise InvalidRequest(
                f"{self._folder} could not be mounted on",
                hint="libfuse said why, on standard error. Other users (allow_other) need `user_allow_other` in "
                "/etc/fuse.conf.",
            )

    def join(self) -> None:
        self._thread.join(_UNMOUNT_SECONDS)

    def _has_mounted(self) -> None:
        self._is_mounted = True
        self._settled.set()

    def _run(self) -> None:
        options = {**_REMEMBER, "ro": True, "fsname": "hvbackup", "subtype": "hvbackup"}
        if self._allow_other:
            options["allow_other"] = True
        with contextlib.suppress(RuntimeError):  # libfuse's exit code; whether it was mounted is known without it
            self._fuse.FUSE(self._view, str(self._folder), foreground=True, errors=self._view.name_errors, **options)
        _ignore_broken_pipes()
        self._settled.set()


def _ignore_broken_pipes() -> None:
    """Ignore SIGPIPE again, as Python does.

    libfuse gives it its default back when it ends, and the next client of anything that hangs up would end the program.
    By the C library, as Python's `signal` works in one thread only.
    """
    if signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN:
        libc = ctypes.CDLL(None)
        libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        libc.signal(signal.SIGPIPE, signal.SIG_IGN.value)


def _check_folder(folder: Path) -> None:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - its errors are told apart here
    except NotADirectoryError:
        raise InvalidRequest(f"{folder} is no folder") from None
    except FileNotFoundError:
        raise InvalidRequest(f"there is no folder {folder}", hint="Make it: the disk appears in it.") from None
    except OSError as error:
        raise InvalidRequest(
            f"{folder} cannot be looked into: {error.strerror}",
            hint=f"If a mount there lost its program: `fusermount3 -u {folder}`.",
        ) from error
    if names:
        raise InvalidRequest(f"{folder} is not empty", hint="Mount on an empty folder: its files would be hidden.")


@contextmanager
def _signals_stop(cancel: Cancellation) -> Iterator[None]:
    """Let signals that nobody handles stop the mount in order; libfuse would take them, and wake nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        cancel.set()

    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


# ---------------------------------------------------------------- unmounting


def _unmount_command(folder: Path, *, lazily: bool) -> list[str]:
    for name in ("fusermount3", "fusermount"):
        program = shutil.which(name)
        if program:
            return [program, "-uz" if lazily else "-u", "--", str(folder)]
    lazy = ["-l"] if lazily and sys.platform == "linux" else []
    return ["umount", *lazy, str(folder)]


def _unmount(folder: Path, events: EventSink) -> bool:
    """Unmount; while something is open there, out of everybody's sight at least. Returns whether it is done with."""
    for lazily in (False, True):
        command = _unmount_command(folder, lazily=lazily)
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_UNMOUNT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            text = str(error)
        else:
            if ended.returncode == 0:
                if lazily:
                    events(
                        Note(text=f"files of {folder} were still open; they cannot be read any more", level="warning")
                    )
                return not lazily
            text = ended.stderr.strip()
    events(Note(text=f"{folder} could not be unmounted: {text}", level="warning"))
    return False


@contextmanager
def _unmounted_if_we_die(folder: Path) -> Iterator[None]:
    """Keep a small process that unmounts when this one dies without having done so (SIGKILL, a crash).

    FUSE's own `auto_unmount` does not work for users that are not root (libfuse issues 586 and 1491).
    """
    shell = shutil.which("sh")
    if shell is None:
        yield
        return
    waiting = 'read -r _; exec "$@" 2>/dev/null'  # what it reads from ends with this process
    command = [shell, "-c", waiting, "sh", *_unmount_command(folder, lazily=True)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.kill()
