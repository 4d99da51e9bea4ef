"""The variables of a host for a task. Weak to strong: inventory, play, its files, block, task, facts, `-e`, magic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvbackup._version import __version__
from hvbackup.errors import PlaybookError
from hvbackup.playbook.grammar import refuse, variable_name
from hvbackup.playbook.nodes import Map, Place, place_of
from hvbackup.playbook.templates import HostVariables, Templar
from hvbackup.playbook.yaml_reader import read_yaml

if TYPE_CHECKING:
    from hvbackup.playbook.inventory.hosts import Inventory
    from hvbackup.playbook.plays import Play, Task
    from hvbackup.playbook.run_options import RunOptions
    from hvbackup.playbook.vault import Vault


class Variables:
    """All variables of a run. Facts change between tasks, never while one runs, so that threads may read.

    Args:
        folder: Of the playbook; files of `vars_files` are found from there.
    """

    def __init__(
        self, inventory: Inventory, options: RunOptions, templar: Templar, *, folder: Path, vault: Vault | None
    ) -> None:
        self._inventory = inventory
        self._templar = templar
        self._folder = folder
        self._vault = vault
        self._extra = dict(options.extra_variables)
        self._facts: dict[str, dict[str, Any]] = {}
        self._hosts: dict[str, Map] = {}
        self._files: dict[Path, Mapping[str, Any]] = {}
        self._play: Mapping[str, Any] = {}
        self._play_files: Sequence[Any] = ()
        self._play_magic: dict[str, Any] = {}
        self._always = _magic_of_options(options, folder)

    # ------------------------------------------------------------ what changes

    def begin_play(self, play: Play, *, all_hosts: Sequence[str]) -> None:
        """Take the variables of a play."""
        self._play = play.variables
        self._play_files = play.vars_files
        name = str(play.name) if play.name else ",".join(map(str, play.hosts))
        self._play_magic = {"ansible_play_name": name, "ansible_play_hosts_all": list(all_hosts)}

    def set_hosts(self, *, play_hosts: Sequence[str], batch: Sequence[str]) -> None:
        """Say which hosts are still in the play and in its batch."""
        self._play_magic |= {"ansible_play_hosts": list(play_hosts), "ansible_play_batch": list(batch)}

    def set_facts(self, host: str, facts: Mapping[str, Any]) -> None:
        """Keep facts and registered results of a host until the run ends."""
        self._facts.setdefault(host, {}).update(facts)

    # ------------------------------------------------------------ what is asked

    def of_run(self) -> dict[str, Any]:
        """The variables that need no host: for the names of plays and handlers, and for patterns of hosts."""
        return {**self._play, **self._extra, **self._always, **self._play_magic, "groups": self._inventory.groups}

    def of_host(self, host: str, task: Task | None = None, local: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The variables of a host, and of a task; `local` are those of a loop."""
        known = self._of_inventory(host)
        merged = {**known, **self._play}
        if self._play_files:
            merged.update(self._from_files({**merged, **self._extra, **self._inventory.magic(host)}))
        if task is not None:
            merged.update(task.variables)
        merged.update(self._facts.get(host, {}))
        merged.update(self._extra)
        merged.update(self._inventory.magic(host))
        merged.update(self._always)
        merged.update(self._play_magic)
        merged["hostvars"] = HostVariables(self._inventory.hosts, self._of_other)
        if local:
            merged.update(local)
        return merged

    def _of_inventory(self, host: str) -> Map:
        if host not in self._hosts:
            self._hosts[host] = self._inventory.variables(host)
        return self._hosts[host]

    def _of_other(self, host: str) -> dict[str, Any]:
        """What `hostvars[host]` shows: nothing of the play's own variables."""
        return {
            **self._of_inventory(host),
            **self._facts.get(host, {}),
            **self._extra,
            **self._inventory.magic(host),
            **self._always,
        }

    def _from_files(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self._play_files:
            path = self._folder / str(self._templar.render(name, variables))
            if path not in self._files:
                self._files[path] = read_variables(path, self._vault, place_of(name))
            found.update(self._files[path])
        return found


def read_variables(path: Path, vault: Vault | None, place: Place | None = None) -> Map:
    """Return what a file of variables holds.

    Raises:
        PlaybookError: It cannot be read, or is no mapping of names to values.
    """
    try:
        content = read_yaml(path, vault=vault)
    except PlaybookError as error:
        raise error if error.place or place is None else refuse(error.message, place, error.hint) from None
    if content is None:
        return Map()
    if not isinstance(content, Map):
        top = Place(str(path), 1, 1)
        raise refuse("a file of variables is a mapping of names to values", top, "Write NAME: VALUE.")
    for name in content:
        variable_name(name, content.place_of(name))
    return content


def _magic_of_options(options: RunOptions, folder: Path) -> dict[str, Any]:
    limit = {} if options.limit is None else {"ansible_limit": options.limit}
    return limit | {
        "playbook_dir": str(folder),
        "ansible_check_mode": options.check,
        "ansible_diff_mode": options.diff,
        "ansible_forks": options.forks,
        "ansible_verbosity": options.verbosity,
        "ansible_inventory_sources": list(options.inventory_sources),
        "ansible_run_tags": list(options.tags) or ["all"],
        "ansible_skip_tags": list(options.skip_tags),
        "hvbackup_version": __version__,
    }
