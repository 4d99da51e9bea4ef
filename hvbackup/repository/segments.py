"""Writing index segments anew: without packs that go, and fewer of them where many are small."""

from __future__ import annotations

import secrets
from collections.abc import Set

from hvbackup.events import Cancellation
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.index import SEGMENT_RECORDS, Segment
from hvbackup.repository.store import ObjectMissing, Store

#: Segments with few records are merged once there are this many of them: every backup leaves one.
SMALL_SEGMENTS = 32
SMALL_RECORDS = SEGMENT_RECORDS // 8


def rewrite_segments(
    store: Store, keys: Keys, segments: dict[str, Segment], gone: Set[bytes], cancel: Cancellation
) -> int:
    """Write segments that name a pack of `gone` anew without it, and merge small ones; return how many were replaced.

    The new ones are durable before an old one is deleted. A stop between leaves records twice, which the next time
    mends: what another segment names as well is not written again.
    """
    chosen = {name for name, segment in segments.items() if any(pack in gone for pack in segment.packs)}
    small = {name for name, segment in segments.items() if segment.records <= SMALL_RECORDS}
    if len(small) >= SMALL_SEGMENTS:
        chosen |= small
    named = {pack for name, segment in segments.items() if name not in chosen for pack in segment.packs}
    writer = _SegmentWriter(store, keys)
    for name in sorted(chosen):
        cancel.check()
        try:
            packs, records = f.read_segment(keys.unseal(f.SEALED_INDEX, name, store.get(name)), name)
        except ObjectMissing:
            continue
        kept = {pack.id: pack for pack in packs if pack.id not in gone and pack.id not in named}
        named |= kept.keys()
        own = [bytes(records[at : at + _RECORD]) for at in range(0, len(records), _RECORD)]
        writer.add([*kept.values()], [record for record in own if record[32:48] in kept])
    writer.flush()
    for name in sorted(chosen):
        store.delete(name)
    return len(chosen)


_RECORD = f.SEGMENT_RECORD.size


class _SegmentWriter:
    """Gathers packs and their records, and writes them as segments that are not too large."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys
        self._packs: list[f.PackInfo] = []
        self._records: list[bytes] = []

    def add(self, packs: list[f.PackInfo], records: list[bytes]) -> None:
        if self._packs and len(self._records) + len(records) > SEGMENT_RECORDS:
            self.flush()
        self._packs += packs
        self._records += records

    def flush(self) -> None:
        if self._packs:
            name = f"{f.INDEX}{secrets.token_hex(16)}"
            payload = f.write_segment(self._packs, self._records)
            self._store.put(name, self._keys.seal(f.SEALED_INDEX, name, payload, compress=False))
        self._packs, self._records = [], []
