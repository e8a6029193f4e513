"""The models in force of a hub, and what keeps them so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from haulcast.availability.model_loading import ModelShelf, models_folder
from haulcast.availability.model_registry_postgres import PostgresModelRegistry
from haulcast.database.pool import Database
from haulcast.settings import Settings


@contextlib.asynccontextmanager
async def open_models(settings: Settings, database: Database) -> AsyncIterator[ModelShelf]:
    """What is in force is loaded at once; from now on it follows the registry for the time of the block.

    Raises:
        StoreError: the database cannot be reached.
    """
    shelf = ModelShelf(PostgresModelRegistry(database), models_folder(settings))
    await shelf.look()
    task = asyncio.create_task(shelf.run(), name="availability models")
    try:
        yield shelf
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
