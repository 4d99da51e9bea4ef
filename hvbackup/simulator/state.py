"""What the simulated host is: one folder with its drives and `state.json`, shared by several processes.

The folder is laid out so that PowerShell's engine over it sees Windows paths (`HVPWSH_ROOT`)::

    FOLDER/C, D, ...                                   the drives
    FOLDER/Volume{guid}                                a link to its drive's folder
    FOLDER/GLOBALROOT/Device/HarddiskVolumeShadowCopyN a shadow copy
    FOLDER/state.json                                  `HostRecord`
    FOLDER/state.lock                                  held while `state.json` is read, changed and replaced

Times are ISO 8601 in UTC, sizes in bytes, GUIDs in lower case without braces, as in `hvbackup.models`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from hvbackup.models import Vm, decodable
from hvbackup.simulator.state_lock import locked

STATE_FILE = "state.json"
LOCK_FILE = "state.lock"


class Record(msgspec.Struct, kw_only=True, rename="camel"):
    """Base of what `state.json` holds: changeable, camelCase keys."""


class Machine(Record):
    """The host itself.

    Attributes:
        product_type: 1 client Windows, 2 domain controller, 3 server.
        diskshadow: Whether the host has diskshadow.exe (client Windows has none).
        language: `en` or `de`: the language of vssadmin and of dates.
        code_page: OEM code page of programs' standard output.
        auto_recovery: Whether the shadow copy of an Online VM also holds `-AutoRecovery.avhdx` and the backup
            snapshot's XML, as Server 2012 R2 leaves them.
    """

    computer_name: str = "HV01"
    domain: str | None = "example.test"
    os_caption: str = "Microsoft Windows Server 2022 Datacenter"
    os_version: str = "10.0.20348"
    os_build: int = 20348
    product_type: int = 3
    powershell_version: str = "5.1.20348.2849"
    user: str = "HV01\\Administrator"
    elevated: bool = True
    hyper_v: bool = True
    module_version: str = "2.0.0.0"
    service_state: str = "Running"
    diskshadow: bool = True
    language: str = "en"
    code_page: int = 437
    scratch_root: str = "C:\\ProgramData\\hvbackup\\runs"
    virtual_machine_path: str = "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V"
    virtual_hard_disk_path: str = "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks"
    auto_recovery: bool = False


class VolumeRecord(Record):
    r"""A volume; its files are in `FOLDER/<letter>`, linked as `FOLDER/Volume{guid}`.

    Attributes:
        free_bytes: What is left; writing a file takes from it, and too little is a full disk.
        shadow_storage: False makes CREATE fail with VSS_E_INSUFFICIENT_STORAGE.
    """

    guid: str
    letter: str
    label: str = ""
    file_system: str = "NTFS"
    size_bytes: int = 100 << 30
    free_bytes: int = 60 << 30
    drive_type: str = "Fixed"
    clustered: bool = False
    shadow_storage: bool = True

    @property
    def id(self) -> str:
        r"""The GUID path, `\\?\Volume{...}\`."""
        return f"\\\\?\\Volume{{{self.guid}}}\\"

    @property
    def root(self) -> str:
        r"""The drive's root, `D:\`."""
        return f"{self.letter}:\\"


class VmTruth(Record):
    """What only the guest and the writer know of a VM.

    Attributes:
        guest_dynamic_disk: A disk inside the guest is a dynamic disk (in the Disk Management sense).
        guest_unsupported_file_system: A volume inside the guest is of a file system without snapshots.
        hidden_from_writer: The writer does not list this VM at all.
        without_files: The disk files do not exist; the record is trusted (for benchmarks of the control plane).
        backing_up: The VM shows "Backing up": between CREATE and END BACKUP of a diskshadow process.
    """

    guest_dynamic_disk: bool = False
    guest_unsupported_file_system: bool = False
    hidden_from_writer: bool = False
    without_files: bool = False
    backing_up: bool = False


class VmRecord(Record):
    """A VM: what the host says of it, and the truth behind."""

    vm: Vm
    truth: VmTruth = msgspec.field(default_factory=VmTruth)


class WriterRecord(Record):
    """A VSS writer.

    Attributes:
        state: Number of `VSS_WRITER_STATE`: 1 stable, 5 waiting for completion, 9 failed at freeze ...
        failure_code: HRESULT of its last error, 0 for none.
        missing: The writer is not registered (its service is stopped).
        paths: Folders of its one file group.
    """

    id: str
    name: str
    instance_id: str
    state: int = 1
    failure_code: int = 0
    missing: bool = False
    component: str = ""
    logical_path: str = ""
    paths: list[str] = []
    supports_restore: bool = False


class ShadowRecord(Record):
    """A shadow copy; its files are in `FOLDER/GLOBALROOT/Device/HarddiskVolumeShadowCopy<number>`.

    Attributes:
        exposed: Mount point or drive (`Z:`) where it is exposed, or None.
        attributes: Words of diskshadow's `Attributes:` line.
    """

    id: str
    set_id: str
    set_count: int
    volume_guid: str
    number: int
    created_at: str
    exposed: str | None = None
    attributes: list[str] = []

    @property
    def device(self) -> str:
        r"""The device name, without a trailing backslash."""
        return f"\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy{self.number}"


class MountedPartitionRecord(Record):
    """A partition of a mounted disk; `start_bytes` is its offset on the disk."""

    number: int
    start_bytes: int
    size_bytes: int
    type: str = ""
    gpt_type: str | None = None
    drive_letter: str | None = None
    access_paths: list[str] = []
    file_system: str = ""
    label: str = ""
    volume_guid: str | None = None


class MountedRecord(Record):
    """A VHD or VHDX that is attached to the host."""

    path: str
    disk_number: int
    read_only: bool = True
    size_bytes: int = 0
    partition_style: str = "GPT"
    partitions: list[MountedPartitionRecord] = []


class HostFaults(Record):
    """Failures on demand.

    Attributes:
        create_hresult: CREATE fails with this HRESULT (0x8004....).
        missing_components: VM ids whose component is gone from the writer's metadata.
        vanish_at_create: VM ids that are deleted when CREATE begins.
        writer_fails_at: The Hyper-V writer's state becomes this number during CREATE (9 freeze, 11 post snapshot).
        seconds_per_hash_frame: Hashing waits so long before each frame.
        diskshadow_hangs: diskshadow never ends; the script's time-out has to kill it.
        files_in_use: Paths, in lower case, that cannot be replaced (Python engine only).
        stop_at: Point -> `hang` (until the caller stops it) or `fail` (an unexplained error). A point is
            `<script>:start`, before a handler does anything, or `<script>:end`, after its effect and before its answer.
    """

    create_hresult: int | None = None
    missing_components: list[str] = []
    vanish_at_create: list[str] = []
    writer_fails_at: int | None = None
    seconds_per_hash_frame: float = 0.0
    diskshadow_hangs: bool = False
    files_in_use: list[str] = []
    stop_at: dict[str, str] = {}


class HistoryEntry(Record):
    """Something that happened: `vm-saved`, `vm-resumed`, `vm-created`, `vm-removed`, `shadow-created` ..."""

    time: str
    event: str
    subject: str = ""
    text: str = ""


class HostRecord(Record):
    """Everything in `state.json`."""

    format: int = 1
    machine: Machine = msgspec.field(default_factory=Machine)
    volumes: list[VolumeRecord] = []
    vms: list[VmRecord] = []
    switches: list[str] = []
    writers: list[WriterRecord] = []
    shadow_copies: list[ShadowRecord] = []
    next_shadow_number: int = 1
    mounted: list[MountedRecord] = []
    faults: HostFaults = msgspec.field(default_factory=HostFaults)
    history: list[HistoryEntry] = []

    def note(self, event: str, subject: str = "", text: str = "") -> None:
        """Append to the history, with the time of now."""
        self.history.append(HistoryEntry(time=now(), event=event, subject=subject, text=text))

    def find_vm(self, vm_id: str) -> VmRecord | None:
        """Return the VM with this id (any case, with or without braces), or None."""
        wanted = plain_guid(vm_id)
        return next((record for record in self.vms if record.vm.id == wanted), None)

    def find_writer(self, writer_id: str) -> WriterRecord | None:
        """Return the writer with this class id, or None."""
        wanted = plain_guid(writer_id)
        return next((writer for writer in self.writers if writer.id == wanted), None)

    def volume_of(self, path: str) -> VolumeRecord | None:
        r"""Return the volume that a Windows path (`D:\...` or `\\?\Volume{...}\...`) lies on, or None."""
        text = path.lower()
        for volume in self.volumes:
            if text.startswith((f"{volume.letter.lower()}:", f"\\\\?\\{volume.letter.lower()}:")):
                return volume
            if text.startswith(volume.id.lower()[:-1]):
                return volume
        return None


def now() -> str:
    """The host's clock: ISO 8601 in UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain_guid(text: str) -> str:
    """Return a GUID in lower case without braces."""
    return text.strip().strip("{}").lower()


class HostState:
    """A handle on the folder of a simulated host. Many handles, threads and processes may share one folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()

    def read(self) -> HostRecord:
        """Return the state as it is now."""
        return msgspec.json.decode((self.folder / STATE_FILE).read_bytes(), type=decodable(HostRecord))

    @contextlib.contextmanager
    def change(self) -> Iterator[HostRecord]:
        """Read, let the caller change, and write the state, alone in the world. An exception changes nothing."""
        with locked(self.folder / LOCK_FILE):
            record = self.read()
            yield record
            self._write(record)

    def create(self, record: HostRecord) -> None:
        """Write the first state into the folder, which is made when it is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / LOCK_FILE):
            self._write(record)

    def _write(self, record: HostRecord) -> None:
        data = msgspec.json.format(msgspec.json.encode(record), indent=1)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".state-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(self.folder / STATE_FILE)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
