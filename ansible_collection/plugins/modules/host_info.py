#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Tell what a Hyper-V host is, and whether its VMs can be backed up
description:
- Asks a Hyper-V host for Windows, PowerShell, the Hyper-V role, volumes with their free space, and shadow copies.
- 'RV(fit) says whether its VMs can be backed up through VSS: the account is an administrator, the role is installed,
  it is a Windows Server, and diskshadow.exe is there. Nothing is changed on the host.'
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
attributes:
  check_mode:
    description:
    - Can run in C(check_mode), changes nothing then, and returns the plan.
    support: full
  diff_mode:
    description:
    - Returns what has changed, or in check mode would change.
    support: none
  async:
    description:
    - Can run with C(async).
    support: none
requirements:
- hvbackup 0.1 or later, on the control node
notes:
- The module runs on the control node, in the process of the play; no secret is written to any file.
- 'The host is reached by the variables of its psrp or winrm connection. Do not delegate the task to localhost:
  that would be the connection of localhost.'
seealso:
- module: hvbackup.hyperv.writer_info
- module: hvbackup.hyperv.vm_info
- module: hvbackup.hyperv.vm_backup
"""

EXAMPLES = r"""
---
- name: Ask what the host is
  hvbackup.hyperv.host_info:
  register: host

- name: Stop where no backup is possible
  ansible.builtin.assert:
    that: host.fit
    fail_msg: "{{ host.unfit_reason }}"
"""

RETURN = r"""
---
computer_name:
  description:
  - Name of the computer.
  returned: success
  type: str
domain:
  description:
  - Its domain, or none.
  returned: success
  type: str
os_caption:
  description:
  - Windows, in words.
  returned: success
  type: str
os_version:
  description:
  - Version of Windows.
  returned: success
  type: str
powershell_version:
  description:
  - Version of PowerShell.
  returned: success
  type: str
user:
  description:
  - The account that the connection has.
  returned: success
  type: str
elevated:
  description:
  - Whether that account is an administrator here.
  returned: success
  type: bool
hyper_v:
  description:
  - 'The Hyper-V role: C(installed), C(module_version), C(service_state) of vmms.'
  returned: success
  type: dict
fit:
  description:
  - Whether VMs of this host can be backed up through VSS.
  returned: success
  type: bool
unfit_reason:
  description:
  - Why not.
  returned: success
  type: str
unfit_cure:
  description:
  - What to do about it.
  returned: success
  type: str
volumes:
  description:
  - The volumes, each with C(id), C(paths), C(label), C(file_system), C(size_bytes), C(free_bytes), C(clustered).
  returned: success
  type: list
  elements: dict
shadow_copies:
  description:
  - Shadow copies that exist, each with C(id), C(set_id), C(volume), C(created_at).
  returned: success
  type: list
  elements: dict
hint:
  description:
  - What to do about the failure.
  returned: failure
  type: str
error_type:
  description:
  - Class of the error, as in the library C(hvbackup.errors).
  returned: failure
  type: str
"""
