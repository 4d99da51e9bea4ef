"""Back up and restore Hyper-V virtual machines over WinRM, with nothing installed on the host.

The library in a dozen names: `connect` gives a `Host`, `Repository` is where restore points live, requests say what is
wanted, results what was achieved. Everything is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvbackup._version import __version__

if TYPE_CHECKING:
    from hvbackup.errors import HvBackupError
    from hvbackup.events import Cancellation
    from hvbackup.jobs.browse import browse, browse_point
    from hvbackup.jobs.host import Host, connect, restore_files, verify
    from hvbackup.jobs.import_folder import import_folder
    from hvbackup.jobs.requests import BackupRequest, ImportRequest, MountRequest, RebuildRequest, RestoreRequest
    from hvbackup.remote.options import ConnectionOptions
    from hvbackup.repository.repository import Repository
    from hvbackup.secrets import Secret, read_secret

__all__ = [
    "BackupRequest",
    "Cancellation",
    "ConnectionOptions",
    "Host",
    "HvBackupError",
    "ImportRequest",
    "MountRequest",
    "RebuildRequest",
    "Repository",
    "RestoreRequest",
    "Secret",
    "__version__",
    "browse",
    "browse_point",
    "connect",
    "import_folder",
    "read_secret",
    "restore_files",
    "verify",
]

_HOMES = {
    "BackupRequest": "hvbackup.jobs.requests",
    "Cancellation": "hvbackup.events",
    "ConnectionOptions": "hvbackup.remote.options",
    "Host": "hvbackup.jobs.host",
    "HvBackupError": "hvbackup.errors",
    "ImportRequest": "hvbackup.jobs.requests",
    "MountRequest": "hvbackup.jobs.requests",
    "RebuildRequest": "hvbackup.jobs.requests",
    "Repository": "hvbackup.repository.repository",
    "RestoreRequest": "hvbackup.jobs.requests",
    "Secret": "hvbackup.secrets",
    "browse": "hvbackup.jobs.browse",
    "browse_point": "hvbackup.jobs.browse",
    "connect": "hvbackup.jobs.host",
    "import_folder": "hvbackup.jobs.import_folder",
    "read_secret": "hvbackup.secrets",
    "restore_files": "hvbackup.jobs.host",
    "verify": "hvbackup.jobs.host",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hvbackup' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return list(__all__)
