"""`hvbackup image`: look into disks of VMs, as files of this machine or inside restore points."""

from __future__ import annotations

import click

from hvbackup.cli.lazy import LazyGroup

_COMMANDS = {
    "info": ("hvbackup.cli.image_info:info", "Show what a disk is, and the volumes in it."),
    "ls": ("hvbackup.cli.image_ls:ls", "List volumes, folders and files in a disk."),
    "cat": ("hvbackup.cli.image_cat:cat", "Write a file of a disk to standard output."),
    "get": ("hvbackup.cli.image_get:get", "Bring files and folders out of a disk."),
    "check": ("hvbackup.cli.image_check:check", "Check the structure of a disk and its chain."),
    "flatten": ("hvbackup.cli.image_flatten:flatten", "Make one VHDX of a disk with all that it lies on."),
    "bake-log": ("hvbackup.cli.image_bake_log:bake_log", "Copy a VHDX with its log written back."),
    "config": ("hvbackup.cli.image_config:config", "Show the configuration of a VM from its files."),
    "serve": ("hvbackup.cli.image_serve:serve", "Serve a disk read-only over NBD."),
    "mount": ("hvbackup.cli.image_mount:mount", "Mount the files of a disk read-only by FUSE."),
}

_EPILOG = """\b
Find a lost file in three commands:
  hvbackup points -r PLACE
  hvbackup image ls  -r PLACE --point ID '**/*budget*'
  hvbackup image get -r PLACE --point ID '**/*budget*' -o found"""


@click.group(cls=LazyGroup, lazy=_COMMANDS, epilog=_EPILOG)
def image() -> None:
    """Look into disks of VMs: check them, list and get their files. No Windows, no mount, no root.

    DISK is a VHD, VHDX, AVHD or AVHDX file of this machine; with --point it is a disk of a restore point, and need not
    be named where the point has only one. Disks are never written to.
    """
