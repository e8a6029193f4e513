"""The travel times of a hub, with what keeps them right."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from haulcast import clock
from haulcast.database.pool import Database
from haulcast.history.history_store import HistoryStore
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.travel.current_legs import CurrentLegs
from haulcast.travel.open_engine import open_engine
from haulcast.travel.teaching import Teaching
from haulcast.travel.travel_book import TravelBook, keep_current
from haulcast.travel.travel_store_postgres import PostgresTravelStore

TRAFFIC_EVERY_S = 15.0


@contextlib.asynccontextmanager
async def open_travel(
    settings: Settings, database: Database, history: HistoryStore | None, rows: VehicleRows
) -> AsyncIterator[TravelBook]:
    """What was learned before is in force at once; from now on it is kept up for the time of the block.

    Raises:
        SettingError: the road engine cannot be used.
        StoreError: the database cannot be reached.
    """
    async with open_engine(settings) as engine:
        book = TravelBook(
            CurrentLegs(rows), engine=engine, engine_timeout_s=settings.road_engine_timeout_s,
            now_ms=clock.epoch_ms, monotonic_s=clock.monotonic_s,
        )  # fmt: skip
        teaching = Teaching(
            book, PostgresTravelStore(database), history, settings.travel_days, clock.epoch_ms
        )
        await teaching.read()
        tasks = [
            asyncio.create_task(teaching.run(), name="travel times"),
            asyncio.create_task(keep_current(book, TRAFFIC_EVERY_S, clock.epoch_ms), name="traffic"),
        ]
        try:
            yield book
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
