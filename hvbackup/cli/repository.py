"""`hvbackup repository`: make and look after a repository. Each command has a module of its own."""

from __future__ import annotations

import click

from hvbackup.cli.lazy import LazyGroup

_COMMANDS = {
    "init": ("hvbackup.cli.repository_init:init", "Make a repository in an empty folder or bucket."),
    "info": ("hvbackup.cli.repository_info:info", "Show what the repository is, and what it holds of each VM."),
    "stats": ("hvbackup.cli.repository_stats:stats", "Show what dedup and compression save, per VM and over time."),
    "import": ("hvbackup.cli.repository_import:import_", "Make a restore point of a folder of this machine."),
    "check": ("hvbackup.cli.repository_check:check", "Check the repository; say which restore points are hurt."),
    "repair": ("hvbackup.cli.repository_repair:repair", "Save what a damaged repository still holds."),
    "prune": ("hvbackup.cli.repository_prune:prune", "Delete the restore points that a policy does not keep."),
    "collect": ("hvbackup.cli.repository_collect:collect", "Free the space of blocks that no restore point needs."),
    "pin": ("hvbackup.cli.repository_pin:pin", "Keep a restore point whatever the policy says."),
    "unpin": ("hvbackup.cli.repository_pin:unpin", "Let the policy decide on it again."),
    "key": ("hvbackup.cli.repository_key:key", "List, add, remove or change passphrases."),
    "forget-lease": ("hvbackup.cli.repository_lease:forget_lease", "Release a lease whose owner is dead."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def repository() -> None:
    """Make and look after a repository."""
