"""OSRM as a road engine: `GET /table/v1/{profile}/...` (https://project-osrm.org/docs/v5.24.0/api/#table-service). It knows no departures."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geo.travel_time import Floats, TravelMatrix
from haulcast.travel.engine_server import SHOWN, EngineServer
from haulcast.travel.road_engine import NEAREST_ROAD_M, Block, in_blocks

BLOCK: Final = 100
"""Places to go from and to in one request: what `osrm-routed --max-table-size` allows unless told otherwise."""


class OsrmEngine:
    """See `road_engine`.

    Args:
        server: where it is.
        profile: in the path; most servers have one profile and take any word.
        block: places a side of a request.
    """

    def __init__(self, server: EngineServer, profile: str = "driving", block: int = BLOCK) -> None:
        self._server = server
        self._profile = profile
        self._block = block

    async def matrix(self, lat_deg: Floats, lon_deg: Floats, departs_ms: int) -> TravelMatrix:  # noqa: ARG002 - it knows no departures
        """See `RoadEngine`."""
        places = [f"{lon:.6f},{lat:.6f}" for lat, lon in zip(lat_deg.tolist(), lon_deg.tolist(), strict=True)]

        async def ask(block: Block) -> tuple[Floats, Floats]:
            sources, targets = block
            used = list(dict.fromkeys([*sources.tolist(), *targets.tolist()]))
            index = {place: i for i, place in enumerate(used)}
            return await self._table(
                [places[i] for i in used], [index[i] for i in sources], [index[i] for i in targets]
            )

        return await in_blocks(len(places), self._block, ask)

    async def _table(
        self, places: list[str], sources: list[int], targets: list[int]
    ) -> tuple[Floats, Floats]:
        path = f"/table/v1/{self._profile}/{';'.join(places)}"
        if len(places) == 1:  # it wants two at least, and the way from a place to itself is known
            path += f";{places[0]}"
        asked = {
            "annotations": "duration,distance",
            "generate_hints": "false",
            "sources": ";".join(map(str, sources)),
            "destinations": ";".join(map(str, targets)),
        }
        status, found = await self._server.get(path, asked)
        if found.get("code") != "Ok":
            raise self._server.refusal(_refusal(status, found))
        try:
            near = [
                [float(place["distance"]) for place in found[name]] for name in ("sources", "destinations")
            ]
            shape = len(sources), len(targets)
            time_s, distance_m = (_table(found[name], shape) for name in ("durations", "distances"))
            is_far = [np.array(each) > NEAREST_ROAD_M for each in near]
            is_none = is_far[0][:, None] | is_far[1][None, :]
        except (LookupError, TypeError, ValueError) as error:
            raise self._server.refusal(f"answers no table of OSRM's: {error!r}") from error
        return np.where(is_none, np.nan, time_s), np.where(is_none, np.nan, distance_m)


def _table(rows: Any, shape: tuple[int, int]) -> Floats:
    """JSON's null becomes NaN."""
    table: NDArray[np.float64] = np.array(rows, np.float64)
    if table.shape != shape or (table < 0).any():
        raise ValueError(f"{table.shape} durations or distances, asked were {shape}")
    return table


def _refusal(status: int, found: dict[str, Any]) -> str:
    said = f"answers {status}: {str(found.get('message') or found.get('code'))[:SHOWN]}"
    if found.get("code") == "TooBig":
        said += f"; it has to be started with --max-table-size {BLOCK} or more"
    return said
