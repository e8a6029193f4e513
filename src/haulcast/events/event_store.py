"""The contract of an event store, as far as it is read: what was told, in the order in which it was stored."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class StoredEvent(NamedTuple):
    """An event as it was told.

    Attributes:
        number: its place in the order of storing, over all fleets; it begins with 1.
        event_id: the same on the live socket, over HTTP and in webhooks.
        document: the JSON text of what the live socket said of it, and its id.
    """

    number: int
    event_id: str
    document: str


class TimedEvent(NamedTuple):
    """An event in the order of its own time.

    Attributes:
        time_ms: of the crossing.
        other_id: the second vehicle of two; None: there is none.
        document: as in `StoredEvent`.
    """

    time_ms: int
    other_id: str | None
    document: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None: whichever.

    Attributes:
        vehicles: of one of these, also as the second one of two.
        fences: of one of these.
        rules: told by one of these; a fact is told by none.
        routes: of one of these.
        kinds: the words of the wire.
        begin_ms: not before this, by the event's own time.
        end_ms: before this.
    """

    vehicles: tuple[str, ...] | None = None
    fences: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    routes: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    begin_ms: int | None = None
    end_ms: int | None = None


EVERY_EVENT = EventFilter()


class EventStore(Protocol):
    """The events of all fleets.

    - An event is stored once by its id, in one transaction with the state that it leaves; what is read here was committed.
    - Numbers are in the order of the commits, because one hub writes: who has read up to a number has seen all below it, and nothing
      will come there any more. Two hubs that write into one database would break this.
    - Ids sort, by their bytes, in the order of telling, which is that of storing. So an id is a place in the list even if its event is
      no longer kept, or never came to be stored because the hub died first.
    - Every method raises StoreError when the store cannot be reached.
    """

    async def page(
        self, fleet: str, asked: EventFilter, after: int | None, limit: int, *, newest_first: bool = False
    ) -> Sequence[StoredEvent]:
        """A fleet's events in their order, or in the opposite one, from the first one behind the number `after` (None: from the begin)."""

    async def span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> Sequence[TimedEvent]:
        """Events of these vehicles (None: of all) with begin_ms <= time < end_ms, in order of time, then of storing.

        The first `limit` of them, and all others of the last one's millisecond.
        """

    async def place_of(self, event_id: str, *, newest_first: bool = False) -> int | None:
        """The number to read on behind after this event: its own, or that of the last one before it in this order; None: there is none."""

    async def newest_number(self) -> int:
        """The number of the newest event; 0: there is none."""

    async def fleets_after(self, number: int) -> Sequence[tuple[str, int]]:
        """The fleets with events behind a number, and the newest number of each."""

    async def forget_before(self, time_ms: int, limit: int) -> int:
        """Drop up to `limit` events of all fleets that are older, by their own time; returns how many."""
