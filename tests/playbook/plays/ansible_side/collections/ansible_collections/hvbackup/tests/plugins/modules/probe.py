"""Stub: the work is done by the action of this name."""
