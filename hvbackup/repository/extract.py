"""Restore from an hvbackup repository with nothing but this file, Python 3.10, zstandard and cryptography.

    python extract.py REPOSITORY                       names the restore points
    python extract.py REPOSITORY POINT --to FOLDER     restores one

This is written from docs/repository-format.md alone and shares no code with hvbackup. It reads a repository in a
folder, never writes into it, and checks every block against its hash.
"""

# ruff: noqa: T201 - this is a program of its own

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import hmac
import json
import os
import re
import sqlite3
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

ZEROS = bytes(32)
FAN_OUT = 1024


class Unreadable(Exception):
    """Something in the repository is missing, damaged or of an unknown kind."""


def unlock(repository: Path, config: dict[str, Any], passphrase: bytes) -> bytes:
    """Return the master key (section "Key slots")."""
    for path in sorted((repository / "keys" / config["id"]).iterdir()):
        slot = json.loads(path.read_bytes())
        salt, nonce, wrapped = (base64.b64decode(slot[name]) for name in ("salt", "nonce", "wrapped"))
        key = Scrypt(salt=salt, length=32, n=1 << slot["logN"], r=slot["r"], p=slot["p"]).derive(passphrase)
        try:
            return AESGCM(key).decrypt(nonce, wrapped, b"hvbackup key slot" + config["id"].encode())
        except InvalidTag:
            continue
    raise Unreadable("the passphrase opens none of the key slots")


class Repository:
    """A repository in a folder, opened for reading."""

    def __init__(self, folder: Path, passphrase_file: str | None) -> None:
        self.folder = folder
        path = folder / "hvbackup.repository"
        if not path.is_file():
            raise Unreadable(f"{folder} is no hvbackup repository")
        line, proof = path.read_bytes().split(b"\n")[:2]
        config = json.loads(line)
        if config.get("version") != 1 or config.get("features"):
            raise Unreadable(f"format version {config.get('version')}, features {config.get('features')} are unknown")
        self.encrypted = config["encryption"] != "none"
        self.master = b""
        if self.encrypted:
            self.master = unlock(folder, config, ask_passphrase(passphrase_file))
            expected = hmac.digest(self.derive(b"", b"hvbackup config"), line, "sha256").hex()
            self.id_key = self.derive(b"", b"hvbackup block id")
        else:
            expected = hashlib.sha256(line).hexdigest()
        if proof.decode().strip() != expected:
            raise Unreadable("hvbackup.repository was altered")
        self.places = sqlite3.connect("")  # a temporary database on disk: memory stays small
        self.places.execute("create table place (id blob, pack blob, offset int, length int, size int)")

    def derive(self, salt: bytes, purpose: bytes) -> bytes:
        """Return a key that follows from the master key (section "Keys")."""
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=purpose).derive(self.master)

    def point_path(self, name: str) -> Path:
        """Return where a point is: in its place, or put aside by a repair."""
        path = self.folder / "points" / name
        return path if path.is_file() else self.folder / "aside" / "points" / name

    def point(self, name: str) -> Any:
        """Return the document of a point (section "Points")."""
        return json.loads(self.unseal(f"points/{name}", 2, self.point_path(name)))

    def unseal(self, name: str, kind: int, path: Path) -> bytes:
        """Return the payload of a sealed object (section "Sealed objects")."""
        data = path.read_bytes()
        magic, found, flags, salt = struct.unpack_from("<8sBB6x32s", data)
        if magic != b"HVBSEAL1" or found != kind or bool(flags & 1) != self.encrypted:
            raise Unreadable(f"{name} is not what its name says")
        header, body = data[:48], data[48:]
        if self.encrypted:
            key = AESGCM(self.derive(salt, b"hvbackup sealed"))
            body = key.decrypt(bytes(12), body, header + name.encode())
        else:
            body, digest = body[:-32], body[-32:]
            if hashlib.sha256(header + name.encode() + body).digest() != digest:
                raise Unreadable(f"{name} is damaged")
        return zstandard.ZstdDecompressor().decompress(body) if flags & 2 else body

    def pack_cipher(self, pack: bytes) -> AESGCM | None:
        """Return the cipher of a pack (section "Packs")."""
        return AESGCM(self.derive(pack, b"hvbackup pack")) if self.encrypted else None

    def find_blocks(self) -> None:
        """Read the footer of every pack: they tell where each block is, so no index is needed."""
        for path in (self.folder / "packs").glob("??/*"):
            try:
                self.places.executemany("insert into place values (?, ?, ?, ?, ?)", self.read_footer(path))
            except (Unreadable, InvalidTag, struct.error) as error:
                print(f"warning: {path} is left out: {error or 'it was altered'}", file=sys.stderr)
        self.places.execute("create index by_id on place (id)")

    def read_footer(self, path: Path) -> list[tuple[bytes, bytes, int, int, int]]:
        """Return (id, pack, offset, length, size) of every block of a pack."""
        with path.open("rb") as file:
            header = file.read(32)
            end = file.seek(-16, os.SEEK_END)
            length, _, magic = struct.unpack("<II8s", file.read(16))
            if header[:8] != b"HVBPACK1" or magic != b"HVBPEND1" or length > end - 32:
                raise Unreadable("it is no whole pack")
            start = file.seek(end - length)
            footer = file.read(length)
        pack = header[16:32]
        cipher = self.pack_cipher(pack)
        if cipher is not None:
            footer = cipher.decrypt(start.to_bytes(12, "little"), footer, header)
        elif hashlib.sha256(header + footer[:-32]).digest() == footer[-32:]:
            footer = footer[:-32]
        else:
            raise Unreadable("its footer is damaged")
        return [
            (block_id, pack, offset, size_stored, size)
            for block_id, offset, size_stored, size in struct.iter_unpack("<32sIII", footer)
        ]

    def block(self, sha256: bytes) -> bytes:
        """Return a block by its SHA-256 (section "Blocks")."""
        block_id = hmac.digest(self.id_key, sha256, "sha256") if self.encrypted else sha256
        rows = self.places.execute("select pack, offset, length, size from place where id = ?", (block_id,)).fetchall()
        for pack, offset, length, size in rows:
            with (self.folder / "packs" / pack[:1].hex() / pack.hex()).open("rb") as file:
                file.seek(offset)
                data: bytes = file.read(length)
            cipher = self.pack_cipher(pack)
            try:
                if cipher is not None:
                    data = cipher.decrypt(offset.to_bytes(12, "little"), data, block_id)
                if size & 0x80000000:
                    data = zstandard.ZstdDecompressor().decompress(data)
            except (InvalidTag, zstandard.ZstdError):
                continue
            if hashlib.sha256(data).digest() == sha256:
                return data
        raise Unreadable(f"block {block_id.hex()} is damaged" if rows else f"block {block_id.hex()} is missing")

    def tree(self, root: bytes, count: int) -> Iterator[bytes]:
        """Yield the hashes of `count` blocks below a root (section "List trees")."""
        spans = [1]  # how many blocks one node of a level covers
        while spans[-1] < count:
            spans.append(spans[-1] * FAN_OUT)

        def walk(node: bytes, level: int, blocks: int) -> Iterator[bytes]:
            if level == 0:
                yield node
            elif node == ZEROS:
                yield from (ZEROS for _ in range(blocks))
            else:
                below = self.block(node)
                for number in range(len(below) // 32):
                    part = min(spans[level - 1], blocks - number * spans[level - 1])
                    yield from walk(below[number * 32 : number * 32 + 32], level - 1, part)

        if count:
            yield from walk(root, len(spans) - 1, count)

    def restore(self, file: dict[str, Any], target: Path) -> str:
        """Write one file; return SHA-256 over the hashes of its blocks, in hex (sections "Points" and "Grids")."""
        size, block_size, cuts = file["sizeBytes"], file["blockSize"], [0]
        if file.get("cutsCount"):
            pieces = -(-file["cutsCount"] * 8 // 262144)
            stream = b"".join(self.block(node) for node in self.tree(bytes.fromhex(file["cutsRoot"]), pieces))
            cuts += [cut for (cut,) in struct.iter_unpack("<Q", stream)]
        cuts.append(size)
        total = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            part = offset = 0
            for node in self.tree(bytes.fromhex(file["root"]), file["blocks"]):
                while offset >= cuts[part + 1]:
                    part += 1
                length = min(block_size, cuts[part + 1] - offset)
                total.update(node)
                if node != ZEROS:
                    data = self.block(node)
                    if len(data) != length:
                        raise Unreadable(f"{target}: the block at {offset} has a wrong length")
                    out.seek(offset)
                    out.write(data)
                offset += length
            out.truncate(size)
        if offset != size:
            raise Unreadable(f"{target}: the blocks do not make up the file")
        return total.hexdigest()


def ask_passphrase(path: str | None) -> bytes:
    """Return the passphrase from the first line of a file, or from the terminal."""
    if path:
        return Path(path).read_bytes().split(b"\n")[0].rstrip(b"\r")
    return getpass.getpass("Passphrase of the repository: ").encode()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("point", nargs="?")
    parser.add_argument("--to", type=Path, help="folder for the restored files; existing files are not replaced")
    parser.add_argument("--passphrase-file", help="file whose first line is the passphrase (else it is asked for)")
    arguments = parser.parse_intermixed_args()
    try:
        repository = Repository(arguments.repository, arguments.passphrase_file)
        folders = (arguments.repository / "points", arguments.repository / "aside" / "points")
        names = {path.name for folder in folders for path in folder.glob("*") if path.stat().st_size}
        if arguments.point is None:
            for name in sorted(names):
                point = repository.point(name)["point"]
                aside = [] if (folders[0] / name).is_file() else ["put aside: it is hurt"]
                print(name, point["host"], point["vmName"], point["snapshotAt"], *aside, sep="\t")
            return 0
        if arguments.to is None:
            parser.error("--to is needed")
        extract(repository, arguments.point, arguments.to)
    except (Unreadable, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except InvalidTag:
        print("error: the point was altered", file=sys.stderr)
        return 1
    return 0


def extract(repository: Repository, name: str, folder: Path) -> None:
    """Restore all files of a point, and its record and guide beside them."""
    if not re.fullmatch(r"[0-9TZ]+-[0-9a-f]{8}", name) or not repository.point_path(name).is_file():
        raise Unreadable(f"there is no restore point {name}")
    document = repository.point(name)
    if document["version"] != 1 or document.get("features"):
        raise Unreadable(f"the point needs what this program does not know: {document.get('features')}")
    repository.find_blocks()
    expected = {file["name"]: file["hash"] for file in document["point"]["files"]}
    for file in document["files"]:
        if re.search(r"(^|/)\.*(/|$)|[\\:\x00]", file["name"]):
            raise Unreadable(f"the file name {file['name']!r} leads elsewhere")
        if repository.restore(file, folder / file["name"]) != expected[file["name"]]:
            raise Unreadable(f"{file['name']} does not have its hash")
        print(f"{file['name']}: {file['sizeBytes']} bytes, checked")
    (folder / "point.json").write_text(json.dumps(document["point"], indent=2), encoding="utf-8")
    (folder / "RESTORE.txt").write_text(document["guide"], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
