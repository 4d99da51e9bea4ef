"""Storing blocks of a pack anew, in another pack: for packs that are to go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from hvbackup.repository import format as f
from hvbackup.repository.crypto import Cipher, Damaged, Keys
from hvbackup.repository.packs import PackPool, open_block
from hvbackup.repository.store import ObjectMissing, Store

#: One read of a pack takes at most about this much.
RANGE_SIZE = 4 * 1024 * 1024


def copy_blocks(
    store: Store, keys: Keys, pack: bytes, kind: int, entries: Sequence[f.Entry], pool: PackPool
) -> list[tuple[f.Entry, str]]:
    """Store blocks of a pack anew; each is checked against its id. They are durable once the pool is flushed.

    Returns:
        The blocks that could not be had, and why.
    """
    failed: list[tuple[f.Entry, str]] = []
    cipher = keys.cipher(pack)
    for part in _adjoining(sorted(entries, key=lambda entry: entry.offset)):
        start, end = part[0].offset, part[-1].offset + part[-1].length
        try:
            stored = memoryview(store.get_range(f.pack_name(pack), start, end - start))
        except ObjectMissing:
            failed += [(entry, "the pack is missing") for entry in part]
            continue
        for entry in part:
            offset = entry.offset - start
            try:
                pool.add(entry.id, open_checked(keys, cipher, entry, stored[offset : offset + entry.length]), kind)
            except Damaged as error:
                failed.append((entry, str(error)))
    return failed


def open_checked(keys: Keys, cipher: Cipher, entry: f.Entry, stored: memoryview) -> bytes:
    """Return the plain bytes of a block, compared with its id.

    Raises:
        Damaged: They are not those of this block.
    """
    plain = open_block(cipher, entry.id, entry, stored)
    if keys.block_id(hashlib.sha256(plain).digest()) != entry.id:
        raise Damaged("a block does not have its hash")
    return plain


def _adjoining(entries: Sequence[f.Entry]) -> Iterator[list[f.Entry]]:
    """Cut sorted entries where there is a gap, or where one read would become too large."""
    part: list[f.Entry] = []
    for entry in entries:
        if part:
            end = part[-1].offset + part[-1].length
            if entry.offset != end or entry.offset + entry.length - part[0].offset > RANGE_SIZE:
                yield part
                part = []
        part.append(entry)
    if part:
        yield part
