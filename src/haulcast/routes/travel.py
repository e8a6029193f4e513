"""What routes and plans ask of whoever knows how long ways take."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geo.travel_time import Floats, TravelMatrix, TravelTimes


class Travel(Protocol):
    """The travel times of each fleet. Its methods may be called from the event loop's thread and block it no longer than a millisecond or two."""

    def times(self, fleet: str) -> TravelTimes:
        """What the fleet's own drives have taught, or the untaught ones; frozen, another object takes its place."""

    def paces(self, fleet: str, now_ms: int) -> NDArray[np.float32]:
        """The table of `times(fleet)` with the current speeds in it, as the kernels want it."""

    async def matrix(self, fleet: str, lat_deg: Floats, lon_deg: Floats, departs_ms: int) -> TravelMatrix:
        """Between all pairs of places, leaving at this time: of the road engine where there is one, else of the fleet's own drives."""
