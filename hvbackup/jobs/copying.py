"""One file from the host into a restore point: the host hashes, the repository says what it lacks, that travels.

Two lanes work at the same time: one hashes the file, one (or several, `lanes`) reads the blocks that are lacking. A
lost connection is taken up again where it broke; blocks that are stored are never asked for twice.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from hvbackup.errors import ConnectionLost, SourceChanged
from hvbackup.events import Cancellation, EventSink, Progress
from hvbackup.jobs.job_lanes import JobLanes
from hvbackup.models import Model
from hvbackup.remote.fanout import hash_blocks, read_blocks
from hvbackup.remote.watch import EitherCancellation
from hvbackup.repository.seams import FileWriter, Grid

#: Blocks named to the repository at a time, and read in one call.
_READ_BATCH = 1024
#: Batches of lacking blocks that may wait for the reader: the list is small, the bytes are not in it.
_QUEUE_BATCHES = 64
#: How often a lost connection is taken up again for one file.
_RESUMPTIONS = 3

_HASH_BYTES = 32


class CopyTotals(Model, frozen=True, kw_only=True):
    """What copying one file took: bytes hashed on the host, and plain bytes of the blocks that travelled."""

    read_bytes: int
    sent_bytes: int


class FileToCopy(Model, frozen=True, kw_only=True):
    """A file as the shadow copy has it: where to read it, its name for people, its size and its grid."""

    path: str
    label: str
    size_bytes: int
    grid: Grid = Grid()


def block_at(grid: Grid, size: int) -> Callable[[int], tuple[int, int]]:
    """Return a function that gives offset and length of a block by its number."""
    starts = sorted({0, *(cut for cut in grid.cuts if 0 < cut < size)})
    firsts = [0]
    for start, end in zip(starts, [*starts[1:], size], strict=True):
        firsts.append(firsts[-1] + -(-(end - start) // grid.block_size))
    ends = [*starts[1:], size]

    def locate(block: int) -> tuple[int, int]:
        import bisect

        part = bisect.bisect_right(firsts, block) - 1
        offset = starts[part] + (block - firsts[part]) * grid.block_size
        return offset, min(grid.block_size, ends[part] - offset)

    return locate


class FileCopy:
    """The copy of one file. Use `run` once."""

    def __init__(
        self,
        lanes: JobLanes,
        file: FileToCopy,
        writer: FileWriter,
        *,
        compress: bool,
        events: EventSink,
        cancel: Cancellation,
    ) -> None:
        self._lanes = lanes
        self._file = file
        self._writer = writer
        self._compress = compress
        self._events = events
        self._cancel = cancel
        self._locate = block_at(file.grid, file.size_bytes)
        self._lacking: queue.Queue[list[int] | None] = queue.Queue(_QUEUE_BATCHES)
        self._stop = Cancellation()
        self._hashed_blocks = 0
        self._sent = 0
        self._mutex = threading.Lock()
        self._failure: BaseException | None = None

    def run(self) -> CopyTotals:
        """Copy the file; return what it took.

        Raises:
            SourceChanged: The file's size is not what it was.
            VerificationFailed: A block arrived with other bytes than were hashed.
            RemoteError, RepositoryError, Cancelled: As they come.
        """
        hasher = threading.Thread(target=self._hash_all, name="hash", daemon=True)
        hasher.start()
        try:
            self._read_lacking()
        except BaseException:
            self._stop.set()
            self._drain()
            raise
        finally:
            hasher.join()
        if self._failure is not None:
            raise self._failure
        return CopyTotals(read_bytes=self._file.size_bytes, sent_bytes=self._sent)

    # ------------------------------------------------------------ hashing

    def _hash_all(self) -> None:
        try:
            self._resumed(self._hash_rest)
        except BaseException as error:  # noqa: BLE001 - handed to `run`, which raises it in the caller's thread
            self._failure = error
        finally:
            self._hand_over(None)

    def _hash_rest(self) -> None:
        summary = hash_blocks(
            self._lanes.control,
            self._file.path,
            self._take_hashes,
            block_size=self._file.grid.block_size,
            cuts=self._file.grid.cuts,
            first_block=self._hashed_blocks,
            # The reading side's failure ends it too: a host that hangs may not answer for an hour.
            cancel=EitherCancellation(self._cancel, self._stop),
            events=None,
        )
        if summary.size_bytes != self._file.size_bytes:
            raise SourceChanged(
                f"{self._file.label} had {self._file.size_bytes} bytes when it was listed, and {summary.size_bytes} "
                "when it was read",
                hint="A file in a shadow copy must not change; was the shadow copy deleted by somebody?",
            )

    def _take_hashes(self, hashes: bytes) -> None:
        if self._stop.is_set:
            raise _Stopped
        first = self._hashed_blocks
        parts = [hashes[i : i + _HASH_BYTES] for i in range(0, len(hashes), _HASH_BYTES)]
        lacking = self._writer.offer(first, parts)
        self._hashed_blocks = first + len(parts)
        for start in range(0, len(lacking), _READ_BATCH):
            self._hand_over(lacking[start : start + _READ_BATCH])
        offset, length = self._locate(self._hashed_blocks - 1) if self._hashed_blocks else (0, 0)
        self._events(
            Progress(activity="hash", done=offset + length, total=self._file.size_bytes, item=self._file.label)
        )

    def _hand_over(self, batch: list[int] | None) -> None:
        while not self._stop.is_set:
            try:
                self._lacking.put(batch, timeout=0.5)
            except queue.Full:
                if batch is not None:  # the end mark must always arrive: the reading side waits for it
                    self._cancel.check()
            else:
                return

    # ------------------------------------------------------------ reading

    def _read_lacking(self) -> None:
        last = False
        while not last:
            batch = self._lacking.get()
            if batch is None:
                return
            while len(batch) < _READ_BATCH:
                try:
                    more = self._lacking.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch = batch + more
            self._read_batch(batch)

    def _read_batch(self, batch: list[int]) -> None:
        left = set(batch)

        def take(index: int, data: bytes) -> None:
            block = waiting[index]
            self._writer.put(block, data)
            with self._mutex:
                left.discard(block)
                self._sent += len(data)
            self._events(Progress(activity="send", done=self._sent, total=None, item=self._file.label))

        waiting: list[int] = []

        def read_rest() -> None:
            waiting[:] = sorted(left)
            read_blocks(
                self._lanes.reader,
                self._file.path,
                [self._locate(block) for block in waiting],
                take,
                lanes=self._lanes.reading,
                compress=self._compress,
                cancel=self._cancel,
                events=None,
            )

        self._resumed(read_rest)

    def _resumed(self, work: Callable[[], None]) -> None:
        for attempt in range(_RESUMPTIONS + 1):
            try:
                work()
            except ConnectionLost:
                if attempt == _RESUMPTIONS or self._stop.is_set:
                    raise
                self._cancel.wait(2.0**attempt)
                self._cancel.check()
            else:
                return

    def _drain(self) -> None:
        while True:
            try:
                self._lacking.get_nowait()
            except queue.Empty:
                return


class _Stopped(Exception):
    """The reading side has failed; the hashing side need not go on."""
