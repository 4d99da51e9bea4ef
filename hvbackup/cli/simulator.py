"""`hvbackup simulator serve`: a simulated Hyper-V host for trying and for tests."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import click

from hvbackup.cli.context import Invocation, pass_invocation
from hvbackup.cli.interrupt import interruptible
from hvbackup.errors import ConfigurationError


@click.group()
def simulator() -> None:
    """Serve a simulated Hyper-V host on loopback."""


@simulator.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0: a free one.")
@click.option("--tls/--no-tls", default=True, help="HTTPS or HTTP. Default: HTTPS.")
@click.option("--engine", type=click.Choice(["python", "pwsh"]), default="python", show_default=True,
              help="What answers: Python, or the PowerShell that HVBACKUP_PWSH names.")  # fmt: skip
@click.option(
    "--folder", type=click.Path(file_okay=False), help="Keep the host in this folder. Default: a temporary one."
)
@click.option("--host-profile", "profile", default="demo", show_default=True,
              type=click.Choice(["demo", "empty", "many", "client", "no-role", "german"]))  # fmt: skip
@pass_invocation
def serve(invocation: Invocation, port: int, tls: bool, engine: str, folder: str | None, profile: str) -> int:
    """Serve until Ctrl-C; the first lines say how to connect.

    With --json that is one line with endpoint, username, password, ca_file, engine and folder.

    It speaks WSMan with Basic, NTLM, Negotiate and client certificates: hvbackup, pypsrp and pywinrm can talk to it.
    """
    with contextlib.ExitStack() as stack:
        try:
            from hvbackup.simulator.simulated_host import serve_host
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the simulator needs the package {error.name}", hint="pip install 'hvbackup[simulator]'"
            ) from None
        place = folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="hvbackup-host-"))
        serving = stack.enter_context(
            serve_host(
                Path(place), engine="pwsh" if engine == "pwsh" else "python", port=port, tls=tls, profile=profile
            )
        )
        ready = serving.ready
        output = invocation.output
        # Before the first line: who has read it may stop us at once, and the folder must go then too.
        cancel = stack.enter_context(interruptible(output))
        if output.json:
            # The one line of this command whose keys are not camelCase: scripts read it, see docs/simulator.md.
            output.raw(
                {
                    "endpoint": ready.endpoint,
                    "username": ready.username,
                    "password": ready.password,
                    "ca_file": ready.ca_file,
                    "engine": ready.engine,
                    "folder": str(place),
                }
            )
        else:
            output.line(f"endpoint  {ready.endpoint}")
            output.line(f"username  {ready.username}")
            output.line(f"password  {ready.password}")
            output.line(f"CA file   {ready.ca_file or '(no TLS)'}")
            output.line(f"folder    {place}")
            output.line("Ctrl-C stops it.")
        while not cancel.wait(0.5):
            pass
    return 0
