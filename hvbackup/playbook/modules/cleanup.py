"""`cleanup`: what dead runs have left on a host, found and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from hvbackup.events import Event, EventSink, Note
from hvbackup.playbook.modules.arguments import Arguments, Results
from hvbackup.playbook.modules.contract import ModuleContext
from hvbackup.playbook.modules.definition import Failure, Module, Ran
from hvbackup.playbook.modules.opening import open_host

if TYPE_CHECKING:
    from hvbackup.jobs.cleanup import FoundLeftover


class CleanupArguments(Arguments):
    """What else may go."""

    run_id: str | None = Field(
        default=None,
        description="Remove what this run has left, whichever machine started it, unless it is at work on this one.",
    )
    older_than: str | None = Field(
        default=None,
        description="Remove what is older than this, such as V(90m), V(12h) or V(7d), whichever machine made it, "
        "unless it is at work on this one.",
    )


class LeftoverRow(BaseModel):
    """Something that a run has left."""

    scratch: str = Field(description="Folder on the host.")
    run_id: str = Field(description="The run.")
    owner: str = Field(description="V(this machine), the name of another machine, or V(unknown).")
    created_at: str = Field(description="When, by the host's clock.")
    alive: bool | None = Field(description="Whether its run is at work; none when nobody here can know.")
    removed: bool = Field(description="Whether it is gone now, or in check mode would be.")


class CleanupResults(Results):
    """What was found."""

    leftovers: list[LeftoverRow] = Field(description="What else there was on the host.")
    undone: list[str] = Field(
        description="What the journal of this machine knew of dead runs, and is undone now: folders on the host, files "
        "of unfinished restores, leases."
    )
    problems: list[str] = Field(description="What could not be removed.")


def run(arguments: CleanupArguments, context: ModuleContext) -> Ran:
    """Look, and unless in check mode remove."""
    from hvbackup.jobs.quantities import time_span

    older_than = time_span(arguments.older_than) if arguments.older_than is not None else None
    undone: list[str] = []
    with open_host(context) as host:
        result = host.cleanup(
            run_id=arguments.run_id,
            older_than=older_than,
            dry_run=context.check,
            events=_noting(context.events, undone),
        )
    rows = [_row(each, context) for each in result.leftovers]
    problems = result.problems
    gone = [each.scratch for each in rows if each.removed]
    failure = (
        Failure(f"{len(problems)} leftover(s) could not be removed: {'; '.join(problems)}", 1) if problems else None
    )
    return Ran(
        CleanupResults(leftovers=rows, undone=undone, problems=list(problems)),
        changed=bool(gone or undone),
        failure=failure,
        before="".join(f"{each}\n" for each in gone),
    )


def _noting(events: EventSink, undone: list[str]) -> EventSink:
    def listen(event: Event) -> None:
        if isinstance(event, Note) and event.level == "info":
            undone.append(event.text)
        events(event)

    return listen


def _row(found: FoundLeftover, context: ModuleContext) -> LeftoverRow:
    return LeftoverRow(
        scratch=found.scratch,
        run_id=found.run_id,
        owner=found.owner,
        created_at=found.created_at,
        alive=found.alive,
        removed=found.due if context.check else found.removed,
    )


MODULE = Module(
    name="cleanup",
    summary="Remove what interrupted runs have left on a Hyper-V host",
    description="""\
Finds scratch folders and shadow copies of hvbackup that no run needs any more, and removes them. Runs clean up after
themselves and after each other; this is for those that could not.

What dead runs of this machine (the control node) and user have left is always removed. What other machines have left is
removed only by O(run_id) or O(older_than), because nobody here can know whether those runs are at work.
""",
    arguments=CleanupArguments,
    results=CleanupResults,
    run=run,
    examples="""\
- name: Remove what is older than two days, whoever left it
  hvbackup.hyperv.cleanup:
    older_than: 2d
""",
)
