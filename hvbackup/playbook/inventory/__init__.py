"""Inventories: hosts, groups and their variables, with the meaning of ansible-core 2.19."""
