r"""The text of diskshadow scripts (pure).

diskshadow wants ASCII and CRLF: with bare LF it drops the last character of each line. The lines here are without line
ends; `Invoke-HvbDiskShadow` writes them. Volumes go in by GUID path, VMs by GUID, so that no name with a code page, a
quote or a `%` is ever in a script; whatever could end a line, a quote or an alias early is refused.

Source: the `diskshadow` pages of the Windows commands reference (SET, WRITER, ADD VOLUME, EXPOSE, DELETE SHADOWS, LIST
WRITERS), and captured runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hvbackup.errors import InvalidRequest
from hvbackup.models import Model
from hvbackup.vss.names import COMPONENT_SEPARATOR, HOST_COMPONENT, HYPERV_WRITER_NAME

#: Volumes in one shadow set (VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED above).
MOST_VOLUMES = 64

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_VOLUME = re.compile(r"\\\\\?\\Volume\{([^{}]*)\}\\?")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_UNSAFE = re.compile(r"[^ -~]|[\"'%<>|?*&^`]")


class BackupScriptRequest(Model, frozen=True, kw_only=True):
    r"""What the script of one shadow set is built from.

    Attributes:
        vm_ids: The VMs that must be in it, whole: `WRITER VERIFY` makes diskshadow fail instead of leaving one out.
        other_vm_ids: The other VMs that the Hyper-V writer lists: excluded, or each of them would be paused or asked
            to freeze for nothing.
        other_writer_ids: The other writers of the host: excluded.
        volumes: GUID paths, `\\?\Volume{...}\`, of everything that the VMs' files lie on.
        metadata_path: Where CREATE writes the backup components document, a `.cab` file.
        mount_points: Alias -> folder on which the shadow copy of that alias is exposed. The aliases stand for
            `volumes`, in their order.
        host_component: Whether the host's own configuration belongs in.
    """

    vm_ids: tuple[str, ...]
    volumes: tuple[str, ...]
    metadata_path: str
    mount_points: dict[str, str]
    other_vm_ids: tuple[str, ...] = ()
    other_writer_ids: tuple[str, ...] = ()
    host_component: bool = False


def backup_script(request: BackupScriptRequest) -> tuple[str, ...]:
    """Return the lines that create and expose one shadow set.

    END BACKUP comes before EXPOSE and before anything is copied. What a shadow copy holds is fixed when CREATE returns;
    END BACKUP only tells the writers, and Hyper-V truncates nothing on it. Until then the VM is shown as "Backing up"
    and refuses other work; copying may take hours and a lost connection would leave it so. The price is that a copy
    that fails later is not told to the writers, which for Hyper-V has no consequence.

    The writers' states are asked between CREATE and END BACKUP, in the same process: there a writer that failed during
    the set still shows it (Microsoft's example of LIST WRITERS STATUS is taken at this very place).

    Raises:
        InvalidRequest: A value is malformed, stands there twice, or could change the meaning of the script.
    """
    volumes = _checked_volumes(request.volumes)
    mounts = _checked_mounts(request.mount_points, len(volumes))
    chosen = _checked_guids(request.vm_ids, "VM")
    others = _checked_guids(request.other_vm_ids, "VM")
    if not chosen:
        raise InvalidRequest("a shadow set needs at least one VM")
    if both := set(chosen) & set(others):
        raise InvalidRequest(f"VM {min(both)} is both chosen and excluded")
    excluded = [hyperv_component(vm_id.upper()) for vm_id in others]
    if not request.host_component:
        excluded.append(hyperv_component(HOST_COMPONENT))
    return (
        "set verbose on",
        "set context persistent",
        f"set metadata {_path(request.metadata_path, suffix='.cab')}",
        *(f"writer exclude {{{writer}}}" for writer in _checked_guids(request.other_writer_ids, "writer")),
        *(f'writer exclude "{name}"' for name in excluded),
        *(f'writer verify "{hyperv_component(vm_id.upper())}"' for vm_id in chosen),
        "begin backup",
        *(f"add volume {volume} alias {alias}" for volume, (alias, _) in zip(volumes, mounts, strict=True)),
        "create",
        "list writers status",
        "end backup",
        *(f"expose %{alias}% {folder}" for alias, folder in mounts),
    )


def cleanup_script(set_id: str, exposures: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the lines that take exposures back (shadow copy ids or mount points) and delete one shadow set."""
    return ("set verbose on", *map(_unexpose, exposures), f"delete shadows set {{{guid(set_id, 'shadow set')}}}")


def delete_shadow_script(shadow_id: str) -> tuple[str, ...]:
    """Return the lines that delete one shadow copy."""
    return ("set verbose on", f"delete shadows id {{{guid(shadow_id, 'shadow copy')}}}")


def delete_exposed_script(mount_point: str) -> tuple[str, ...]:
    """Return the lines that delete whatever shadow copy is exposed on this folder of ours."""
    return ("set verbose on", f"delete shadows exposed {_path(mount_point)}")


def unexpose_script(exposure: str) -> tuple[str, ...]:
    """Return the lines that take one exposure back; `exposure` is a shadow copy id or a mount point."""
    return ("set verbose on", _unexpose(exposure))


def list_writers_script() -> tuple[str, ...]:
    """Return the lines that list every writer with its components and files, and every writer's state.

    Status comes first: it is short, and what follows it cannot hide it.
    """
    return ("set verbose on", "list writers status", "list writers detailed")


def hyperv_component(name: str) -> str:
    r"""Return how WRITER names a component of the Hyper-V writer, whose logical paths are empty: `Writer:\name`."""
    return f"{HYPERV_WRITER_NAME}{COMPONENT_SEPARATOR}{name}"


def guid(text: str, what: str) -> str:
    """Return a GUID in lower case without braces.

    Raises:
        InvalidRequest: It is none; the message says `what` it should have been.
    """
    bare = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if not _GUID.fullmatch(bare):
        raise InvalidRequest(f"{text!r} is not the id of a {what}", hint="Ids are GUIDs, as the host lists them.")
    return bare.lower()


def _checked_guids(ids: Sequence[str], what: str) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(guid(each, what) for each in ids))


def _checked_volumes(volumes: Sequence[str]) -> list[str]:
    checked: list[str] = []
    for volume in volumes:
        match = _VOLUME.fullmatch(volume)
        if match is None:
            raise InvalidRequest(
                f"{volume!r} is not the GUID path of a volume", hint=r"It looks like \\?\Volume{...}\ ."
            )
        path = f"\\\\?\\Volume{{{guid(match[1], 'volume')}}}\\"
        if path in checked:
            raise InvalidRequest(f"{path} stands there twice", hint="diskshadow fails on a volume that it has already.")
        checked.append(path)
    if not checked:
        raise InvalidRequest("a shadow set needs at least one volume")
    if len(checked) > MOST_VOLUMES:
        raise InvalidRequest(
            f"{len(checked)} volumes are more than the {MOST_VOLUMES} that one shadow set may have",
            hint="Back up fewer VMs at a time.",
        )
    return checked


def _checked_mounts(mount_points: Mapping[str, str], volumes: int) -> list[tuple[str, str]]:
    if len(mount_points) != volumes:
        raise InvalidRequest(f"{len(mount_points)} mount points for {volumes} volumes")
    for alias in mount_points:
        if not _ALIAS.fullmatch(alias) or alias.upper().startswith("VSS_"):
            raise InvalidRequest(f"{alias!r} cannot be an alias", hint="Letters and digits, a letter first.")
    folders = [_path(folder) for folder in mount_points.values()]
    if len({folder.casefold() for folder in folders}) != volumes:
        raise InvalidRequest("two shadow copies cannot be exposed on one folder")
    if len({alias.casefold() for alias in mount_points}) != volumes:
        raise InvalidRequest("two shadow copies cannot have one alias")
    return list(zip(mount_points, folders, strict=True))


def _unexpose(exposure: str) -> str:
    if ":" in exposure:
        return f"unexpose {_path(exposure)}"
    return f"unexpose {{{guid(exposure, 'shadow copy')}}}"


def _path(path: str, *, suffix: str = "") -> str:
    """A path on a drive of the host; in quotes when it has spaces (quotes around paths: unverified on Windows)."""
    if not re.match(r"[A-Za-z]:\\[^\\]", path) or _UNSAFE.search(path) or ":" in path[2:]:
        raise InvalidRequest(
            f"{path!r} cannot be written into a diskshadow script",
            hint="Paths are absolute, on a drive, in ASCII, without quotes, wildcards and percent signs.",
        )
    if not path.lower().endswith(suffix) or path.endswith(" ") or any(part in (".", "..") for part in path.split("\\")):
        raise InvalidRequest(f"{path!r} is not a path that can be used here")
    bare = path.rstrip("\\")
    return f'"{bare}"' if " " in bare else bare
