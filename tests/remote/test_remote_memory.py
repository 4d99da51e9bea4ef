"""Memory stays flat however much comes or goes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.remote.conftest import Link

MEGABYTE = 1 << 20
#: Both ends live in this process: buffers of the simulated host, of the libraries and ours.
LIMIT = 24 * MEGABYTE
#: The ways without the fast path take long under the eyes of tracemalloc.
WAYS = [
    "psrp basic tls",
    *(pytest.param(way, marks=pytest.mark.slow) for way in ("psrp ntlm http", "winrs basic tls", "local")),
]


def peak_of(task: Callable[[], object]) -> int:
    """Return how much more memory was in use at most while `task` ran, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        task()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def megabytes(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * MEGABYTE


@pytest.mark.parametrize("way", WAYS)
def test_receiving_64_megabytes_takes_a_few(new_link: Callable[[str], Link], way: str) -> None:
    link = new_link(way)
    link.echo("connected")
    sizes: list[int] = []

    peak = peak_of(lambda: link.frames(lambda frame: sizes.append(len(frame)), count=64, size=MEGABYTE))

    assert sum(sizes) == 64 * MEGABYTE
    assert peak < LIMIT


@pytest.mark.parametrize("way", WAYS)
def test_sending_32_megabytes_takes_a_few(new_link: Callable[[str], Link], way: str) -> None:
    link = new_link(way)
    link.echo("connected")

    peak = peak_of(lambda: link.send(megabytes(32)))

    assert peak < LIMIT
