"""Disk images and their contents; no host needed."""
