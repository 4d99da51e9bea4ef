#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cleanup
short_description: Remove what interrupted runs have left on a Hyper-V host
description:
- Finds scratch folders and shadow copies of hvbackup that no run needs any more, and removes them. Runs clean up
  after themselves and after each other; this is for those that could not.
- What dead runs of this machine (the control node) and user have left is always removed. What other machines have
  left is removed only by O(run_id) or O(older_than), because nobody here can know whether those runs are at work.
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
options:
  run_id:
    description:
    - Remove what this run has left, whichever machine started it, unless it is at work on this one.
    type: str
  older_than:
    description:
    - Remove what is older than this, such as V(90m), V(12h) or V(7d), whichever machine made it, unless it is at
      work on this one.
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
- module: hvbackup.hyperv.repository
"""

EXAMPLES = r"""
---
- name: Remove what is older than two days, whoever left it
  hvbackup.hyperv.cleanup:
    older_than: 2d
"""

RETURN = r"""
---
leftovers:
  description:
  - What else there was on the host.
  returned: success
  type: list
  elements: dict
  contains:
    scratch:
      description:
      - Folder on the host.
      type: str
    run_id:
      description:
      - The run.
      type: str
    owner:
      description:
      - V(this machine), the name of another machine, or V(unknown).
      type: str
    created_at:
      description:
      - When, by the host's clock.
      type: str
    alive:
      description:
      - Whether its run is at work; none when nobody here can know.
      type: bool
    removed:
      description:
      - Whether it is gone now, or in check mode would be.
      type: bool
undone:
  description:
  - 'What the journal of this machine knew of dead runs, and is undone now: folders on the host, files of unfinished
    restores, leases.'
  returned: success
  type: list
  elements: str
problems:
  description:
  - What could not be removed.
  returned: success
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
