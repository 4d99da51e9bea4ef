"""Every error that hvbackup raises on purpose.

::

    HvBackupError                        exit code
    ├── InvalidRequest                   2   what was asked cannot be meant
    ├── ConfigurationError               5   settings, playbook
    │   ├── SecretUnavailable            5
    │   └── PlaybookError(place)         5   playbook, inventory or vault
    ├── RemoteError(host, port)          4
    │   ├── HostUnreachable              4
    │   ├── CertificateNotTrusted        4
    │   ├── AuthenticationRefused        7
    │   ├── NotAdministrator             7
    │   ├── CallTimeout                  4
    │   ├── ConnectionLost               4
    │   ├── QuotaExceeded                4
    │   ├── ContractViolated             1   the host answered something that no script of ours says
    │   └── ScriptFailed(error_id)       1   a script said no; one class for each error id
    │       ├── FileMissing, FileExists, PathRefused, StorageFull, BlockMismatch, FileInUse
    │       ├── VmNotFound, VmExists, VmStateInvalid, VmImportRefused, VmCreationFailed
    │       ├── HyperVMissing, DiskShadowMissing, DiskShadowTimeout
    │       └── DiskMountFailed, RequestRefused
    ├── VssError                         1
    │   ├── WriterUnavailable            1   missing, failed or busy
    │   ├── ShadowSetFailed(hresult)     1
    │   └── TranscriptUnclear            1   there is no proof that it worked
    ├── BackupError                      1
    │   ├── VolumeNotCovered             1
    │   ├── OfflineNotAllowed            1
    │   └── SourceChanged                1
    ├── RestoreRefused                   1   it would overwrite or destroy something
    ├── VerificationFailed               1   what was written is not what was asked for
    ├── ImageError                       1
    │   ├── ImageDamaged                 1
    │   ├── ImageUnsupported             1
    │   ├── ParentMissing                1
    │   ├── ParentMismatch               1
    │   ├── EntryNotFound                1   no such volume, file or folder in the disk
    │   └── ReaderDied                   1   the limited process that parses a file system crashed, or hit a limit
    ├── RepositoryError                  1
    │   ├── RepositoryNotFound           1
    │   ├── RepositoryExists             1
    │   ├── RepositoryLocked             6
    │   ├── LeaseLost                    6
    │   ├── KeyRefused                   7   wrong passphrase or key
    │   ├── RepositoryDamaged            1
    │   ├── FormatUnsupported            1
    │   ├── PointNotFound                1
    │   └── StoreUnavailable             4   no space, no permission, network
    ├── JobsFailed                       3   some or all VMs of a run failed
    └── Cancelled                        130

An error holds facts as fields, and the sentence is built from them. `hint` says what to do. Exit codes are those of
`docs/cli.md`; they are never renumbered. Programming mistakes stay `TypeError`, `ValueError` and the like.
"""

from __future__ import annotations

from typing import ClassVar


class HvBackupError(Exception):
    """Base of all errors of hvbackup.

    Attributes:
        message: One sentence: what is wrong, and where.
        hint: What to do about it, or None.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InvalidRequest(HvBackupError):
    """What was asked for cannot be meant: wrong option, impossible combination, malformed value."""

    exit_code = 2


class ConfigurationError(HvBackupError):
    """Settings or a playbook are wrong; the message names the file and the key."""

    exit_code = 5


class SecretUnavailable(ConfigurationError):
    """A secret could not be had from where the configuration says it is."""


class PlaybookError(ConfigurationError):
    """A playbook, an inventory or a vaulted value cannot be meant as it is written.

    Attributes:
        place: `file:line:column`, or None where no single place is wrong.
    """

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.place = place


class RemoteError(HvBackupError):
    """Something between this machine and the host, or on the host, went wrong.

    Attributes:
        host: Name or address of the host as the user gave it.
        port: TCP port, or None for the local transport.
    """

    exit_code = 4

    def __init__(self, message: str, *, host: str = "", port: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.host = host
        self.port = port


class HostUnreachable(RemoteError):
    """No TCP connection, no name, or nothing that speaks WinRM there."""


class CertificateNotTrusted(RemoteError):
    """The host's TLS certificate is not trusted, expired, or for another name."""


class AuthenticationRefused(RemoteError):
    """The host refused the account, or the authentication method."""

    exit_code = 7


class NotAdministrator(RemoteError):
    """The account may log on, but is not an administrator of the host."""

    exit_code = 7


class CallTimeout(RemoteError):
    """The host did not finish within the time allowed; what ran there was stopped."""


class ConnectionLost(RemoteError):
    """The connection broke during a call, and the call may or may not have had its effect."""


class QuotaExceeded(RemoteError):
    """The host refused because of a WinRM quota."""


class ContractViolated(RemoteError):
    """The host answered something that no script of hvbackup says."""

    exit_code = 1


class ScriptFailed(RemoteError):
    """A script on the host reported an error.

    Attributes:
        script: Name of the file of `ps_scripts/`, without `.ps1`.
        error_id: The id that the script gave; classes below are chosen by it.
        details: Further facts, as the script gave them.
        category: PowerShell's error category.
        stack: PowerShell's script stack trace; for bug reports.
    """

    exit_code = 1
    #: Error id -> class; filled by the subclasses.
    registry: ClassVar[dict[str, type[ScriptFailed]]] = {}

    def __init__(
        self,
        message: str,
        *,
        script: str = "",
        error_id: str = "",
        details: object = None,
        category: str = "",
        stack: str = "",
        host: str = "",
        port: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, host=host, port=port, hint=hint)
        self.script = script
        self.error_id = error_id
        self.details = details
        self.category = category
        self.stack = stack

    def __init_subclass__(cls) -> None:
        ScriptFailed.registry[cls.__name__] = cls


class FileMissing(ScriptFailed):
    """A file or folder that was named is not there."""


class FileExists(ScriptFailed):
    """A file is in the way, and replacing it was not allowed."""


class PathRefused(ScriptFailed):
    """A path is malformed, relative, outside the folder it must be in, or leads through a link."""


class StorageFull(ScriptFailed):
    """A volume of the host has no room left."""


class BlockMismatch(ScriptFailed):
    """Bytes that arrived on the host do not have the hash that they were sent with."""


class FileInUse(ScriptFailed):
    """Another process of the host holds the file open."""


class VmNotFound(ScriptFailed):
    """No VM with this id on the host."""


class VmExists(ScriptFailed):
    """A VM with this id or name is there already."""


class VmStateInvalid(ScriptFailed):
    """The VM is in a state in which this cannot be done."""


class VmImportRefused(ScriptFailed):
    """Import-VM's compatibility report has entries that could not be resolved."""


class VmCreationFailed(ScriptFailed):
    """New-VM or one of the steps after it failed; what had been created was removed again."""


class HyperVMissing(ScriptFailed):
    """The host has no Hyper-V role or no Hyper-V module for PowerShell."""


class DiskShadowMissing(ScriptFailed):
    """The host has no diskshadow.exe; it comes with Windows Server only."""


class DiskShadowTimeout(ScriptFailed):
    """diskshadow.exe did not end in time and was killed."""


class DiskMountFailed(ScriptFailed):
    """Mount-VHD or Dismount-VHD failed."""


class RequestRefused(ScriptFailed):
    """A script found its own request malformed."""


class VssError(HvBackupError):
    """Base of what VSS and its writers refuse."""


class WriterUnavailable(VssError):
    """The Hyper-V writer is missing, failed or busy."""


class ShadowSetFailed(VssError):
    """diskshadow could not create or delete shadow copies.

    Attributes:
        hresult: The HRESULT that it printed, as an unsigned number, or None.
        transcript: What it printed.
    """

    def __init__(
        self, message: str, *, hresult: int | None = None, transcript: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.hresult = hresult
        self.transcript = transcript


class TranscriptUnclear(VssError):
    """diskshadow ended, but its transcript does not prove what had to be proven."""


class BackupError(HvBackupError):
    """Base of what stops the backup of one VM."""


class VolumeNotCovered(BackupError):
    """A file of the VM lies on a volume that the shadow set does not hold."""


class OfflineNotAllowed(BackupError):
    """The VM would be paused (Offline method), and that was not allowed."""


class SourceChanged(BackupError):
    """A file changed in the shadow copy while it was read; a shadow copy must not change."""


class RestoreRefused(HvBackupError):
    """The restore would overwrite or destroy something, and that was not asked for."""


class VerificationFailed(HvBackupError):
    """What is there after the work is not what the work should have made."""


class ImageError(HvBackupError):
    """Base of what is wrong with a disk image."""


class ImageDamaged(ImageError):
    """A checksum, a structure or the length of a disk image is wrong."""


class ImageUnsupported(ImageError):
    """The image is of a kind that is not read."""


class ParentMissing(ImageError):
    """The parent of a differencing disk is needed, and was not given or not found."""


class ParentMismatch(ImageError):
    """The parent of a differencing disk is not the one that it was made from, or has changed since."""


class EntryNotFound(ImageError):
    """There is no such volume in the disk, or no such file or folder in the volume."""


class ReaderDied(ImageError):
    """The limited process that parses a file system crashed, or needed more memory or time than it may have."""


class RepositoryError(HvBackupError):
    """Base of what is wrong with a repository."""


class RepositoryNotFound(RepositoryError):
    """There is no repository at this place."""


class RepositoryExists(RepositoryError):
    """There is a repository, or something else, at this place already."""


class RepositoryLocked(RepositoryError):
    """Somebody else holds the lease."""

    exit_code = 6


class LeaseLost(RepositoryError):
    """Our lease ran out, or somebody took it over; nothing was committed."""

    exit_code = 6


class KeyRefused(RepositoryError):
    """Wrong passphrase or key."""

    exit_code = 7


class RepositoryDamaged(RepositoryError):
    """Something in the repository is missing, altered or does not fit."""


class FormatUnsupported(RepositoryError):
    """The repository uses a format version or feature that this version does not know."""


class PointNotFound(RepositoryError):
    """No restore point, or more than one, fits."""


class StoreUnavailable(RepositoryError):
    """The storage refuses: no space, no permission, no network."""

    exit_code = 4


class JobsFailed(HvBackupError):
    """One or more jobs of a run failed; the run's result says which."""

    exit_code = 3


class Cancelled(HvBackupError):
    """The user stopped it; what was begun has been cleaned up."""

    exit_code = 130
