"""A file of this machine into a restore point: each thread reads, hashes, compresses and encrypts on its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from hvbackup.errors import SourceChanged
from hvbackup.events import Cancellation
from hvbackup.models import PointFile
from hvbackup.repository.geometry import Layout
from hvbackup.repository.seams import Grid
from hvbackup.repository.writer import BlockPointWriter

#: Blocks that a thread reads at once.
READ_BLOCKS = 8
THREADS = 2


def store_local_file(
    writer: BlockPointWriter,
    name: str,
    path: Path,
    *,
    kind: str,
    grid: Grid | None = None,
    threads: int = THREADS,
    progress: Callable[[int], object] = lambda _size: None,
    cancel: Cancellation | None = None,
) -> PointFile:
    """Store a file under `name` and return its entry.

    Args:
        progress: Told, from several threads, of each number of bytes that is done.

    Raises:
        SourceChanged: The file became shorter, or was written to, while it was read.
        StoreUnavailable: The repository's store refuses.
        Cancelled: `cancel` was set.
        OSError: The file cannot be read.
    """
    before = path.stat()
    grid = grid or Grid()
    layout = Layout(before.st_size, grid)
    modified = datetime.fromtimestamp(before.st_mtime, timezone.utc).isoformat(timespec="seconds")
    file = writer.file(name, before.st_size, source=str(path), kind=kind, grid=grid, modified_at=modified)
    starts = iter(range(0, layout.blocks, READ_BLOCKS))
    lock = threading.Lock()

    def work() -> None:
        buffer = bytearray(READ_BLOCKS * layout.block_size)
        with path.open("rb", buffering=0) as source, memoryview(buffer) as view:
            while True:
                if cancel is not None:
                    cancel.check()
                with lock:
                    first = next(starts, None)
                if first is None:
                    return
                extents = [layout.extent(block) for block in range(first, min(first + READ_BLOCKS, layout.blocks))]
                start, size = extents[0][0], sum(length for _, length in extents)
                source.seek(start)
                if source.readinto(view[:size]) != size:
                    raise SourceChanged(f"{path} became shorter while it was read")
                for block, (offset, length) in enumerate(extents, first):
                    file.add(block, view[offset - start : offset - start + length])
                progress(size)

    with ThreadPoolExecutor(threads, thread_name_prefix="hvbackup-read") as executor:
        for future in [executor.submit(work) for _ in range(threads)]:
            future.result()
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise SourceChanged(f"{path} was written to while it was read", hint="back it up from a shadow copy")
    return file.finish()
