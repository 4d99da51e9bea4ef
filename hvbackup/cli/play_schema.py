"""`hvbackup play schema`: what makes an editor complete playbooks."""

from __future__ import annotations

import click

from hvbackup.cli.context import Invocation, pass_invocation


@click.command()
@pass_invocation
def schema(invocation: Invocation) -> int:
    """Print the JSON Schema of playbooks.

    An editor with YAML support completes a playbook that begins with
    `# yaml-language-server: $schema=FILE`, where FILE holds what this prints.
    """
    import json

    from hvbackup.playbook.modules.schema import playbook_schema

    click.echo(json.dumps(playbook_schema(), indent=None if invocation.output.json else 2))
    return 0
