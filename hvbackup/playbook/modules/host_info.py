"""`host_info`: what a host is, and whether it is fit for backups."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hvbackup.errors import HvBackupError
from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_host
from hvbackup.playbook.modules.rows import row


class HostInfoArguments(Arguments):
    """Nothing can be chosen."""


class HostInfoResults(Results):
    """What the host says of itself."""

    computer_name: str = Field(description="Name of the computer.")
    domain: str | None = Field(description="Its domain, or none.")
    os_caption: str = Field(description="Windows, in words.")
    os_version: str = Field(description="Version of Windows.")
    powershell_version: str = Field(description="Version of PowerShell.")
    user: str = Field(description="The account that the connection has.")
    elevated: bool = Field(description="Whether that account is an administrator here.")
    hyper_v: dict[str, Any] = Field(
        description="The Hyper-V role: C(installed), C(module_version), C(service_state) of vmms."
    )
    fit: bool = Field(description="Whether VMs of this host can be backed up through VSS.")
    unfit_reason: str | None = Field(description="Why not.")
    unfit_cure: str | None = Field(description="What to do about it.")
    volumes: list[dict[str, Any]] = Field(
        description="The volumes, each with C(id), C(paths), C(label), C(file_system), C(size_bytes), C(free_bytes), "
        "C(clustered)."
    )
    shadow_copies: list[dict[str, Any]] = Field(
        description="Shadow copies that exist, each with C(id), C(set_id), C(volume), C(created_at)."
    )


def run(_arguments: HostInfoArguments, context: ModuleContext) -> Ran:
    """Ask the host; nothing changes."""
    from hvbackup.jobs.plan import require_fit

    with open_host(context) as host:
        facts = host.facts()
    reason = cure = None
    try:
        require_fit(facts)
    except HvBackupError as error:
        reason, cure = str(error), error.hint
    told = {name: value for name, value in row(facts).items() if name in HostInfoResults.model_fields}
    results = HostInfoResults(**told, fit=reason is None, unfit_reason=reason, unfit_cure=cure)
    return Ran(results)


MODULE = Module(
    name="host_info",
    summary="Tell what a Hyper-V host is, and whether its VMs can be backed up",
    description="""\
Asks a Hyper-V host for Windows, PowerShell, the Hyper-V role, volumes with their free space, and shadow copies.

RV(fit) says whether its VMs can be backed up through VSS: the account is an administrator, the role is installed, it is
a Windows Server, and diskshadow.exe is there. Nothing is changed on the host.
""",
    arguments=HostInfoArguments,
    results=HostInfoResults,
    run=run,
    examples="""\
- name: Ask what the host is
  hvbackup.hyperv.host_info:
  register: host

- name: Stop where no backup is possible
  ansible.builtin.assert:
    that: host.fit
    fail_msg: "{{ host.unfit_reason }}"
""",
    writes=False,
)
