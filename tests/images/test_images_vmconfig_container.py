"""The container of VMCX files: whole ones are read as they are, damaged and hostile ones are one error."""

from __future__ import annotations

import math
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hvbackup.errors import ImageDamaged, ImageError, ImageUnsupported
from hvbackup.images.source import BytesSource
from hvbackup.images.vmconfig.container import read_container
from hvbackup.images.vmconfig.read import ListedVm, list_configurations, read_configuration
from hvbackup.images.vmconfig.tree import Tree, Unread

PAGE = 4096
LOG = 0x3000
TABLES = 0x8000
Writable: TypeAlias = Mapping[str, Any]


def crc(raw: bytes, at: int) -> bytes:
    """`raw` with its CRC at `at`, computed over itself with zeros there."""
    zeroed = raw[:at] + bytes(4) + raw[at + 4 :]
    return raw[:at] + struct.pack("<I", zlib.crc32(zeroed)) + raw[at + 4 :]


class Unsigned(int):
    """To be written as an unsigned 64-bit number."""


class Outside:
    """A text or bytes to be put into a file object."""

    def __init__(self, value: str | bytes) -> None:
        self.value = value


class VmcxWriter:
    """Writes containers, from the format notes alone: it shares no code with the reader.

    `slack` bytes follow each value, as Hyper-V leaves them; `table_size` makes a tree lie in several tables.
    """

    def __init__(self, *, slack: int = 12, table_size: int = PAGE, sequence: int = 7) -> None:
        self.slack = slack
        self.table_size = table_size
        self.sequence = sequence
        self.tables: list[bytearray] = []
        self.files: list[bytes] = []
        self.log: list[tuple[int, bytes]] = []
        self.order = 0

    def write(self, tree: Writable) -> bytes:
        self._new_table()
        # file objects lie behind all tables, whose number is known once the tree is written: so it is written twice
        self._node(tree, 0, 0)
        files_at = TABLES + len(self.tables) * self.table_size
        self.tables, self.files, self.order, self.files_at = [], [], 0, files_at
        self._new_table()
        self._node(tree, 0, 0)
        return self._file()

    files_at = 0

    def _new_table(self) -> None:
        self.tables.append(bytearray(crc(struct.pack("<HHHI", 2, len(self.tables) + 1, 3, 0), 6)))

    def _node(self, node: Writable, table: int, offset: int) -> None:
        for name, value in node.items():
            kind, raw = self._encode(value)
            place = self._entry(name, kind, raw, table, offset)
            if isinstance(value, Mapping):
                self._node(value, *place)

    def _encode(self, value: Any) -> tuple[int, bytes]:
        if isinstance(value, Outside):
            kind, raw = self._encode(value.value)
            offset = self.files_at + sum(len(each) for each in self.files)
            self.files.append(raw[4:])
            return kind | 0x100, struct.pack("<IQ", len(raw) - 4, offset)
        if isinstance(value, Mapping):
            return 9, bytes(8) + struct.pack("<I", len(value))
        if isinstance(value, bool):
            return 8, struct.pack("<I", value)
        if isinstance(value, Unsigned):
            return 4, struct.pack("<Q", value)
        if isinstance(value, int):
            return 3, struct.pack("<q", value)
        if isinstance(value, float):
            return 5, struct.pack("<d", value)
        text = value.encode("utf-16-le") if isinstance(value, str) else value
        return (6 if isinstance(value, str) else 7), struct.pack("<I", len(text)) + text

    def _entry(self, name: str, kind: int, value: bytes, table: int, offset: int) -> tuple[int, int]:
        label = name.encode() + b"\0"
        size = 21 + len(label) + len(value) + self.slack
        if len(self.tables[-1]) + size > self.table_size:
            self._new_table()
        self.order += 1
        entry = struct.pack("<HIHIIIB", kind, size, table, offset, 0, self.order, len(label)) + label + value
        place = (len(self.tables), len(self.tables[-1]))
        self.tables[-1] += crc(entry, 12) + b"\xee" * self.slack
        return place

    def _file(self) -> bytes:
        objects = [(2, TABLES + number * self.table_size, self.table_size) for number in range(len(self.tables))]
        offset = self.files_at
        for each in self.files:
            objects.append((3, offset, len(each)))
            offset += len(each)
        table = struct.pack("<II", 0x01110001, len(objects) + 3)
        for kind, at, size in objects:
            table += crc(struct.pack("<BIQIB", kind, 0, at, size, 1), 1)
        table += crc(struct.pack("<BIQIB", 4, 0, 77, 88, 1), 1) + crc(bytes(18), 1) * 2
        assert len(table) <= PAGE
        whole = header(self.sequence).ljust(PAGE, b"\0") + header(self.sequence - 1).ljust(PAGE, b"\0")
        whole += table.ljust(PAGE, b"\0") + self._log().ljust(TABLES - LOG, b"\0")
        for keys in self.tables:
            rest = self.table_size - len(keys)
            free = struct.pack("<HIHIIIB", 1, rest, 0, 0, 0, 0, 0).ljust(rest, b"\xdd") if rest >= 21 else bytes(rest)
            whole += bytes(keys) + free
        return whole + b"".join(self.files)

    def _log(self) -> bytes:
        data_at = 0x22 + 28 * len(self.log)
        entries = data = b""
        for target, new in self.log:
            entry = struct.pack("<QIQII", target, len(new), data_at + len(data), 0, zlib.crc32(new))
            entries += crc(entry, 20)
            data += new
        return crc(struct.pack("<IIIBI17x", 0x01110003, 0, len(self.log), 0, 145), 4) + entries + data


def header(sequence: int, *, version: int = 0x400, log: int = LOG) -> bytes:
    raw = struct.pack("<IIHIQIQQI", 0x01282014, 0, sequence & 0xFFFF, version, 0, PAGE, log, TABLES - LOG, PAGE)
    return crc(raw, 4)


def read(data: bytes) -> Tree:
    return read_container(BytesSource(data)).tree


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


SMALL: Writable = {
    "configuration": {
        "properties": {"name": "wébserver 你好", "subtype": 1, "version": 0x900, "global_id": "A" * 8 + "-1" * 0},
        "settings": {"memory": {"bank": {"size": 2048, "dynamic_memory_enabled": True}}, "processors": {"count": 4}},
    }
}


# ---------------------------------------------------------------- what is whole


def test_every_type_of_value_is_read() -> None:
    tree = {
        "node": {"empty": {}, "text": "grün", "": "a name may be empty"},
        "integer": -(1 << 63),
        "unsigned": Unsigned((1 << 64) - 1),
        "double": -0.1,
        "yes": True,
        "no": False,
        "bytes": b"\0\xff",
        "no bytes": b"",
        "no text": "",
    }

    assert tree == read(VmcxWriter().write(tree))


def test_a_text_may_end_with_its_nul() -> None:
    assert {"name": "vm"} == read(VmcxWriter().write({"name": "vm\0"}))


VALUES = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(0, (1 << 64) - 1).map(Unsigned),
    st.floats(allow_nan=False),
    st.booleans(),
    st.binary(max_size=200),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200),
)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
TREES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=6), lambda below: st.dictionaries(NAMES, VALUES | below, max_size=6)
)


@settings(max_examples=60, deadline=None)
@given(TREES, st.integers(0, 40), st.sampled_from([1024, 4096, 8192]))
def test_any_tree_is_read_as_it_was_written(tree: Writable, slack: int, table_size: int) -> None:
    assert tree == read(VmcxWriter(slack=slack, table_size=table_size).write(tree))


def test_nodes_and_their_values_may_lie_in_different_tables() -> None:
    writer = VmcxWriter(table_size=1024)
    tree = {f"node {number}": {f"value {each}": "x" * 50 for each in range(5)} for number in range(9)}

    assert tree == read(writer.write(tree))
    assert len(writer.tables) > 5


def test_values_in_file_objects_are_read() -> None:
    writer = VmcxWriter()
    notes, blob = "Zeile für Zeile\n" * 500, bytes(range(256)) * 20

    tree = read(writer.write({"notes": Outside(notes), "blob": Outside(blob), "empty": Outside(b"")}))

    assert {"notes": notes, "blob": blob, "empty": b""} == tree


def test_of_two_headers_the_later_one_counts_also_when_numbers_wrap() -> None:
    data = VmcxWriter(sequence=0x10000).write({"a": 1})  # 0 and 0xFFFF
    wrong_log = header(0xFFFF, log=0x10_0000)

    assert {"a": 1} == read(patched(data, PAGE, wrong_log))
    with pytest.raises(ImageDamaged, match="its log should be at 1048576"):
        read(patched(data, 0, header(0xFFFE))[:PAGE] + wrong_log + data[PAGE + len(wrong_log) :])


@pytest.mark.parametrize("at", [0, PAGE])
def test_one_broken_header_is_no_harm(at: int) -> None:
    data = VmcxWriter().write({"a": 1})

    assert {"a": 1} == read(patched(data, at + 8, b"\xff"))


def test_of_two_generations_of_a_key_table_the_later_one_counts() -> None:
    data = VmcxWriter().write({"a": "old"})
    newer = VmcxWriter().write({"a": "new"})[TABLES : TABLES + PAGE]
    newer = crc(patched(newer, 4, struct.pack("<H", 4))[:10], 6) + newer[10:]
    table = data[0x2000:0x3000]
    entry = crc(struct.pack("<BIQIB", 2, 0, TABLES + PAGE, PAGE, 1), 1)
    table = patched(table, 8 + 18, entry)

    assert {"a": "new"} == read(data[:0x2000] + table + data[0x3000:] + newer)


def test_further_object_tables_are_followed() -> None:
    data = VmcxWriter().write({"a": 1})
    keys = crc(struct.pack("<BIQIB", 2, 0, TABLES, PAGE, 1), 1)
    second = struct.pack("<II", 0x01110001, 1) + keys
    first = struct.pack("<II", 0x01110001, 1) + crc(struct.pack("<BIQIB", 1, 0, TABLES + PAGE, PAGE, 1), 1)

    assert {"a": 1} == read(patched(data, 0x2000, first) + second)


# ---------------------------------------------------------------- the log


def test_a_log_is_replayed_in_memory_and_the_file_stays_as_it_was() -> None:
    before = VmcxWriter().write({"name": "old", "count": 1})
    after = VmcxWriter().write({"name": "new", "count": 1})
    writer = VmcxWriter()
    writer.log = [(TABLES, before[TABLES : TABLES + 50]), (TABLES, after[TABLES : TABLES + PAGE])]
    data = bytearray(writer.write({"name": "old", "count": 1}))
    data[TABLES : TABLES + PAGE] = bytes(PAGE)  # the write that the log is there for was cut short
    kept = bytes(data)

    found = read_container(BytesSource(data))

    assert ({"name": "new", "count": 1}, 2) == (found.tree, found.replayed)
    assert kept == data


def test_a_log_may_make_the_file_longer() -> None:
    whole = VmcxWriter().write({"a": 1})
    writer = VmcxWriter()
    writer.log = [(TABLES, whole[TABLES:])]

    assert {"a": 1} == read(writer.write({"a": 1})[:TABLES])


@pytest.mark.parametrize("at", [0x22, 0x22 + 9, 0x22 + 20, 0x22 + 24, 0x22 + 28 + 3])
def test_a_torn_log_entry_is_damage(at: int) -> None:
    writer = VmcxWriter()
    writer.log = [(TABLES, b"whatever")]
    data = writer.write({"a": 1})

    with pytest.raises(ImageDamaged, match="entry 0 of its log is not valid"):
        read(patched(data, LOG + at, bytes([data[LOG + at] ^ 1])))


def test_old_entries_behind_the_count_are_not_replayed() -> None:
    writer = VmcxWriter()
    writer.log = [(TABLES, b"whatever")]
    data = writer.write({"a": 1})
    no_entries = crc(struct.pack("<IIIBI17x", 0x01110003, 0, 0, 0, 145), 4)

    assert {"a": 1} == read(patched(data, LOG, no_entries))


# ---------------------------------------------------------------- what is damaged


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (0x2000, "no valid object table at 8192"),
        (0x2008 + 6, "entry 0 of the object table at 8192 has a wrong checksum"),
        (0x2008 + 18 * 3, "entry 3 of the object table at 8192 has a wrong checksum"),
        (LOG + 8, "header of its log at 12288"),
        (TABLES + 2, "header of the key table at 32768"),
        (TABLES + 10 + 21 + 1, r"checksum of '.*' is wrong \(key table 1, byte 10\)"),
        (TABLES + 10 + 8, r"checksum of 'configuration' is wrong \(key table 1, byte 10\)"),
    ],
)
def test_a_wrong_byte_is_damage_at_a_place(at: int, match: str) -> None:
    data = VmcxWriter().write(SMALL)

    with pytest.raises(ImageDamaged, match=match) as caught:
        read(patched(data, at, bytes([data[at] ^ 0x10])))
    assert caught.value.hint


def test_bytes_behind_a_value_mean_nothing() -> None:
    data = VmcxWriter(slack=12).write({"a": 1})

    assert {"a": 1} == read(patched(data, TABLES + 10 + 21 + 2 + 8, b"\0" * 12))


def test_a_container_without_a_valid_header_is_damaged() -> None:
    data = VmcxWriter().write(SMALL)

    with pytest.raises(ImageDamaged, match="none of its two headers is valid"):
        read(patched(patched(data, 9, b"x"), PAGE + 9, b"x"))


def test_another_format_version_is_unsupported() -> None:
    data = VmcxWriter().write(SMALL)

    with pytest.raises(ImageUnsupported, match="unknown format version 0x500"):
        read(patched(data, 0, header(9, version=0x500)))


def test_a_container_as_large_as_a_memory_is_not_read() -> None:
    class Huge:
        size = 8 << 30

        def read_at(self, _offset: int, size: int) -> bytes:
            assert size <= PAGE
            return header(1).ljust(size, b"\0")

    with pytest.raises(ImageUnsupported, match="8589934592 bytes") as caught:
        read_configuration(Huge())
    assert "VMRS" in str(caught.value.hint)


def entry(kind: int, name: bytes, value: bytes, *, parent: tuple[int, int] = (0, 0), size: int | None = None) -> bytes:
    raw = struct.pack("<HIHIIIB", kind, 0, *parent, 0, 1, len(name)) + name + value
    return crc(raw[:2] + struct.pack("<I", len(raw) if size is None else size) + raw[6:], 12)


def with_entries(*entries: bytes, files: bytes = b"") -> bytes:
    """A container whose only key table holds these entries."""
    data = VmcxWriter().write({})
    keys = (data[TABLES : TABLES + 10] + b"".join(entries)).ljust(PAGE, b"\0")
    if files:
        table = crc(struct.pack("<BIQIB", 3, 0, TABLES + PAGE, len(files), 1), 1)
        data = patched(data, 0x2008 + 18, table)
    return data[:TABLES] + keys + files


NODE = bytes(12)


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ([entry(3, b"a\0", bytes(8), parent=(1, 500))], "the parent of 'a' is not there"),
        ([entry(3, b"a\0", bytes(8), parent=(9, 10))], "the parent of 'a' is not there"),
        ([entry(3, b"a\0", bytes(8)), entry(3, b"b\0", bytes(8), parent=(1, 10))], "the parent of 'b' is not there"),
        ([entry(9, b"a\0", NODE, parent=(1, 10))], "make no tree"),
        ([entry(9, b"a\0", NODE, parent=(1, 45)), entry(9, b"b\0", NODE, parent=(1, 10))], "make no tree"),
        ([entry(3, b"a\0", bytes(8), size=5)], "size of an entry is wrong"),
        ([entry(3, b"a\0", bytes(8), size=0xFFFF_FFFF)], "size of an entry is wrong"),
        ([entry(1, b"a\0", bytes(8))], "marked as free is wrong"),
        ([entry(1, b"", bytes(8), parent=(1, 10))], "marked as free is wrong"),
        ([entry(3, b"", bytes(8))], "name of an entry is wrong"),
        ([entry(3, b"abc", bytes(8))], "name of an entry is wrong"),
        ([entry(3, b"a\0", bytes(7))], "length of a value is wrong"),
        ([entry(6, b"a\0", struct.pack("<I", 0xFFFF_FFFF))], "length of a value is wrong"),
        ([entry(6, b"a\0", b"")], "length of a value is wrong"),
        ([entry(0x103, b"a\0", bytes(12))], "type of an entry is wrong"),
        ([entry(0x106, b"a\0", struct.pack("<IQ", 4, 99))], "file object of a value is wrong"),
        ([entry(0x106, b"a\0", struct.pack("<IQ", 5, TABLES + PAGE))], "file object of a value is wrong"),
    ],
)
def test_entries_that_cannot_be_are_damage(entries: list[bytes], match: str) -> None:
    with pytest.raises(ImageDamaged, match=match):
        read(with_entries(*entries, files=b"1234"))


def test_nodes_nested_too_deep_are_damage() -> None:
    tree: dict[str, Any] = {}
    for _ in range(80):
        tree = {"n": tree}

    with pytest.raises(ImageDamaged, match="very deep"):
        read(VmcxWriter(table_size=8192).write(tree))


def test_file_objects_that_many_values_share_are_refused_before_they_fill_the_memory() -> None:
    shared = [entry(0x107, b"%d\0" % number, struct.pack("<IQ", 20_000, TABLES + PAGE)) for number in range(100)]

    with pytest.raises(ImageDamaged, match="shared with other values"):
        read(with_entries(*shared, files=bytes(20_000)))


def test_what_is_not_known_to_be_right_is_left_unread_and_the_rest_is_read() -> None:
    pointer = bytearray(entry(0x106, b"notes\0", struct.pack("<IQ", 4, TABLES + PAGE)))
    pointer[12] ^= 1

    tree = read(with_entries(entry(2, b"odd\0", bytes(8)), bytes(pointer), entry(3, b"a\0", bytes(8)), files=b"1234"))

    assert Unread("a value of the unknown type 2") == tree["odd"]
    assert isinstance(tree["notes"], Unread)
    assert 0 == tree["a"]


# ---------------------------------------------------------------- whole files


def test_a_vmcx_file_becomes_a_configuration() -> None:
    found = read_configuration(BytesSource(VmcxWriter().write(SMALL)))

    assert ("vmcx", "wébserver 你好", 2, "9.0") == (found.format, found.name, found.generation, found.version)
    assert (2 << 30, True, 4) == (found.memory.startup_bytes, found.memory.dynamic, found.processor.count)


def test_the_runtime_state_of_a_vm_is_named() -> None:
    state = {"configuration": {"properties": {"version": 0x900}, "global_settings": {"metrics": {}}}}

    with pytest.raises(ImageUnsupported, match=r"runtime state of a VM \(\.VMRS"):
        read_configuration(BytesSource(VmcxWriter().write(state)))


def test_a_hosts_list_says_which_vms_it_had() -> None:
    guid = "EC04F346-DB96-4700-AF5B-77B3C56C38BD"
    listing = {"Configurations": {"VirtualMachines": {f"_{guid}_": r"D:\vm\x.vmcx", "_odd_": "x"}, "FormatVersion": 2}}
    source = BytesSource(VmcxWriter().write(listing))

    assert (ListedVm(id=guid.lower(), path=r"D:\vm\x.vmcx"),) == list_configurations(source)
    with pytest.raises(ImageUnsupported, match=r"a host's list of VMs \(data.vmcx\), not the configuration of a VM"):
        read_configuration(source)
    with pytest.raises(ImageUnsupported, match="the configuration of a VM, not a host's list of VMs"):
        list_configurations(BytesSource(VmcxWriter().write(SMALL)))


@pytest.mark.parametrize("data", [b"", b"MZ\x90\0", b"conectix" * 64, bytes(9000)])
def test_what_is_no_configuration_file_is_unsupported(data: bytes) -> None:
    with pytest.raises(ImageUnsupported, match="neither a VMCX container nor XML"):
        read_configuration(BytesSource(data))


# ---------------------------------------------------------------- hostile files


def _whole() -> bytes:
    writer = VmcxWriter(table_size=1024)
    writer.log = [(0x7000, b"old bytes that are written again")]
    return writer.write(
        {**SMALL, "more": {str(number): "x" * number for number in range(30)}, "big": Outside("y" * 2000)}
    )


def _read_or_refuse(data: bytes) -> Tree | None:
    try:
        return read(data)
    except ImageError:
        return None


def _checked_ranges(data: bytes) -> Iterator[tuple[int, int]]:
    """Where a wrong byte must not go unseen: object table entries, headers of key tables."""
    yield 0x2000, 8
    yield LOG, 0x22
    for number in range(5):
        yield 0x2008 + 18 * number, 18
    yield TABLES, 10


def test_no_flipped_bit_under_a_checksum_goes_unseen() -> None:
    data = _whole()
    for start, size in _checked_ranges(data):
        for at in range(start, start + size):
            flipped = bytearray(data)
            flipped[at] ^= 1 << at % 8
            assert _read_or_refuse(bytes(flipped)) is None, at


def _flips(seeds: range) -> None:
    data = _whole()
    whole, outside = read(data), data.find("y".encode("utf-16-le") * 2000)
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - test data
        flipped = bytearray(data)
        at = chance.randrange(len(data))
        flipped[at] ^= 1 << chance.randrange(8)
        found = _read_or_refuse(bytes(flipped))
        if found is not None and found != whole:
            # only what no checksum covers may differ: file objects, and values that are left unread
            assert outside <= at or _has_unread(found), (seed, at)


def _has_unread(tree: Tree) -> bool:
    return any(_has_unread(each) if isinstance(each, dict) else isinstance(each, Unread) for each in tree.values())


def test_a_flipped_bit_is_seen_or_means_nothing() -> None:
    _flips(range(1500))


@pytest.mark.slow
def test_a_flipped_bit_is_seen_or_means_nothing_many_times() -> None:
    _flips(range(1500, 60_000))


NASTY = (0, 1, 20, 21, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, (1 << 63) - 1, (1 << 64) - 1, 0x2000, TABLES)


def _hostile(chance: random.Random, data: bytes) -> bytes:
    """Nasty numbers anywhere, with checksums that are right."""
    raw = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start, size = chance.choice([(0, 46), (PAGE, 46), (LOG, 120), (0x2000, 200), (TABLES, 3000)])
        at, width = start + chance.randrange(size), chance.choice((1, 2, 4, 8))
        raw[at : at + width] = (chance.choice(NASTY) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    for start, size, field in ((0, 46, 4), (PAGE, 46, 4), (LOG, 34, 4), (LOG + 34, 28, 20)):
        raw[start : start + size] = crc(bytes(raw[start : start + size]), field)
    for number in range(20):
        start = 0x2008 + 18 * number
        raw[start : start + 18] = crc(bytes(raw[start : start + 18]), 1)
    at = TABLES
    raw[at : at + 10] = crc(bytes(raw[at : at + 10]), 6)
    at += 10
    while at + 21 < TABLES + 1024:  # entries of the first table, as long as their sizes lead on
        kind, size, name = struct.unpack_from("<HI14xB", raw, at)
        if size < 21 or at + size > len(raw):
            break
        value = {3: 8, 4: 8, 5: 8, 8: 4, 9: 12}.get(kind & 0xFF, 4)
        if kind & 0xFF in (6, 7) and not kind & 0x100:
            value += min(struct.unpack_from("<I", raw.ljust(at + 400, b"\0"), at + 21 + name)[0], size)
        end = min(at + 21 + name + value, len(raw))
        raw[at:end] = crc(bytes(raw[at:end]), 12)
        at += size
    return bytes(raw[: chance.choice((None, None, None, chance.randrange(len(raw))))])


def _fuzz(seeds: range) -> None:
    data = _whole()
    for seed in seeds:
        hostile = _hostile(random.Random(seed), data)  # noqa: S311 - test data
        started = time.process_time()
        try:
            read_configuration(BytesSource(hostile))
        except ImageError:
            pass
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        assert time.process_time() - started < 5, seed


def test_hostile_containers_give_an_image_error_or_an_answer() -> None:
    _fuzz(range(1500))


@pytest.mark.slow
def test_hostile_containers_give_an_image_error_or_an_answer_many_times() -> None:
    _fuzz(range(1500, 80_000))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_noise_behind_a_signature_is_an_image_error(noise: bytes) -> None:
    with pytest.raises(ImageError):
        read_configuration(BytesSource(struct.pack("<I", 0x01282014) + noise))


@pytest.mark.parametrize("size", [0, 3, 45, 46, 4096, 8192, 8199, 8300, LOG + 10, TABLES - 1, TABLES + 5, TABLES + 900])
def test_a_container_that_was_cut_is_refused(size: int) -> None:
    with pytest.raises(ImageError):
        read_configuration(BytesSource(_whole()[:size]))


@pytest.mark.slow
def test_a_file_full_of_entries_takes_bounded_memory_and_time() -> None:
    one = entry(8, b"\0", bytes(4))
    count = math.floor((30 << 20) / len(one))
    data = VmcxWriter().write({})
    keys = data[TABLES : TABLES + 10] + one * count
    table = crc(struct.pack("<BIQIB", 2, 0, TABLES, len(keys), 1), 1)
    hostile = patched(data, 0x2008, table)[:TABLES] + keys
    tracemalloc.start()
    try:
        with pytest.raises(ImageUnsupported, match="more than 100000 values"):
            read(hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 200 << 20
