"""The disks of a restore point, opened where they are: nothing is restored, only what is looked at is read."""

from __future__ import annotations

import ntpath
from collections.abc import Sequence
from contextlib import ExitStack

from hvbackup.errors import (
    ImageDamaged,
    ImageError,
    InvalidRequest,
    ParentMismatch,
    ParentMissing,
    PointNotFound,
)
from hvbackup.images.chain import (
    MAX_DEPTH,
    Image,
    is_differencing,
    linkage_problem,
    open_chain,
    open_image,
    parent_paths,
)
from hvbackup.jobs.disk_chain import ChainFile, DiskChain
from hvbackup.jobs.point_files import choose_files
from hvbackup.models import PointFile, RestorePoint
from hvbackup.repository.reader import BlockPointReader
from hvbackup.repository.repository import Repository

_LATEST = "latest:"


def find_point(repository: Repository, text: str) -> RestorePoint:
    """Return the point that `ID` (or the beginning of it), `latest:VM`, or `latest` in a repository of one VM means.

    Raises:
        PointNotFound: None fits, or several; the message or hint names what there is.
    """
    if text != "latest" and not text.startswith(_LATEST):
        return repository.point(text)
    vm = text.removeprefix(_LATEST) if text != "latest" else None
    points = repository.points(vm=vm)
    if not points:
        names = sorted({point.vm_name for point in repository.points()})
        raise PointNotFound(
            f"there is no restore point of a VM {vm!r}" if vm else "the repository has no restore points yet",
            hint=f"There are points of {', '.join(names)}." if names else None,
        )
    if len({(point.host, point.vm_id) for point in points}) > 1:
        names = sorted({f"{point.vm_name} ({point.vm_id}, {point.host})" for point in points})
        raise PointNotFound(
            f"{text!r} means several VMs: {', '.join(names)}", hint="Name one, such as latest:GUID, or a point's id."
        )
    return points[-1]


def leaf_disks(reader: BlockPointReader) -> tuple[PointFile, ...]:
    """Return the images that are disks, and not only what other disks lie on.

    Those that were attached to the VM are known for a backup; of an imported folder each image is taken that is
    nobody's parent. A damaged image is taken, so that opening it says what is wrong.
    """
    disks = [file for file in reader.point.files if file.kind == "disk"]
    vm = reader.point.vm
    attached = {disk.path.lower() for disk in vm.disks if disk.path} if vm else set()
    if found := tuple(disk for disk in disks if disk.source.lower() in attached):
        return found
    below = {parent.name for disk in disks if (parent := _direct_parent(reader, disk, disks))}
    return tuple(disk for disk in disks if disk.name not in below) or tuple(disks)


def _direct_parent(reader: BlockPointReader, disk: PointFile, disks: Sequence[PointFile]) -> PointFile | None:
    with reader.open(disk.name) as source:
        try:
            image = open_image(source)
            return _find_parent(reader, disk, image, disks) if is_differencing(image) else None
        except ImageError:
            return None


def choose_disk(reader: BlockPointReader, name: str | None) -> PointFile:
    """Return the image that `name` means; without a name, the only disk.

    Args:
        name: Its name in the point or the end of it, `*` and `?` allowed; or its full path on the host.

    Raises:
        InvalidRequest: None fits, or several; the hint names the disks.
    """
    point = reader.point
    disks = [file for file in point.files if file.kind == "disk"]
    if not disks:
        raise InvalidRequest(f"restore point {point.id} holds no disks")
    if name is None:
        leaves = leaf_disks(reader)
        if len(leaves) > 1:
            raise InvalidRequest(
                f"restore point {point.id} of {point.vm_name} has {len(leaves)} disks", hint=disks_text(leaves)
            )
        return leaves[0]
    found = [file for file in disks if name.lower() in (file.source.lower(), file.name.lower())]
    found = found or _by_pattern(point, disks, name)
    if len(found) == 1:
        return found[0]
    what = f"has {len(found)} disks that fit {name!r}" if found else f"has no disk {name!r}"
    raise InvalidRequest(f"restore point {point.id} {what}", hint=disks_text(found or disks))


def recovery_disks(point: RestorePoint, disk: str) -> tuple[str, ...]:
    """Return the images of a point that hold what the guest's own writers wrote into the shadow copy of a disk.

    Such an `-AutoRecovery.avhdx` lies on the disk, and is no disk that the VM has attached.
    """
    stem = disk.rpartition(".")[0].lower()
    return tuple(
        file.name
        for file in point.files
        if file.kind == "disk"
        and file.name.lower().startswith(stem)
        and file.name.lower().endswith("-autorecovery.avhdx")
        and file.name != disk
    )


def disks_text(disks: Sequence[PointFile]) -> str:
    """Name the disks in one sentence."""
    return "Name one of them as DISK: " + ", ".join(disk.name for disk in disks) + "."


def _by_pattern(point: RestorePoint, disks: Sequence[PointFile], name: str) -> list[PointFile]:
    try:
        chosen = choose_files(point, [name])
    except InvalidRequest:
        return []
    return [file for file in chosen if file in disks]


def open_point_disk(
    reader: BlockPointReader,
    name: str | None = None,
    *,
    allow_mismatch: bool = False,
    raw: bool = False,
    leaf_at_least: bool = False,
) -> DiskChain:
    """Open a disk of a point, with the images that it lies on, found among the files of the point.

    Every byte that is read is checked against its hash; what was read last is kept.

    Args:
        name: See `choose_disk`.
        allow_mismatch: Take parents whose id is not the one that their child names.
        raw: Take a file without the signature of a VHD or VHDX as a flat disk.
        leaf_at_least: Open the leaf alone where its parents are missing or do not fit; `broken` tells.

    Raises:
        InvalidRequest: No disk of the point is meant, or several.
        ImageError: It is damaged, of a kind that is not read, or lacks a parent.
        RepositoryError: The repository cannot be read.
    """
    leaf = choose_disk(reader, name)
    with ExitStack() as opened:
        try:
            chain = _chain(reader, leaf, opened, raw=raw)
            sources = [file.source for file in chain]
            flat = open_image(sources[0], raw=True) if raw and len(sources) == 1 else None
            image = flat or open_chain(sources, allow_mismatch=allow_mismatch)
        except (ParentMissing, ParentMismatch) as error:
            if not leaf_at_least:
                raise
            source = opened.enter_context(reader.open(leaf.name))
            return DiskChain(open_image(source), [ChainFile(leaf.name, source)], opened.pop_all(), broken=error)
        return DiskChain(image, chain, opened.pop_all())


def _chain(reader: BlockPointReader, leaf: PointFile, opened: ExitStack, *, raw: bool) -> list[ChainFile]:
    disks = [file for file in reader.point.files if file.kind == "disk"]
    chain: list[ChainFile] = []
    following: PointFile | None = leaf
    while following is not None:
        if len(chain) == MAX_DEPTH or following.name in (file.name for file in chain):
            raise ImageDamaged(f"the chain of {leaf.name} does not end, or turns in a circle")
        source = opened.enter_context(reader.open(following.name))
        chain.append(ChainFile(following.name, source))
        image = open_image(source, raw=raw)
        following = _required_parent(reader, following, image, disks) if is_differencing(image) else None
    return chain


def _required_parent(reader: BlockPointReader, child: PointFile, image: Image, disks: Sequence[PointFile]) -> PointFile:
    parent = _find_parent(reader, child, image, disks)
    if parent is None:
        raise ParentMissing(
            f"the parent of {child.name} is not in the restore point: "
            + (", ".join(parent_paths(image)) or "it names none"),
            hint="Without it the disk cannot be read. `hvbackup show` lists the files of the point.",
        )
    return parent


def _find_parent(
    reader: BlockPointReader, child: PointFile, image: Image, disks: Sequence[PointFile]
) -> PointFile | None:
    """The image that the child's paths name; of several with that name the one whose id fits."""
    candidates = _candidates(child, parent_paths(image), disks)
    if len(candidates) < 2:  # whether it fits is asked when the chain is opened
        return candidates[0] if candidates else None
    return next((candidate for candidate in candidates if _fits(reader, candidate, image)), candidates[0])


def _fits(reader: BlockPointReader, candidate: PointFile, child: Image) -> bool:
    with reader.open(candidate.name) as source:
        try:
            return linkage_problem(child, open_image(source)) is None
        except ImageError:
            return False


def _candidates(child: PointFile, names: Sequence[str], disks: Sequence[PointFile]) -> list[PointFile]:
    """The files that may be meant, the likeliest first: by full path, by name in the child's folder, by name."""
    others = [disk for disk in disks if disk.name != child.name]
    folder = ntpath.dirname(child.source)
    full = [_comparable(ntpath.join(folder, name)) for name in names]
    bare = {ntpath.basename(name) for name in full}
    exact = [disk for path in full for disk in others if _comparable(disk.source) == path]
    by_name = [disk for disk in others if ntpath.basename(_comparable(disk.source)) in bare]
    by_name.sort(key=lambda disk: ntpath.dirname(_comparable(disk.source)) != _comparable(folder))
    return list({disk.name: disk for disk in (*exact, *by_name)}.values())


def _comparable(path: str) -> str:
    return ntpath.normpath(path).lower()
