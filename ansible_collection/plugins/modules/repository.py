#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: repository
short_description: Make, prune, collect or check a repository
description:
- 'Looks after a repository, on this machine (the control node) only: the host of the task is not connected to,
  so that it runs on C(localhost) as well, or once for all hosts with C(run_once).'
- 'Pruning judges each VM by itself; a point stays if any rule keeps it. Pinned points, the newest point of a VM
  and its last verified one always stay. Space comes back with O(state=collect): packs that nobody needs are condemned
  first, and deleted by a later run when O(grace) has passed. Do not prune after a backup that failed.'
- A check that finds something fails the task, with all that it found in RV(problems).
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
  state:
    description:
    - V(present) makes it if there is none, and opens it; V(prune) deletes the restore points that no C(keep_) rule
      keeps; V(collect) frees the space of blocks that no restore point needs; V(check) proves that everything is
      there and fits together.
    type: str
    choices:
    - present
    - prune
    - collect
    - check
    default: present
  zstd_level:
    description:
    - 'With V(present), compression of a new one: 1 is fast, 19 small. At least 1. At most 19.'
    type: int
    default: 3
  keep_last:
    description:
    - With V(prune), keep this many newest points of each VM. At least 0.
    type: int
    default: 0
  keep_hourly:
    description:
    - With V(prune), keep one for each of this many hours. At least 0.
    type: int
    default: 0
  keep_daily:
    description:
    - With V(prune), keep one for each of this many days. At least 0.
    type: int
    default: 0
  keep_weekly:
    description:
    - With V(prune), keep one for each of this many weeks. At least 0.
    type: int
    default: 0
  keep_monthly:
    description:
    - With V(prune), keep one for each of this many months. At least 0.
    type: int
    default: 0
  keep_yearly:
    description:
    - With V(prune), keep one for each of this many years. At least 0.
    type: int
    default: 0
  keep_within:
    description:
    - 'With V(prune), keep all that are at most this much older than the newest: V(30d), V(12h).'
    type: str
  keep_tags:
    description:
    - With V(prune), keep all with one of these tags.
    type: list
    elements: str
    default: []
  vm:
    description:
    - With V(prune), only points of this VM, by name or GUID.
    type: str
  from_host:
    description:
    - With V(prune), only points of this host.
    type: str
  timezone:
    description:
    - With V(prune), the calendar, such as V(Europe/Berlin) or V(UTC); by default that of this machine.
    type: str
  grace:
    description:
    - With V(collect), how long a pack is condemned before it goes.
    type: str
    default: 24h
  read_data:
    description:
    - With V(check), read every byte, not only the structure.
    type: bool
    default: false
  percent:
    description:
    - With O(read_data=true), read only this share of the packs, by chance. More than 0. At most 100.
    type: float
    default: 100.0
  since:
    description:
    - With O(read_data=true), read only what was stored in this last time, such as V(7d).
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
- 'The host of the task is not connected to. For one repository, run it once: C(run_once=true).'
seealso:
- module: hvbackup.hyperv.vm_backup
- module: hvbackup.hyperv.cleanup
"""

EXAMPLES = r"""
---
- name: There is a repository
  hvbackup.hyperv.repository:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
  run_once: true

- name: Keep a week of days, a month of weeks, a year of months
  hvbackup.hyperv.repository:
    repository: /srv/hvbackup
    passphrase: "{{ repository_passphrase }}"
    state: prune
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 12
  run_once: true
"""

RETURN = r"""
---
location:
  description:
  - The repository.
  returned: success
  type: str
created:
  description:
  - Whether it was made.
  returned: success
  type: bool
kept:
  description:
  - Restore points that stay, after V(prune).
  returned: success
  type: list
  elements: dict
  contains:
    point_id:
      description:
      - The restore point.
      type: str
    host:
      description:
      - Its host.
      type: str
    vm_name:
      description:
      - Its VM.
      type: str
    time:
      description:
      - When the VM was as the point has it, in the calendar of the policy.
      type: str
    kept_by:
      description:
      - The rules that keep it; empty when it goes.
      type: list
      elements: str
removed:
  description:
  - Restore points that are gone, after V(prune).
  returned: success
  type: list
  elements: dict
  contains:
    point_id:
      description:
      - The restore point.
      type: str
    host:
      description:
      - Its host.
      type: str
    vm_name:
      description:
      - Its VM.
      type: str
    time:
      description:
      - When the VM was as the point has it, in the calendar of the policy.
      type: str
    kept_by:
      description:
      - The rules that keep it; empty when it goes.
      type: list
      elements: str
collected:
  description:
  - 'After V(collect): C(packs), C(pack_bytes), C(needed_bytes), C(condemned_bytes), C(deleted_bytes), C(waiting_bytes),
    C(next_at) and others.'
  returned: success
  type: dict
problems:
  description:
  - 'After V(check): what is wrong, each with C(object), C(text) and the hurt C(files).'
  returned: success
  type: list
  elements: dict
points:
  description:
  - 'After V(check): restore points that were looked at.'
  returned: success
  type: int
read_bytes:
  description:
  - 'After V(check): bytes that were read of the packs.'
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
