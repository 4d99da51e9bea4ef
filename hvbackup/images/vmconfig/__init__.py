"""Configurations of VMs, read without Windows: VMCX, and the XML of Server 2012 R2 and earlier.

Begin with `read.read_configuration`; `new_vm.new_vm_plan` and `record.as_vm` go on from what it returns.
"""
