"""The contract of what keeps the times in which drivers were on duty, and busy."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

DUTY: Final = 0
BUSY: Final = 1
KEPT_MS: Final = 28 * 86_400_000
"""So long spans are kept: four weeks of every hour of the week."""


class StoredSpan(NamedTuple):
    """A time in which a driver was something.

    Attributes:
        vehicle: whose; a driver is a vehicle of a fleet.
        kind: DUTY or BUSY.
        begin_ms: UTC epoch.
        end_ms: None: it lasts.
        begin_lat_deg, begin_lon_deg, end_lat_deg, end_lon_deg: where; NaN is not known.
        is_said: the last change of it, its begin or its end, was somebody's word and not seen.
    """

    vehicle: str
    kind: int
    begin_ms: int
    end_ms: int | None
    begin_lat_deg: float
    begin_lon_deg: float
    end_lat_deg: float
    end_lon_deg: float
    is_said: bool = False


class SpanColumns(NamedTuple):
    """Spans of a fleet as columns, by vehicle, kind and begin.

    Attributes:
        vehicles: ids, in order.
        vehicle: int64[n], index of each span's.
        kind: int16[n].
        begin_ms: int64[n].
        end_ms: int64[n], `MOST_MS` while it lasts.
        places: float64[n, 4], latitude and longitude in degrees of begin and of end; NaN is not known.
    """

    vehicles: list[str]
    vehicle: NDArray[np.int64]
    kind: NDArray[np.int16]
    begin_ms: NDArray[np.int64]
    end_ms: NDArray[np.int64]
    places: NDArray[np.float64]


MOST_MS: Final = 2**62


class SpanStore(Protocol):
    """Spans by fleet. Every method raises StoreError when the store cannot be reached."""

    async def read(self, fleet: str, from_ms: int, until_ms: int) -> list[StoredSpan]:
        """The fleet's spans that overlap [from, until), by vehicle, kind and begin."""

    async def columns(self, fleet: str, from_ms: int, until_ms: int) -> SpanColumns:
        """The same as columns; millions cost no object each."""

    async def put(self, fleet: str, spans: Sequence[StoredSpan]) -> None:
        """Keep these, each in the place of the one of the same vehicle, kind and begin; all of them or none."""

    async def fleets(self) -> list[str]:
        """Those that have any, in order."""

    async def forget(self, before_ms: int) -> int:
        """Drop what ended before; how many that were."""
