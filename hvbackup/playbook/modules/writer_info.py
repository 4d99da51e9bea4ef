"""`writer_info`: the VSS writers of a host."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from hvbackup.models import HYPERV_WRITER_ID, Writer
from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Module, Ran
from hvbackup.playbook.modules.opening import open_host
from hvbackup.playbook.modules.rows import row


class WriterInfoArguments(Arguments):
    """How much is told."""

    components: bool = Field(
        default=False,
        description="Return the components of each writer with their files too; for the Hyper-V writer these are "
        "the VMs. They may be many.",
    )


class WriterRow(BaseModel):
    """One writer."""

    id: str = Field(description="GUID of the writer, the same on every host.")
    name: str = Field(description="Its name.")
    state: str | None = Field(description="Such as V(STABLE) or V(FAILED_AT_FREEZE); none when it is not told.")
    healthy: bool | None = Field(description="Whether it would take part in a shadow copy; none when it is not known.")
    last_error: str | None = Field(description="As the host prints it.")
    component_count: int = Field(description="How many components it has.")
    components: list[dict[str, Any]] | None = Field(description="Its components, when they are asked for.")


class WriterInfoResults(Results):
    """The writers."""

    writers: list[WriterRow] = Field(description="All writers.")
    hyperv_writer: WriterRow | None = Field(description="The Hyper-V writer, or none when the host has none.")
    unhealthy: list[str] = Field(description="Names of the writers that are not healthy.")


def run(arguments: WriterInfoArguments, context: ModuleContext) -> Ran:
    """Ask the host; nothing changes."""
    with open_host(context) as host:
        writers = host.writers()
    rows = [_row(each, arguments.components) for each in writers]
    return Ran(
        WriterInfoResults(
            writers=rows,
            hyperv_writer=next((each for each in rows if each.id.lower() == HYPERV_WRITER_ID), None),
            unhealthy=[each.name for each in rows if each.healthy is False],
        )
    )


def _row(writer: Writer, components: bool) -> WriterRow:
    return WriterRow(
        id=writer.id,
        name=writer.name,
        state=writer.state,
        healthy=writer.healthy,
        last_error=writer.last_error,
        component_count=len(writer.components),
        components=row(writer.components) if components else None,
    )


MODULE = Module(
    name="writer_info",
    summary="Tell the VSS writers of a Hyper-V host and their states",
    description="""\
Lists the VSS writers with their states by diskshadow.exe, which takes some seconds on a host with many VMs. Nothing is
changed on the host.
""",
    arguments=WriterInfoArguments,
    results=WriterInfoResults,
    run=run,
    examples="""\
- name: Ask for the writers
  hvbackup.hyperv.writer_info:
  register: vss

- name: Tell which are ill
  ansible.builtin.debug:
    msg: "{{ vss.unhealthy | join(', ') }}"
  when: vss.unhealthy | length > 0
""",
    writes=False,
)
