"""A Hyper-V host as a program sees it: the library's front door."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hvbackup.errors import InvalidRequest
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.models import Classification, HostFacts, RestorePoint, Vm, Writer
from hvbackup.remote.calls import DiskDismounted, DiskMounted, GetHost, GetVm
from hvbackup.remote.options import ConnectionOptions
from hvbackup.remote.session import Transport
from hvbackup.secrets import Secret

if TYPE_CHECKING:
    from hvbackup.jobs.cleanup import CleanupResult
    from hvbackup.jobs.plan import BackupPlan
    from hvbackup.jobs.rebuild import RebuildPlan, RebuildResult
    from hvbackup.jobs.requests import BackupRequest, MountRequest, RebuildRequest, RestoreRequest
    from hvbackup.jobs.restore_local import RestoreResult
    from hvbackup.jobs.results import RunResult
    from hvbackup.jobs.staging import StagedFile
    from hvbackup.jobs.verify import VerifyResult
    from hvbackup.repository.repository import Repository


def connect(
    host: str,
    *,
    username: str | None = None,
    password: Secret | str | None = None,
    options: ConnectionOptions | None = None,
    events: EventSink = discard,
) -> Host:
    """Connect to a Hyper-V host and return it; nothing is sent before the first question.

    Args:
        host: Name or address. `localhost` with `options.transport == "local"` is this machine.
        username: Account; None means the account that runs this (Kerberos or SSPI).
        password: Its password; better a `Secret`, which never shows itself.
        options: Everything else of the connection: port, authentication, TLS, proxy. Its host, user name and password
            are replaced by those given here.
        events: Told about what the connection does by itself, such as mending a broken session.

    Raises:
        InvalidRequest: The options contradict each other.
    """
    import msgspec

    from hvbackup.remote.connect import open_transport

    secret = Secret(password) if isinstance(password, str) else password
    chosen = options or ConnectionOptions(host=host, username=username, password=secret)
    changes: dict[str, object] = {"host": host}
    if username is not None:
        changes["username"] = username
    if secret is not None:
        changes["password"] = secret
    return Host(open_transport(msgspec.structs.replace(chosen, **changes), events=events))


class Host:
    """A Hyper-V host. Use it as a context manager, or call `close`.

    Methods that take long have `events` (progress, see `hvbackup.events`) and `cancel`. All raise `RemoteError` and
    its subclasses when something between here and the host is wrong.
    """

    def __init__(self, transport: Transport, *, state_folder: Path | None = None) -> None:
        self._transport = transport
        self._state_folder = state_folder

    @property
    def name(self) -> str:
        """The name or address that it was connected by."""
        return self._transport.host

    @property
    def transport(self) -> Transport:
        """The connection, for calls that this class does not offer."""
        return self._transport

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # ------------------------------------------------------------ questions

    def facts(self) -> HostFacts:
        """Return what the host is: Windows, PowerShell, Hyper-V role, volumes, shadow copies."""
        return self._transport.call(GetHost(writers=True)).data

    def vms(self) -> tuple[Vm, ...]:
        """Return all VMs with disks, chains, adapters, checkpoints and services, in one round trip."""
        return self._transport.call(GetVm()).data.vms

    def writers(self) -> tuple[Writer, ...]:
        """Return the VSS writers with their states and components.

        Raises:
            DiskShadowMissing, NotAdministrator: With the cure.
        """
        from hvbackup.vss.session import list_writers

        return list_writers(self._transport, self.facts())

    def classify(self) -> tuple[Classification, ...]:
        """Return for each VM whether it would be backed up Online or Offline, with the reasons and the cures."""
        from hvbackup.jobs.host_view import HostView

        view = HostView(self._transport)
        return tuple(view.classifications[vm.id] for vm in view.inventory.vms)

    # ------------------------------------------------------------ backup

    def plan_backup(self, request: BackupRequest) -> BackupPlan:
        """Return what a backup would do, without doing any of it."""
        from hvbackup.jobs.host_view import HostView

        return HostView(self._transport).plan(request, self.name)

    def backup(
        self,
        repository: Repository,
        request: BackupRequest,
        *,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> RunResult:
        """Back up VMs; each has a result of its own, whatever became of the others."""
        from hvbackup.jobs.backup import run_backup

        return run_backup(
            self._transport, repository, request, events=events, cancel=cancel, state_folder=self._state_folder
        )

    # ------------------------------------------------------------ restore

    def plan_restore(self, repository: Repository, request: RestoreRequest) -> tuple[StagedFile, ...]:
        """Return which files a restore to this host would write where."""
        from hvbackup.jobs.restore_host import plan_host_restore

        reader = repository.read(repository.point(request.point))
        return plan_host_restore(self._transport, self.facts(), reader, request)

    def restore(
        self,
        repository: Repository,
        request: RestoreRequest,
        *,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> RestoreResult:
        """Restore files of a point to a folder of this host, without VSS."""
        from hvbackup.jobs.clock import new_run_id
        from hvbackup.jobs.journal import Journal
        from hvbackup.jobs.restore_host import restore_to_host

        self._clean_up_after_the_dead(repository, events)
        reader = repository.read(repository.point(request.point))
        with Journal(new_run_id(), self._state_folder) as journal:
            return restore_to_host(
                self._transport, self.facts(), reader, request, journal=journal, events=events, cancel=cancel
            )

    def plan_rebuild(self, repository: Repository, request: RebuildRequest) -> RebuildPlan:
        """Return how a VM would be made anew, and what would be destroyed."""
        from hvbackup.jobs.rebuild import plan_rebuild

        reader = repository.read(repository.point(request.point))
        return plan_rebuild(self._transport, self.facts(), reader, request)

    def rebuild(
        self,
        repository: Repository,
        request: RebuildRequest,
        *,
        plan: RebuildPlan | None = None,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> RebuildResult:
        """Make a VM out of a restore point; `plan` (from `plan_rebuild`) makes sure that it is what was shown."""
        from hvbackup.jobs.clock import new_run_id
        from hvbackup.jobs.journal import Journal
        from hvbackup.jobs.rebuild import rebuild_vm
        from hvbackup.jobs.vm_lease import vm_lease

        self._clean_up_after_the_dead(repository, events)
        point: RestorePoint = repository.point(request.point)
        now = self.plan_rebuild(repository, request)
        if plan is not None and plan != now:
            raise InvalidRequest(
                f"{self.name} has changed since the plan was made", hint="Look at the new plan and decide again."
            )
        with (
            Journal(new_run_id(), self._state_folder) as journal,
            vm_lease(repository, journal, host=self.name, vm_id=point.vm_id),
        ):
            return rebuild_vm(
                self._transport,
                repository.read(point),
                now,
                lanes=request.lanes,
                journal=journal,
                events=events,
                cancel=cancel,
            )

    # ------------------------------------------------------------ disks, clean-up

    def mount(self, request: MountRequest) -> DiskMounted:
        """Mount a VHD of the host read-only."""
        from hvbackup.jobs.mounting import mount_disk

        return mount_disk(self._transport, request)

    def unmount(self, path: str, *, access_root: str | None = None) -> DiskDismounted:
        """Dismount a VHD of the host."""
        from hvbackup.jobs.mounting import unmount_disk

        return unmount_disk(self._transport, path, access_root=access_root)

    def cleanup(
        self,
        *,
        run_id: str | None = None,
        older_than: timedelta | None = None,
        dry_run: bool = False,
        events: EventSink = discard,
    ) -> CleanupResult:
        """Remove what dead runs left on the host; see `hvbackup.jobs.cleanup.clean_host`."""
        from hvbackup.jobs.cleanup import clean_host

        return clean_host(
            self._transport,
            run_id=run_id,
            older_than=older_than,
            dry_run=dry_run,
            events=events,
            folder=self._state_folder,
        )

    def _clean_up_after_the_dead(self, repository: Repository, events: EventSink) -> None:
        from hvbackup.jobs.cleanup import clean_abandoned

        clean_abandoned(self._transport, repository=repository, events=events, folder=self._state_folder)


def restore_files(
    repository: Repository,
    request: RestoreRequest,
    *,
    events: EventSink = discard,
    cancel: Cancellation | None = None,
) -> RestoreResult:
    """Restore files of a point to a folder of this machine; no host is needed."""
    from hvbackup.jobs.restore_local import restore_to_folder

    reader = repository.read(repository.point(request.point))
    return restore_to_folder(reader, request, events=events, cancel=cancel)


def verify(
    repository: Repository, point: str, *, events: EventSink = discard, cancel: Cancellation | None = None
) -> VerifyResult:
    """Read a whole restore point back and check its disks; no host is needed.

    When all is well, the repository remembers that the point was verified: retention keeps the last such point of a VM.
    """
    from hvbackup.jobs.verify import remember, verify_point

    found = verify_point(repository.read(repository.point(point)), events=events, cancel=cancel)
    return remember(repository, found)
