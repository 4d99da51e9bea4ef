"""What all commands share: the context object, connecting to hosts, opening repositories."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from hvbackup.cli.output import Output
from hvbackup.errors import ConfigurationError, InvalidRequest
from hvbackup.events import Cancellation, EventSink

if TYPE_CHECKING:
    from hvbackup.jobs.host import Host
    from hvbackup.repository.repository import Repository
    from hvbackup.repository.store import Store
    from hvbackup.secrets import Secret
    from hvbackup.settings import Settings

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_REFERENCE_HELP = "Where the {0} comes from: keyring:SERVICE/USER, file:PATH, env:NAME or prompt."


class Invocation:
    """One invocation of the command line: its output and its settings.

    Attributes:
        cancel: Stops what is under way; give it to `interruptible`, so that Ctrl-C also ends waits for a rate limit.
        limit_rate: `--limit-rate`, in bytes per second; None: by the settings.
    """

    def __init__(self, output: Output, *, profile: str | None = None) -> None:
        self.output = output
        self.cancel = Cancellation()
        self.limit_rate: int | None = None
        self._profile = profile
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The merged settings, read when they are first needed."""
        if self._settings is None:
            from hvbackup.settings import load_settings

            self._settings = load_settings(profile=self._profile)
        return self._settings

    # ------------------------------------------------------------ hosts

    @contextmanager
    def host(self, name: str, flags: dict[str, Any], *, events: EventSink | None = None) -> Iterator[Host]:
        """Connect to a host by settings and flags, and close the connection afterwards."""
        from hvbackup.jobs.host import Host
        from hvbackup.remote.connect import open_transport
        from hvbackup.remote.options import ConnectionOptions

        wanted = self.settings.for_host(name)
        wanted.update({key: value for key, value in flags.items() if value is not None})
        address = wanted.pop("address", None) or name
        reference = wanted.pop("password", None)
        secret = self._password(name, wanted, reference)
        options = ConnectionOptions(host=address, password=secret, **wanted)
        transport = open_transport(options, events=events or self._warn)
        with Host(transport) as host:
            yield host

    def _password(self, name: str, wanted: dict[str, Any], reference: str | None) -> Secret | None:
        from hvbackup.secrets import read_secret

        username = wanted.get("username")
        if reference is not None:
            return read_secret(reference, question=f"Password of {username or 'the account'} on {name}")
        if username is None or wanted.get("transport") == "local" or wanted.get("auth") == "certificate":
            return None  # Kerberos, SSPI, a certificate, or no connection at all
        if wanted.get("auth") == "kerberos":
            return None
        return read_secret("prompt", question=f"Password of {username} on {name}")

    def _warn(self, event: object) -> None:
        from hvbackup.events import Note

        if isinstance(event, Note) and event.level == "warning":
            self.output.talk(f"warning: {event.text}", fg="yellow")

    # ------------------------------------------------------------ repositories

    @contextmanager
    def repository(self, location: str | None, passphrase: str | None) -> Iterator[Repository]:
        """Open the repository that flags or settings name."""
        from hvbackup.repository.repository import Repository

        place = self.repository_location(location)
        secret = self.passphrase(place, passphrase)
        with Repository.open(self.store(place), passphrase=secret) as repository:
            yield repository

    def store(self, place: str, *, create: bool = False) -> Store:
        """Open the place of a repository, with the limits of flags or settings on its transfers."""
        from hvbackup.repository.store import open_store
        from hvbackup.repository.throttle import limited

        upload, download = (self.limit_rate or self._rate(key) for key in ("limit_upload", "limit_download"))
        return limited(open_store(place, create=create), upload, download, stop=self.cancel)

    def _rate(self, key: str) -> int | None:
        from hvbackup.jobs.quantities import byte_rate

        text = self.settings.get("repository", key)
        try:
            return None if text is None else byte_rate(text)
        except InvalidRequest as error:
            raise ConfigurationError(f"repository.{key}: {error.message}", hint=error.hint) from None

    def repository_location(self, location: str | None) -> str:
        """Return where the repository is; an error tells how to say so."""
        place = location or self.settings.get("repository", "location")
        if not place:
            raise InvalidRequest(
                "no repository is named",
                hint="Use --repository FOLDER, HVBACKUP_REPOSITORY, or [repository] location in the settings.",
            )
        return str(place)

    def passphrase(self, place: str, reference: str | None) -> Secret | None:
        """Return the passphrase; `none` as a reference is a repository without encryption."""
        from hvbackup.secrets import read_secret

        wanted = reference or self.settings.get("repository", "passphrase")
        if wanted == "none":
            return None
        if wanted is None:
            return read_secret("prompt", question=f"Passphrase of {place}")
        return read_secret(wanted, question=f"Passphrase of {place}")


def pass_invocation(function: CommandT) -> CommandT:
    """Give the command its `Invocation` as the first argument; adds `--json`, which works after the command too."""

    @functools.wraps(function)
    def wrapper(*args: Any, json_here: bool, **kwargs: Any) -> Any:
        context = click.get_current_context()
        invocation = context.find_object(Invocation)
        if invocation is None:
            raise ConfigurationError("the command was called without its group")
        invocation.output.json |= json_here
        return context.invoke(function, invocation, *args, **kwargs)

    return cast(
        "CommandT", click.option("--json", "json_here", is_flag=True, help="Write NDJSON for programs.")(wrapper)
    )


def host_options(function: CommandT) -> CommandT:
    """Add the options of a connection; the command gets them as the dictionary `connection`."""
    options = [
        click.option("--user", "-u", "username", help=r"Account, as DOMAIN\name. Default: who runs this (Kerberos)."),
        click.option("--password-from", "password", metavar="REF", help=_REFERENCE_HELP.format("password")),
        click.option(
            "--auth",
            type=click.Choice(["negotiate", "kerberos", "ntlm", "certificate", "credssp", "basic"]),
            help="Authentication. Default: negotiate.",
        ),
        click.option("--transport", type=click.Choice(["psrp", "winrs", "local"]), help="Default: psrp."),
        click.option("--port", type=click.IntRange(1, 65535), help="Default: 5986 with TLS, 5985 without."),
        click.option("--tls/--no-tls", default=None, help="HTTPS or HTTP. Default: HTTPS."),
        click.option("--ca-file", metavar="FILE", help="PEM file of the authorities to trust for this host."),
        click.option("--insecure", is_flag=True, help="Do not check the certificate (experiments only)."),
        click.option("--certificate", "client_certificate", metavar="FILE", help="Client certificate (PEM)."),
        click.option("--certificate-key", "client_key", metavar="FILE", help="Its key (PEM)."),
        click.option("--proxy", metavar="URL", help="HTTP proxy."),
        click.option("--connect-timeout", type=float, metavar="SECONDS", help="Default: 30."),
    ]
    names = (
        "username", "password", "auth", "transport", "port", "tls", "ca_file", "client_certificate", "client_key",
        "proxy", "connect_timeout",
    )  # fmt: skip

    @functools.wraps(function)
    def wrapper(*args: Any, insecure: bool, **kwargs: Any) -> Any:
        connection = {name: kwargs.pop(name) for name in names}
        if insecure:
            connection["verify"] = False
        return function(*args, connection=connection, **kwargs)

    decorated: Any = wrapper
    for option in reversed(options):
        decorated = option(decorated)
    return cast("CommandT", decorated)


def repository_options(function: CommandT) -> CommandT:
    """Add `--repository`, `--passphrase-from` and `--limit-rate`; the command gets `location` and `passphrase`."""
    decorated: Any = click.option(
        "--limit-rate",
        metavar="RATE",
        expose_value=False,
        callback=_take_limit,
        help="Bytes per second to and from the repository, such as 10M. Default: none.",
    )(function)
    decorated = click.option(
        "--passphrase-from",
        "passphrase",
        metavar="REF",
        help=_REFERENCE_HELP.format("passphrase") + " `none`: no encryption.",
    )(decorated)
    decorated = click.option(
        "--repository", "-r", "location", metavar="PLACE", help="Folder or URL of the repository."
    )(decorated)
    return cast("CommandT", decorated)


def _take_limit(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    from hvbackup.jobs.quantities import byte_rate

    invocation = context.find_object(Invocation)
    if value is not None and invocation is not None:
        invocation.limit_rate = byte_rate(value)
