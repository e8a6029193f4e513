"""All fences of all fleets in memory, and the frozen set of them that ticks match against.

After a change a new set is made in a thread beside the live one, and swapped in whole; changes made meanwhile share the
next. A few changes of many fences become a layer on the set that was built last, which takes milliseconds; when that layer has
grown, a set of all fences is built behind it, which takes seconds, and takes its place. Every method is called from the event loop's thread.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

from geo.fence_area import Area, Circle, same_area
from geo.fence_set import Fence, FenceSet, build_fence_set, edit_fence_set

AT_ONCE = 500  # about a millisecond of the loop
FEW_FENCES = 500  # so many are simply built anew, in about 10 ms
MOST_EDITS = 1_000  # more changes at once than this are not worth a layer of their own
GROWN_EDITS = (
    250  # a layer of so many is dissolved: each edit makes it anew, and it is matched beside the rest
)
RECENT_EDITS = 64  # so many a set names, and then only the vehicles that these touch are re-evaluated
KEPT_REMOVED = 65_536  # removed fences whose names late exit events can still ask for


_log = structlog.get_logger()
_NOWHERE = Circle(0.0, 0.0, 1.0)  # of a fence that was removed: never matched against


@dataclass(frozen=True, slots=True)
class NamedFence:
    """A fence as the hub knows it while it runs."""

    fleet: str
    fence_id: str
    name: str
    shape: Fence
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it among all fleets' fences."""
        return self.fleet, self.fence_id


_FORGOTTEN = NamedFence("", "", "", Fence(-1, -1, _NOWHERE))
"""In place of one that was removed so long ago that its name is gone too."""


class FenceCatalogue:
    """Who the fences are. `current` is the set in force; it is never changed, only replaced by a newer one.

    A fence keeps its handle through every edit; handles of removed fences are not used again in a run.

    Args:
        fleet_number_of: the number of a fleet.
        on_swap: called when `current` is another set.
        on_tags: called with the handle of a fence whose tags are other ones now; no set is made for that.
    """

    def __init__(
        self,
        fleet_number_of: Callable[[str], int],
        on_swap: Callable[[], None] = lambda: None,
        on_tags: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.current: FenceSet = build_fence_set([], 0)
        self._fleet_number_of = fleet_number_of
        self._on_swap = on_swap
        self._on_tags = on_tags
        self._fences: dict[tuple[str, str], NamedFence] = {}
        self._by_handle: dict[int, NamedFence] = {}
        self._removed: deque[int] = deque()
        self._next_handle = 0
        self._changes = 0
        self._recent: deque[int] = deque(maxlen=RECENT_EDITS)  # the fences of the last changes
        self._built = 0
        self._build: asyncio.Task[None] | None = None
        self._base = self.current
        self._since: dict[int, int] = {}  # by handle, the change with which a fence came to be as it is
        self._edits: dict[int, Fence | None] = {}  # what `_base` lacks, by handle; None: removed
        self._dissolving: asyncio.Task[None] | None = None
        self._rebuilt: tuple[FenceSet, dict[int, Fence | None]] | None = None

    def __len__(self) -> int:
        return len(self._fences)

    def put(self, fleet: str, fence_id: str, name: str, area: Area, tags: tuple[str, ...] = ()) -> None:
        """Add a fence, or change the one of this id. The area is in force only after `settled`."""
        self._enter([self._named(fleet, fence_id, name, area, tags)])

    async def put_all(self, fleet: str, fences: Iterable[tuple[str, str, Area, tuple[str, ...]]]) -> None:
        """`put` of many (id, name, area, tags), together: no set ever holds only some. Lets ticks run meanwhile.

        The caller sees to it that nobody else changes the fleet until this returns.
        """
        entries = []
        for fence_id, name, area, tags in fences:
            entries.append(self._named(fleet, fence_id, name, area, tags))
            if not len(entries) % AT_ONCE:
                await asyncio.sleep(0)
        self._enter(entries)

    def _named(
        self, fleet: str, fence_id: str, name: str, area: Area, tags: tuple[str, ...] = ()
    ) -> NamedFence:
        known = self._fences.get((fleet, fence_id))
        if known is None:
            shape = Fence(self._next_handle, self._fleet_number_of(fleet), area)
            self._next_handle += 1
        else:
            shape = known.shape if same_area(known.shape.area, area) else replace(known.shape, area=area)
        return NamedFence(fleet, fence_id, name, shape, tags)

    def _enter(self, entries: Iterable[NamedFence]) -> None:
        for fence in entries:
            known = self._fences.get(fence.key)
            if known is None or known.shape is not fence.shape:
                self._edit(fence.shape.handle, fence.shape)
            self._fences[fence.key] = self._by_handle[fence.shape.handle] = fence
            if known is not None and known.tags != fence.tags:
                self._on_tags(fence.shape.handle)

    def _edit(self, handle: int, shape: Fence | None) -> None:
        self._changes += 1
        self._recent.append(handle)
        self._edits[handle] = shape
        if shape is None:
            self._since.pop(handle, None)
        else:
            self._since[handle] = self._changes

    def remove(self, fleet: str, fence_id: str) -> None:
        """Forget a fence, if it is there. In force only after `settled`."""
        fence = self._fences.pop((fleet, fence_id), None)
        if fence is None:
            return
        self._edit(fence.shape.handle, None)
        self._removed.append(fence.shape.handle)
        if len(self._removed) > KEPT_REMOVED:
            del self._by_handle[self._removed.popleft()]

    def handle_of(self, fleet: str, fence_id: str) -> int:
        """The fence's handle; of one that is gone, a new handle each time, which no fence in force has."""
        known = self._fences.get((fleet, fence_id))
        if known is None:
            known = self._named(fleet, fence_id, fence_id, _NOWHERE)
            self._by_handle[known.shape.handle] = known
            self._removed.append(known.shape.handle)
        return known.shape.handle

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
            self._rest_on_rebuilt()
            changes, recent, edits = self._changes, list(self._recent), dict(self._edits)
            if edits and self._is_quick(edits):
                changed = [fence for fence in edits.values() if fence is not None]
                removed = [handle for handle, fence in edits.items() if fence is None]
                self.current = await asyncio.to_thread(
                    edit_fence_set, self._base, changed, removed, changes, self._since
                )
            elif edits:
                self.current = await asyncio.to_thread(build_fence_set, self._shapes(), changes, self._since)
                self._rebuilt = self.current, edits
                self._rest_on_rebuilt()
                if len(self.current) > FEW_FENCES:
                    _log.info("fence_set_built", fences=len(self.current), bytes=self.current.nbytes)
            else:
                self.current = replace(self._base, version=changes)
            self.current = self.current.with_recent(recent)
            self._built = changes
        finally:
            self._build = None
        if len(self._edits) >= GROWN_EDITS and self._dissolving is None:
            self._dissolving = asyncio.create_task(self._dissolve())
        if self._rebuilt is not None:
            self._build = asyncio.create_task(self._build_once())
        self._on_swap()

    def _is_quick(self, edits: dict[int, Fence | None]) -> bool:
        """Whether a layer of these edits is made sooner than a set of all fences."""
        return len(self._fences) > FEW_FENCES and len(edits) <= min(MOST_EDITS, len(self._fences) // 4)

    async def _dissolve(self) -> None:
        """Build all that is in force into one set; the next edits, or nothing, are put on top of that."""
        try:
            before, edits = self._base, dict(self._edits)
            base = await asyncio.to_thread(build_fence_set, self._shapes(), self._changes, self._since)
            if self._base is not before:  # a large edit was quicker, and its set has more than this one
                return
            self._rebuilt = base, edits
            if self._build is None:
                self._build = asyncio.create_task(self._build_once())
        except MemoryError:
            _log.exception(
                "fence_layer_not_dissolved", edits=len(self._edits), hint="the next edit tries again"
            )
        finally:
            self._dissolving = None

    def _shapes(self) -> list[Fence]:
        return [fence.shape for fence in self._fences.values()]

    def _rest_on_rebuilt(self) -> None:
        """From now on edits are put on the set that was built last, which includes some of them."""
        if self._rebuilt is None:
            return
        self._base, included = self._rebuilt
        self._rebuilt = None
        for handle, fence in included.items():
            if handle in self._edits and self._edits[handle] is fence:  # else it was edited again meanwhile
                del self._edits[handle]

    def id_of(self, handle: int) -> str:
        """The text id of a fence, also for some time after its removal."""
        return self._by_handle.get(handle, _FORGOTTEN).fence_id

    def name_of(self, handle: int) -> str:
        """The name of a fence, also for some time after its removal."""
        return self._by_handle.get(handle, _FORGOTTEN).name

    def fleet_of(self, handle: int) -> str:
        """The fleet of a fence, also for some time after its removal."""
        return self._by_handle.get(handle, _FORGOTTEN).fleet

    def tags_of(self, handle: int) -> tuple[str, ...]:
        """The tags of a fence, also for some time after its removal."""
        return self._by_handle.get(handle, _FORGOTTEN).tags

    def has(self, fleet: str, fence_id: str) -> bool:
        """Whether there is a fence of this id."""
        return (fleet, fence_id) in self._fences

    def find_tags(self, fleet: str, fence_id: str) -> tuple[str, ...]:
        """The tags of a fence by its id; none of one that is not there."""
        known = self._fences.get((fleet, fence_id))
        return () if known is None else known.tags
