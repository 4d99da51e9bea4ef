"""Disks and their files in a folder of this machine, by FUSE. Linux; other systems were never tried."""
