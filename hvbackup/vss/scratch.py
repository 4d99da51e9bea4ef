r"""The folder of one run on the host, `<scratch root>\<run id>`: `vss.cab`, logs, and `v0`, `v1`, ... to mount on."""

from __future__ import annotations

import re

from hvbackup.errors import InvalidRequest
from hvbackup.models import HostFacts

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def scratch_folder(host: HostFacts, run_id: str) -> str:
    """Return the scratch folder of a run; `run_id` is a name of letters, digits, `-`, `_` and `.`.

    Raises:
        InvalidRequest: It is not such a name.
    """
    if not _RUN_ID.fullmatch(run_id) or ".." in run_id or run_id.endswith("."):
        raise InvalidRequest(f"{run_id!r} cannot be the name of a folder")
    return f"{host.scratch_root.rstrip(chr(92))}\\{run_id}"


def metadata_path(scratch: str) -> str:
    """Where CREATE writes the backup components document."""
    return f"{scratch}\\vss.cab"


def mount_points(scratch: str, volumes: int) -> dict[str, str]:
    """Alias -> folder, for so many volumes."""
    return {f"hv{number}": f"{scratch}\\v{number}" for number in range(volumes)}
