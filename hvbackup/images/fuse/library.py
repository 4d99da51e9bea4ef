"""Whether FUSE is there, and what to do when it is not."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from hvbackup.errors import ConfigurationError

_DEVICE = Path("/dev/fuse")
_INSTEAD = "Without FUSE, `hvbackup image get` and `hvbackup image serve` do the same work."


def load_fuse() -> ModuleType:
    """Import mfusepy, which loads libfuse.

    Raises:
        ConfigurationError: mfusepy, libfuse or the device is missing or not allowed; the hint is the cure.
    """
    if os.name == "nt":
        raise ConfigurationError(
            "mounting on Windows would need WinFsp, and was never tried",
            hint="Use `hvbackup image get`, or Mount-VHD on a host with Hyper-V.",
        )
    if sys.platform == "linux":
        _check_device()
    try:
        return import_module("mfusepy")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "mounting needs the package mfusepy", hint="pip install 'hvbackup[mount]'. " + _INSTEAD
        ) from None
    except (OSError, AttributeError) as error:  # it looks for libfuse while it is imported
        raise ConfigurationError(f"mounting needs libfuse: {error}", hint=_cure()) from None


def _cure() -> str:
    if sys.platform == "darwin":
        return "Install macFUSE (never tried with this program). " + _INSTEAD
    return "Install it: `apt install fuse3` or `dnf install fuse3`. " + _INSTEAD


def _check_device() -> None:
    if not _DEVICE.exists():
        raise ConfigurationError(
            f"{_DEVICE} is not there: the kernel has no FUSE, or this container was not given it",
            hint="`modprobe fuse` as root; for a container, `--device /dev/fuse --cap-add SYS_ADMIN`. " + _INSTEAD,
        )
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        raise ConfigurationError(
            f"{_DEVICE} may not be used by this user", hint="Ask for the group that may (often `fuse`). " + _INSTEAD
        )
