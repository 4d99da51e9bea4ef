"""Inventories: hosts, groups and their variables, with the meaning of ansible-core 2.19."""

from hvbackup.playbook.inventory.hosts import Inventory
from hvbackup.playbook.inventory.reading import read_inventory

__all__ = ["Inventory", "read_inventory"]
