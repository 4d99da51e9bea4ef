#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_point_info
short_description: List the restore points of a repository
description:
- 'Lists the restore points of a repository, with what is known of each. It works on this machine (the control node)
  only: the host of the task is not connected to, so that it runs on C(localhost) as well, or once for all hosts
  with C(run_once).'
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
  vm:
    description:
    - Only points of this VM, by its name or GUID, without case.
    type: str
  from_host:
    description:
    - Only points of this host, by its computer name, without case.
    type: str
  newest:
    description:
    - Only the newest point of each VM.
    type: bool
    default: false
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
- 'The host of the task is not connected to. For one repository, run it once: C(run_once=true).'
seealso:
- module: hvbackup.hyperv.vm_backup
- module: hvbackup.hyperv.vm_restore
- module: hvbackup.hyperv.vm_rebuild
- module: hvbackup.hyperv.vhd_mount
"""

EXAMPLES = r"""
---
- name: Find the newest restore point of each VM
  hvbackup.hyperv.backup_point_info:
    repository: /srv/hvbackup
    passphrase_from: keyring:hvbackup/repository
    newest: true
  register: found
  run_once: true
"""

RETURN = r"""
---
points:
  description:
  - The restore points, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    point_id:
      description:
      - Its id; ids sort by time.
      type: str
    host:
      description:
      - Computer name of the host that it was made on.
      type: str
    vm_id:
      description:
      - GUID of the VM.
      type: str
    vm_name:
      description:
      - Name of the VM at that time.
      type: str
    snapshot_at:
      description:
      - When the VM was as the point has it; ISO 8601, UTC.
      type: str
    method:
      description:
      - The method that was used.
      type: str
    consistency:
      description:
      - V(guest), V(saved-state), V(off) or V(crash).
      type: str
    size_bytes:
      description:
      - Bytes of its files.
      type: int
    stored_bytes:
      description:
      - Bytes that it added to the repository.
      type: int
    files:
      description:
      - Names of its files.
      type: list
      elements: str
    tags:
      description:
      - Its tags.
      type: list
      elements: str
    warnings:
      description:
      - What there was to look at.
      type: list
      elements: str
    verified_at:
      description:
      - When it was last read back whole; none when never.
      type: str
    pinned:
      description:
      - Whether it stays whatever the retention policy says.
      type: bool
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
