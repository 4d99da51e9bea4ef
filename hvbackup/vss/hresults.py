"""What HRESULTs of VSS mean, for Hyper-V, and what to do about them.

Source: vsserror.h / vss.h, the `IVssBackupComponents::DoSnapshotSet` page (10 minutes and three tries for time-outs and
vetoes), Microsoft's and vendors' articles about the Hyper-V writer. "Seen" is from such an article; "Possible" is
deduced, and unverified.
"""

from __future__ import annotations

from hvbackup.models import Model

_WAIT_TEN_MINUTES = 600.0
_RESTART_WRITER = (
    "Read the Hyper-V-VMMS and Application event logs. When no backup runs: Restart-Service vmms (VMs keep running)."
)


class HresultMeaning(Model, frozen=True, kw_only=True):
    """One HRESULT.

    Attributes:
        code: Unsigned.
        meaning: What VSS says by it.
        for_hyperv: What is usually behind it on a Hyper-V host; empty when nothing is known.
        cure: What to do.
        retry_seconds: How long to wait before trying again; None when trying again does not help by itself.
    """

    code: int
    name: str
    meaning: str
    for_hyperv: str = ""
    cure: str
    retry_seconds: float | None = None


def meaning_of(hresult: int | None) -> HresultMeaning | None:
    """Return what is known about an HRESULT, or None."""
    return _TABLE.get(hresult) if hresult is not None else None


def described(hresult: int | None, name: str | None = None) -> str:
    """An HRESULT for people: `0x80042316 VSS_E_SNAPSHOT_SET_IN_PROGRESS`."""
    known = meaning_of(hresult)
    parts = ([f"0x{hresult:08X}"] if hresult is not None else []) + [name or (known.name if known else "")]
    return " ".join(part for part in parts if part)


def _entry(code: int, name: str, meaning: str, cure: str, *, hyperv: str = "", retry: float | None = None) -> None:
    _TABLE[code] = HresultMeaning(
        code=code, name=name, meaning=meaning, for_hyperv=hyperv, cure=cure, retry_seconds=retry
    )


_TABLE: dict[int, HresultMeaning] = {}

_entry(
    0x80042301,
    "VSS_E_BAD_STATE",
    "A call came at a point where it cannot be made.",
    "Run the script again from its beginning; if it stays, report the transcript.",
)
_entry(
    0x80042302,
    "VSS_E_UNEXPECTED",
    "A VSS component met an unexpected error.",
    "Read the Application event log of the host (source VSS, volsnap).",
    hyperv="Seen on 2008 to 2012 when reverting a guest's volumes inside the shadow copy failed.",
)
_entry(
    0x80042304,
    "VSS_E_PROVIDER_NOT_REGISTERED",
    "The provider that was asked for is not registered.",
    "vssadmin list providers shows what is there; remove what is left of an uninstalled hardware provider.",
)
_entry(
    0x80042306,
    "VSS_E_PROVIDER_VETO",
    "The provider refused.",
    "Read the Application event log; wait ten minutes and try again.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x80042307,
    "VSS_E_PROVIDER_IN_USE",
    "The provider is in use.",
    "Wait for the other backup to end.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x80042308,
    "VSS_E_OBJECT_NOT_FOUND",
    "A volume, shadow copy, writer or component of that name does not exist.",
    "Look whether the VM, the volume or the shadow copy is still there.",
    hyperv="Possible: the VM was deleted or moved between listing and backup.",
)
_entry(
    0x8004230C,
    "VSS_E_VOLUME_NOT_SUPPORTED",
    "There can be no shadow copy of this volume.",
    "Move the VM's files to a volume with NTFS or ReFS of this host.",
    hyperv="Possible: a file of the VM lies on a file system or a share that VSS cannot copy.",
)
_entry(
    0x8004230D,
    "VSS_E_OBJECT_ALREADY_EXISTS",
    "The object is there already, for example the volume is in the set twice.",
    "If hvbackup wrote the script, report it with the transcript.",
    hyperv="Seen when one cluster volume was named in two ways.",
)
_entry(
    0x8004230E,
    "VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER",
    "This provider cannot make shadow copies of this volume.",
    "vssadmin list providers; let the system provider do it.",
)
_entry(
    0x8004230F,
    "VSS_E_UNEXPECTED_PROVIDER_ERROR",
    "The provider met an unexpected error.",
    "Read the Application and System event logs (volsnap, the storage vendor's provider).",
    hyperv="Inside a partial failure: reverting the guest's volumes failed.",
)
_entry(
    0x80042310,
    "VSS_E_CORRUPT_XML_DOCUMENT",
    "An XML document of VSS is damaged.",
    "Restart the service of the writer that is named in the Application event log.",
)
_entry(
    0x80042311,
    "VSS_E_INVALID_XML_DOCUMENT",
    "An XML document of VSS is not valid.",
    "Restart the service of the writer that is named in the Application event log.",
)
_entry(
    0x80042312,
    "VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED",
    "The shadow set has 64 volumes already.",
    "Back up fewer VMs at a time.",
)
_entry(
    0x80042313,
    "VSS_E_FLUSH_WRITES_TIMEOUT",
    "The volumes could not be flushed in time.",
    "Back up when the disks have less to do; wait ten minutes and try again, at most three times.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x80042314,
    "VSS_E_HOLD_WRITES_TIMEOUT",
    "Writes could not be held long enough.",
    "Back up when the disks have less to do; wait ten minutes and try again, at most three times.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x80042315,
    "VSS_E_UNEXPECTED_WRITER_ERROR",
    "A writer met an unexpected error.",
    _RESTART_WRITER,
    hyperv="The Hyper-V writer lives in vmms.",
)
_entry(
    0x80042316,
    "VSS_E_SNAPSHOT_SET_IN_PROGRESS",
    "Another shadow set is being created; a host makes one at a time.",
    "Wait for the other backup; give backup programs different times.",
    retry=60.0,
)
_entry(
    0x80042317,
    "VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED",
    "The volume has as many shadow copies as it may have.",
    "vssadmin list shadows; delete those that nobody needs.",
    hyperv="Persistent shadow copies of broken backups count; `hvbackup cleanup` removes its own.",
)
_entry(
    0x80042318,
    "VSS_E_WRITER_INFRASTRUCTURE",
    "The writers could not be reached.",
    "Restart the services VSS and EventSystem, then look at `hvbackup writers`.",
)
_entry(
    0x8004231F,
    "VSS_E_INSUFFICIENT_STORAGE",
    "There is no room for the differences of the shadow copy.",
    "Free at least 320 MB on the volume, or give shadow storage: vssadmin resize shadowstorage.",
)
_entry(
    0x8004232A,
    "VSS_E_UNSELECTED_VOLUME",
    "A volume that is needed was not selected.",
    "Report it with the transcript: volumes are chosen from the VM's files.",
)
_entry(
    0x80042336,
    "VSS_E_WRITERERROR_PARTIAL_FAILURE",
    "The writer failed for some of its components, not for all.",
    "The Hyper-V-VMMS event log names the VM and the reason; back the VMs up one by one.",
    hyperv="One or more of the VMs are not in this backup, though the shadow copies are there.",
)
_entry(
    0x800423F0,
    "VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT",
    "The shadow set holds only some of the volumes that the writer's components need.",
    "Report it with the transcript: volumes are chosen from the VM's files.",
)
_entry(
    0x800423F1,
    "VSS_E_WRITERERROR_OUTOFRESOURCES",
    "The writer had not enough memory or other resources.",
    "Free memory on the host, or back up fewer VMs at a time.",
)
_entry(
    0x800423F2,
    "VSS_E_WRITERERROR_TIMEOUT",
    "The time between freeze and thaw was over before the writer was done.",
    "Back up when the disks have less to do; wait ten minutes and try again, at most three times.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x800423F3,
    "VSS_E_WRITERERROR_RETRYABLE",
    "The writer failed, and may not fail the next time.",
    "Try again; if it stays, read the Hyper-V-VMMS event log and, in the guest, vssadmin list writers.",
    hyperv="Possible: a writer inside the guest, or the guest's integration service, failed.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x800423F4,
    "VSS_E_WRITERERROR_NONRETRYABLE",
    "The writer failed, and would fail again.",
    _RESTART_WRITER,
    hyperv="Possible: a guest whose backup cannot be prepared, a missing file, a leftover checkpoint of a backup.",
)
_entry(
    0x800423FB,
    "VSS_E_AUTORECOVERY_FAILED",
    "The shadow copy could not be brought into a consistent state.",
    "Look for an AutoRecovery.avhdx that nothing refers to, and move it away; never merge it by hand first.",
    hyperv="A leftover <disk>-AutoRecovery.avhdx of an earlier backup blocks the next one.",
)
_entry(
    0x800423FE,
    "VSS_E_CANNOT_REVERT_DISKID",
    "Disk identifiers could not be put back.",
    "Read the System event log (partmgr, disk).",
)
_entry(
    0x80042409,
    "VSS_E_WRITER_STATUS_NOT_AVAILABLE",
    "A writer's state is not available; it may hold too many old sessions.",
    _RESTART_WRITER,
    hyperv="Backup programs that never ask for the state leave sessions behind in the writer (KB978773).",
)
_entry(
    0x8007173D,
    "ERROR_CLUSTER_BACKUP_IN_PROGRESS",
    "A backup of this cluster shared volume is in progress.",
    "Wait for the other backup of the volume.",
    retry=_WAIT_TEN_MINUTES,
)
_entry(
    0x80070005,
    "E_ACCESSDENIED",
    "Access is denied.",
    "Use an account in the host's Administrators group. In event 8194 (IVssWriterCallback) it can be ignored.",
)
_entry(
    0x80070020,
    "ERROR_SHARING_VIOLATION",
    "Another process holds the file.",
    "Exclude the VM's folders from the virus scanner; look for a backup or a merge that still runs.",
)
_entry(
    0x80070050,
    "ERROR_FILE_EXISTS",
    "The file exists.",
    "Look for an AutoRecovery.avhdx that nothing refers to, and move it away (KB3175561).",
    hyperv="A leftover <disk>-AutoRecovery.avhdx of an earlier backup.",
)

#: Name -> HRESULT.
BY_NAME = {known.name: known.code for known in _TABLE.values()}
