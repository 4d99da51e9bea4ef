"""The files of a restore point: choosing some, and the tree that people know (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hvbackup.errors import InvalidRequest, RepositoryDamaged
from hvbackup.jobs.paths import is_absolute, name_in_point
from hvbackup.models import Method, Model, PointFile, RestorePoint
from hvbackup.repository.points import check_file_name

#: Names that are devices in every folder of Windows, with any extension ("Naming Files, Paths, and Namespaces").
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)\s*(?:\..*)?", re.IGNORECASE | re.DOTALL
)


class TreeNode(Model, frozen=True, kw_only=True):
    """A folder or file of the tree; `size_bytes` is None for folders."""

    name: str
    size_bytes: int | None = None
    children: tuple[TreeNode, ...] = ()


def choose_files(point: RestorePoint, patterns: Iterable[str]) -> tuple[PointFile, ...]:
    """Return the files that the patterns mean; none given means all.

    A pattern (`*`, `?`, no case, either slash) fits the whole name, or its end from a slash on: `*.vhdx`, `web01.vhdx`.

    Raises:
        InvalidRequest: A pattern fits no file.
        RepositoryDamaged: A name would lead out of the folder that the files are restored to.
    """
    require_safe_names(point)
    wanted = list(patterns)
    if not wanted:
        return point.files
    chosen: dict[str, None] = {}
    for pattern in wanted:
        text = re.escape(pattern.replace("\\", "/")).replace(r"\*", ".*").replace(r"\?", ".")
        expression = re.compile(f"(?:.*/)?{text}", re.IGNORECASE | re.DOTALL)
        hits = [file.name for file in point.files if expression.fullmatch(file.name)]
        if not hits:
            raise InvalidRequest(
                f"no file of {point.id} fits {pattern!r}", hint=f"`hvbackup show {point.id}` lists the files."
            )
        chosen.update(dict.fromkeys(hits))
    return tuple(file for file in point.files if file.name in chosen)


def require_safe_names(point: RestorePoint, *, in_place: bool = False) -> None:
    """Refuse a point that somebody has made to write elsewhere; what a repository says is never believed.

    Args:
        in_place: The files go where they came from.

    Raises:
        RepositoryDamaged: A file is named, or comes from a place, as no backup of ours would have it.
        InvalidRequest: The files shall go where they came from, and that was no host: they were imported.
    """
    for file in point.files:
        try:
            check_file_name(file.name)
            wrong = in_place and not (is_absolute(file.source) and name_in_point(file.source) == file.name)
        except InvalidRequest:
            wrong = True
        else:
            if wrong and _looks_imported(point):
                raise InvalidRequest(
                    f"{point.id} was imported from a folder, not backed up from a host: it has no place to go back to",
                    hint=r"Say where its files shall go, with --path FOLDER, such as D:\VMs.",
                )
        if wrong:
            raise RepositoryDamaged(
                f"{point.id} holds a file {file.name!r} of {file.source!r}, which would be written elsewhere",
                hint="No backup makes such a point: somebody has changed the repository. Nothing was restored.",
            )


def _looks_imported(point: RestorePoint) -> bool:
    return point.method_asked is Method.UNKNOWN and point.method is Method.UNKNOWN and point.component is None


def is_device_name(name: str) -> bool:
    """Whether Windows would take a part of a file's name for a device, such as `CON` or `nul.vhdx`."""
    return any(_DEVICE.fullmatch(part) for part in name.split("/"))


def point_tree(point: RestorePoint) -> TreeNode:
    """Return the point as the VSS plugin of the seed shows it: writer, Host Component, method, VM, volume, folders."""
    own = [file for file in point.files if file.kind != "host"]
    host = [file for file in point.files if file.kind == "host"]
    method = {Method.ONLINE: "Online", Method.OFFLINE: "Offline"}.get(point.method, "Unknown method")
    children = []
    if host:
        children.append(TreeNode(name="Host Component", children=_folders(host)))
    children.append(TreeNode(name=method, children=(TreeNode(name=point.vm_name, children=_folders(own)),)))
    writer = TreeNode(name="Microsoft Hyper-V VSS Writer", children=tuple(children))
    return TreeNode(name="@HYPERV", children=(writer,))


def _folders(files: list[PointFile]) -> tuple[TreeNode, ...]:
    return _level([(_path(file), file.size_bytes) for file in files])


def _path(file: PointFile) -> tuple[str, ...]:
    first, *rest = file.name.split("/")
    return (first + ":" if len(first) == 1 else first, *rest)


def _level(entries: list[tuple[tuple[str, ...], int]]) -> tuple[TreeNode, ...]:
    groups: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for path, size in entries:
        groups.setdefault(path[0], []).append((path[1:], size))
    nodes = []
    for name in sorted(groups, key=str.casefold):
        below = groups[name]
        if len(below) == 1 and not below[0][0]:
            nodes.append(TreeNode(name=name, size_bytes=below[0][1]))
        else:
            nodes.append(TreeNode(name=name, children=_level(below)))
    return tuple(nodes)
