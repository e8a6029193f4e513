"""All fences of all fleets in memory, and the frozen set of them that ticks match against.

After a change a new set is built in a thread beside the live one, and swapped in whole; changes made meanwhile share the
next build. Every method is called from the event loop's thread.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from geo.fence_area import Area
from geo.fence_set import Fence, FenceSet, build_fence_set

AT_ONCE = 500  # about a millisecond of the loop
KEPT_REMOVED = 65_536  # removed fences whose names late exit events can still ask for


@dataclass(frozen=True, slots=True)
class NamedFence:
    """A fence as the hub knows it while it runs."""

    fleet: str
    fence_id: str
    name: str
    shape: Fence

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it among all fleets' fences."""
        return self.fleet, self.fence_id


class FenceCatalogue:
    """Who the fences are. `current` is the set in force; it is never changed, only replaced by a newer one.

    A fence keeps its handle through every edit; handles of removed fences are not used again in a run.
    """

    def __init__(
        self, fleet_number_of: Callable[[str], int], on_swap: Callable[[], None] = lambda: None
    ) -> None:
        self.current: FenceSet = build_fence_set([], 0)
        self._fleet_number_of = fleet_number_of
        self._on_swap = on_swap
        self._fences: dict[tuple[str, str], NamedFence] = {}
        self._by_handle: dict[int, NamedFence] = {}
        self._removed: deque[int] = deque()
        self._next_handle = 0
        self._changes = 0
        self._built = 0
        self._build: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._fences)

    def put(self, fleet: str, fence_id: str, name: str, area: Area) -> None:
        """Add a fence, or change the one of this id. In force only after `settled`."""
        self._enter([self._named(fleet, fence_id, name, area)])

    async def put_all(self, fleet: str, fences: Iterable[tuple[str, str, Area]]) -> None:
        """`put` of many (id, name, area), together: no set ever holds only some. Lets ticks run meanwhile.

        The caller sees to it that nobody else changes the fleet until this returns.
        """
        entries = []
        for fence_id, name, area in fences:
            entries.append(self._named(fleet, fence_id, name, area))
            if not len(entries) % AT_ONCE:
                await asyncio.sleep(0)
        self._enter(entries)

    def _named(self, fleet: str, fence_id: str, name: str, area: Area) -> NamedFence:
        known = self._fences.get((fleet, fence_id))
        if known is None:
            shape = Fence(self._next_handle, self._fleet_number_of(fleet), area)
            self._next_handle += 1
        else:
            shape = known.shape if known.shape.area == area else replace(known.shape, area=area)
        return NamedFence(fleet, fence_id, name, shape)

    def _enter(self, entries: Iterable[NamedFence]) -> None:
        for fence in entries:
            known = self._fences.get(fence.key)
            self._changes += known is None or known.shape is not fence.shape
            self._fences[fence.key] = self._by_handle[fence.shape.handle] = fence

    def remove(self, fleet: str, fence_id: str) -> None:
        """Forget a fence, if it is there. In force only after `settled`."""
        fence = self._fences.pop((fleet, fence_id), None)
        if fence is None:
            return
        self._changes += 1
        self._removed.append(fence.shape.handle)
        if len(self._removed) > KEPT_REMOVED:
            del self._by_handle[self._removed.popleft()]

    def keep_only(self, fleet: str, fence_ids: Iterable[str]) -> None:
        """Remove a fleet's other fences."""
        kept = set(fence_ids)
        for key in [key for key in self._fences if key[0] == fleet and key[1] not in kept]:
            self.remove(*key)

    async def settled(self) -> None:
        """Return when `current` holds every change made before this call."""
        wanted = self._changes
        while self._built < wanted:
            if self._build is None:
                self._build = asyncio.create_task(self._build_once())
            await asyncio.shield(self._build)  # others wait for it too

    async def _build_once(self) -> None:
        try:
            changes = self._changes
            shapes = [fence.shape for fence in self._fences.values()]
            self.current = await asyncio.to_thread(build_fence_set, shapes, changes)
            self._built = changes
        finally:
            self._build = None
        self._on_swap()

    def id_of(self, handle: int) -> str:
        """The text id of a fence, also for some time after its removal."""
        return self._by_handle[handle].fence_id

    def name_of(self, handle: int) -> str:
        """The name of a fence, also for some time after its removal."""
        return self._by_handle[handle].name

    def fleet_of(self, handle: int) -> str:
        """The fleet of a fence, also for some time after its removal."""
        return self._by_handle[handle].fleet
