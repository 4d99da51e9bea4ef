"""Runs a playbook: its plays one after the other, batches of hosts, and what is left when something fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvbackup.errors import PlaybookError
from hvbackup.events import Cancellation, EventSink, discard
from hvbackup.playbook.batch import Batch
from hvbackup.playbook.grammar import refuse
from hvbackup.playbook.module_run import module_runner
from hvbackup.playbook.module_table import ModuleTable
from hvbackup.playbook.plays import Play, Playbook
from hvbackup.playbook.redaction import Redactor
from hvbackup.playbook.run_events import PlayStarted, RunEvent, RunListener, Warned
from hvbackup.playbook.run_options import RunOptions
from hvbackup.playbook.serial import batches
from hvbackup.playbook.tags import selected
from hvbackup.playbook.tally import RunResult, Tally
from hvbackup.playbook.task_run import Shared
from hvbackup.playbook.templates import Templar
from hvbackup.playbook.variables import Variables

if TYPE_CHECKING:
    from hvbackup.playbook.inventory.hosts import Inventory
    from hvbackup.playbook.vault import Vault


class Runner:
    """Runs one playbook once.

    Args:
        modules: What `hvbackup.hyperv.*` is.
        listen: Told of all that happens, one event at a time.
        events: Told of the progress inside of modules.
        cancel: Stops the run in order: no further task is begun, and modules that run clean up.
    """

    def __init__(
        self,
        playbook: Playbook,
        inventory: Inventory,
        modules: ModuleTable,
        options: RunOptions | None = None,
        *,
        vault: Vault | None = None,
        listen: RunListener = lambda _event: None,
        events: EventSink = discard,
        cancel: Cancellation | None = None,
    ) -> None:
        self._playbook = playbook
        self._inventory = inventory
        self._modules = modules
        self._options = options or RunOptions()
        self._templar = Templar()
        self._listener = listen
        self._listening = threading.Lock()
        folder = Path(playbook.path).parent.absolute()
        self._variables = Variables(inventory, self._options, self._templar, folder=folder, vault=vault)
        self._tally = Tally()
        self._shared = Shared(
            templar=self._templar,
            options=self._options,
            run_module=module_runner(modules, self._templar, (vault.redactor if vault else Redactor()).add),
            action_group=modules.group,
            listen=self._listen,
            events=events,
            cancel=cancel or Cancellation(),
        )

    def run(self) -> RunResult:
        """Run all plays.

        Raises:
            PlaybookError: Something is wrong that no host can be blamed for: a pattern of hosts, a handler that is
                not there, a file of variables.
        """
        with ThreadPoolExecutor(self._options.forks, thread_name_prefix="play") as pool:
            for play in self._playbook.plays:
                if not self._play(play, pool) or self._shared.cancel.is_set:
                    break
        self._tally.interrupted |= self._shared.cancel.is_set
        if self._options.start_at_task and not self._tally.started and not self._tally.interrupted:
            raise PlaybookError(
                f"no task is called {self._options.start_at_task!r}", hint="--list-tasks shows the tasks."
            )
        return self._tally.result()

    def hosts_of(self, play: Play) -> tuple[str, ...]:
        """The hosts of a play, in its order.

        Raises:
            PlaybookError: The pattern cannot be rendered or read.
        """
        self._variables.begin_play(play, all_hosts=())
        pattern = self._templar.render(play.hosts, self._variables.of_run())
        flat = [each for item in pattern for each in (item if isinstance(item, list) else [item])]
        if not all(isinstance(each, str) and each.strip() for each in flat):
            raise refuse("hosts names nothing", play.place, "Name hosts or groups of the inventory, or `all`.")
        hosts = self._inventory.match(flat, self._options.limit)
        for missing in self._inventory.unmatched(flat):
            self._listen(Warned(text=f"no host and no group is called {missing!r}"))
        if play.order.endswith("sorted"):
            hosts.sort()
        if play.order.startswith("reverse"):
            hosts.reverse()
        return tuple(hosts)

    def _play(self, play: Play, pool: ThreadPoolExecutor) -> bool:
        """Run a play; return whether the next one may follow.

        Batches go on until all hosts of one are out; where `max_fail_percentage` is exceeded, they mostly are.
        """
        hosts = self.hosts_of(play)
        self._variables.begin_play(play, all_hosts=hosts)
        self._variables.set_hosts(play_hosts=hosts, batch=hosts)
        nodes = selected(play.nodes, self._options.tags, self._options.skip_tags)
        if not hosts:
            self._begin(play, hosts)
            self._listen(Warned(text="no hosts matched; the play is skipped"))
            return True
        goes_on = True
        for some in batches(self._serial(play), hosts):
            gone, self._tally.broken = self._tally.gone, False
            self._begin(play, some)
            batch = Batch(
                play=play, nodes=nodes, hosts=some, all_hosts=hosts, shared=self._shared, variables=self._variables,
                tally=self._tally, pool=pool, writes={name: self._modules.writes(name) for name in self._modules.names},
            )  # fmt: skip
            batch.run()
            if self._shared.cancel.is_set:
                return False
            goes_on = goes_on and not self._tally.broken
            if batch.play_ended:
                return goes_on
            if self._tally.gone - gone == len(some):
                return False
        return goes_on

    def _begin(self, play: Play, hosts: Sequence[str]) -> None:
        try:
            shown = self._templar.render(play.name or list(play.hosts), self._variables.of_run())
        except PlaybookError:
            shown = play.name or play.hosts
        name = ",".join(map(str, shown)) if isinstance(shown, list) else str(shown)
        self._listen(PlayStarted(name=name, hosts=tuple(hosts), check=self._options.check))

    def _serial(self, play: Play) -> list[Any]:
        return list(self._templar.render(list(play.serial), self._variables.of_run()))

    def _listen(self, event: RunEvent) -> None:
        with self._listening:
            self._listener(event)
