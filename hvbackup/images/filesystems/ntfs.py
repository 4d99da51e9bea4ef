"""NTFS by libfsntfs, with the rules for what only looks like a file with contents."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pyfsntfs

from hvbackup.errors import ImageDamaged
from hvbackup.images.filesystems import reparse, wof
from hvbackup.images.filesystems.adapter import Contents, Guard, SourceFile, shortened
from hvbackup.images.filesystems.contract import Entry, EntryKind, FileSystemInfo, Stream
from hvbackup.images.filesystems.ntfs_index import FolderIndex
from hvbackup.images.filesystems.tree import Child
from hvbackup.images.source import Source

_MFT_NUMBER = (1 << 48) - 1
_LOG_FILE, _VOLUME, _ROOT, _UPPER_CASE = 2, 3, 5, 10
_FIRST_FILE = 16
_STANDARD_INFORMATION, _FILE_NAME, _VOLUME_INFORMATION, _DATA = 0x10, 0x30, 0x70, 0x80
_REPARSE_POINT, _LOGGED_STREAM = 0xC0, 0x100
_DOS_NAME = 2
_GONE = "its record in the master file table is damaged, or another file's"
_SPARSE_EXTENT = 1
_FLAGS = {
    0x1: "read_only",
    0x2: "hidden",
    0x4: "system",
    0x200: "sparse",
    0x800: "compressed",
    0x1000: "offline",
    0x4000: "encrypted",
}
#: FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN and _RECALL_ON_DATA_ACCESS ([MS-FSCC] 2.6)
_NOT_HERE = 0x1000 | 0x40000 | 0x400000
_WELL_KNOWN_AUTHORITY_BYTES = 6


class _Facts(NamedTuple):
    """What the attributes of a file say."""

    flags: int
    links: int
    security: int | None
    tag: int | None
    target: str | None
    has_efs: bool
    has_data: bool
    valid: int
    streams: frozenset[str]


class NtfsParser:
    """The parser of one NTFS volume."""

    def __init__(self, file: SourceFile) -> None:
        self._volume: Any = pyfsntfs.volume()
        self._volume.open_file_object(file)
        self._cluster: int = self._volume.get_cluster_block_size()
        self._index = FolderIndex(file.read_at, self._record, self._cluster)
        self._upper = _upper_case(self._volume)
        self._owners: dict[int, str | None] = {}
        self.info = FileSystemInfo(
            kind="ntfs",
            label=self._volume.get_name() or "",
            id=f"{self._volume.get_serial_number():016x}",
            block_bytes=self._cluster,
            notes=tuple(_notes(self._volume)),
        )

    def root(self) -> Any:
        """The root folder."""
        return self._volume.get_root_directory()

    def children(self, folder: Any) -> Iterator[Child[Any]]:
        """What is in a folder, without NTFS's own files. The library holds the whole index of the folder in memory."""
        key = folder.get_file_reference() & _MFT_NUMBER
        if self._index.block_bytes(key) < self._cluster:
            yield from self._own_children(key)
            return
        for number in range(folder.get_number_of_sub_file_entries()):
            try:
                node = folder.get_sub_file_entry(number)
                reference = node.get_i30_file_reference()
                if reference & _MFT_NUMBER < _FIRST_FILE:
                    continue
                gone = reference != node.get_file_reference()
                yield Child(_text(node.get_name()), ImageDamaged(_GONE) if gone else node)
            except OSError as error:
                yield Child(f"\\x entry {number}", ImageDamaged(f"it is damaged: {shortened(error)}"))

    def _own_children(self, folder: int) -> Iterator[Child[Any]]:
        """The same by our own reading, where the library's leaves most of it out."""
        try:
            for name, reference in self._index.entries(folder):
                if reference & _MFT_NUMBER >= _FIRST_FILE:
                    yield Child(name, self._node_or_error(reference))
        except ImageDamaged as error:
            yield Child("\\x entries", ImageDamaged(f"not all of the folder can be read: {error.message}"))

    def _node_or_error(self, reference: int) -> Any:
        try:
            return self.node(reference)
        except ImageDamaged as error:
            return error
        except OSError as error:
            return ImageDamaged(f"it is damaged: {shortened(error)}")

    def key(self, node: Any) -> int:
        """MFT number and sequence number."""
        reference: int = node.get_file_reference()
        return reference

    def node(self, key: int) -> Any:
        """The file of an MFT number, if it is still the one of this sequence number."""
        node = self._volume.get_file_entry(key & _MFT_NUMBER)
        if node is None or node.get_file_reference() != key:
            raise ImageDamaged(_GONE)
        return node

    def is_folder(self, node: Any) -> bool:
        """Whether it has an index and is no link."""
        if not node.has_directory_entries_index():
            return False
        is_tagged = bool((node.get_file_attribute_flags() or 0) & 0x400)
        return not is_tagged or _facts(node).tag not in reparse.LINKS

    def fold(self, name: str) -> str:
        """Upper case by the table of the volume."""
        return name.translate(self._upper)

    def close(self) -> None:
        """Close the volume."""
        self._volume.close()

    # ------------------------------------------------------------ entries

    def describe(self, node: Any, path: str, name: str, *, streams: bool) -> Entry:
        """All that is known of a file."""
        facts = _facts(node)
        kind = self._kind(node, facts)
        size = node.get_size() if kind is EntryKind.FILE and facts.has_data else 0
        extents = _extents(node) if size else []
        return Entry(
            path=path,
            name=name,
            kind=kind,
            size_bytes=size,
            id=node.get_file_reference() & _MFT_NUMBER,
            links=max(1, facts.links),
            modified_at=_time(node.get_modification_time()),
            accessed_at=_time(node.get_access_time()),
            changed_at=_time(node.get_entry_modification_time()),
            created_at=_time(node.get_creation_time()),
            owner=self._owner(node, facts),
            target=facts.target if kind in (EntryKind.SYMLINK, EntryKind.JUNCTION) else None,
            streams=_streams(node, facts) if streams else (),
            first_extent=next((offset for offset, _, flags in extents if not flags & _SPARSE_EXTENT), None),
            allocated_bytes=sum(length for _, length, flags in extents if not flags & _SPARSE_EXTENT),
            unreadable=_unreadable(kind, facts, size, extents),
            attributes=_attributes(facts),
        )

    def _kind(self, node: Any, facts: _Facts) -> EntryKind:
        if facts.tag in reparse.LINKS:
            return reparse.LINKS[facts.tag]
        if node.has_directory_entries_index():
            return EntryKind.FOLDER
        if facts.tag in reparse.SPECIAL:
            return EntryKind.OTHER
        return EntryKind.FILE

    def _owner(self, node: Any, facts: _Facts) -> str | None:
        if facts.security is not None and facts.security in self._owners:
            return self._owners[facts.security]
        try:
            owner = owner_of(node.get_security_descriptor_data() or b"")
        except OSError:  # the owner is a detail: a volume may have lost its $Secure
            owner = None
        if facts.security is not None:
            self._owners[facts.security] = owner
        return owner

    # ------------------------------------------------------------ contents

    def contents(self, node: Any, entry: Entry, stream: str | None, guard: Guard) -> Source:
        """The contents of a file or stream."""
        if stream is not None:
            data = node.get_alternate_data_stream_by_name(stream)
            if data is None:
                raise ImageDamaged(f"the stream `{stream}` of {entry.path} is named, and not there")
            return Contents(data.get_size(), _reader(data), guard, f"the stream `{stream}` of {entry.path}")
        if "wof" in entry.attributes:
            return wof.open_compressed(node, self._record(entry.id), entry.path, guard)
        return Contents(entry.size_bytes, _reader(node), guard, entry.path)

    def _record(self, number: int) -> bytes:
        size = self._volume.get_mft_entry_size()
        record: bytes = self._volume.get_file_entry(0).read_buffer_at_offset(size, number * size)
        return record


def _reader(data: Any) -> Any:
    return lambda offset, size: data.read_buffer_at_offset(size, offset)


def _facts(node: Any) -> _Facts:
    flags = node.get_file_attribute_flags() or 0
    security: int | None = None
    tag: int | None = None
    target: str | None = None
    links = valid = 0
    has_efs = has_data = False
    streams: set[str] = set()
    for number in range(node.get_number_of_attributes()):
        attribute = node.get_attribute(number)
        kind = attribute.get_attribute_type()
        if kind == _FILE_NAME:
            links += attribute.get_name_space() != _DOS_NAME
        elif kind == _DATA:
            stream = _text(attribute.get_attribute_name() or "")
            if stream:
                streams.add(stream)
            else:
                has_data, valid = True, attribute.get_valid_data_size()
        elif kind == _STANDARD_INFORMATION:
            security = attribute.get_security_descriptor_identifier()
        elif kind == _REPARSE_POINT:
            tag = attribute.get_tag()
            target = attribute.get_substitute_name() or attribute.get_print_name()
        elif kind == _LOGGED_STREAM:
            has_efs = has_efs or attribute.get_attribute_name() == "$EFS"
    target = target.removeprefix("\\??\\") if target else None
    return _Facts(flags, links, security, tag, target, has_efs, has_data, valid, frozenset(streams))


def _unreadable(kind: EntryKind, facts: _Facts, size: int, extents: list[tuple[int, int, int]]) -> str | None:
    """Why the contents cannot be read: a tag or EFS says that what would be read is not what the guest sees."""
    if kind is EntryKind.OTHER:
        return reparse.SPECIAL.get(facts.tag or 0)
    if kind is not EntryKind.FILE:
        return None
    if facts.has_efs or facts.flags & 0x4000:
        return reparse.ENCRYPTED
    if facts.tag is None:
        return None
    if facts.tag == reparse.WOF:
        return None if wof.STREAM in facts.streams else reparse.WIMBOOT
    # with a tag of a program that is not known, contents count only if all of them are in the volume
    holes = any(flags & _SPARSE_EXTENT for _, _, flags in extents)
    here = size and not holes and not facts.flags & _NOT_HERE and not reparse.is_elsewhere(facts.tag)
    return None if here else reparse.reason(facts.tag)


def _attributes(facts: _Facts) -> tuple[str, ...]:
    named = [name for bit, name in _FLAGS.items() if facts.flags & bit]
    if facts.has_efs and "encrypted" not in named:
        named.append("encrypted")
    if facts.tag == reparse.WOF:
        named.append("wof")
    elif facts.tag is not None and facts.tag not in reparse.LINKS:
        named.append(f"reparse-{facts.tag:08x}")
    return tuple(named)


def _streams(node: Any, facts: _Facts) -> tuple[Stream, ...]:
    """Named streams that can be read; that of WOF is not one that Windows shows."""
    if not facts.streams or facts.has_efs or facts.flags & 0x4000:
        return ()
    hidden = wof.STREAM if facts.tag == reparse.WOF else None
    found: list[Stream] = []
    for number in range(node.get_number_of_alternate_data_streams()):
        data = node.get_alternate_data_stream(number)
        name = _text(data.get_name())
        if name != hidden:
            found.append(Stream(name=name, size_bytes=data.get_size()))
    return tuple(found)


def _text(name: str) -> str:
    """A string of the library, made anew: one with lone surrogates is not equal to itself written otherwise."""
    if name.isascii():
        return name
    return name.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _extents(node: Any) -> list[tuple[int, int, int]]:
    return [node.get_extent(number) for number in range(node.get_number_of_extents())]


def _time(value: datetime | None) -> datetime | None:
    """Times of NTFS are UTC; zero, the year 1601, stands for none."""
    return value.replace(tzinfo=timezone.utc) if value is not None and value.year > 1601 else None


def owner_of(descriptor: bytes) -> str | None:
    """The owner in a security descriptor ([MS-DTYP] 2.4.6), as a SID in text; None where there is none."""
    if len(descriptor) < 20:
        return None
    at = struct.unpack_from("<I", descriptor, 4)[0]
    if not at or at + 8 > len(descriptor):
        return None
    revision, count = descriptor[at], descriptor[at + 1]
    if revision != 1 or count > 15 or at + 8 + 4 * count > len(descriptor):
        return None
    authority = int.from_bytes(descriptor[at + 2 : at + 2 + _WELL_KNOWN_AUTHORITY_BYTES], "big")
    parts = struct.unpack_from(f"<{count}I", descriptor, at + 8)
    return "-".join(["S", "1", str(authority), *map(str, parts)])


# ---------------------------------------------------------------- the volume


def _upper_case(volume: Any) -> dict[int, int]:
    """The table $UpCase: for each UTF-16 unit the one that it is compared as."""
    node = volume.get_file_entry(_UPPER_CASE)
    table = array("H", node.read_buffer_at_offset(2 * 65536, 0))
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        table.byteswap()
    return {unit: upper for unit, upper in enumerate(table) if upper != unit}


def _notes(volume: Any) -> Iterator[str]:
    node = volume.get_file_entry(_VOLUME)
    for number in range(node.get_number_of_attributes()):
        attribute = node.get_attribute(number)
        if attribute.get_attribute_type() == _VOLUME_INFORMATION and attribute.get_flags() & 1:
            yield "the volume is marked dirty: Windows would check it (chkdsk)"
    log = volume.get_file_entry(_LOG_FILE)
    if not log_is_clean(log.read_buffer_at_offset(min(log.get_size(), 8192), 0)):
        yield "its journal ($LogFile) was not closed and is not replayed here: the newest changes may be missing"


def log_is_clean(pages: bytes) -> bool:
    """Whether the journal has nothing to replay, by the newer of the two restart pages at its beginning.

    Args:
        pages: The first 8 KiB of $LogFile. A page that is not the second one of a log with pages of 4 KiB is ignored.
    """
    newest: tuple[int, bool] | None = None
    for at in (0, 4096):
        page = pages[at : at + 4096]
        if page[:4] != b"RSTR":
            continue
        area = struct.unpack_from("<H", page, 24)[0]
        if area + 16 > len(page):
            continue
        lsn, _, _, in_use, flags = struct.unpack_from("<QHHHH", page, area)
        clean = in_use == 0xFFFF or bool(flags & 0x2)
        if newest is None or lsn > newest[0]:
            newest = (lsn, clean)
    return newest is None or newest[1]
