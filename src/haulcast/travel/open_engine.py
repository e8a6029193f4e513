"""The road engine that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from haulcast.settings import Settings
from haulcast.travel.engine_server import EngineServer
from haulcast.travel.road_engine import RoadEngine
from haulcast.travel.road_engine_osrm import OsrmEngine
from haulcast.travel.road_engine_valhalla import Valhalla, ValhallaEngine, ValhallaInProcess, ValhallaServer


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[RoadEngine | None]:
    """The engine, for the time of the block; None: the setting is off. It is asked nothing before somebody wants a matrix.

    Raises:
        SettingError: what it needs is not installed, or not there.
    """
    if settings.road_engine == "off":
        yield None
        return
    is_http = "://" in settings.road_engine_url
    place = (
        EngineServer(settings.road_engine_url, settings.road_engine_timeout_s)
        if is_http
        else ValhallaInProcess(settings.road_engine_url)
    )
    try:
        if settings.road_engine == "osrm" and isinstance(place, EngineServer):
            yield OsrmEngine(place, settings.road_engine_profile or "driving")
        else:
            valhalla: Valhalla = ValhallaServer(place) if isinstance(place, EngineServer) else place
            zone = settings.road_engine_time_zone
            costing = settings.road_engine_profile or "truck"
            yield ValhallaEngine(valhalla, costing, ZoneInfo(zone) if zone else None)
    finally:
        await place.close()
