"""Jinja as ansible-core 2.19 has it, without lookups, files and environment; `playbook/templates.py` is its door."""
