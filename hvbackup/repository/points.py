"""Restore points as objects: written last, sealed, small; and the guide that each one carries."""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import msgspec

from hvbackup.errors import FormatUnsupported, InvalidRequest, PointNotFound, RepositoryDamaged
from hvbackup.models import RestorePoint
from hvbackup.repository import format as f
from hvbackup.repository.crypto import Keys
from hvbackup.repository.store import ObjectMissing, Store


def new_point_id(now: datetime | None = None) -> str:
    """Return a new id: `20261125T013000Z-`, three hex digits of the second's fraction, and five random ones."""
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    fraction = moment.microsecond * 4096 // 1_000_000
    return f"{moment:%Y%m%dT%H%M%SZ}-{fraction:03x}{secrets.randbits(20):05x}"


def point_name(id: str) -> str:
    """Return the object name of a point."""
    return f"{f.POINTS}{id}"


def encode_point(keys: Keys, document: f.PointDocument) -> bytes:
    """Return the sealed object of a point."""
    return keys.seal(f.SEALED_POINT, point_name(document.point.id), msgspec.json.encode(document))


def decode_point(keys: Keys, id: str, data: bytes) -> f.PointDocument:
    """Decode a sealed point.

    Raises:
        RepositoryDamaged: It was altered, or is not the point of this name.
        FormatUnsupported: It uses a feature that this version does not know.
    """
    name = point_name(id)
    payload = keys.unseal(f.SEALED_POINT, name, data)
    head = f.decode_json(payload, dict[str, Any], f"{name}: the point")
    f.refuse_unknown(tuple(head.get("features", ())), name)
    if head.get("version") != f.FORMAT_VERSION:
        raise FormatUnsupported(f"{name}: the point has format version {head.get('version')}")
    document = f.decode_json(payload, f.PointDocument, f"{name}: the point")
    if document.point.id != id:
        raise RepositoryDamaged(f"{name}: it holds the point {document.point.id}")
    return document


class PointShelf:
    """The points of a repository."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys

    def ids(self) -> list[str]:
        """Return the ids of all points, sorted by time. An empty object is a reserved name, and no point."""
        names = [info.name.removeprefix(f.POINTS) for info in self._store.list(f.POINTS) if info.size]
        return sorted(name for name in names if f.POINT_ID.fullmatch(name))

    def read(self, id: str) -> f.PointDocument:
        """Return a point by its full id.

        Raises:
            PointNotFound: There is none.
            RepositoryDamaged: It cannot be read.
        """
        try:
            return decode_point(self._keys, id, self._store.get(point_name(id)))
        except ObjectMissing as error:
            raise PointNotFound(f"{self._store.location}: there is no restore point {id}") from error

    def read_all(self, on_damage: Callable[[RepositoryDamaged], None] | None = None) -> list[f.PointDocument]:
        """Return all points, sorted by time; one deleted meanwhile is left out, and damaged ones if somebody listens.

        Raises:
            RepositoryDamaged: A point cannot be read, and nobody listens.
        """

        def read(id: str) -> f.PointDocument | RepositoryDamaged | None:
            try:
                return self.read(id)
            except PointNotFound:
                return None
            except RepositoryDamaged as error:
                return error

        documents = []
        with ThreadPoolExecutor(8, thread_name_prefix="hvbackup-points") as executor:
            for found in executor.map(read, self.ids()):
                if isinstance(found, f.PointDocument):
                    documents.append(found)
                elif found is not None and on_damage is not None:
                    on_damage(found)
                elif found is not None:
                    raise found
        return documents

    def select(
        self,
        *,
        host: str | None = None,
        vm: str | None = None,
        on_damage: Callable[[RepositoryDamaged], None] | None = None,
    ) -> list[RestorePoint]:
        """Return the points of a host, or of a VM by its id or name, without case; sorted by time.

        Raises:
            RepositoryDamaged: A point cannot be read, and nobody listens.
        """
        points = [document.point for document in self.read_all(on_damage)]
        if host is not None:
            points = [point for point in points if point.host.casefold() == host.casefold()]
        if vm is not None:
            wanted = vm.casefold()
            points = [point for point in points if wanted in (point.vm_name.casefold(), point.vm_id.casefold())]
        return points

    def ids_and_aside(self) -> tuple[list[str], list[str]]:
        """Return the ids of all points and of those that were put aside; none that moves meanwhile is missed."""
        before = self.ids()
        aside = [info.name.removeprefix(f.POINTS_ASIDE) for info in self._store.list(f.POINTS_ASIDE) if info.size]
        return sorted({*before, *self.ids()}), sorted(name for name in aside if f.POINT_ID.fullmatch(name))

    def read_aside(self, id: str) -> f.PointDocument:
        """Return a point that was put aside.

        Raises:
            PointNotFound: There is none.
            RepositoryDamaged: It cannot be read.
        """
        try:
            return decode_point(self._keys, id, self._store.get(f"{f.POINTS_ASIDE}{id}"))
        except ObjectMissing as error:
            raise PointNotFound(f"{self._store.location}: no restore point {id} was put aside") from error

    def delete(self, id: str) -> None:
        """Delete a point: first an object that says that it was meant, then the point. Its blocks stay."""
        name = f"{f.DELETED}{id}"
        self._store.put(name, self._keys.seal(f.SEALED_DELETED, name, b"", compress=False))
        self._store.delete(point_name(id))

    def resolve(self, id_or_prefix: str) -> str:
        """Return the full id of the one point that is meant.

        Raises:
            PointNotFound: No point fits, or more than one; the message names those that come near.
        """
        ids = self.ids()
        wanted = id_or_prefix.strip()
        if wanted in ids:
            return wanted
        found = [known for known in ids if wanted and (known.startswith(wanted) or known[17:].startswith(wanted))]
        if len(found) == 1:
            return found[0]
        if found:
            raise PointNotFound(
                f"{self._store.location}: {len(found)} restore points fit {wanted!r}: {', '.join(found[:8])}",
                hint="give more of the id",
            )
        near = difflib.get_close_matches(wanted, ids, n=3, cutoff=0.6) or ids[-3:]
        raise PointNotFound(
            f"{self._store.location}: no restore point fits {wanted!r}",
            hint=f"near it are {', '.join(near)}" if near else "the repository has no restore points yet",
        )


_REFUSED = re.compile(r'[\x00-\x1f\\:*?"<>|]')


def check_file_name(name: str) -> None:
    """Refuse names that could lead out of a folder or that Windows cannot hold.

    Raises:
        InvalidRequest: The name is refused.
    """
    parts = name.split("/")
    if _REFUSED.search(name) or any(part in ("", ".", "..") or part[-1] in ". " for part in parts):
        raise InvalidRequest(f"{name!r} cannot be the name of a file in a restore point")


def restore_guide(point: RestorePoint) -> str:
    """Return the plain-text guide that a point carries."""
    lines = [
        f"Restore point {point.id}",
        f"of the virtual machine {point.vm_name} ({point.vm_id})",
        f"of the host {point.host}, as it was at {point.snapshot_at} ({point.consistency}).",
        "",
        "To restore it without hvbackup:",
        "",
        "1. Take extract.py, which lies beside this repository's files (any Python from 3.10 on, with the packages",
        "   zstandard and cryptography), and run, where REPOSITORY is a copy of the repository's folder:",
        "",
        f"       python extract.py REPOSITORY {point.id} --to FOLDER",
        "",
        "   It checks every block against its hash and writes these files:",
        "",
        *(f"       {file.name}   {file.size_bytes} bytes, was {file.source}" for file in point.files),
        "",
        "2. On a Hyper-V host: when there is a .vmcx file, put the files where they were and use Import-VM -Path;",
        "   else New-VM -VHDPath with the disk, and the settings that point.json (written beside them) records.",
        "",
        "docs/repository-format.md of hvbackup describes every byte of the repository.",
        "",
    ]
    return "\n".join(lines)
