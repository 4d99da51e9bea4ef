"""Decisions: plans and their execution."""
