"""File systems inside disks: listed and read without a mount, and never by code that the disk could take over."""
