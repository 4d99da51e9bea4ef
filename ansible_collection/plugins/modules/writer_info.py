#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: The hvbackup contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# Written by scripts/build-collection of hvbackup; do not edit.
# Documentation only: the action plugin of the same name does the work, on the control node.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: writer_info
short_description: Tell the VSS writers of a Hyper-V host and their states
description:
- Lists the VSS writers with their states by diskshadow.exe, which takes some seconds on a host with many VMs. Nothing
  is changed on the host.
version_added: 0.1.0
author:
- The hvbackup contributors (@hvbackup)
options:
  components:
    description:
    - Return the components of each writer with their files too; for the Hyper-V writer these are the VMs. They
      may be many.
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
- 'The host is reached by the variables of its psrp or winrm connection. Do not delegate the task to localhost:
  that would be the connection of localhost.'
seealso:
- module: hvbackup.hyperv.host_info
- module: hvbackup.hyperv.vm_info
- module: hvbackup.hyperv.vm_backup
"""

EXAMPLES = r"""
---
- name: Ask for the writers
  hvbackup.hyperv.writer_info:
  register: vss

- name: Tell which are ill
  ansible.builtin.debug:
    msg: "{{ vss.unhealthy | join(', ') }}"
  when: vss.unhealthy | length > 0
"""

RETURN = r"""
---
writers:
  description:
  - All writers.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description:
      - GUID of the writer, the same on every host.
      type: str
    name:
      description:
      - Its name.
      type: str
    state:
      description:
      - Such as V(STABLE) or V(FAILED_AT_FREEZE); none when it is not told.
      type: str
    healthy:
      description:
      - Whether it would take part in a shadow copy; none when it is not known.
      type: bool
    last_error:
      description:
      - As the host prints it.
      type: str
    component_count:
      description:
      - How many components it has.
      type: int
    components:
      description:
      - Its components, when they are asked for.
      type: list
      elements: dict
hyperv_writer:
  description:
  - The Hyper-V writer, or none when the host has none.
  returned: success
  type: dict
  contains:
    id:
      description:
      - GUID of the writer, the same on every host.
      type: str
    name:
      description:
      - Its name.
      type: str
    state:
      description:
      - Such as V(STABLE) or V(FAILED_AT_FREEZE); none when it is not told.
      type: str
    healthy:
      description:
      - Whether it would take part in a shadow copy; none when it is not known.
      type: bool
    last_error:
      description:
      - As the host prints it.
      type: str
    component_count:
      description:
      - How many components it has.
      type: int
    components:
      description:
      - Its components, when they are asked for.
      type: list
      elements: dict
unhealthy:
  description:
  - Names of the writers that are not healthy.
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
