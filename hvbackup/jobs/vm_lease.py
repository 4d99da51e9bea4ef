"""The lease on a VM in a repository: nobody else backs it up, or builds it, at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvbackup.jobs.journal import Journal, SideEffect, abandoned_runs, workstation
from hvbackup.repository.lease import Lease
from hvbackup.repository.repository import Repository


@contextmanager
def vm_lease(repository: Repository, journal: Journal, *, host: str, vm_id: str) -> Iterator[Lease]:
    """Hold the lease on a VM for the time of the block.

    It is noted in the journal before it is taken: when this process dies, the next run of this machine knows that the
    lease is nobody's any more, and need not wait until it has run out.

    Raises:
        RepositoryLocked: Somebody has it.
    """
    scope = f"vm/{vm_id}"
    owner = f"{workstation(journal.folder)['name']} run {journal.run_id}"
    effect = SideEffect(kind="lease", host=host, repository=repository.config.id, scope=scope, owner=owner)
    number = journal.begin(effect)
    try:
        with repository.lease(scope, owner=owner) as lease:
            yield lease
    finally:
        journal.undone(number)


def release_leases_of_the_dead(repository: Repository, host: str, folder: Path | None = None) -> None:
    """Release the leases in `repository` that dead runs of this machine have left, for jobs that need no connection.

    What else such a run left on `host` stays in its journal for the next job that connects to it.
    """
    for run in abandoned_runs(host, folder):
        try:
            for number, effect in list(run.effects.items()):
                if effect.kind == "lease" and effect.scope and effect.repository == repository.config.id:
                    repository.forget_lease(effect.scope, owner=effect.owner)
                    run.undone(number)
        finally:
            run.close()
