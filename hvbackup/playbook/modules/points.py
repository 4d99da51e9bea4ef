"""Which restore point is meant: by its id, or as the newest of a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from hvbackup.errors import ConfigurationError, InvalidRequest
from hvbackup.playbook.modules.arguments import RepositoryArguments

if TYPE_CHECKING:
    from hvbackup.models import RestorePoint
    from hvbackup.repository.repository import Repository


class PointArguments(RepositoryArguments):
    """Arguments of modules that work with one restore point."""

    point: str | None = Field(
        default=None,
        description="Id of the restore point, or a beginning of it that fits no other. Exactly one of O(point) and "
        "O(vm) is needed.",
    )
    vm: str | None = Field(
        default=None, description="Take the newest restore point of this VM, by its name or GUID, without case."
    )
    from_host: str | None = Field(
        default=None,
        description="With O(vm), only points of this host, by its computer name; needed when VMs of two hosts have one "
        "name.",
    )


def chosen_point(arguments: PointArguments, repository: Repository) -> RestorePoint:
    """Return the restore point that is meant.

    Raises:
        ConfigurationError: Not exactly one of point and vm.
        PointNotFound, InvalidRequest: There is none, or the name fits several VMs.
    """
    if (arguments.point is None) == (arguments.vm is None):
        raise ConfigurationError("give exactly one of point and vm")
    if arguments.point is not None:
        return repository.point(arguments.point)
    points = repository.points(host=arguments.from_host, vm=arguments.vm)
    if not points:
        raise InvalidRequest(
            f"the repository has no restore point of {arguments.vm!r}",
            hint="hvbackup.hyperv.backup_point_info lists what there is.",
        )
    ids = sorted({point.vm_id for point in points})
    if len(ids) > 1:
        raise InvalidRequest(
            f"{len(ids)} VMs are called {arguments.vm!r}", hint=f"Give the GUID of one, or from_host: {', '.join(ids)}."
        )
    return points[-1]
