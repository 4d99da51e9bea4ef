"""Open images of any kind, and chains of differencing disks with their parents proven or found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PureWindowsPath
from types import TracebackType
from typing import TypeAlias

from hvbackup.errors import ImageDamaged, ImageUnsupported, ParentMismatch, ParentMissing
from hvbackup.images import vhd_layout, vhdx_layout
from hvbackup.images.disk import RawDisk
from hvbackup.images.source import FileSource, Source
from hvbackup.images.vhd import Vhd
from hvbackup.images.vhd_layout import DiskType
from hvbackup.images.vhdx import Vhdx

#: Hyper-V itself allows 50 checkpoints of a VM; a read goes down the whole chain.
MAX_DEPTH = 200

Image: TypeAlias = Vhdx | Vhd | RawDisk


def detect(source: Source) -> str | None:
    """Tell `vhdx` and `vhd` by their signatures; None when it is neither.

    A guest writes what it likes to the beginning of a fixed VHD, and perhaps to the end of a VHDX file. So a file that
    seems to be both is judged by its length: that of a VHDX is whole MiB, that of a fixed VHD is the disk and a footer.
    """
    start = source.read_at(0, 8)
    if start == vhdx_layout.FILE_SIGNATURE:
        return "vhd" if source.size % vhdx_layout.MIB and _has_fixed_footer(source) else "vhdx"
    if start == vhd_layout.FOOTER_COOKIE:
        return "vhd"
    end = source.read_at(max(0, source.size - vhd_layout.FOOTER_SIZE), 9)
    return "vhd" if vhd_layout.FOOTER_COOKIE in end else None


def _has_fixed_footer(source: Source) -> bool:
    disk_size = source.size - vhd_layout.FOOTER_SIZE
    footer = vhd_layout.parse_footer(source.read_at(max(0, disk_size), vhd_layout.FOOTER_SIZE))
    return footer is not None and footer.disk_type is DiskType.FIXED and footer.virtual_size == disk_size


def open_image(source: Source, parent: Image | None = None, *, raw: bool = False) -> Image:
    """Open an image by what it is.

    Args:
        parent: What a differencing disk lies on; whether it is the right one is `linkage_problem`'s question.
        raw: Take a file without a signature as a flat disk.

    Raises:
        ImageDamaged: It is damaged.
        ImageUnsupported: It is of a kind that is not read.
    """
    kind = detect(source)
    if kind == "vhdx":
        return Vhdx(source, parent)
    if kind == "vhd":
        return Vhd(source, parent)
    if raw:
        return RawDisk(source)
    raise ImageUnsupported(
        "the file has the signature of neither a VHDX nor a VHD",
        hint="If it is a flat disk (dd, qemu raw), say so: --raw, or raw=True in the library.",
    )


def is_differencing(image: Image) -> bool:
    """Whether the image needs a parent."""
    if isinstance(image, Vhdx):
        return image.metadata.has_parent
    return isinstance(image, Vhd) and image.footer.disk_type is DiskType.DIFFERENCING


def parent_paths(image: Image) -> tuple[str, ...]:
    """The Windows paths under which an image knows its parent, the most useful first."""
    if isinstance(image, Vhdx):
        locator = image.metadata.parent_locator
        paths = [locator.get(key) for key in ("relative_path", "absolute_win32_path", "volume_path")]
    elif isinstance(image, Vhd) and image.header:
        paths = [image.parent_paths.get(key) for key in ("W2ru", "W2ku")] + [image.header.parent_name]
    else:
        paths = []
    return tuple(dict.fromkeys(path for path in paths if path))


def linkage_problem(child: Image, parent: Image) -> str | None:
    """Say why `parent` is not what `child` was made from; None when it is.

    A VHDX names its parent's DataWriteGuid ([MS-VHDX] 2.6.2.6.3), which changes with the first write to the parent; a
    VHD names its parent's unique id.
    """
    if isinstance(child, Vhdx) and isinstance(parent, Vhdx):
        locator = child.metadata.parent_locator
        wanted = [locator[key].strip("{}").lower() for key in ("parent_linkage", "parent_linkage2") if key in locator]
        found = str(parent.header.data_write_guid)
    elif isinstance(child, Vhd) and isinstance(parent, Vhd):
        wanted = [str(child.header.parent_id)] if child.header else []
        found = str(parent.footer.disk_id)
    else:
        return "a VHDX and a VHD cannot be child and parent, nor can a flat file"
    if found in wanted:
        return None
    return f"the child was made from a parent with the id {' or '.join(wanted) or '(none)'}, and this one has {found}"


def open_chain(sources: Sequence[Source], *, allow_mismatch: bool = False) -> Image:
    """Open a chain, leaf first, and return its leaf.

    Args:
        allow_mismatch: Take parents that are not proven to be the right ones: what is read may be nonsense.

    Raises:
        ImageDamaged: An image is damaged, or there are more parents than the chain has.
        ImageUnsupported: An image is of a kind that is not read, or the chain is deeper than 200.
        ParentMissing: The last image is a differencing disk.
        ParentMismatch: A parent is not the one that its child was made from.
    """
    if not 0 < len(sources) <= MAX_DEPTH:
        raise ImageUnsupported(f"a chain of {len(sources)} images; chains are read up to {MAX_DEPTH}")
    image: Image | None = None
    for source in reversed(sources):
        below, image = image, open_image(source, image)
        if below is None and is_differencing(image):
            raise ParentMissing(
                "the last image of the chain is a differencing disk, and its parent is missing: "
                + ", ".join(parent_paths(image))
            )
        if below is not None:
            _check_link(image, below, allow_mismatch=allow_mismatch)
    assert image is not None  # noqa: S101 - there is at least one source
    return image


def _check_link(child: Image, parent: Image, *, allow_mismatch: bool) -> None:
    if not is_differencing(child):
        raise ImageDamaged("an image of the chain is no differencing disk, and yet a parent was given for it")
    problem = linkage_problem(child, parent)
    if problem and not allow_mismatch:
        raise ParentMismatch(
            f"this is not the parent of the differencing disk: {problem}",
            hint="Use the parent of the same point in time; one that was written to since does not fit any more.",
        )


class OpenedDisk:
    """A disk opened from files, with all the files of its chain; use it in `with`, or close it.

    Attributes:
        image: The leaf of the chain, as a virtual disk.
        paths: The files, leaf first.
    """

    def __init__(self, image: Image, paths: tuple[Path, ...], files: ExitStack) -> None:
        self.image = image
        self.paths = paths
        self._files = files

    def close(self) -> None:
        """Close all files; closing twice is no error."""
        self._files.close()

    def __enter__(self) -> OpenedDisk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_disk(
    path: str | os.PathLike[str],
    *,
    parents: Sequence[str | os.PathLike[str]] = (),
    folders: Sequence[str | os.PathLike[str]] = (),
    allow_mismatch: bool = False,
    raw: bool = False,
) -> OpenedDisk:
    """Open a disk by its file, with the parents of a differencing disk.

    Args:
        parents: The parents in order, where they are known; those that are not given are looked for.
        folders: Where to look for parents, besides where their child says and the child's own folder.

    Raises:
        What `open_chain` raises, and OSError when a file cannot be read.
    """
    given = [Path(parent) for parent in parents]
    with ExitStack() as files:
        paths: list[Path] = []
        sources: list[FileSource] = []
        following: Path | None = Path(path)
        while following is not None:
            if any(following.samefile(earlier) for earlier in paths):
                raise ImageDamaged(f"the chain of {path} turns in a circle: {following} is its own parent")
            if len(paths) == MAX_DEPTH:
                raise ImageUnsupported(f"the chain of {path} has more than {MAX_DEPTH} images")
            paths.append(following)
            sources.append(files.enter_context(FileSource(following)))
            following = _parent_of(sources[-1], following, given, [Path(folder) for folder in folders], raw=raw)
        first = open_image(sources[0], raw=True) if raw and len(sources) == 1 else None
        image = first or open_chain(sources, allow_mismatch=allow_mismatch)
        return OpenedDisk(image, tuple(paths), files.pop_all())


def _parent_of(source: Source, path: Path, given: list[Path], folders: list[Path], *, raw: bool) -> Path | None:
    image = open_image(source, raw=raw)
    if not is_differencing(image):
        return None
    if given:
        return given.pop(0)
    found = _find_parent(path, parent_paths(image), folders)
    if found is None:
        raise ParentMissing(
            f"the parent of {path} was not found: {', '.join(parent_paths(image)) or 'it names none'}",
            hint="Name the parent file, or put it into the folder of the child.",
        )
    return found


def _find_parent(child: Path, names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """Look where the child says, then for the file's name in the child's folder and in the others."""
    for name in names:
        windows_path = PureWindowsPath(name)
        places = [child.parent.joinpath(*windows_path.parts)] if not windows_path.anchor else []
        if os.name == "nt" and windows_path.anchor:
            places.append(Path(name))
        places += [folder / windows_path.name for folder in (child.parent, *folders)]
        for place in places:
            found = _as_spelled_on_disk(place)
            if found and not found.samefile(child):
                return found
    return None


def _as_spelled_on_disk(place: Path) -> Path | None:
    """The file itself, or one whose name differs in case only: Windows does not tell them apart."""
    if place.is_file():
        return place
    if not place.parent.is_dir():
        return None
    wanted = place.name.casefold()
    return next((entry for entry in place.parent.iterdir() if entry.name.casefold() == wanted), None)
