"""The contract of a history store: every fix that was taken, or refused for a jump alone, by vehicle and time."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from geo.positions import PositionBatch

DAY_MS = 86_400_000

NameOf = Callable[[int], tuple[str, str]]
"""The (fleet, vehicle id) of a row. A row stands for one vehicle for as long as the store that was given this lives."""


class FixKey(NamedTuple):
    """A fix's place in its vehicle's history, which is in this order."""

    time_ms: int
    seq: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some of a vehicle's fixes in the order of their keys.

    Attributes:
        fixes: their `row` says nothing, it is 0.
        last_key: the key to go on after; None: there are no more.
    """

    fixes: PositionBatch
    last_key: FixKey | None


@dataclass(frozen=True, slots=True)
class FleetFixes:
    """Fixes of several vehicles, in the order of their times; of one vehicle in that of their keys.

    Attributes:
        vehicles: ids of the vehicles that have some.
        fixes: `row` is the vehicle's index in `vehicles`. All columns, but no attributes.
        end_ms: what was asked for is whole up to this time, which is excluded.
    """

    vehicles: Sequence[str]
    fixes: PositionBatch
    end_ms: int


class HistoryStore(Protocol):
    """The fixes of all vehicles.

    - A write is durable when it returns. It is done whole or not at all, but for InfluxDB, which has no transactions: there some of
      the fixes of a write that failed may be stored. Writing all of them again is right in any case.
    - A fix is kept exactly once by (vehicle, time, sequence): writing it again changes nothing, in the same write or in another
      one, by this hub or by another one. A device gives a sequence to one fix only, so this is once by (vehicle, sequence); where a
      protocol has no sequence, all have -1, and it is once by (vehicle, time).
      InfluxDB keeps the last of two different fixes with the same key, the others the first. And within one millisecond of a vehicle it
      takes sequences for the same that are a multiple of 999,983 apart (`influx_lines.py` says why).
    - What is stored in the end does not depend on the order or the grouping of the writes.
    - All columns come back bit for bit, NaN included, and attributes as the JSON text that was given.
    - A vehicle is known by (fleet, vehicle id), whether the hub has it on record or not. Deleting it there keeps its history, until
      its days are dropped or it is purged; one that is made anew under the same id goes on where the old one ended.
    - A fix of any day from year 1 to 9999 can be written, in InfluxDB of 1677 to 2262 and within its retention; days before today's
      have no disadvantage.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown, and it
      may simply be repeated.
    """

    async def write(self, fixes: PositionBatch) -> int:
        """Store fixes of any vehicles and days in any order; returns how many were not there yet, as far as the store can tell.

        InfluxDB cannot, and says that all were new: then nothing counts as repeated.

        Raises:
            RefusedFixesError: at least one of them has a value that can never be stored, or there are too many different days
                among them; none was stored, but for InfluxDB, as above.
        """

    async def read(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """One vehicle's fixes with begin_ms <= time_ms < end_ms, from the first one after the key `after`, at most `limit`.

        A vehicle that is not known has none. Pages are right while fixes are written; one that comes in before `after` is not seen.
        """

    async def read_span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> FleetFixes:
        """The fixes of many vehicles (None: all of the fleet) with begin_ms <= time_ms < end_ms, for playing them.

        Of more than `limit` fixes the first ones are given, and `end_ms` of the answer says how far that is. It is
        after `begin_ms` whatever the limit: fixes of one millisecond are never parted, so there may be more than `limit` of them.
        A vehicle that is not known has none.
        """

    async def latest_before(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, count: int = 1
    ) -> FleetFixes:
        """The newest `count` fixes of each of these vehicles (None: all of the fleet) with begin_ms <= time_ms < end_ms; fewer, if there are.

        Of fixes with the same time those with the greatest sequences. Vehicles without a fix in the span are left out.
        """

    async def last(self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, count: int) -> PositionBatch:
        """The last `count` of one vehicle's fixes with begin_ms <= time_ms < end_ms, in the order of their keys; fewer, if there are."""

    async def prepare(self, time_ms: int) -> None:
        """Make room ahead for the fixes of this day, so that no write has to; nothing where a store makes its own."""

    async def drop_before(self, time_ms: int) -> int:
        """Drop the days (UTC) that were over at this time, of all fleets; returns how many there were."""

    async def purge(self, fleet: str, vehicle: str) -> int:
        """Delete all that is stored of one vehicle; returns how many fixes that was."""
