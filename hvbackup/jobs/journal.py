"""The journal of remote side effects: written before each one, closed after it is undone.

One file for each run, in this user's state folder. The run holds a lock on it as long as it lives, so that the next run
knows by the lock alone, not by process ids, whose owner has died and whose side effects are left-overs. The same facts
lie on the host too, in the marker of the scratch folder, for the day when this machine is gone.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hvbackup._version import __version__
from hvbackup.errors import ConfigurationError
from hvbackup.jobs.clock import now_text
from hvbackup.models import Model, decodable


class SideEffect(Model, frozen=True, kw_only=True):
    """Something on a host that must be undone.

    Attributes:
        kind: `scratch` (a scratch folder with a shadow set and its exposed folders), `files` (half-written files of an
            unfinished restore), `build` (complete files out of which a VM is just being made), `lease` (a lease in a
            repository).
        host: The host as the user named it.
        port: TCP port of the connection, to find the same host again.
        scratch: The scratch folder, for `scratch`.
        files: Full paths, for `files` and `build`.
        repository: Id of the repository, for `lease`.
        scope, owner: The lease's.
    """

    kind: str
    host: str
    port: int | None = None
    scratch: str | None = None
    files: tuple[str, ...] = ()
    repository: str | None = None
    scope: str | None = None
    owner: str | None = None

    def is_on(self, host: str, port: int | None) -> bool:
        """Whether it is on this host: behind one name there may be several, one for each port. A lease is on none."""
        return self.host.casefold() == host.casefold() and (self.kind == "lease" or self.port == port)


def state_folder() -> Path:
    """Return the folder of this user's state (journal, records of runs); `HVBACKUP_STATE_DIR` overrides it."""
    override = os.environ.get("HVBACKUP_STATE_DIR")
    if override:
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_state_dir("hvbackup", appauthor=False))


def workstation(folder: Path | None = None) -> dict[str, str]:
    """Return what tells this machine and user from others: a random id kept in the state folder, and the name.

    The id is of the folder, as the journal is: only who has both can know whether a run is alive.

    Raises:
        ConfigurationError: The state folder cannot be used.
    """
    place = folder or state_folder()
    file = place / "workstation-id"
    with _usable(place):
        place.mkdir(parents=True, exist_ok=True)
        if not file.exists() or not file.stat().st_size:
            partial = place / f"workstation-id.{uuid.uuid4().hex}"
            partial.write_text(str(uuid.uuid4()), encoding="ascii")
            partial.replace(file)
        return {"id": file.read_text(encoding="ascii").strip(), "name": socket.gethostname()}


@contextmanager
def _usable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"the state folder {place} of this machine cannot be used: {error.strerror or error}",
            hint="The journal of what is done on hosts is kept there. HVBACKUP_STATE_DIR names another folder.",
        ) from error


def marker(run_id: str, purpose: str, folder: Path | None = None) -> dict[str, Any]:
    """Return what is written into a scratch folder on the host, so that anybody can tell whose it is."""
    return {
        "tool": "hvbackup",
        "version": __version__,
        "runId": run_id,
        "purpose": purpose,
        "workstation": workstation(folder),
        "createdAt": now_text(),
        "note": "A backup may be running. If not: hvbackup cleanup HOST removes this folder and its shadow copies.",
    }


class Journal:
    """The side effects of one run. Thread-safe.

    Attributes:
        folder: The state folder that it is in; None: the user's own.

    Raises (when made, and by `begin` and `undone`):
        ConfigurationError: The state folder cannot be written to.
    """

    def __init__(self, run_id: str, folder: Path | None = None) -> None:
        self.run_id = run_id
        self.folder = folder
        self._place = (folder or state_folder()) / "journal"
        self._path = self._place / f"{run_id}.jsonl"
        with _usable(self._place):
            self._place.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = self._path.open("xb", buffering=0)
        self._next = 0
        self._mutex = threading.Lock()
        # Another run that is just beginning may look at it: it lets go of a journal that says nothing yet.
        for _ in range(100):
            if _lock(self._stream):
                break
            time.sleep(0.05)
        else:
            self._stream.close()
            raise ConfigurationError(f"the journal {self._path} is locked by another program")

    def begin(self, effect: SideEffect) -> int:
        """Write down a side effect that is about to happen; return its number. Durable when this returns."""
        with self._mutex:
            self._next += 1
            number = self._next
            self._write({"begin": number, "at": now_text(), "effect": effect.to_dict()})
        return number

    def undone(self, number: int) -> None:
        """Write down that side effect `number` is no more."""
        with self._mutex:
            self._write({"undone": number, "at": now_text()})

    @contextmanager
    def effect(self, effect: SideEffect) -> Iterator[None]:
        """Write `effect` down for the time of the block, which must undo it; an error leaves it open."""
        number = self.begin(effect)
        yield
        self.undone(number)

    def close(self) -> None:
        """End the run: the file is removed when nothing is open, else it stays for the next run."""
        if self._stream.closed:
            return
        keep = bool(_open_effects(self._path))
        if keep or sys.platform == "win32":
            self._stream.close()  # Windows cannot remove a file that is open
        if not keep:
            self._path.unlink(missing_ok=True)
        self._stream.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _write(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        with _usable(self._place):
            if self._stream.write(line) != len(line):
                # So that the half of a line does not spoil the next one.
                self._stream.write(b"\n")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._stream.fileno())


class AbandonedRun:
    """The journal of a run whose process is gone, with the side effects that nobody has undone.

    Attributes:
        last_words: When it was written to last, in seconds since 1970.
    """

    def __init__(self, path: Path, stream: IO[bytes], effects: dict[int, SideEffect]) -> None:
        self.run_id = path.stem
        self.effects = effects
        self.last_words = path.stat().st_mtime
        self._path = path
        self._stream = stream

    def undone(self, number: int) -> None:
        """Note that one is no more; the file goes with the last one."""
        self.effects.pop(number, None)
        self._stream.seek(0, os.SEEK_END)
        self._stream.write(json.dumps({"undone": number, "at": now_text()}).encode() + b"\n")
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Let the journal go; it is removed when nothing is open in it."""
        self._stream.close()
        if not self.effects:
            self._path.unlink(missing_ok=True)


def abandoned_runs(host: str, folder: Path | None = None, *, port: int | None = None) -> list[AbandonedRun]:
    """Return the runs of dead processes that left something on `host` at `port`; each must be closed.

    While one is held here, no other process takes it up.
    """
    found = []
    for path in sorted(((folder or state_folder()) / "journal").glob("*.jsonl")):
        try:
            stream = path.open("r+b", buffering=0)
        except OSError:
            continue  # gone meanwhile, or of another user: who cannot lock it cannot know
        if not _lock(stream):
            stream.close()
            continue
        effects = _open_effects(path)
        if any(effect.is_on(host, port) for effect in effects.values()):
            found.append(AbandonedRun(path, stream, effects))
            continue
        # One without a line may be of a run that is just beginning.
        over = not effects and path.stat().st_size > 0
        stream.close()
        if over:
            path.unlink(missing_ok=True)
    return found


def run_is_alive(run_id: str, folder: Path | None = None) -> bool:
    """Whether a run of this machine and user is still at work; `run_id` may come from a host."""
    if not _RUN_ID.fullmatch(run_id):
        return False
    path = (folder or state_folder()) / "journal" / f"{run_id}.jsonl"
    try:
        with path.open("r+b", buffering=0) as stream:
            return not _lock(stream)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # nobody here can know


_RUN_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def _open_effects(path: Path) -> dict[int, SideEffect]:
    import msgspec

    effects: dict[int, SideEffect] = {}
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
            if "begin" in record:
                effects[record["begin"]] = msgspec.convert(record["effect"], decodable(SideEffect))
            else:
                effects.pop(record.get("undone"), None)
        except (ValueError, TypeError, KeyError, AttributeError, msgspec.ValidationError):
            continue  # the last line of a process that died while writing: its effect had not begun
    return effects


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> bool:
        # A byte far beyond the end: locking it hides nothing from readers.
        position = stream.tell()
        stream.seek(1 << 30)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            stream.seek(position)
        return True

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> bool:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
