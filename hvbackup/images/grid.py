"""Where in an image file the blocks of the guest's disk begin, for those who cut files into blocks of a size."""

from __future__ import annotations

from itertools import islice

from hvbackup.images.chain import detect
from hvbackup.images.source import Source
from hvbackup.images.vhd import Vhd

#: A longer list (more than 200 GiB in the usual blocks of 2 MiB) is a burden by itself: then there are no restarts.
MAX_CUTS = 100_000


def grid_cuts(source: Source) -> tuple[int, ...]:
    """Offsets at which a grid of blocks should restart, ascending, so that equal guest data gives equal blocks.

    A VHDX lays its blocks at whole MiB and a fixed VHD begins with the disk: they need no restarts. The blocks of a
    dynamic VHD each follow a sector bitmap, at any sector; the grid restarts where the bytes of a block begin.

    Raises:
        ImageDamaged, ImageUnsupported: The tables of the VHD cannot be read.
    """
    if detect(source) != "vhd":
        return ()
    disk = Vhd(source)
    if disk.header is None:
        return ()
    starts = {place + disk.header.bitmap_size for _, place in islice(disk.block_places(), MAX_CUTS + 1)}
    return tuple(sorted(start for start in starts if start < source.size)) if len(starts) <= MAX_CUTS else ()
