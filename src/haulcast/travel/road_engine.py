"""The contract of a road engine: something that knows the roads, and answers how long the ways between places are.

- A matrix has the time and the road's length from each of n places to each, leaving each at `departs_ms`: seconds and metres, of the same way.
- From a place to itself is 0 and 0. There and back may differ.
- Infinite, both, where there is no way; also to and from a place with no road within `NEAREST_ROAD_M`: engines that would take the nearest road
  however far it is are not believed.
- Places are finite and on Earth; who asks has seen to that. There may be none, one, or the same one twice.
- It is cut into as many requests as the engine wants, `AT_ONCE` of them under way. It is given whole or not at all.
- An engine may take a slightly longer way for the shortest, and another one when other places are asked with it.
- Whether `departs_ms` changes anything is the engine's affair; none of them knows that of a vehicle which leaves later.
- The caller bounds the time: cancelled, it lets go of what it has under way.
- RoadEngineError: the engine cannot be reached, is busy after some tries, or says no. The reason names the engine and, where the answer lies in a
  setting of it, that setting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.travel_time import Floats, TravelMatrix

NEAREST_ROAD_M: Final = 5_000.0
AT_ONCE: Final = 4

Block = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Indices of the places to go from and to."""


class RoadEngine(Protocol):
    """See the module."""

    async def matrix(self, lat_deg: Floats, lon_deg: Floats, departs_ms: int) -> TravelMatrix:
        """Between all pairs of n places.

        Raises:
            RoadEngineError: there is no answer.
        """


def blocks(count: int, size: int) -> Iterator[Block]:
    """All pairs of so many places in blocks of at most size x size."""
    parts = [np.arange(begin, min(begin + size, count)) for begin in range(0, count, size)]
    for sources in parts:
        for targets in parts:
            yield sources, targets


async def in_blocks(
    count: int, size: int, ask: Callable[[Block], Awaitable[tuple[Floats, Floats]]]
) -> TravelMatrix:
    """The matrix out of the times and distances of its blocks, where NaN is no way."""
    found = TravelMatrix(np.zeros((count, count)), np.zeros((count, count)))
    waiting = blocks(count, size)

    async def work() -> None:
        for block in waiting:  # one iterator for all workers: each block is taken once
            for whole, part in zip(found, await ask(block), strict=True):
                whole[np.ix_(*block)] = np.where(np.isfinite(part), part, np.inf)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())
    except ExceptionGroup as failed:  # one reason says enough
        raise failed.exceptions[0] from None
    is_cut = np.isinf(found.time_s) | np.isinf(found.distance_m)
    for whole in found:
        whole[is_cut] = np.inf
        np.fill_diagonal(whole, 0.0)
    return found
