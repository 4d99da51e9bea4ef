"""A read-only NBD server: disks and their volumes, for qemu, nbdcopy, guestfish and whatever else speaks NBD."""
