"""`hvbackup completion`: the completion script of a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from hvbackup.cli.context import Invocation, pass_invocation

_WHERE = {
    "bash": 'eval "$(hvbackup completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(hvbackup completion zsh)"   # in ~/.zshrc',
    "fish": "hvbackup completion fish > ~/.config/fish/completions/hvbackup.fish",
}


@click.command(epilog="\b\n" + "\n".join(_WHERE.values()))
@click.argument("shell", type=click.Choice(sorted(_WHERE)))
@pass_invocation
def completion(invocation: Invocation, shell: str) -> int:
    """Print the completion script of SHELL."""
    from hvbackup.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices above are click's own
    click.echo(kind(cli, {}, "hvbackup", "_HVBACKUP_COMPLETE").source())
    del invocation
    return 0
