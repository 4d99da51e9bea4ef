"""Carrying questions and bytes to a host."""
