"""The root command, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from hvbackup._version import __version__
from hvbackup.cli.context import Invocation
from hvbackup.cli.lazy import LazyGroup
from hvbackup.cli.output import Output
from hvbackup.errors import HvBackupError

_COMMANDS = {
    "demo": ("hvbackup.cli.demo:demo", "Show the whole job on a built-in simulated host."),
    "host": ("hvbackup.cli.host:host", "Ask whether a host is fit for backups."),
    "writers": ("hvbackup.cli.writers:writers", "List the VSS writers of a host."),
    "vms": ("hvbackup.cli.vms:vms", "List VMs: Online or Offline, why, and what would change it."),
    "backup": ("hvbackup.cli.backup:backup", "Back up VMs, one job and one status for each."),
    "points": ("hvbackup.cli.points:points", "List restore points."),
    "show": ("hvbackup.cli.show:show", "Show what a restore point holds."),
    "verify": ("hvbackup.cli.verify:verify", "Read restore points back and check their disks."),
    "restore": ("hvbackup.cli.restore:restore", "Restore files, here or on a host, without VSS."),
    "image": ("hvbackup.cli.image:image", "Look into disks: list and get files, check, flatten, serve."),
    "rebuild": ("hvbackup.cli.rebuild:rebuild", "Make a VM out of a restore point."),
    "mount": ("hvbackup.cli.mount:mount", "Mount a VHD of a host read-only."),
    "unmount": ("hvbackup.cli.mount:unmount", "Dismount it."),
    "play": ("hvbackup.cli.play:play", "Run a playbook on the hosts of an inventory."),
    "cleanup": ("hvbackup.cli.cleanup:cleanup", "Remove what a dead run has left on a host."),
    "transcript": ("hvbackup.cli.transcript:transcript", "Explain a saved output of diskshadow or vssadmin."),
    "repository": ("hvbackup.cli.repository:repository", "Make and look after a repository."),
    "config": ("hvbackup.cli.config:config", "Show the settings and where each comes from."),
    "simulator": ("hvbackup.cli.simulator:simulator", "Serve a simulated Hyper-V host on loopback."),
    "completion": ("hvbackup.cli.completion:completion", "Print the completion script of a shell."),
}

_EPILOG = """\b
Exit codes: 0 ok · 1 error · 2 usage · 3 partial (some VMs failed) · 4 unreachable
· 5 configuration · 6 locked · 7 authentication · 130 interrupted"""


@click.group(cls=LazyGroup, lazy=_COMMANDS, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hvbackup")
@click.option("--json", "json_everywhere", is_flag=True, help="Write NDJSON for programs.")
@click.option("--quiet", "-q", is_flag=True, help="Only results and errors.")
@click.option("--verbose", "-v", count=True, help="More of what happens; twice: logs of the libraries too.")
@click.option("--profile", metavar="NAME", help="Use the settings of [profiles.NAME] too.")
@click.pass_context
def cli(context: click.Context, json_everywhere: bool, quiet: bool, verbose: int, profile: str | None) -> None:
    """Back up and restore Hyper-V virtual machines over WinRM, with nothing installed on the host."""
    context.obj = Invocation(Output(json=json_everywhere, quiet=quiet, verbose=verbose), profile=profile)
    if verbose > 1:
        import logging

        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def main() -> NoReturn:
    """Run the command line and exit with a documented code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code; errors are told, never raised."""
    json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of VMs may be in any script, whatever the terminal's code page
            stream.reconfigure(errors="replace")
    try:
        # No globbing by click on Windows: `*/TestVM` is a pattern of VMs, not of files.
        code = cli.main(arguments, prog_name="hvbackup", standalone_mode=False, windows_expand_args=False)
    except HvBackupError as error:
        return _tell(json, type(error).__name__, error.message, error.hint, error.exit_code)
    except click.ClickException as error:
        usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx is not None else None
        return _tell(json, "InvalidRequest", error.format_message(), usage, 2)
    except (KeyboardInterrupt, click.Abort):
        return _tell(json, "Cancelled", "stopped by the user", None, 130)
    except BrokenPipeError:
        sys.stderr.close()  # who read our output has gone; there is nobody to tell
        return 1
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the user gets a sentence
        return _tell_bug(json, error, arguments)
    return code if isinstance(code, int) else 0


def _tell(json: bool, kind: str, message: str, hint: str | None, code: int) -> int:
    output = Output(json=json)
    if json:
        output.record("error", {"error": kind, "message": message, "hint": hint})
        output.summary(code)
    else:
        output.talk(f"error: {message}", fg="red")
        if hint:
            output.talk(f"hint: {hint}")
    return code


def _tell_bug(json: bool, error: Exception, arguments: list[str]) -> int:
    import traceback

    if any(argument.startswith("-v") or argument == "--verbose" for argument in arguments):
        traceback.print_exception(error)
    hint = "This is a bug of hvbackup. Run it again with `hvbackup -v ...` and report what it prints."
    return _tell(json, type(error).__name__, f"{type(error).__name__}: {error}", hint, 1)


if __name__ == "__main__":
    main()
