"""Settings from TOML files, profiles and the environment; each value knows where it came from.

From weak to strong: site file, user's file, project's file (`hvbackup.toml` in the current folder), profile (`[profiles
.NAME.*]` of any of them), `HVBACKUP_SECTION_KEY` in the environment, options of the command line. Settings of one
host (`[hosts.NAME]`) are stronger than `[connection]` and its variables, wherever they come from; only options overrule
them. Secrets are references (`hvbackup.secrets`), never values.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from hvbackup.errors import ConfigurationError
from hvbackup.models import decodable
from hvbackup.secrets import is_reference

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: an unknown key is an error."""


class ConnectionSettings(_Section, frozen=True, kw_only=True):
    """`[connection]` and `[hosts.NAME]`: see `hvbackup.remote.options.ConnectionOptions`; `password` is a reference."""

    address: str | None = None
    transport: str | None = None
    port: int | None = None
    tls: bool | None = None
    username: str | None = None
    password: str | None = None
    auth: str | None = None
    verify: bool | None = None
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    connect_timeout: float | None = None
    powershell: str | None = None


class RepositorySettings(_Section, frozen=True, kw_only=True):
    """`[repository]`: folder or URL, a reference to its passphrase, and limits as `10M` or bytes per second."""

    location: str | None = None
    passphrase: str | None = None
    limit_upload: str | int | None = None
    limit_download: str | int | None = None


class BackupSettings(_Section, frozen=True, kw_only=True):
    """`[backup]`: defaults of `hvbackup backup`."""

    allow_offline: bool | None = None
    abort_on_error: bool | None = None
    jobs: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    lanes: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    compress: bool | None = None
    grouping: Literal["each", "shared"] | None = None
    create_attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None
    longest_wait_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    host_component: bool | None = None


class _Profile(_Section, frozen=True, kw_only=True):
    connection: ConnectionSettings = ConnectionSettings()
    repository: RepositorySettings = RepositorySettings()
    backup: BackupSettings = BackupSettings()
    hosts: dict[str, ConnectionSettings] = {}


class _File(_Profile, frozen=True, kw_only=True):
    profiles: dict[str, _Profile] = {}


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and where it came from."""

    value: Any
    origin: str


_SECTIONS: dict[str, type[_Section]] = {
    "connection": ConnectionSettings,
    "repository": RepositorySettings,
    "backup": BackupSettings,
}
#: `scheme://name:password@place`.
_ADDRESS_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@")
#: Variables that are no settings.
_OTHER_VARIABLES = frozenset({"HVBACKUP_STATE_DIR", "HVBACKUP_PWSH", "HVBACKUP_VENV", "HVBACKUP_TEST_PROCESSES"})


class Settings:
    """All settings, merged; look them up by section and key."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def get(self, section: str, key: str) -> Any:
        """Return the value of `section.key`, or None when nobody has set it."""
        found = self._values.get(f"{section}.{key}")
        return None if found is None else found.value

    def for_host(self, name: str) -> dict[str, Any]:
        """Return the connection settings for a host: those of all, overlaid with its own."""
        merged = {key: self.get("connection", key) for key in ConnectionSettings.__struct_fields__}
        prefix = f"hosts.{name.casefold()}."
        for path, value in self._values.items():
            # `hosts.a.b.port` is of the host `a.b`, not of `a`.
            if path.startswith(prefix) and "." not in path[len(prefix) :]:
                merged[path[len(prefix) :]] = value.value
        return {key: value for key, value in merged.items() if value is not None}

    def items(self) -> Iterator[tuple[str, Value]]:
        """Give every setting that somebody has set, by its dotted name."""
        yield from sorted(self._values.items())


def settings_files() -> list[Path]:
    """Return the files that are looked at, weakest first, whether they exist or not."""
    import platformdirs

    site = Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) if os.name == "nt" else Path("/etc")
    user = Path(platformdirs.user_config_dir("hvbackup", appauthor=False))
    return [site / "hvbackup" / "hvbackup.toml", user / "hvbackup.toml", Path("hvbackup.toml")]


def load_settings(
    *, profile: str | None = None, files: list[Path] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read and merge all settings.

    Args:
        profile: Name of a profile that at least one file must have.

    Raises:
        ConfigurationError: Names the file or variable, the key and what is wrong with it.
    """
    values: dict[str, Value] = {}
    profiles: dict[str, Value] = {}
    found_profile = profile is None
    for file in settings_files() if files is None else files:
        content = _read(file)
        if content is None:
            continue
        values.update(_flatten(content, str(file)))
        if profile is not None and profile in content.profiles:
            found_profile = True
            profiles.update(_flatten(content.profiles[profile], f"{file}, profile {profile}"))
    if not found_profile:
        raise ConfigurationError(
            f"no settings file has a profile {profile!r}", hint="`hvbackup config show` names the files."
        )
    values.update(profiles)
    values.update(_from_environment(os.environ if environment is None else environment))
    return Settings(values)


def _read(file: Path) -> _File | None:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    _refuse_open_to_all(file)
    try:
        content: _File = msgspec.convert(tomllib.loads(text), decodable(_File))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file}: {error}", hint=_suggestion(str(error))) from None
    for name, profile in content.profiles.items():
        _flatten(profile, f"{file}, profile {name}")  # one that is not used is looked at too
    return content


def _refuse_open_to_all(file: Path) -> None:
    # Whoever can write the settings chooses where passwords are sent to.
    if os.name == "posix" and file.stat().st_mode & 0o002:
        raise ConfigurationError(f"{file} can be written by everybody", hint=f"chmod o-w {file}")


def _flatten(content: _Profile, origin: str) -> dict[str, Value]:
    flat = {}
    for section in _SECTIONS:
        flat.update(_flat_section(section, getattr(content, section), origin))
    for name, host in content.hosts.items():
        flat.update(_flat_section(f"hosts.{name.casefold()}", host, origin))
    return flat


def _flat_section(name: str, section: _Section, origin: str) -> dict[str, Value]:
    pairs = ((key, getattr(section, key)) for key in section.__struct_fields__)
    found = {f"{name}.{key}": Value(value=value, origin=origin) for key, value in pairs if value is not None}
    for path, value in found.items():
        _refuse_secret(path, value)
    return found


def _refuse_secret(path: str, found: Value) -> None:
    """Refuse a secret where a reference to one belongs, or in an address; its text is not repeated."""
    key = path.rpartition(".")[2]
    if key in {"password", "passphrase"}:
        if not is_reference(found.value) and (key, found.value) != ("passphrase", "none"):
            raise ConfigurationError(
                f"{found.origin}: {path} is no reference to a secret (it is not shown: it may be the secret itself)",
                hint="Write keyring:SERVICE/USER, file:PATH, env:NAME or prompt.",
            )
    elif key in {"proxy", "location"} and _ADDRESS_WITH_PASSWORD.match(str(found.value)):
        raise ConfigurationError(
            f"{found.origin}: {path} has a password in its address", hint="Addresses are shown and logged."
        )


def _from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    values = {}
    for variable, text in environment.items():
        if not variable.startswith("HVBACKUP_") or variable in _OTHER_VARIABLES or not text:
            continue
        section, _, key = variable.removeprefix("HVBACKUP_").lower().partition("_")
        if variable == "HVBACKUP_REPOSITORY":
            section, key = "repository", "location"
        kind = _SECTIONS.get(section)
        if kind is None or key not in kind.__struct_fields__:
            raise ConfigurationError(
                f"the environment variable {variable} is no setting",
                hint=_near(variable, [f"HVBACKUP_{s}_{k}".upper() for s, t in _SECTIONS.items() for k in _keys(t)]),
            )
        try:
            parsed = msgspec.convert({key: text}, decodable(kind), strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"the environment variable {variable}: {error}") from None
        value = Value(value=getattr(parsed, key), origin=f"environment, {variable}")
        _refuse_secret(f"{section}.{key}", value)
        values[f"{section}.{key}"] = value
    return values


def _keys(kind: type[_Section]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _suggestion(message: str) -> str | None:
    if "unknown field" not in message:
        return None
    name = message.split("`")[1]
    known = [key for kind in _SECTIONS.values() for key in _keys(kind)] + [*_SECTIONS, "hosts", "profiles"]
    return _near(name, known)


def _near(name: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else None
