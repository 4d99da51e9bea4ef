#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_backup
short_description: Back up VMs of a Hyper-V host through VSS
description:
- 'Backs up virtual machines of a Hyper-V host into a repository, each with a result of its own: one that fails
  leaves the others alone. Nothing is installed on the host, and what is needed there is removed again.'
- The result is C(changed) exactly when at least one restore point was made. Every run makes new points, so the
  module is not idempotent; blocks that the repository has already are neither sent nor stored again.
- The task fails when at least one VM failed; the results of all VMs are kept in RV(vms). Skipped VMs do not fail
  it. A C(rescue) makes the play go on, but no backup.
- 'All VMs of a host are backed up in one task: raise O(jobs) rather than looping over VMs.'
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
  include:
    description:
    - VMs by name with C(*) and C(?), without case, by GUID, or with the method as in C(Online/*). All by default.
      A pattern that fits no VM is an error. Quote names that look like numbers.
    type: list
    elements: str
    default: []
  exclude:
    description:
    - VMs to leave out; patterns as in O(include).
    type: list
    elements: str
    default: []
  allow_offline:
    description:
    - Allow VMs to be PAUSED (saved and resumed) while the shadow copy is made, where the method is Offline. Without
      it they are skipped.
    type: bool
    default: false
  abort_on_error:
    description:
    - Start no further VM after one has failed.
    type: bool
    default: false
  jobs:
    description:
    - VMs copied at the same time. At least 1. At most 16.
    type: int
    default: 1
  lanes:
    description:
    - Connections that read at the same time, for each VM. At least 1. At most 8.
    type: int
    default: 2
  compress:
    description:
    - Let the host compress blocks before they travel.
    type: bool
    default: true
  shadow_set:
    description:
    - 'A shadow set for each VM, so that one fails alone, or one for all: one moment for all.'
    type: str
    choices:
    - each
    - shared
    default: each
  attempts:
    description:
    - Tries to create a shadow set. At least 1. At most 10.
    type: int
    default: 3
  longest_wait:
    description:
    - Seconds between two tries; VSS wants 600 after time-outs and vetoes. At least 0.
    type: float
    default: 120.0
  host_component:
    description:
    - Keep the host's own Hyper-V configuration in each point too.
    type: bool
    default: false
  tags:
    description:
    - Kept in the restore points; M(hvbackup.hyperv.repository) can keep by tag.
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
- module: hvbackup.hyperv.host_info
- module: hvbackup.hyperv.writer_info
- module: hvbackup.hyperv.vm_info
- module: hvbackup.hyperv.backup_point_info
- module: hvbackup.hyperv.vm_restore
- module: hvbackup.hyperv.vm_rebuild
- module: hvbackup.hyperv.vhd_mount
- module: hvbackup.hyperv.repository
- module: hvbackup.hyperv.cleanup
"""

EXAMPLES = r"""
---
- name: Back up all VMs that keep running meanwhile
  hvbackup.hyperv.vm_backup:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    jobs: 2
  register: backup

- name: Back up two VMs, and pause them if need be
  hvbackup.hyperv.vm_backup:
    repository: s3://backups/hyperv
    passphrase_from: keyring:hvbackup/repository
    include: [web01, "2024"]
    allow_offline: true
    tags: [before-upgrade]
"""

RETURN = r"""
---
vms:
  description:
  - A row for each VM that was meant, in the order of the run.
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
    status:
      description:
      - V(ok) a checked restore point; V(warning) the same, and something to look at; V(failed) none; V(skipped)
        not tried; V(planned) in check mode, would be backed up.
      type: str
    method:
      description:
      - The method that was used, or is planned.
      type: str
    pauses:
      description:
      - Whether the VM was, or would be, paused.
      type: bool
    consistency:
      description:
      - 'What is in the point: V(guest) quiesced in the guest, V(saved-state), V(off), or V(crash) as after a power
        cut.'
      type: str
    point_id:
      description:
      - The restore point.
      type: str
    reason:
      description:
      - Why it failed or was skipped.
      type: str
    hint:
      description:
      - What to do about it.
      type: str
    error_type:
      description:
      - Class of the error.
      type: str
    warnings:
      description:
      - What to look at.
      type: list
      elements: str
    read_bytes:
      description:
      - Bytes that were hashed on the host, or would be.
      type: int
    sent_bytes:
      description:
      - Bytes of the blocks that had to travel.
      type: int
    stored_bytes:
      description:
      - Bytes added to the repository.
      type: int
    started_at:
      description:
      - ISO 8601, UTC.
      type: str
    finished_at:
      description:
      - ISO 8601, UTC.
      type: str
summary:
  description:
  - 'How many VMs had each status: C(ok), C(warning), C(failed), C(skipped), C(planned).'
  returned: success
  type: dict
run_id:
  description:
  - Id of the run; none in check mode.
  returned: success
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
