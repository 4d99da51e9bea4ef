"""Restore from an hvbackup repository with nothing but this file, Python, zstandard and cryptography."""
