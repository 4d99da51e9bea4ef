#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_info
short_description: Tell which VMs of a Hyper-V host would be backed up Online or Offline, and why
description:
- Lists the virtual machines of a Hyper-V host. For each it says whether its backup would be Online (it keeps running)
  or Offline (it is saved, and resumed as soon as the shadow copy is there), by which conditions, and what would
  change that.
- Nothing is changed on the host.
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
options:
  include:
    description:
    - VMs by name with C(*) and C(?), without case, by GUID, or with the method as in C(Offline/*). All by default.
      A pattern that fits no VM is an error.
    type: list
    elements: str
    default: []
  exclude:
    description:
    - VMs to leave out; patterns as in O(include).
    type: list
    elements: str
    default: []
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
- module: hvbackup.hyperv.host_info
- module: hvbackup.hyperv.writer_info
- module: hvbackup.hyperv.vm_backup
"""

EXAMPLES = r"""
---
- name: Ask which VMs would be paused
  hvbackup.hyperv.vm_info:
  register: found

- name: Show them with the cure
  ansible.builtin.debug:
    msg: "{{ item.vm_name }}: {{ item.cures | join(' / ') }}"
  loop: "{{ found.vms | selectattr('method', 'eq', 'offline') }}"
  loop_control:
    label: "{{ item.vm_name }}"
"""

RETURN = r"""
---
vms:
  description:
  - The VMs, by name.
  returned: success
  type: list
  elements: dict
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
      - 'As Hyper-V says: V(Running), V(Off), V(Saved) and others.'
      type: str
    generation:
      description:
      - 1 or 2.
      type: int
    version:
      description:
      - Version of its configuration.
      type: str
    clustered:
      description:
      - Whether it is a role of a failover cluster.
      type: bool
    method:
      description:
      - 'How it would be backed up: V(online) keeps running, V(offline) is paused while the copy is made.'
      type: str
    by_writer:
      description:
      - What the Hyper-V VSS writer says.
      type: str
    by_conditions:
      description:
      - What the conditions say.
      type: str
    reasons:
      description:
      - The conditions that keep it from the Online method, one sentence each.
      type: list
      elements: str
    cures:
      description:
      - What would make it Online.
      type: list
      elements: str
    conditions:
      description:
      - Every condition of the Online method.
      type: list
      elements: dict
      contains:
        id:
          description:
          - Stable short name.
          type: str
        text:
          description:
          - The condition.
          type: str
        verdict:
          description:
          - Whether it holds; V(unseen) when the host cannot know.
          type: str
        reason:
          description:
          - What was seen.
          type: str
        cure:
          description:
          - How to make it hold; a PowerShell line where one exists.
          type: str
    disks:
      description:
      - Paths of the disk files that are attached.
      type: list
      elements: str
    checkpoints:
      description:
      - How many checkpoints it has.
      type: int
    size_bytes:
      description:
      - 'Bytes of its disk files with their parents: what a backup reads.'
      type: int
    notes:
      description:
      - The notes of the VM.
      type: str
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
