"""The contract of a checkpoint store: what is kept of a vehicle over a restart, with what was told of it, and what a store promises."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.positions import COLUMNS
from haulcast.tracking.event_documents import EventDocument

NUMBERS: Mapping[str, type] = {
    **{name: dtype for name, dtype in COLUMNS.items() if name != "row"},
    "top_seq": np.int64,
    "seq_window": np.int64,
    "handled_seq": np.int64,
    "fence_time_ms": np.int64,
    "fence_lat_deg": np.float64,
    "fence_lon_deg": np.float64,
    "told_ms": np.int64,
}
"""Name and dtype of each column of numbers.

First the last position, as in `geo.positions`. Then the highest sequence kept, a bit for each of the 64 up to it that was
kept, and the highest up to which all are kept or refused (kept: stored, or just taken when there is no history). Then where the fences were last evaluated,
and the time of the newest event of a rule that came without a fix."""

NONE_OPEN = "[]"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Vehicles as columns of equal length.

    Attributes:
        fleet: the fleet of each.
        vehicle: its id.
        visits: its open visits as JSON text, [[fence id, visit id, entered_ms], ...]; where a side is in doubt, the columns of
            `geo.fence_transitions.Slots` from `doubt` on follow, also of fences that it is believed outside of.
        pairs: the vehicles near it, for proximity rules, as JSON text, [[rule id, vehicle id, visit id, entered_ms, is told], ...].
        route: how far it has come on its active route, as JSON text (`haulcast.routes.route_watch`); NO_ROUTE: it has none.
        numbers: the columns of `NUMBERS`.
    """

    fleet: Sequence[str]
    vehicle: Sequence[str]
    visits: Sequence[str]
    pairs: Sequence[str]
    route: Sequence[str]
    numbers: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.vehicle)


class DeletedVehicle(NamedTuple):
    """One that was deleted while events of it waited; of its visits those numbered below `before_visit` ended with it."""

    fleet: str
    vehicle: str
    before_visit: int


class CheckpointStore(Protocol):
    """One checkpoint a vehicle, by (fleet, vehicle id); all events, each once, and the visits that follow from them.

    - A save is durable when it returns, and is done whole or not at all: no checkpoint without the events that led to it, no event
      without the checkpoint after it, so that no later run of the hub tells one again.
    - Only a vehicle that the hub has on record has a checkpoint; the deletion of a vehicle takes it away, and a save that is
      under way cannot bring it back. Its events and visits stay.
    - An event that is there already, by its id, is not stored again; what is saved twice is as if it was saved once.
    - Events are numbered in the order in which they become visible, as long as one hub writes.
    - Numbers come back bit for bit, NaN included.
    - Every method raises StoreError when the store cannot be reached; whether a save that failed so was done is unknown.
    """

    async def save(
        self,
        checkpoints: Checkpoints,
        events: Sequence[EventDocument] = (),
        deleted: Sequence[DeletedVehicle] = (),
    ) -> Sequence[int]:
        """Replace the checkpoints of these vehicles, each named once, and store events; returns the indices of those not on record.

        Args:
            checkpoints: each of a state that includes all events told of the vehicle so far.
            events: in order; those of a vehicle that `checkpoints` names and that is not on record are not stored, those of vehicles
                that it does not name are.
            deleted: of whom visits that have not ended by then, after the events, end now.
        """

    async def newest_event(self) -> int:
        """The highest number of an event that is stored; -1: there is none."""

    def read_all(self) -> AsyncIterator[Checkpoints]:
        """Every checkpoint, in portions: the state at one moment."""
