"""Playbooks: the part of Ansible's language that backups need, with Ansible's meaning, on every workstation."""
