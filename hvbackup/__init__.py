"""Back up and restore Hyper-V virtual machines over WinRM, with nothing installed on the host."""

from hvbackup._version import __version__

__all__ = ["__version__"]
