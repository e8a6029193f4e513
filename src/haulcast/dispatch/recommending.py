"""The best drivers for one load, and what each would pay for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.route_growth import grown
from geo.route_insertion import Insertion, LoadRows, insertion
from haulcast.dispatch.fleets import Asked, DispatchFacts
from haulcast.dispatch.refusing import Refusal, counts_of, refusals
from haulcast.dispatch.sentences import drive_reasons
from haulcast.routes.load import Load

NEAREST: Final = 5
"""Of so many vehicles the words say why they cannot."""


class End(NamedTuple):
    """When a load's pickup or delivery would be reached, and when its service would begin, Unix seconds."""

    eta_s: float
    begins_s: float


@dataclass(frozen=True, slots=True)
class Driver:
    """One who could take the load.

    Attributes:
        insertion: where it would go, and its costs; `vehicle` is its number.
        vehicle: its id.
        route: id of the route that it would go into; empty: a new one.
        pickup_after, delivery_after: ids of the planned stops before; empty: where the vehicle is. The delivery follows the pickup when both are the same.
        availability: how likely it is free when the pickup is reached; None: nobody knows.
        reasons: in words.
    """

    insertion: Insertion
    vehicle: str
    route: str
    pickup_after: str
    delivery_after: str
    pickup: End
    delivery: End
    availability: float | None
    reasons: list[str]


class Recommendation(NamedTuple):
    """The best drivers, the cheapest first; with none, how many fail which constraint, and the nearest in words."""

    drivers: Sequence[Driver]
    refused: dict[str, int]
    nearest: Sequence[Refusal]


def recommended(asked: Asked, load: Load, most: int, facts: DispatchFacts) -> Recommendation:
    """Ask for one load that has both ends. Blocks: a millisecond, and some more when nobody can."""
    live, row = asked.live, asked.columns.row_of_load(load, asked.needs_of(load.needs))
    loads = asked.search.rows_of(live, [row])
    found = asked.search.nothing(live, 1, most)
    asked.search.fill(live, loads, found)
    records = found.best[0][: found.counts[0]]
    if len(records):
        drivers = [_driver(asked, loads, records[i : i + 1], facts) for i in range(len(records))]
        return Recommendation(drivers, {}, [])
    reasons = asked.search.reasons(live, row)
    return Recommendation([], counts_of(asked, reasons), refusals(asked, loads, 0, load, reasons, NEAREST))


def _driver(asked: Asked, loads: LoadRows, record: NDArray[np.void], facts: DispatchFacts) -> Driver:
    found = insertion(record[0], asked.live.circuity)
    new, origin = grown(asked.live, loads, np.zeros(1, np.int32), record, asked.paces)
    arrival_s = new.arrival_s(asked.paces)
    ends = []
    for end in range(2):
        at = int(np.argmax(origin == ~end))
        ends.append(End(float(arrival_s[at]), float(new.stops["ready_s"][at])))
    first = int(asked.live.offsets[found.vehicle])
    known = asked.columns.facts[found.vehicle]
    after = [asked.columns.stops[first + place] for place in (found.pickup_after, found.delivery_after)]
    pickup, delivery = ends
    now_s = asked.now_ms / 1000
    return Driver(
        insertion=found,
        vehicle=known.vehicle,
        route="" if known.route is None else known.route.route_id,
        pickup_after="" if after[0] is None else after[0].stop_id,
        delivery_after="" if after[1] is None else after[1].stop_id,
        pickup=pickup,
        delivery=delivery,
        availability=facts.availability(asked.fleet, known.vehicle, max(0.0, pickup.eta_s - now_s)),
        reasons=drive_reasons(
            pickup.eta_s - now_s,
            pickup.begins_s - pickup.eta_s,
            found.extra_m,
            found.slack_s,
            found.slack_eaten_s,
        ),
    )
