"""What can be asked of the jobs: plain, frozen requests that a program, the command line or YAML can build."""

from __future__ import annotations

from enum import Enum

from hvbackup.models import Model


class Grouping(str, Enum):
    """How VMs share shadow sets.

    `EACH`: one shadow set for each VM, one after the other: a VM that cannot be quiesced fails alone, and every VM is
    released as soon as its own copy is done. `SHARED`: one set for all VMs of a run: one moment for all, one creation.
    """

    EACH = "each"
    SHARED = "shared"


class BackupRequest(Model, frozen=True, kw_only=True):
    """Back up VMs of one host.

    Attributes:
        include: Patterns (`*`, `?`; no case) or GUIDs; empty means all. `Offline/NAME`, `*/NAME` name the method too.
        exclude: Patterns or GUIDs to leave out.
        allow_offline: Allow VMs to be paused (saved and resumed) while the shadow copy is made.
        abort_on_error: Start no further job after one has failed.
        jobs: How many VMs are copied at the same time.
        lanes: Connections that read blocks at the same time, for each job.
        compress: Let the host compress blocks before they travel.
        grouping: How VMs share shadow sets.
        create_attempts: How often creating a shadow set is tried when VSS says that it may work later.
        longest_wait_seconds: What needs a longer wait than this is not tried again (time-outs and vetoes want 600).
        host_component: Put the host's own Hyper-V configuration (the writer's Host Component) into each point too.
        tags: Kept in each restore point.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    allow_offline: bool = False
    abort_on_error: bool = False
    jobs: int = 1
    lanes: int = 2
    compress: bool = True
    grouping: Grouping = Grouping.EACH
    create_attempts: int = 3
    longest_wait_seconds: float = 120.0
    host_component: bool = False
    tags: tuple[str, ...] = ()


class RestoreRequest(Model, frozen=True, kw_only=True):
    """Bring files of a restore point back, without VSS.

    Attributes:
        point: Id of the restore point, or an unambiguous beginning of it.
        to: Folder: on this machine, or on the host when the restore runs on a `Host`.
        files: Patterns of file names inside the point; empty means all.
        replace: Allow files that are there to be replaced.
        lanes: Connections that write at the same time (host only).
    """

    point: str
    to: str
    files: tuple[str, ...] = ()
    replace: bool = False
    lanes: int = 2


class ImportRequest(Model, frozen=True, kw_only=True):
    """Make a restore point of a folder of this machine, such as an exported VM.

    Attributes:
        folder: The folder; all files below it become the point's.
        vm_name: The VM that it is a backup of.
        host: The host that the VM is from; None: this machine.
        vm_id: GUID of the VM; None: that of an exported VM, else one that host and name always give.
        tags: Kept in the restore point.
        threads: Threads that read, hash, compress and encrypt.
    """

    folder: str
    vm_name: str
    host: str | None = None
    vm_id: str | None = None
    tags: tuple[str, ...] = ()
    threads: int = 2


class RebuildBy(str, Enum):
    """How a VM is made anew."""

    AUTO = "auto"
    IMPORT = "import"
    NEW = "new"


class RebuildRequest(Model, frozen=True, kw_only=True):
    r"""Make a VM out of a restore point.

    Attributes:
        point: Id of the restore point, or an unambiguous beginning of it.
        name: Name of the VM; None keeps the recorded one.
        path: Folder on the host below which all files go; None puts every file where it came from.
        switch: Virtual switch for all network adapters.
        connect_network: Connect adapters as recorded; None means: only if the original VM is gone.
        replace: Allow the VM of the same id, and files in the way, to be replaced.
        by: Import-VM of the backed-up configuration, New-VM from the record, or the first where possible.
        drop_saved_state: Start as after a power cut instead of resuming.
    """

    point: str
    name: str | None = None
    path: str | None = None
    switch: str | None = None
    connect_network: bool | None = None
    replace: bool = False
    by: RebuildBy = RebuildBy.AUTO
    drop_saved_state: bool = False
    lanes: int = 2


class MountRequest(Model, frozen=True, kw_only=True):
    """Mount a VHD or VHDX of the host read-only.

    Attributes:
        path: Full path on the host.
        drive_letters: Let Windows give drive letters.
        access_root: An empty or missing folder in which each volume gets a folder.
    """

    path: str
    drive_letters: bool = True
    access_root: str | None = None
