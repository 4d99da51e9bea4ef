"""Where a repair puts what is hurt: nothing is deleted, and everything can be put back.

An object that is put aside keeps its bytes, and with them its seal, which is bound to its first name.
"""

from __future__ import annotations

from hvbackup.errors import PointNotFound, VerificationFailed
from hvbackup.repository import format as f
from hvbackup.repository.points import PointShelf, point_name
from hvbackup.repository.store import ObjectMissing, Store


def copy_aside(store: Store, name: str, aside: str) -> None:
    """Copy an object and read the copy back.

    Raises:
        ObjectMissing: It is not there.
        VerificationFailed: The copy is not what was written.
    """
    data = store.get(name)
    store.put(aside, data)
    if store.get(aside) != data:
        raise VerificationFailed(f"{aside}: the copy of {name} does not read back as it was written")


class PointsAside:
    """The points that were put aside."""

    def __init__(self, store: Store, shelf: PointShelf) -> None:
        self._store, self._shelf = store, shelf

    def ids(self) -> list[str]:
        """Return the ids of the points that are aside, sorted by time."""
        return self._shelf.ids_and_aside()[1]

    def put(self, point_id: str) -> None:
        """Put a point aside, and note that it was meant."""
        copy_aside(self._store, point_name(point_id), f"{f.POINTS_ASIDE}{point_id}")
        self._shelf.delete(point_id)

    def drop_doubles(self) -> None:
        """Delete copies of points that are in their place as well: a repair or a return was cut off between."""
        for point_id in set(self._shelf.ids()) & set(self.ids()):
            if self._store.get(point_name(point_id)) == self._store.get(f"{f.POINTS_ASIDE}{point_id}"):
                self._store.delete(f"{f.POINTS_ASIDE}{point_id}")

    def put_back(self, point_id: str) -> None:
        """Put a point back.

        Raises:
            PointNotFound: It is not aside.
        """
        try:
            copy_aside(self._store, f"{f.POINTS_ASIDE}{point_id}", point_name(point_id))
        except ObjectMissing as error:
            raise PointNotFound(f"{self._store.location}: no restore point {point_id} was put aside") from error
        self._store.delete(f"{f.POINTS_ASIDE}{point_id}")

    def discard(self, point_id: str) -> None:
        """Delete a point that is aside; a collection then frees what only it needed.

        Raises:
            PointNotFound: It is not aside.
        """
        try:
            self._store.head(f"{f.POINTS_ASIDE}{point_id}")
        except ObjectMissing as error:
            raise PointNotFound(f"{self._store.location}: no restore point {point_id} was put aside") from error
        self._store.delete(f"{f.POINTS_ASIDE}{point_id}")
