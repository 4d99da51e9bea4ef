"""What a host says about itself before a run: facts, VMs, writers, and what follows from them."""

from __future__ import annotations

from hvbackup.events import Cancellation
from hvbackup.hyperv.classify import classify_all
from hvbackup.jobs.plan import BackupPlan, JobPlan, plan_again, plan_backup, require_fit
from hvbackup.jobs.requests import BackupRequest
from hvbackup.models import Classification, HostFacts, Vm, Writer
from hvbackup.remote.calls import GetHost, GetVm
from hvbackup.remote.session import Transport
from hvbackup.vss.session import list_writers
from hvbackup.vss.writers import require_hyperv_writer


class HostView:
    """A host as it was a moment ago. Looking takes three round trips.

    Raises:
        RemoteError, NotAdministrator, HyperVMissing, DiskShadowMissing: The host cannot be asked or is not fit.
        WriterUnavailable: The Hyper-V writer is missing, failed or busy.
    """

    def __init__(self, transport: Transport, *, cancel: Cancellation | None = None) -> None:
        self.facts: HostFacts = transport.call(GetHost(writers=True), cancel=cancel).data
        require_fit(self.facts)
        self.inventory = transport.call(GetVm(), cancel=cancel).data
        self.writers: tuple[Writer, ...] = list_writers(transport, self.facts, cancel=cancel)
        self.writer = require_hyperv_writer(self.writers)
        self.classifications: dict[str, Classification] = {
            each.vm_id: each for each in classify_all(self.inventory.vms, self.writer.components, host=self.facts)
        }

    def plan(self, request: BackupRequest, host: str) -> BackupPlan:
        """Plan a run from what was seen."""
        return plan_backup(
            request,
            host=host,
            facts=self.facts,
            vms=self.inventory.vms,
            components=self.writer.components,
            classifications=self.classifications,
        )

    def plan_again(self, job: JobPlan, vm: Vm | None, request: BackupRequest) -> JobPlan:
        """Plan one job from what its VM is now; see `hvbackup.jobs.plan.plan_again`."""
        return plan_again(job, vm, request, components=self.writer.components, volumes=self.facts.volumes)
