"""`hvbackup play`: a playbook on the hosts of an inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.interrupt import interruptible
from hvbackup.cli.play_schema import schema
from hvbackup.cli.progress import ProgressDisplay
from hvbackup.errors import HvBackupError, InvalidRequest

if TYPE_CHECKING:
    from hvbackup.playbook.run_options import RunOptions
    from hvbackup.playbook.runner import Runner
    from hvbackup.playbook.vault import Vault


class _PlayOrSchema(click.Command):
    """`play PLAYBOOK`, and `play schema`. A playbook that is called `schema` is `./schema`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args[:1] == ["schema"]:
            return schema.make_context(f"{info_name} schema", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_PlayOrSchema)
@click.argument("playbook", metavar="PLAYBOOK")
@click.option("--inventory", "-i", "inventories", multiple=True, metavar="PLACE", help="File, folder, or `hv01,hv02,`.")
@click.option("--limit", "-l", metavar="PATTERN", help="Only these hosts; `@FILE`: those in a file.")
@click.option("--tags", "-t", multiple=True, metavar="TAGS", help="Only tasks with one of these tags.")
@click.option("--skip-tags", multiple=True, metavar="TAGS", help="Not the tasks with one of these tags.")
@click.option("--extra-vars", "-e", multiple=True, metavar="VARS", help="NAME=VALUE, @FILE, or a mapping in JSON.")
@click.option("--forks", "-f", type=click.IntRange(1, 500), default=5, show_default=True, help="Hosts at a time.")
@click.option("--check", "-C", is_flag=True, help="Change nothing; say what would change.")
@click.option("--diff", "-D", is_flag=True, help="Show what changes.")
@click.option("--list-hosts", is_flag=True, help="Show the hosts of each play and stop.")
@click.option("--list-tasks", is_flag=True, help="Show the tasks that would run and stop.")
@click.option("--list-tags", is_flag=True, help="Show the tags and stop.")
@click.option("--syntax-check", is_flag=True, help="Read everything and stop.")
@click.option("--start-at-task", metavar="NAME", help="Begin with this task (* and ? match).")
@click.option("--step", is_flag=True, help="Ask before each task.")
@click.option("--vault-id", multiple=True, metavar="ID@PLACE", help="Vault password: ID@FILE, ID@prompt.")
@click.option("--vault-password-file", multiple=True, metavar="FILE", help="File or script with the vault password.")
@click.option("--ask-vault-password", "-J", is_flag=True, help="Ask for the vault password.")
@click.option("--allow-inventory-scripts", is_flag=True, help="Run inventory scripts and plugins (needs Ansible).")
@click.option("--verbose", "-v", "verbosity", count=True, help="Show the results of all tasks.")
@pass_invocation
def play(invocation: Invocation, playbook: str, **given: Any) -> int:
    """Run PLAYBOOK, as ansible-playbook would, on the hosts of an inventory. docs/playbooks.md tells how.

    `hvbackup play schema` prints the JSON Schema that makes editors complete playbooks.

    \b
    Exit status: 0 every VM and every host is well · 3 some VMs failed · 1 all failed, or something else did
    · 4 unreachable hosts only · 5 the playbook, the inventory or a vault is wrong · 130 interrupted
    """
    from hvbackup.playbook.vault import Vault

    vault = Vault.from_options(
        [*given["vault_id"], *given["vault_password_file"]], ask_password=given["ask_vault_password"]
    )
    try:
        return _play(invocation, playbook, given, vault)
    except HvBackupError as error:
        error.message = vault.redactor.mask(error.message)
        error.hint = error.hint and vault.redactor.mask(error.hint)
        raise


def run_options(given: Mapping[str, Any], vault: Vault | None = None, *, verbosity: int = 0) -> RunOptions:
    """Return the options of a run by those of the command line."""
    import sys

    from hvbackup.playbook.extra_variables import read_extra_variables
    from hvbackup.playbook.run_options import RunOptions

    terminal = sys.stdin.isatty()
    if given["step"] and not terminal:
        raise InvalidRequest("--step asks before each task, but there is no terminal", hint="Leave it out.")
    return RunOptions(
        limit=given["limit"],
        forks=given["forks"],
        check=given["check"],
        diff=given["diff"],
        tags=_words(given["tags"]),
        skip_tags=_words(given["skip_tags"]),
        start_at_task=given["start_at_task"],
        extra_variables=read_extra_variables(given["extra_vars"], vault=vault),
        inventory_sources=tuple(given["inventories"]),
        verbosity=verbosity + int(given["verbosity"]),
        ask=_ask if terminal else None,
        step=_step if given["step"] else None,
    )


def _play(invocation: Invocation, path: str, given: dict[str, Any], vault: Vault) -> int:
    import sys

    from hvbackup.cli.play_lists import show_lists
    from hvbackup.cli.play_output import PlayOutput
    from hvbackup.playbook.hyperv_modules import HypervModules
    from hvbackup.playbook.inventory.reading import read_inventory
    from hvbackup.playbook.play_reader import read_playbook
    from hvbackup.playbook.runner import Runner

    output, modules = invocation.output, HypervModules()
    options = run_options(given, vault, verbosity=output.verbose)
    playbook = read_playbook(path, modules, vault=vault)
    inventory = read_inventory(
        _inventories(given["inventories"]), vault=vault, playbook_folder=Path(path).parent,
        allow_scripts=given["allow_inventory_scripts"],
    )  # fmt: skip
    shown = PlayOutput(output, vault.redactor, verbosity=options.verbosity)
    with (
        ProgressDisplay(output, bars=sys.stdout.isatty()) as progress,
        interruptible(output) as cancel,
        closing(modules),
    ):
        runner: Runner = Runner(
            playbook, inventory, modules, options, vault=vault, listen=shown, events=progress, cancel=cancel
        )
        asked = {name: given[name] for name in ("list_hosts", "list_tasks", "list_tags", "syntax_check")}
        if any(asked.values()):
            return show_lists(output, playbook, runner, options, **asked)
        result = runner.run()
    shown.finish(result)
    return result.exit_code


def _inventories(given: Sequence[str]) -> list[str]:
    if not given:
        raise InvalidRequest("no inventory is named", hint="Use -i FILE, -i FOLDER, or a list with commas: -i hv01,")
    return list(given)


def _words(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.strip() for text in given for word in text.split(",") if word.strip())


def _ask(question: str, echo: bool) -> str:
    click.echo(question, err=True)
    return str(click.prompt("", prompt_suffix="", default="", show_default=False, hide_input=not echo, err=True))


def _step(title: str) -> str:
    return str(click.prompt(f"Perform task: {title} (N)o/(y)es/(c)ontinue", default="n", show_default=False, err=True))
