"""Every change of what users say about a vehicle: first into the store, then its tags into memory.

The order is `haulcast.database.write_order`'s: the memory sees a fleet's changes in the order the store did.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from haulcast.database.write_order import WriteOrder
from haulcast.vehicles.vehicle_store import VehicleDraft, VehicleRecord, VehicleStore
from haulcast.vehicles.vehicle_tags import VehicleTags


class VehicleEdits:
    """The only writer of `tags`; the registry adds vehicles too, but those have none."""

    def __init__(self, store: VehicleStore, tags: VehicleTags) -> None:
        self.store = store
        self.tags = tags
        self._order = WriteOrder(self._read, "vehicle tags")

    async def create(self, fleet: str, draft: VehicleDraft) -> VehicleRecord:
        """A new vehicle. See `VehicleStore.create`."""
        async with self._order.of(fleet):
            record = await self.store.create(fleet, draft)
            self.tags.put(fleet, draft.vehicle_id, draft.tags)
        return record

    async def put(self, fleet: str, draft: VehicleDraft) -> tuple[VehicleRecord, bool]:
        """A vehicle created or changed. See `VehicleStore.put`."""
        async with self._order.of(fleet):
            record, is_new = await self.store.put(fleet, draft)
            self.tags.put(fleet, draft.vehicle_id, draft.tags)
        return record, is_new

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        """A vehicle removed. See `VehicleStore.delete`."""
        async with self._order.of(fleet):
            await self.store.delete(fleet, vehicle_id)
            self.tags.put(fleet, vehicle_id, ())

    async def read_all(self) -> None:
        """The tags of every vehicle of the store into memory, at the start."""
        async for portion in self.store.tags():
            for fleet, vehicle_id, tags in portion:
                self.tags.put(fleet, vehicle_id, tags)

    async def stop(self) -> None:
        """Give up reading again."""
        await self._order.stop()

    async def _read(self, fleet: str) -> None:
        found = {
            vehicle_id: tags async for portion in self.store.tags(fleet) for _, vehicle_id, tags in portion
        }
        for vehicle_id, tags in found.items():
            self.tags.put(fleet, vehicle_id, tags)
        self.tags.keep_only(fleet, found.keys())


@asynccontextmanager
async def vehicle_edits(store: VehicleStore, tags: VehicleTags) -> AsyncIterator[VehicleEdits]:
    """The tags of every stored vehicle in memory, and edits of vehicles for the time of the block.

    Raises:
        StoreError: the store cannot be reached.
    """
    edits = VehicleEdits(store, tags)
    await edits.read_all()
    try:
        yield edits
    finally:
        await edits.stop()
