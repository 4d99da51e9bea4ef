# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
"""Action plugin of hvbackup.hyperv.vm_info."""

from __future__ import annotations

from ansible_collections.hvbackup.hyperv.plugins.plugin_utils.hyperv_action import HypervAction


class ActionModule(HypervAction):
    """Tell which VMs of a Hyper-V host would be backed up Online or Offline, and why."""

    MODULE = "hvbackup.hyperv.vm_info"
