"""How long drivers were at places: out of the stops of routes that have ended, in PostgreSQL."""

from collections.abc import Mapping
from typing import Final, Protocol

from haulcast.availability.route_ends import PlaceKey
from haulcast.database.pool import Database

LEAST_STAYS: Final = 3
"""So often somebody has to have been at a place."""

_MEDIANS: Final = """
    SELECT lat, lon, percentile_cont(0.5) WITHIN GROUP (ORDER BY stay_ms) / 1000 FROM (
        SELECT round((stop->'place'->>'lat_deg')::numeric, 4)::float8 AS lat, round((stop->'place'->>'lon_deg')::numeric, 4)::float8 AS lon,
            (stop->>'left_ms')::bigint - (stop->>'arrived_ms')::bigint AS stay_ms
        FROM routes, jsonb_array_elements(stops) AS stop
        WHERE fleet = $1 AND status = 'done' AND updated > now() - interval '28 days' AND stop->>'left_ms' IS NOT NULL AND stop->>'arrived_ms' IS NOT NULL
    ) AS stays GROUP BY lat, lon HAVING count(*) >= $2
"""


class DwellStore(Protocol):
    """Raises StoreError when the store cannot be reached."""

    async def dwells(self, fleet: str) -> Mapping[PlaceKey, float]:
        """The median of the seconds at each place of a fleet where somebody has been often enough."""


class PostgresDwellStore:
    """Reads the table `routes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dwells(self, fleet: str) -> Mapping[PlaceKey, float]:
        """See `DwellStore`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_MEDIANS, fleet, LEAST_STAYS)
        return {(lat, lon): float(stay_s) for lat, lon, stay_s in rows}
