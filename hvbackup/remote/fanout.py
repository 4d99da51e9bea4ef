"""Blocks of files from and to a host, over one lane or several.

One lane carries one envelope (about 280 KB of block bytes) for each round trip; several lanes carry as many side by
side, and each has a process of its own on the host. Memory stays flat: what is under way is bounded by the lanes, never
by the file.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TypeAlias

from hvbackup.errors import ContractViolated, HvBackupError
from hvbackup.events import Cancellation, EventSink
from hvbackup.remote.block_frames import HASH_BYTES, LONGEST_BLOCK, FrameBroken, pack_block, unpack_block
from hvbackup.remote.calls import GetBlockHash, HashSummary, ReadBlock, ReadSummary, RemoveFile, WriteFile, WriteSummary
from hvbackup.remote.session import Transport
from hvbackup.remote.watch import EitherCancellation

#: One piece of work for a lane; looks at the cancellation.
Task: TypeAlias = Callable[[Transport, Cancellation], None]

#: Bytes of blocks asked for by one call: at least, so that three round trips of a call do not weigh; at most, so that
#: lanes end together.
_SMALLEST_READ, _LARGEST_READ = 4 << 20, 64 << 20
_BLOCKS_OF_A_READ = 1024
#: The same for one call that writes; a host takes 50 MB of base64 for a command by default.
_SMALLEST_WRITE, _WRITE_BYTES = 4 << 20, 24 << 20
_PART = ".hvbpart"
_CLEAN_UP_SECONDS = 30.0


class Lanes:
    """Up to `count` lanes to one host; those beside the given transport are opened when needed and closed at the end.

    Opening a lane starts a process on the host, so many files should share one object. Use as a context manager.
    """

    def __init__(self, transport: Transport, count: int) -> None:
        if count < 1:
            raise ValueError("there must be a lane")
        self._count = count
        self._lanes = [transport]

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def count(self) -> int:
        """How many lanes there may be."""
        return self._count

    def close(self) -> None:
        """Close the lanes that were opened here; the given transport stays open."""
        while len(self._lanes) > 1:
            self._lanes.pop().close()

    def run(self, tasks: Iterable[Task], *, cancel: Cancellation | None = None) -> None:
        """Run the tasks, each on the next lane that is free.

        Tasks are taken from `tasks` one by one, by one thread at a time. The first error stops all others and is raised
        when they have stopped.
        """
        source = iter(tasks)
        first = list(itertools.islice(source, self._count))
        while len(self._lanes) < len(first):
            self._lanes.append(self._lanes[0].lane())
        crew = _Crew(itertools.chain(first, source), cancel)
        if len(first) <= 1:
            crew.work(self._lanes[0])
        else:
            crew.work_together(self._lanes[: len(first)])
        if crew.error is not None:
            raise crew.error


class _Crew:
    """Threads that work tasks off, one for each lane, until there are none or one of them failed."""

    def __init__(self, tasks: Iterator[Task], cancel: Cancellation | None) -> None:
        self.error: BaseException | None = None
        self._tasks = tasks
        self._lock = threading.Lock()
        self._failed = Cancellation()
        self._stop = EitherCancellation(cancel, self._failed)

    def work_together(self, lanes: Sequence[Transport]) -> None:
        threads = [threading.Thread(target=self.work, args=(lane,), name="hvbackup blocks") for lane in lanes]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:
            self._failed.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise

    def work(self, lane: Transport) -> None:
        try:
            while not self._failed.is_set and (task := self._next()) is not None:
                self._stop.check()
                task(lane, self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again by `Lanes.run`
            with self._lock:
                # Those that come later were stopped because of the first.
                self.error = self.error or error
            self._failed.set()

    def _next(self) -> Task | None:
        with self._lock:
            return next(self._tasks, None)


@contextlib.contextmanager
def _as_lanes(transport: Transport, lanes: int | Lanes) -> Iterator[Lanes]:
    if isinstance(lanes, Lanes):
        yield lanes
        return
    with Lanes(transport, lanes) as opened:
        yield opened


# ---------------------------------------------------------------- reading


def read_blocks(
    transport: Transport,
    path: str,
    blocks: Sequence[tuple[int, int]],
    sink: Callable[[int, bytes], None],
    *,
    lanes: int | Lanes = 1,
    compress: bool = True,
    cancel: Cancellation | None = None,
    events: EventSink | None = None,
    timeout: float = 3600.0,
) -> ReadSummary:
    """Read blocks (offset, length) of a file and give each to `sink` as (its index in `blocks`, its plain bytes).

    With one lane they come in order; with several `sink` is called from several threads, and in any order between them.
    What `sink` raises stops everything and comes out. The bytes are not checked here: who asked knows the hashes.

    Args:
        lanes: How many lanes at most, or lanes that are there already.
        compress: Let the host send DEFLATE where that is shorter.
        timeout: Longest time without a block, in seconds.

    Raises:
        ContractViolated: Other frames than were asked for, or a block that unpacks to another length.
        RemoteError, Cancelled: As they come; blocks that `sink` has taken need not be asked for again.
    """
    totals = {"blocks": 0, "bytes": 0, "sent_bytes": 0}
    lock = threading.Lock()

    def task(start: int, end: int) -> Task:
        def read(lane: Transport, stop: Cancellation) -> None:
            batch = _Batch(path, lane, start, blocks[start:end], sink)
            call = ReadBlock(path=path, blocks=tuple(blocks[start:end]), compress=compress)
            answer = lane.receive(call, batch.take, timeout=timeout, events=events, cancel=stop)
            batch.check(answer.data)
            with lock:
                totals["blocks"] += answer.data.blocks
                totals["bytes"] += answer.data.bytes
                totals["sent_bytes"] += answer.data.sent_bytes

        return read

    if blocks:
        with _as_lanes(transport, lanes) as opened:
            opened.run((task(start, end) for start, end in _batches(blocks, opened.count)), cancel=cancel)
    return ReadSummary(**totals)


def _batches(blocks: Sequence[tuple[int, int]], lanes: int) -> Iterator[tuple[int, int]]:
    """Yield where to cut the blocks into calls, as (first, one after the last)."""
    total = sum(length for _, length in blocks)
    wanted = min(max(total // (lanes * 4), _SMALLEST_READ), _LARGEST_READ)
    start, size = 0, 0
    for index, (_, length) in enumerate(blocks):
        if index > start and (size + length > wanted or index - start == _BLOCKS_OF_A_READ):
            yield start, index
            start, size = index, 0
        size += length
    yield start, len(blocks)


class _Batch:
    """The frames of one `ReadBlock` call."""

    def __init__(
        self,
        path: str,
        lane: Transport,
        first: int,
        blocks: Sequence[tuple[int, int]],
        sink: Callable[[int, bytes], None],
    ) -> None:
        self._path, self._lane, self._first, self._blocks, self._sink = path, lane, first, blocks, sink
        self._taken = 0

    def take(self, frame: bytes) -> None:
        """Take the next frame."""
        if self._taken == len(self._blocks):
            raise _violated(self._lane, f"more than the {len(self._blocks)} blocks that were asked for of {self._path}")
        offset, length = self._blocks[self._taken]
        try:
            data = unpack_block(frame, length)
        except FrameBroken as error:
            raise _violated(self._lane, f"{error} (of {self._path} at {offset})") from None
        self._sink(self._first + self._taken, data)
        self._taken += 1

    def check(self, summary: ReadSummary) -> None:
        """Check that all frames have come."""
        if self._taken != len(self._blocks) or summary.blocks != self._taken:
            asked = len(self._blocks)
            raise _violated(
                self._lane, f"{self._taken} of {asked} blocks of {self._path}, and says that it sent {summary.blocks}"
            )


# ---------------------------------------------------------------- hashing


def hash_blocks(
    transport: Transport,
    path: str,
    sink: Callable[[bytes], None],
    *,
    block_size: int = 262144,
    cuts: Sequence[int] = (),
    first_block: int = 0,
    block_count: int | None = None,
    cancel: Cancellation | None = None,
    events: EventSink | None = None,
    timeout: float = 3600.0,
) -> HashSummary:
    """Let the host hash the blocks of a file; give `sink` the hashes as they come, in order, some to a piece.

    Each piece is a multiple of 32 bytes: SHA-256 of a block, or 32 zero bytes for a block of zeros.

    Raises:
        ContractViolated: Pieces of another length, or another number of hashes than the host says it sent.
    """
    sent = 0

    def take(frame: bytes) -> None:
        nonlocal sent
        if len(frame) % HASH_BYTES:
            raise _violated(transport, f"{len(frame)} bytes of hashes of {path}, which is no multiple of {HASH_BYTES}")
        sent += len(frame) // HASH_BYTES
        sink(frame)

    call = GetBlockHash(
        path=path, block_size=block_size, cuts=tuple(cuts), first_block=first_block, block_count=block_count
    )
    summary = transport.receive(call, take, timeout=timeout, events=events, cancel=cancel).data
    if summary.blocks != sent:
        raise _violated(transport, f"{sent} hashes of {path}, and says that it sent {summary.blocks}")
    return summary


# ---------------------------------------------------------------- writing


def write_blocks(
    transport: Transport,
    path: str,
    size: int,
    blocks: Iterable[tuple[int, bytes]],
    *,
    lanes: int | Lanes = 1,
    last: bool = True,
    replace: bool = False,
    modified_at: str | None = None,
    compress: bool = True,
    cancel: Cancellation | None = None,
    events: EventSink | None = None,
    timeout: float = 3600.0,
) -> WriteSummary:
    """Write a file of `size` bytes from blocks (offset, bytes); what no block covers is zeros.

    The host checks each block against the hash that it is sent with. The file has its name only at the end, and with
    `last` only; until then it is `path + ".hvbpart"`, which is removed again when anything fails. `blocks` is iterated
    by one thread at a time, but not always by the same one.

    Raises:
        BlockMismatch, FileExists, StorageFull and other `ScriptFailed`: What the host says.
        RemoteError, Cancelled, and what `blocks` raises: As they come.
    """
    source = _Blocks(blocks, compress=compress)
    totals = {"blocks": 0, "bytes": 0}
    lock = threading.Lock()

    def send(lane: Transport, stop: Cancellation | None, *, first: bool, last: bool, frames: Iterable[bytes]) -> None:
        call = WriteFile(
            path=path,
            size_bytes=size,
            first=first,
            last=last,
            replace=replace,
            modified_at=modified_at if last else None,
        )
        written = lane.send(call, frames, timeout=timeout, events=events, cancel=stop).data
        with lock:
            totals["blocks"] += written.blocks
            totals["bytes"] += written.bytes

    def send_some(lane: Transport, stop: Cancellation, budget: int) -> None:
        send(lane, stop, first=False, last=False, frames=source.draw(budget))

    try:
        if size <= _WRITE_BYTES:
            send(transport, cancel, first=True, last=last, frames=source.draw(None))
        else:
            # The file is there before others write into it, and is named when they have ended.
            send(transport, cancel, first=True, last=False, frames=())
            with _as_lanes(transport, lanes) as opened:
                budget = min(max(size // (opened.count * 4), _SMALLEST_WRITE), _WRITE_BYTES)
                some = functools.partial(send_some, budget=budget)
                opened.run(iter(lambda: None if source.is_empty() else some, None), cancel=cancel)
            if last:
                send(transport, cancel, first=False, last=True, frames=())
    except BaseException:
        with contextlib.suppress(HvBackupError):
            transport.call(RemoveFile(files=(path + _PART,)), timeout=_CLEAN_UP_SECONDS)
        raise
    return WriteSummary(path=path, finished=last, **totals)


class _Blocks:
    """Blocks on their way to several lanes: whoever is free draws the next one and packs it."""

    def __init__(self, blocks: Iterable[tuple[int, bytes]], *, compress: bool) -> None:
        self._source = iter(blocks)
        self._compress = compress
        self._lock = threading.Lock()
        self._ahead: tuple[int, bytes] | None = None

    def is_empty(self) -> bool:
        """Whether nothing is left; looks one block ahead."""
        with self._lock:
            return self._peek() is None

    def draw(self, budget: int | None) -> Iterator[bytes]:
        """Yield frames until they are `budget` bytes together (None: all) or nothing is left."""
        used = 0
        while True:
            with self._lock:
                block = self._peek()
                if block is None or (budget is not None and used and used + len(block[1]) > budget):
                    return
                self._ahead = None
            offset, data = block
            if not 0 < len(data) <= LONGEST_BLOCK:
                raise ValueError(f"a block of {len(data)} bytes; blocks are 1 to {LONGEST_BLOCK} bytes long")
            frame = pack_block(offset, data, compress=self._compress)
            used += len(frame)
            yield frame

    def _peek(self) -> tuple[int, bytes] | None:
        if self._ahead is None:
            self._ahead = next(self._source, None)
        return self._ahead


def _violated(lane: Transport, what: str) -> ContractViolated:
    return ContractViolated(
        f"{lane.host} sent {what}",
        host=lane.host,
        port=lane.port,
        hint="This is a bug, or something between here and the host changes what is sent.",
    )
