"""Files of the simulated host: listed, hashed, read, written and removed as the scripts promise."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hvbackup.errors import (
    BlockMismatch,
    FileExists,
    FileMissing,
    PathRefused,
    RequestRefused,
    ScriptFailed,
    StorageFull,
)
from hvbackup.remote.calls import FileRoot, GetBlockHash, GetFile, ReadBlock, RemoveFile, WriteFile

if TYPE_CHECKING:
    from tests.simulator_host.conftest import Asker


@pytest.fixture
def ask(make_ask: Callable[[str], Asker]) -> Asker:
    """Asks a host without VMs, which is built faster."""
    return make_ask("empty")


def frame(offset: int, data: bytes, *, packed: bool = False, digest: bytes | None = None) -> bytes:
    digest = digest or hashlib.sha256(data).digest()
    head = struct.pack("<QIB", offset, len(data), packed) + digest
    if packed:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = packer.compress(data) + packer.flush()
    return head + data


def put(ask: Asker, path: str, data: bytes) -> Path:
    local = ask.local(path)
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_bytes(data)
    return local


def test_files_of_a_specification_are_listed_once_under_the_first_root(ask: Asker) -> None:
    put(ask, "D:\\x\\A.txt", b"12")
    put(ask, "D:\\x\\b.log", b"1")
    put(ask, "D:\\x\\sub\\c.TXT", b"123")

    found = ask(
        GetFile(
            roots=(
                FileRoot(path="d:\\X", filespec="*.txt", recurse=True),
                FileRoot(path="D:\\x"),
                FileRoot(path="D:\\nothing"),
            )
        )
    ).data

    assert [("d:\\X\\A.txt", 2, 0), ("d:\\X\\sub\\c.TXT", 3, 0), ("D:\\x\\b.log", 1, 1)] == [
        (file.path, file.size_bytes, file.root) for file in found.files
    ]
    assert (2,) == found.missing_roots


def test_brackets_in_a_file_specification_are_no_wildcards(ask: Asker) -> None:
    put(ask, "D:\\x\\[a].txt", b"1")
    put(ask, "D:\\x\\a.txt", b"1")

    found = ask(GetFile(roots=(FileRoot(path="D:\\x", filespec="[a].txt"),))).data

    assert ["D:\\x\\[a].txt"] == [file.path for file in found.files]


def test_links_below_a_root_are_not_followed(ask: Asker) -> None:
    put(ask, "D:\\secret\\s.txt", b"1")
    put(ask, "D:\\x\\a.txt", b"1")
    (ask.local("D:\\x") / "link").symlink_to(ask.local("D:\\secret"))

    found = ask(GetFile(roots=(FileRoot(path="D:\\x", recurse=True),))).data

    assert ["D:\\x\\a.txt"] == [file.path for file in found.files]


def test_blocks_begin_anew_at_each_cut_and_zeros_have_a_hash_of_zeros(ask: Asker) -> None:
    put(ask, "D:\\f", b"a" * 700 + bytes(1000))

    summary = ask(GetBlockHash(path="D:\\f", block_size=512, cuts=(600, 700))).data

    hashes = b"".join(ask.context.output)
    expected = [b"a" * 512, b"a" * 88, b"a" * 100]
    assert b"".join(hashlib.sha256(part).digest() for part in expected) + bytes(64) == hashes
    assert (1700, 5, 2) == (summary.size_bytes, summary.blocks, summary.zero_blocks)


def test_a_part_of_the_blocks_can_be_asked_for(ask: Asker) -> None:
    put(ask, "D:\\f", b"".join(bytes([n]) * 512 for n in range(1, 6)))

    summary = ask(GetBlockHash(path="D:\\f", block_size=512, first_block=1, block_count=2)).data

    assert 2 == summary.blocks
    assert hashlib.sha256(b"\2" * 512).digest() + hashlib.sha256(b"\3" * 512).digest() == ask.context.output[0]


def test_a_thousand_and_more_hashes_come_in_several_frames(ask: Asker) -> None:
    put(ask, "D:\\f", b"x" * 512 * 1025)

    ask(GetBlockHash(path="D:\\f", block_size=512))

    assert [32768, 32] == [len(data) for data in ask.context.output]


def test_blocks_are_read_in_the_order_asked_for(ask: Asker) -> None:
    put(ask, "D:\\f", b"abcdef" + b"z" * 1000)

    summary = ask(ReadBlock(path="D:\\f", blocks=((3, 2), (0, 1), (6, 1000)))).data

    assert [b"\0de", b"\0a"] == ask.context.output[:2]
    assert 1 == ask.context.output[2][0]
    assert b"z" * 1000 == zlib.decompress(ask.context.output[2][1:], -15)
    assert (3, 1003) == (summary.blocks, summary.bytes)


@pytest.mark.parametrize("block", [(0, 0), (-1, 2), (5, 2), (0, 7)])
def test_a_block_that_is_not_within_the_file_is_refused(ask: Asker, block: tuple[int, int]) -> None:
    put(ask, "D:\\f", b"abcdef")

    with pytest.raises(RequestRefused):
        ask(ReadBlock(path="D:\\f", blocks=(block,)))


@pytest.mark.parametrize(
    "path", ["f", "f\\g", "D:f", "\\f", "/f", "D:\\..\\C\\f", "D:\\a\\.\\b", "D:\\a:b", "D:\\a?", "\\\\srv\\s\\f", ""]
)
def test_a_path_that_is_not_absolute_and_plain_is_refused(ask: Asker, path: str) -> None:
    with pytest.raises(PathRefused):
        ask(GetBlockHash(path=path))
    with pytest.raises(PathRefused):
        ask(WriteFile(path=path, size_bytes=0))
    with pytest.raises(PathRefused):
        ask(RemoveFile(files=(path,)))


def test_a_missing_file_and_a_folder_are_told_apart(ask: Asker) -> None:
    with pytest.raises(FileMissing):
        ask(ReadBlock(path="D:\\no\\file", blocks=()))
    with pytest.raises(PathRefused):
        ask(ReadBlock(path="D:\\Hyper-V", blocks=()))


def test_a_file_is_written_sparse_in_several_calls(ask: Asker) -> None:
    ask(WriteFile(path="E:\\new\\f.bin", size_bytes=1 << 20, last=False), frame(0, b"start"))
    assert not ask.local("E:\\new\\f.bin").exists()
    summary = ask(
        WriteFile(path="E:\\new\\f.bin", size_bytes=1 << 20, first=False, modified_at="2026-01-02T03:04:05.1234567Z"),
        frame((1 << 20) - 3, b"end", packed=True),
    ).data

    written = ask.local("E:\\new\\f.bin")
    assert b"start" + bytes((1 << 20) - 8) + b"end" == written.read_bytes()
    assert 1767323045 == int(written.stat().st_mtime)
    assert summary.finished
    assert ["f.bin"] == [entry.name for entry in written.parent.iterdir()]


@pytest.mark.parametrize("packed", [False, True])
def test_a_block_with_another_hash_is_not_written_and_the_part_file_goes(ask: Asker, packed: bool) -> None:
    with pytest.raises(BlockMismatch):
        ask(WriteFile(path="E:\\f", size_bytes=9), frame(0, b"good"), frame(4, b"bad", packed=packed, digest=bytes(32)))

    assert [] == list(ask.local("E:\\f").parent.glob("f*"))


def test_what_is_packed_wrongly_is_a_block_mismatch(ask: Asker) -> None:
    broken = frame(0, b"abc", packed=True)[:45] + b"\xff\xff"

    with pytest.raises(BlockMismatch):
        ask(WriteFile(path="E:\\f", size_bytes=3), broken)


def test_a_file_in_the_way_stays_unless_it_may_be_replaced(ask: Asker) -> None:
    local = put(ask, "E:\\F", b"old")

    with pytest.raises(FileExists):
        ask(WriteFile(path="E:\\f", size_bytes=3), frame(0, b"new"))
    assert b"old" == local.read_bytes()
    ask(WriteFile(path="E:\\f", size_bytes=3, replace=True), frame(0, b"new"))
    assert b"new" == local.read_bytes()


def test_a_full_volume_stops_the_writing(ask: Asker) -> None:
    with ask.host.change() as record:
        record.volumes[2].free_bytes = 5

    with pytest.raises(StorageFull):
        ask(WriteFile(path="E:\\f", size_bytes=10), frame(0, b"123456"))

    assert not ask.local("E:\\f.hvbpart").exists()


def test_writing_takes_room_from_the_volume(ask: Asker) -> None:
    before = ask.host.read().volumes[2].free_bytes

    ask(WriteFile(path="E:\\f", size_bytes=10), frame(0, b"123456"))

    assert before - 6 == ask.host.read().volumes[2].free_bytes


def test_the_second_call_needs_the_part_file_of_the_first(ask: Asker) -> None:
    with pytest.raises(FileMissing):
        ask(WriteFile(path="E:\\f", size_bytes=3, first=False), frame(0, b"abc"))


def test_exactly_the_named_files_and_empty_folders_are_removed(ask: Asker) -> None:
    put(ask, "E:\\a\\one", b"1")
    put(ask, "E:\\b\\two", b"1")

    removed = ask(RemoveFile(files=("E:\\A\\ONE", "E:\\none"), folders=("E:\\a", "E:\\b"))).data

    assert ("E:\\A\\ONE", "E:\\a") == removed.removed
    assert ask.local("E:\\b\\two").exists()


def test_a_link_is_never_removed_nor_anything_with_it(ask: Asker) -> None:
    put(ask, "E:\\a\\one", b"1")
    ask.local("E:\\link").symlink_to(ask.local("E:\\a"))

    with pytest.raises(PathRefused):
        ask(RemoveFile(files=("E:\\a\\one",), folders=("E:\\link",)))
    assert ask.local("E:\\a\\one").exists()


def test_an_unknown_key_or_a_wrong_type_is_refused(ask: Asker) -> None:
    answers = [
        ask.raw("Get-HvbBlockHash", {"path": "D:\\f", "blocksize": 1}),
        ask.raw("Get-HvbBlockHash", {"path": 7}),
        ask.raw("Get-HvbBlockHash", {}),
        ask.raw("Get-HvbBlockHash", {"path": "D:\\f", "blockSize": 1.5}),
    ]

    assert all('"id": "RequestRefused"' in answer for answer in answers)


def test_a_told_failure_comes_out_as_an_unexplained_error(ask: Asker) -> None:
    with ask.host.change() as record:
        record.faults.stop_at["Write-HvbFile:end"] = "fail"

    with pytest.raises(ScriptFailed) as caught:
        ask(WriteFile(path="E:\\f", size_bytes=3), frame(0, b"abc"))

    assert "Unexpected" == caught.value.error_id
    assert b"abc" == ask.local("E:\\f").read_bytes()
