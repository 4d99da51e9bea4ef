# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
"""Action plugin of hvbackup.hyperv.backup_point_info."""

from __future__ import annotations

from ansible_collections.hvbackup.hyperv.plugins.plugin_utils.hyperv_action import HypervAction


class ActionModule(HypervAction):
    """List the restore points of a repository."""

    MODULE = "hvbackup.hyperv.backup_point_info"
