"""Valhalla as a road engine: `sources_to_targets` (https://valhalla.github.io/valhalla/api/matrix/api-reference/), over HTTP or in this process.

In process it is the package pyvalhalla, a thread and a file `valhalla.json` that names the tiles.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from geo.travel_time import Floats, TravelMatrix
from haulcast.errors import RoadEngineError, SettingError
from haulcast.travel.engine_server import SHOWN, EngineServer
from haulcast.travel.road_engine import NEAREST_ROAD_M, Block, in_blocks

BLOCK: Final = 50
"""Places to go from and to in one request: 2,500 pairs are what `service_limits.truck.max_matrix_location_pairs` allows unless told otherwise."""
_NO_WAY: Final = frozenset({170, 171, 442})
"""Error codes: in unconnected regions, no road near, no path found. Of all places together; which ones is for us to find out."""
_CODE_OF: Final = {"unconnected regions": 170, "No suitable edges": 171, "No path could be found": 442}
"""Of words in errors of pyvalhalla before version 3.6, which has no codes."""
_HINTS: Final = {
    150: "set service_limits.<costing>.max_matrix_location_pairs of valhalla.json to 2500 or more",
    154: "set service_limits.<costing>.max_matrix_distance of valhalla.json to more metres than places are apart",
}

Body = Mapping[str, Any]


class Valhalla(Protocol):
    """A Valhalla, wherever it is."""

    async def matrix(self, body: Body) -> dict[str, Any]:
        """Its answer, or its error with `error_code` and `error`.

        Raises:
            RoadEngineError: there is none.
        """

    def refusal(self, said: str) -> RoadEngineError:
        """That it is there and does not do it."""


class ValhallaServer:
    """One behind HTTP."""

    def __init__(self, server: EngineServer) -> None:
        self._server = server
        self.refusal = server.refusal

    async def matrix(self, body: Body) -> dict[str, Any]:
        """See `Valhalla`."""
        return (await self._server.post("/sources_to_targets", body))[1]


class ValhallaInProcess:
    """One of our own, in a thread that lets others run; its tiles are read as they are needed.

    Raises:
        SettingError: pyvalhalla is not installed, or the file is no configuration of Valhalla's.
    """

    def __init__(self, config: str) -> None:
        self._config = config
        try:
            from valhalla import Actor  # noqa: PLC0415 - for those who use it

            self._actor = Actor(config)
        except ImportError as error:
            reason = f"setting road_engine_url is {config!r}, a file, which needs the package pyvalhalla; allowed is http(s)://host:port too"
            raise SettingError("bad_setting", reason, field="road_engine_url") from error
        except (RuntimeError, ValueError, AttributeError, OSError) as error:
            reason = f"setting road_engine_url is {config!r}, which pyvalhalla cannot use: {error}"
            raise SettingError("bad_setting", reason, field="road_engine_url") from error
        self._thread = ThreadPoolExecutor(1, "valhalla")  # an actor answers one at a time

    async def close(self) -> None:
        """Wait for nobody."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def matrix(self, body: Body) -> dict[str, Any]:
        """See `Valhalla`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._matrix, body)

    def _matrix(self, body: Body) -> dict[str, Any]:
        try:
            return dict(orjson.loads(self._actor.matrix(orjson.dumps(body).decode())))
        except RuntimeError as error:  # what a server answers as JSON
            known = (code for words, code in _CODE_OF.items() if words in str(error))
            return {"error_code": getattr(error, "code", None) or next(known, 0), "error": str(error)}

    def refusal(self, said: str) -> RoadEngineError:
        """See `Valhalla`."""
        return RoadEngineError("road_engine_refuses", f"Valhalla with {self._config} {said}")


class ValhallaEngine:
    """See `road_engine`.

    Args:
        valhalla: where it is.
        costing: truck, auto, bus, taxi...
        time_zone: in which departures are told to it; None: they are not.
        block: places a side of a request.
    """

    def __init__(
        self,
        valhalla: Valhalla,
        costing: str = "truck",
        time_zone: ZoneInfo | None = None,
        block: int = BLOCK,
    ) -> None:
        self._valhalla = valhalla
        self._costing = costing
        self._time_zone = time_zone
        self._block = block

    async def matrix(self, lat_deg: Floats, lon_deg: Floats, departs_ms: int) -> TravelMatrix:
        """See `RoadEngine`."""
        places = [
            {"lat": lat, "lon": lon, "search_cutoff": NEAREST_ROAD_M}
            for lat, lon in zip(lat_deg.tolist(), lon_deg.tolist(), strict=True)
        ]
        asked: dict[str, Any] = {"costing": self._costing, "units": "kilometers", "verbose": False}
        if self._time_zone is not None:
            local = dt.datetime.fromtimestamp(departs_ms / 1000.0, self._time_zone)
            asked["date_time"] = {"type": 1, "value": local.strftime("%Y-%m-%dT%H:%M")}

        async def ask(block: Block) -> tuple[Floats, Floats]:
            return await self._part(places, block, asked)

        return await in_blocks(len(places), self._block, ask)

    async def _part(self, places: list[dict[str, float]], block: Block, asked: Body) -> tuple[Floats, Floats]:
        """One block; in halves, and halves of halves, where Valhalla says that some of it has no way, until it is known which."""
        sources, targets = block
        shape = len(sources), len(targets)
        ends = {"sources": [places[i] for i in sources], "targets": [places[i] for i in targets]}
        found = await self._valhalla.matrix({**asked, **ends})
        if found.get("error_code") in _NO_WAY:
            if shape == (1, 1):
                return np.full(shape, np.nan), np.full(shape, np.nan)
            axis = 0 if shape[0] >= shape[1] else 1
            halves = np.array_split(block[axis], 2)
            parts = [(half, targets) if axis == 0 else (sources, half) for half in halves]
            answers = [await self._part(places, part, asked) for part in parts]
            time_s, distance_m = (np.concatenate(columns, axis) for columns in zip(*answers, strict=True))
            return time_s, distance_m
        if "error" in found:
            hint = _HINTS.get(found.get("error_code", 0))
            said = f"says: {str(found['error'])[:SHOWN]}"
            raise self._valhalla.refusal(f"{said}; {hint}" if hint else said)
        try:
            return _tables(found["sources_to_targets"], shape)
        except (LookupError, TypeError, ValueError) as error:
            raise self._valhalla.refusal(f"answers no matrix of Valhalla's: {error!r}") from error


def _tables(found: Any, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Seconds and metres of either form of its answer; JSON's null, no way, becomes NaN."""
    if isinstance(found, dict):
        rows = (found["durations"], found["distances"])
    else:  # before version 3.4
        rows = (
            [[cell["time"] for cell in row] for row in found],
            [[cell["distance"] for cell in row] for row in found],
        )
    time_s, distance_km = (np.array(table, np.float64).reshape(shape) for table in rows)
    if (time_s < 0).any() or (distance_km < 0).any():
        raise ValueError("a negative time or distance")
    return time_s, distance_km * 1000.0
