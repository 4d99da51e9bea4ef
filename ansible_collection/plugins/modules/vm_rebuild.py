#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_rebuild
short_description: Make a VM out of a restore point, or remove such a VM again
description:
- Makes a virtual machine out of a restore point, on the host that it came from or on another one. All bytes are
  on the host and read back before any VM is made or replaced. Beside its original the new VM has no network, unless
  O(switch) or O(connect_network=true) says otherwise. It is not started.
- Nothing that exists is overwritten unless O(replace=true). With O(state=present) a successful run is always C(changed);
  a VM or a file that is in the way fails the task. With O(state=absent) a VM that is not there is C(ok).
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
  state:
    description:
    - 'V(present) makes a VM out of the restore point. V(absent) removes a VM that this module has made below O(path)
      under O(name), turned off first, with its disks: the end of a restore drill. A VM whose id is in the repository,
      or that has a file elsewhere, is never removed.'
    type: str
    choices:
    - present
    - absent
    default: present
  name:
    description:
    - Name of the VM; by default the one that it had. Needed with O(state=absent).
    type: str
  path:
    description:
    - Folder of the host below which all files go; by default every file goes where it came from. Needed with O(state=absent).
    type: str
  switch:
    description:
    - Connect all network adapters to this virtual switch.
    type: str
  connect_network:
    description:
    - Connect network adapters as recorded. By default only if the original VM is gone from the host.
    type: bool
  replace:
    description:
    - Allow the VM of the same id, and files in the way, to be REPLACED. Nothing is replaced otherwise.
    type: bool
    default: false
  by:
    description:
    - By Import-VM of the configuration that was backed up, by New-VM with the recorded settings (the VM has an
      id of its own then), or the first where possible.
    type: str
    choices:
    - auto
    - import
    - new
    default: auto
  drop_saved_state:
    description:
    - Start as after a power cut instead of resuming the saved state.
    type: bool
    default: false
  verify:
    description:
    - Read the whole restore point back and check its disks before anything is done on the host; the repository
      remembers it.
    type: bool
    default: false
  lanes:
    description:
    - Connections that write at the same time. At least 1. At most 8.
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
- module: hvbackup.hyperv.vm_restore
- module: hvbackup.hyperv.vhd_mount
"""

EXAMPLES = r"""
---
- name: Rebuild the newest restore point of web01 under another name, disconnected
  hvbackup.hyperv.vm_rebuild:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    vm: web01
    name: web01-drill
    path: 'E:\Drill'
    by: new
    connect_network: false
    verify: true

- name: Remove it again
  hvbackup.hyperv.vm_rebuild:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    name: web01-drill
    path: 'E:\Drill'
    state: absent
"""

RETURN = r"""
---
point_id:
  description:
  - The restore point.
  returned: success
  type: str
by:
  description:
  - V(import) or V(new).
  returned: success
  type: str
steps:
  description:
  - The plan, in order.
  returned: success
  type: list
  elements: str
destroys:
  description:
  - What is gone afterwards; empty when nothing.
  returned: success
  type: list
  elements: str
verified_bytes:
  description:
  - Bytes read back when O(verify=true).
  returned: success
  type: int
vm:
  description:
  - The VM that is there now, checked, or the one that was removed.
  returned: success
  type: dict
  contains:
    vm_id:
      description:
      - Its GUID.
      type: str
    vm_name:
      description:
      - Its name.
      type: str
    state:
      description:
      - As Hyper-V says.
      type: str
    disks:
      description:
      - Paths of its disks.
      type: list
      elements: str
    connected_switches:
      description:
      - Virtual switches that its adapters are connected to.
      type: list
      elements: str
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
