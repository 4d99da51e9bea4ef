#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_restore
short_description: Restore files of a restore point to a folder
description:
- Writes files of a restore point as plain files, without VSS, to a folder of the host or of this machine. Every
  byte is checked on its way; nothing half-written is left when it fails.
- 'Nothing that exists is overwritten unless O(replace=true). A successful run is always C(changed): the files are
  written each time. To make a VM again use M(hvbackup.hyperv.vm_rebuild).'
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
options:
  repository:
    description:
    - Folder or URL of the repository, as this machine (the control node) reaches it, such as C(/srv/hvbackup) or
      C(s3://bucket/prefix).
    type: str
    required: true
  passphrase:
    description:
    - Passphrase of the repository. Give it as a vaulted value, or use O(passphrase_from). Exactly one of the two
      is needed.
    type: str
  passphrase_from:
    description:
    - 'Where the passphrase comes from on this machine: C(keyring:SERVICE/USER), C(file:PATH), C(env:NAME), or V(none)
      for a repository that is not encrypted.'
    type: str
  limit_rate:
    description:
    - Most bytes per second to and from the repository, such as V(500K), V(10M) or V(1.5G). No limit by default.
    type: str
  point:
    description:
    - Id of the restore point, or a beginning of it that fits no other. Exactly one of O(point) and O(vm) is needed.
    type: str
  vm:
    description:
    - Take the newest restore point of this VM, by its name or GUID, without case.
    type: str
  from_host:
    description:
    - With O(vm), only points of this host, by its computer name; needed when VMs of two hosts have one name.
    type: str
  to:
    description:
    - 'Folder for the files: a full Windows path, or with O(on=controller) one of this machine.'
    type: str
    required: true
  'on':
    description:
    - Whether the files go to the host of the task, or to this machine (control node).
    type: str
    choices:
    - host
    - controller
    default: host
  files:
    description:
    - Only these files of the point, by name with C(*) and C(?), such as C(*.vhdx).
    type: list
    elements: str
    default: []
  replace:
    description:
    - Allow files that are there to be replaced.
    type: bool
    default: false
  lanes:
    description:
    - Connections that write at the same time, to a host. At least 1. At most 8.
    type: int
    default: 2
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
- module: hvbackup.hyperv.vm_rebuild
- module: hvbackup.hyperv.vhd_mount
"""

EXAMPLES = r"""
---
- name: Bring the newest disks of web01 to a folder of the host
  hvbackup.hyperv.vm_restore:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    vm: web01
    files: "*.vhdx"
    to: 'E:\Look'
"""

RETURN = r"""
---
point_id:
  description:
  - The restore point.
  returned: success
  type: str
vm_name:
  description:
  - The VM that it is of.
  returned: success
  type: str
files:
  description:
  - The files.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
      - Its name in the restore point.
      type: str
    path:
      description:
      - Where it is now, or would be.
      type: str
    size_bytes:
      description:
      - Its length.
      type: int
    existed:
      description:
      - Whether a file was there before.
      type: bool
size_bytes:
  description:
  - Bytes of all files.
  returned: success
  type: int
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
