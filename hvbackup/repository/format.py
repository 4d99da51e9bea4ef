"""The bytes of a repository: names, headers, records and documents. `docs/repository-format.md` describes each.

All numbers are little-endian. This module does no I/O and knows no keys.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec

from hvbackup.errors import FormatUnsupported, RepositoryDamaged
from hvbackup.models import Model, RestorePoint, decodable

ResultT = TypeVar("ResultT")

FORMAT_NAME = "hvbackup repository"
FORMAT_VERSION = 1
#: Features that this version can read and write; a repository that names another one is refused by that name.
KNOWN_FEATURES: frozenset[str] = frozenset()

CONFIG_NAME = "hvbackup.repository"
GUIDE_NAME = "RESTORE.txt"
EXTRACTOR_NAME = "extract.py"
KEYS, PACKS, INDEX, POINTS, LEASES, CONDEMNED, DELETED, PROBES = (
    "keys/", "packs/", "index/", "points/", "leases/", "condemned/", "deleted/", "probes/",
)  # fmt: skip
#: Marks on points, and what a repair put aside: the very bytes of points and packs, under other names.
VERIFIED, PINS, POINTS_ASIDE, PACKS_ASIDE = "verified/", "pins/", "aside/points/", "aside/packs/"

BLOCK_SIZE = 262144
MIN_BLOCK_SIZE, MAX_BLOCK_SIZE = 512, 8 * 1024 * 1024
PACK_SIZE = 16 * 1024 * 1024
#: Hashes in one list block.
FAN_OUT = 1024
HASH_SIZE = 32
ZERO_HASH = bytes(HASH_SIZE)

PACK_MAGIC, PACK_END, SEALED_MAGIC = b"HVBPACK1", b"HVBPEND1", b"HVBSEAL1"
PACK_DATA, PACK_LISTS = 0, 1
SEALED_INDEX, SEALED_POINT, SEALED_LEASE, SEALED_CONDEMNED, SEALED_DELETED = 1, 2, 3, 4, 5
SEALED_VERIFIED, SEALED_PIN = 6, 7
FLAG_ENCRYPTED, FLAG_ZSTD = 1, 2

PACK_HEADER = struct.Struct("<8sBB6x16s")
PACK_ENTRY = struct.Struct("<32sIII")
PACK_TAIL = struct.Struct("<II8s")
SEALED_HEADER = struct.Struct("<8sBB6x32s")
SEGMENT_HEADER = struct.Struct("<II")
SEGMENT_PACK = struct.Struct("<16sQB7x")
SEGMENT_RECORD = struct.Struct("<32s16sIII")
#: In the `size` of an entry: the block is stored as a zstd frame.
SIZE_ZSTD = 0x80000000

POINT_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")


class Place(NamedTuple):
    """Where a block is: `length` stored bytes at `offset` of `pack`; `size` bytes when plain."""

    pack: bytes
    offset: int
    length: int
    size: int
    zstd: bool


class Entry(NamedTuple):
    """One block of a pack's footer."""

    id: bytes
    offset: int
    length: int
    size: int
    zstd: bool


class PackInfo(NamedTuple):
    """A pack as an index segment lists it."""

    id: bytes
    size: int
    kind: int


class Config(Model, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """The first line of `hvbackup.repository`: plain JSON, authenticated by the second line.

    Attributes:
        encryption: `aes-256-gcm` or `none`.
        conditional_create: Whether the store was found, at init, to refuse a second "create" of one name.
        features: What a reader must know beyond `version`; unknown names are refused.
        help_hashes: Hex SHA-256 of the files that lie here for people: the guide and the extractor.
    """

    format: str
    version: int
    id: str
    created_at: str
    encryption: str
    compression: str = "zstd"
    zstd_level: int = 3
    block_size: int = BLOCK_SIZE
    pack_size: int = PACK_SIZE
    conditional_create: bool = True
    features: tuple[str, ...] = ()
    help_hashes: dict[str, str] = msgspec.field(default_factory=dict)
    tool_version: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether blocks, index and points are encrypted."""
        return self.encryption != "none"


class StoredFile(Model, frozen=True, kw_only=True):
    """How the blocks of one file of a point are found.

    Attributes:
        root: Hex SHA-256 of the root of the list tree.
        cuts_root: The same for the stream of cuts (u64 each); `cuts_count` of them.
    """

    name: str
    size_bytes: int
    block_size: int
    blocks: int
    root: str
    cuts_count: int = 0
    cuts_root: str = ""


class PointDocument(Model, frozen=True, kw_only=True):
    """The payload of a point: the point, the way to its blocks, and the guide for a restore without hvbackup.

    Attributes:
        previous: Id of the newest point that was there when this one was written, or empty. It must be there still, or
            have an object of its name below `deleted/`; else somebody else removed it.
    """

    version: int
    point: RestorePoint
    files: tuple[StoredFile, ...]
    guide: str
    previous: str = ""
    features: tuple[str, ...] = ()


def pack_name(pack: bytes) -> str:
    """Return the object name of a pack."""
    return f"{PACKS}{pack[:1].hex()}/{pack.hex()}"


def pack_of(name: str) -> bytes | None:
    """Return the id of the pack with this object name, or None when it is no pack's name."""
    match = re.fullmatch(r"packs/([0-9a-f]{2})/(\1[0-9a-f]{30})", name)
    return bytes.fromhex(match[2]) if match else None


def decode_json(data: bytes, type_: type[ResultT], what: str) -> ResultT:
    """Decode JSON strictly.

    Raises:
        RepositoryDamaged: It is not JSON, or not of this type; `what` says what cannot be read.
    """
    try:
        return msgspec.json.decode(data, type=decodable(type_))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RepositoryDamaged(f"{what} cannot be read: {error}") from error


def parse_config(line: bytes, where: str) -> Config:
    """Decode the first line of `hvbackup.repository`.

    Raises:
        RepositoryDamaged: It is not the JSON that it should be.
        FormatUnsupported: A newer format, or a feature that this version does not know.
    """
    head = decode_json(line, dict[str, Any], f"{where}: {CONFIG_NAME}")
    if head.get("format") != FORMAT_NAME:
        raise RepositoryDamaged(f"{where}: {CONFIG_NAME} is not of an hvbackup repository")
    version = head.get("version")
    if version != FORMAT_VERSION:
        raise FormatUnsupported(
            f"{where}: the repository has format version {version}; this hvbackup knows version {FORMAT_VERSION}",
            hint="use the version of hvbackup that wrote it, or a newer one",
        )
    config = decode_json(line, Config, f"{where}: {CONFIG_NAME}")
    refuse_unknown(config.features, where)
    for value, known in ((config.encryption, ("aes-256-gcm", "none")), (config.compression, ("zstd",))):
        if value not in known:
            refuse_unknown((value,), where)
    return config


def refuse_unknown(features: tuple[str, ...], where: str) -> None:
    """Raise `FormatUnsupported`, naming them, if there are features that this version does not know."""
    unknown = [feature for feature in features if feature not in KNOWN_FEATURES]
    if unknown:
        raise FormatUnsupported(
            f"{where}: needs what this hvbackup does not know: {', '.join(unknown)}",
            hint="use a newer version of hvbackup",
        )


def write_entries(entries: list[Entry]) -> bytes:
    """Encode the footer of a pack."""
    return b"".join(
        PACK_ENTRY.pack(entry.id, entry.offset, entry.length, entry.size | (SIZE_ZSTD if entry.zstd else 0))
        for entry in entries
    )


def read_entries(data: bytes) -> list[Entry]:
    """Decode the footer of a pack; its length must be a multiple of an entry's."""
    return [
        Entry(block_id, offset, length, size & ~SIZE_ZSTD, bool(size & SIZE_ZSTD))
        for block_id, offset, length, size in PACK_ENTRY.iter_unpack(data)
    ]


def write_record(entry: Entry, pack: bytes) -> bytes:
    """Encode one record of an index segment."""
    return SEGMENT_RECORD.pack(
        entry.id, pack, entry.offset, entry.length, entry.size | (SIZE_ZSTD if entry.zstd else 0)
    )


def read_place(record: bytes | memoryview) -> Place:
    """Decode one record of an index segment."""
    _, pack, offset, length, size = SEGMENT_RECORD.unpack(record)
    return Place(pack, offset, length, size & ~SIZE_ZSTD, bool(size & SIZE_ZSTD))


def write_segment(packs: list[PackInfo], records: list[bytes]) -> bytes:
    """Encode an index segment; the records are sorted here."""
    table = b"".join(SEGMENT_PACK.pack(*pack) for pack in packs)
    return SEGMENT_HEADER.pack(len(packs), len(records)) + table + b"".join(sorted(records))


def read_segment(payload: bytes, where: str) -> tuple[list[PackInfo], memoryview]:
    """Decode an index segment into its packs and its sorted records, still encoded."""
    try:
        pack_count, record_count = SEGMENT_HEADER.unpack_from(payload)
        start = SEGMENT_HEADER.size + pack_count * SEGMENT_PACK.size
        packs = [PackInfo(*fields) for fields in SEGMENT_PACK.iter_unpack(payload[SEGMENT_HEADER.size : start])]
    except struct.error as error:
        raise RepositoryDamaged(f"{where}: the index segment is cut short") from error
    records = memoryview(payload)[start:]
    if len(packs) != pack_count or len(records) != record_count * SEGMENT_RECORD.size:
        raise RepositoryDamaged(f"{where}: the index segment has another length than it says")
    return packs, records


def tree_levels(blocks: int) -> list[int]:
    """Return how many hashes each level of a file's list tree has, from the blocks up to the root (which is 1).

    No blocks: no level. One block: its hash is the root.
    """
    levels = [blocks] if blocks else []
    while levels and levels[-1] > 1:
        levels.append(-(-levels[-1] // FAN_OUT))
    return levels


def pieces(total: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut `total` into (start, length) of at most `step`."""
    for start in range(0, total, step):
        yield start, min(step, total - start)
