"""Every change of a fence: first into the store, then into the catalogue, and done when ticks match against it.

The order is `haulcast.database.write_order`'s: the catalogue sees a fleet's changes in the order the store did.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from geo.fence_area import Area
from haulcast.database.write_order import WriteOrder
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.fence_store import FenceDraft, FenceRecord, FenceStore, StoredArea
from haulcast.fences.stored_areas import areas_of

WhileUnused = Callable[[str, str], AbstractAsyncContextManager[None]]


class FenceEdits:
    """The only writer of the catalogue.

    Attributes:
        on_edit: called with the fleet whose fences were edited, once ticks match against them.
        while_unused: (fleet, fence id) -> a block in which nobody comes to need the fence; raises ConflictError where somebody does.
    """

    def __init__(self, store: FenceStore, catalogue: FenceCatalogue) -> None:
        self.on_edit: Callable[[str], None] = lambda _fleet: None
        self.while_unused: WhileUnused = lambda _fleet, _fence_id: nullcontext()
        self.store = store
        self.catalogue = catalogue
        self._order = WriteOrder(self._read, "fences")

    async def create(self, fleet: str, draft: FenceDraft, area: Area) -> FenceRecord:
        """A new fence, in force. See `FenceStore.create`."""
        async with self._order.of(fleet):
            record = await self.store.create(fleet, draft)
            self.catalogue.put(fleet, draft.fence_id, draft.name, area, draft.tags)
        await self._in_force(fleet)
        return record

    async def put(
        self, fleet: str, draft: FenceDraft, area: Area, expected: str | None = None
    ) -> tuple[FenceRecord, bool]:
        """A fence created or changed, in force. See `FenceStore.put`, and `replace` when an edition is expected."""
        async with self._order.of(fleet):
            if expected is None:
                record, is_new = await self.store.put(fleet, draft)
            else:
                record, is_new = await self.store.replace(fleet, draft, expected), False
            self.catalogue.put(fleet, draft.fence_id, draft.name, area, draft.tags)
        await self._in_force(fleet)
        return record, is_new

    async def put_all(self, fleet: str, fences: Sequence[tuple[FenceDraft, Area]]) -> tuple[int, int]:
        """Many at once, in force together. See `FenceStore.put_all`."""
        async with self._order.of(fleet):
            counts = await self.store.put_all(fleet, [draft for draft, _ in fences])
            await self.catalogue.put_all(
                fleet, ((draft.fence_id, draft.name, area, draft.tags) for draft, area in fences)
            )
        await self._in_force(fleet)
        return counts

    async def delete(self, fleet: str, fence_id: str, expected: str = "*") -> None:
        """A fence removed, in force. See `FenceStore.delete`.

        Raises:
            ConflictError: somebody needs it.
        """
        async with self.while_unused(fleet, fence_id), self._order.of(fleet):
            await self.store.delete(fleet, fence_id, expected)
            self.catalogue.remove(fleet, fence_id)
        await self._in_force(fleet)

    async def delete_all(self, fleet: str, fence_ids: Collection[str]) -> None:
        """Many removed at once, in force together. See `FenceStore.delete_all`."""
        async with self._order.of(fleet):
            await self.store.delete_all(fleet, fence_ids)
            for fence_id in fence_ids:
                self.catalogue.remove(fleet, fence_id)
        await self._in_force(fleet)

    async def read_all(self) -> None:
        """Every fence of the store into the catalogue, at the start."""
        async for portion in self.store.areas():
            await self._take(portion)
        await self.catalogue.settled()

    async def stop(self) -> None:
        """Give up reading again."""
        await self._order.stop()

    async def _in_force(self, fleet: str) -> None:
        await self.catalogue.settled()
        self.on_edit(fleet)

    async def _read(self, fleet: str) -> None:
        portions = [portion async for portion in self.store.areas(fleet)]
        for portion in portions:
            await self._take(portion)
        self.catalogue.keep_only(fleet, [stored.fence_id for portion in portions for stored in portion])
        await self._in_force(fleet)

    async def _take(self, portion: Sequence[StoredArea]) -> None:
        for stored, area in await asyncio.to_thread(areas_of, portion):
            self.catalogue.put(stored.fleet, stored.fence_id, stored.name, area, stored.tags)


@asynccontextmanager
async def fence_edits(store: FenceStore, catalogue: FenceCatalogue) -> AsyncIterator[FenceEdits]:
    """Every stored fence in force, and edits of them for the time of the block.

    Raises:
        StoreError: the store cannot be reached.
    """
    edits = FenceEdits(store, catalogue)
    await edits.read_all()
    try:
        yield edits
    finally:
        await edits.stop()
