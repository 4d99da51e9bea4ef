"""Configurations of VMs, read without Windows: VMCX, and the XML of Server 2012 R2 and earlier."""
