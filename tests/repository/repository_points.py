"""Making points and reading them back, for the tests of the repository."""

from __future__ import annotations

import hashlib

from hvbackup.models import Method, RestorePoint
from hvbackup.repository import Repository
from hvbackup.repository.seams import FileWriter, Grid, PointReader
from hvbackup.secrets import Secret

PASSPHRASE = Secret("correct horse battery staple")
#: The cheapest scrypt: tests open repositories by the hundred.
CHEAP = 4


def make_point(point_id: str = "", *, vm_name: str = "TestVM") -> RestorePoint:
    return RestorePoint(
        id=point_id,
        host="HV01",
        vm_id="11111111-2222-3333-4444-555555555555",
        vm_name=vm_name,
        asked_at="2026-11-25T01:30:00Z",
        snapshot_at="2026-11-25T01:30:05Z",
        finished_at="2026-11-25T01:31:00Z",
        method_asked=Method.ONLINE,
        method=Method.ONLINE,
        consistency="application",
    )


def cut(data: bytes, grid: Grid) -> list[bytes]:
    """Cut a file into blocks, in the simplest way that there is."""
    blocks, start = [], 0
    for end in [*[cut for cut in grid.cuts if cut < len(data)], len(data)]:
        while start < end:
            blocks.append(data[start : min(start + grid.block_size, end)])
            start += len(blocks[-1])
    return blocks


def hash_block(block: bytes) -> bytes:
    return hashlib.sha256(block).digest() if any(block) else bytes(32)


def write_blocks(file: FileWriter, blocks: list[bytes], *, batch: int = 100) -> int:
    """Offer all blocks and bring the lacking ones; return how many were lacking."""
    count = 0
    for first in range(0, len(blocks), batch):
        part = blocks[first : first + batch]
        for number in file.offer(first, [hash_block(block) for block in part]):
            file.put(number, blocks[number])
            count += 1
    return count


def store_files(
    repository: Repository, files: dict[str, bytes], grid: Grid | None = None, *, vm_name: str = "TestVM"
) -> tuple[RestorePoint, int]:
    """Make a point of files; return it and how many blocks travelled."""
    point = make_point(vm_name=vm_name)
    writer = repository.begin(host=point.host, vm_id=point.vm_id, vm_name=point.vm_name)
    travelled = 0
    for name, data in files.items():
        file = writer.file(name, len(data), source=rf"C:\VMs\{name}", kind="disk", grid=grid or Grid())
        travelled += write_blocks(file, cut(data, grid or Grid()))
        file.finish()
    return writer.commit(point), travelled


def restore_file(reader: PointReader, name: str) -> bytes:
    size = next(file.size_bytes for file in reader.point.files if file.name == name)
    result = bytearray(size)

    def sink(offset: int, data: bytes) -> None:
        result[offset : offset + len(data)] = data

    reader.restore(name, sink)
    return bytes(result)
