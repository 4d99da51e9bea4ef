"""Makes volumes with real programs, and reads them back: what was put in must come out, each file by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystem

MIB = 1024 * 1024
SIZES = (0, 1, 511, 512, 513, 700, 1023, 1025, 4095, 4096, 4097, 65535, 65537, 1048575, 1048577)
NAMES = (
    "Ünïcode_ß_äöü.txt",
    "日本語ファイル名.txt",
    "Русский файл.txt",
    "emoji_😀_🚀.txt",
    "combining_e\u0301.txt",
    "composed_\u00e9.txt",
    "name with  spaces & (parens) [x] #1 %20.txt",
    "L" * 200 + ".txt",
    ".hidden",
    "UPPER.TXT",
)
DEPTH = 30


class Made(NamedTuple):
    """A volume in a file, and what was put into it: path -> SHA-256."""

    path: Path
    hashes: dict[str, str]


def program(name: str) -> str:
    """Where a program is; the test is skipped where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run(name: str, *arguments: str | Path, text: str | None = None) -> str:
    """Run a program and return what it writes."""
    command = [program(name), *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LVM_SUPPRESS_FD_WARNINGS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=text, env=environment)
    return done.stdout


def empty_file(path: Path, size: int) -> Path:
    """Make a file of zeros."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


@contextmanager
def mounted(path: Path, *options: str, program_name: str = "mount") -> Iterator[Path]:
    """Mount a volume; the test is skipped where that is not allowed."""
    point = path.with_suffix(".mounted")
    point.mkdir()
    try:
        run(program_name, *options, path, point)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{program_name} does not work here: {error.stderr.strip()[:200]}")
    try:
        yield point
    finally:
        run("umount", point)
        point.rmdir()


def write_tree(root: Path, *, links: bool = True, fits_fat: bool = False) -> None:
    """Write what tends to go wrong: names, sizes, depth, holes, fragments, links."""
    chance = random.Random(42)  # noqa: S311 - test data
    for folder in ("names", "sizes", "many"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(NAMES):
        (root / "names" / name).write_text(f"{name} {number}\n" * (number + 1), encoding="utf-8")
    for size in SIZES:
        (root / "sizes" / f"s{size}.bin").write_bytes(chance.randbytes(size))
    deep = root.joinpath("deep", *[f"d{level:02}" for level in range(DEPTH if not fits_fat else 20)])
    deep.mkdir(parents=True)
    (deep / "leaf.txt").write_text("leaf")
    for number in range(300):
        (root / "many" / f"file{number:04}.dat").write_bytes(chance.randbytes(chance.randrange(3000)))
    _write_fragments(root, chance)
    if not fits_fat:
        with (root / "sparse.bin").open("wb") as file:
            for place, text in ((0, b"head"), (5 * MIB, b"middle"), (9 * MIB, b"tail")):
                file.seek(place)
                file.write(text * 1000)
            file.truncate(10 * MIB)
    if links:
        (root / "hard.bin").hardlink_to(root / "sizes" / "s700.bin")
        (root / "link").symlink_to("sizes/s700.bin")
        (root / "long link").symlink_to("/".join(["somewhere"] * 30))


def _write_fragments(root: Path, chance: random.Random) -> None:
    files = [(root / f"fragments{number}.bin").open("wb") for number in range(3)]
    for turn in range(60):
        for file in files:
            file.write(chance.randbytes(9000))
            file.flush()
            if turn % 10 == 0:
                os.fsync(file.fileno())
    for file in files:
        file.close()


def hashes_of(root: Path) -> dict[str, str]:
    """SHA-256 of all files below a folder, by path from it; where links lead, with `-> ` before it."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        for name in [*files, *folders]:
            path = Path(folder) / name
            key = "/" + os.fsdecode(path.relative_to(root).as_posix())
            if path.is_symlink():
                found[key] = f"-> {path.readlink()}"
            elif stat.S_ISREG(path.stat().st_mode):
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def entries_of(files: FileSystem, folder: str = "/") -> Iterator[Entry]:
    """All entries below a folder that can be entered."""
    for entry in files.entries(folder, streams=True):
        yield entry
        if entry.kind is EntryKind.FOLDER and entry.unreadable is None:
            yield from entries_of(files, entry.path)


def read(files: FileSystem, path: str, stream: str | None = None) -> bytes:
    """The contents of a file or stream, read in pieces of odd sizes."""
    source = files.open(path, stream=stream)
    pieces = []
    at = 0
    while piece := source.read_at(at, 777_777):
        pieces.append(piece)
        at += len(piece)
    assert at == source.size
    return b"".join(pieces)


def read_back(files: FileSystem, *, without: tuple[str, ...] = ("/lost+found",)) -> dict[str, str]:
    """What `hashes_of` would say, from the volume. Links are left out where the engine does not read their targets."""
    found: dict[str, str] = {}
    for entry in entries_of(files):
        assert entry.path not in found, "listed twice"
        if entry.path.startswith(without):
            continue
        if entry.kind is EntryKind.SYMLINK and entry.target is not None:
            found[entry.path] = f"-> {entry.target}"
        elif entry.kind is EntryKind.FILE:
            content = read(files, entry.path)
            assert len(content) == entry.size_bytes
            found[entry.path] = hashlib.sha256(content).hexdigest()
    return found


def only_files(hashes: dict[str, str]) -> dict[str, str]:
    """Without links."""
    return {path: value for path, value in hashes.items() if not value.startswith("-> ")}


# ---------------------------------------------------------------- reparse points and WOF


def reparse_point(tag: int, data: bytes) -> bytes:
    """A reparse point as ntfs-3g takes it."""
    return struct.pack("<IHH", tag, len(data), 0) + data


def set_reparse_point(path: Path, tag: int, data: bytes) -> None:
    """Give a file of a mounted NTFS a reparse point."""
    os.setxattr(path, "system.ntfs_reparse_data", reparse_point(tag, data))


#: Name -> what wimlib calls it, bytes of a chunk, number in the reparse point
WOF_ALGORITHMS = {
    "xpress4k": ("XPRESS", 4096, 0),
    "lzx": ("LZX", 32768, 1),
    "xpress8k": ("XPRESS", 8192, 2),
    "xpress16k": ("XPRESS", 16384, 3),
}


def compress_for_wof(content: bytes, algorithm: str, folder: Path) -> bytes | None:
    """The stream WofCompressedData of a file: the same as a resource of a WIM. None for what does not get smaller."""
    source, archive = folder / "wof-source", folder / "wof.wim"
    source.mkdir(exist_ok=True)
    (source / "file").write_bytes(content)
    name, chunk, _ = WOF_ALGORITHMS[algorithm]
    run("wimlib-imagex", "capture", source, archive, f"--compress={name}", f"--chunk-size={chunk}", "--no-acls")
    raw = archive.read_bytes()
    archive.unlink()
    table_size, _, table_place, _ = _wim_resource(raw[48:72])
    for at in range(table_place, table_place + table_size, 50):
        size, flags, place, original = _wim_resource(raw[at : at + 24])
        if not flags & 2 and original == len(content) and flags & 4:
            return raw[place : place + size]
    return None


def _wim_resource(raw: bytes) -> tuple[int, int, int, int]:
    place, original = struct.unpack("<QQ", raw[8:24])
    return int.from_bytes(raw[:7], "little"), raw[7], place, original


def write_wof_file(path: Path, content: bytes, algorithm: str, folder: Path) -> bool:
    """Write a file to a mounted NTFS as compact.exe would; False if it does not get smaller."""
    packed = compress_for_wof(content, algorithm, folder)
    if packed is None:
        return False
    empty_file(path, len(content))
    Path(f"{path}:WofCompressedData").write_bytes(packed)
    set_reparse_point(path, 0x80000017, struct.pack("<IIII", 1, 2, 1, WOF_ALGORITHMS[algorithm][2]))
    return True
