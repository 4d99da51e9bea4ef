#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vhd_mount
short_description: Mount a VHD of a Hyper-V host read-only, or dismount it
description:
- Mounts a VHD or VHDX of the host read-only, such as one that M(hvbackup.hyperv.vm_restore) has brought back, so
  that files can be copied out of it, or dismounts it. A disk that is attached to a VM is refused.
- In check mode it cannot be known whether the disk is mounted; a warning says so.
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
options:
  path:
    description:
    - Full path of the VHD or VHDX on the host. It must not belong to a VM.
    type: str
    required: true
  state:
    description:
    - What it shall be.
    type: str
    choices:
    - mounted
    - dismounted
    default: mounted
  drive_letters:
    description:
    - Let Windows give drive letters.
    type: bool
    default: true
  access_root:
    description:
    - 'An empty or missing folder of the host in which each volume gets a folder. Give it for O(state=dismounted)
      too: what was made there is removed.'
    type: str
attributes:
  check_mode:
    description:
    - Can run in C(check_mode), changes nothing then, and returns the plan.
    support: full
  diff_mode:
    description:
    - Returns what has changed, or in check mode would change.
    support: full
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
- module: hvbackup.hyperv.vm_backup
- module: hvbackup.hyperv.backup_point_info
- module: hvbackup.hyperv.vm_restore
- module: hvbackup.hyperv.vm_rebuild
"""

EXAMPLES = r"""
---
- name: Mount a restored disk
  hvbackup.hyperv.vhd_mount:
    path: 'E:\Look\web01.vhdx'
  register: disk

- name: Dismount it
  hvbackup.hyperv.vhd_mount:
    path: 'E:\Look\web01.vhdx'
    state: dismounted
"""

RETURN = r"""
---
path:
  description:
  - The disk.
  returned: success
  type: str
state:
  description:
  - What it is now, or in check mode would be.
  returned: success
  type: str
disk_number:
  description:
  - The host's number of the disk, when it is mounted.
  returned: success
  type: int
partitions:
  description:
  - Its partitions, each with C(number), C(size_bytes), C(type), C(drive_letter), C(access_paths), C(file_system),
    C(label).
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
