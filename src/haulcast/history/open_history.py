"""The history that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from haulcast.database.pool import Database
from haulcast.history.history_store import HistoryStore, NameOf
from haulcast.history.history_store_influx import influx_history
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.history.influx_server import InfluxPlace
from haulcast.settings import Settings


@asynccontextmanager
async def open_history(
    settings: Settings, database: Database, name_of: NameOf
) -> AsyncIterator[HistoryStore | None]:
    """The store, for the time of the block; None: the setting is off.

    Raises:
        SettingError: what the store needs is not installed.
    """
    if settings.history == "off":
        yield None
    elif settings.history == "postgres":
        yield PostgresHistoryStore(database, name_of, settings.history_timeout_s)
    else:
        place = InfluxPlace(
            settings.influx_url,
            settings.influx_bucket,
            settings.influx_token,
            settings.influx_org,
            settings.influx_api,
            settings.history_timeout_s,
        )
        async with influx_history(place, name_of) as store:
            yield store
