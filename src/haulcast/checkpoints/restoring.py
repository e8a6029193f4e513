"""At the start: what the last run of the hub knew of each vehicle becomes the state of this one."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.fence_transitions import Slots
from geo.positions import COLUMNS, from_columns
from haulcast.checkpoints.checkpoint_store import NONE_OPEN, Checkpoints, CheckpointStore
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.rules.near_watch import OpenPair
from haulcast.tracking.step import HubState

_WHOLE = {
    "row": np.int32,
    "handle": np.int32,
    "doubt": np.int8,
    "visit": np.int64,
    "entered_ms": np.int64,
    "turn_ms": np.int64,
}
_SLOT = np.dtype([(name, _WHOLE.get(name, np.float64)) for name in Slots._fields])
_SETTLED = (0,) * (len(Slots._fields) - 2)
"""What follows the fence of a visit; where the text is shorter, nothing is in doubt."""
NUMBERS_APART = 1_000_000
"""Between two runs of the hub on a clock that was set back: visits may be a little ahead of the newest event that is stored."""


async def first_number(store: CheckpointStore, state: HubState, now_us: int) -> int:
    """The number of this run's first event, and of its first visit in `state`: higher than all before, even if the clock was set back.

    Raises:
        StoreError: the store cannot be reached.
    """
    first = max(now_us, await store.newest_event() + NUMBERS_APART)
    visits = state.fences.state
    visits.next_visit = max(visits.next_visit, first)
    return first


async def restore_vehicles(
    store: CheckpointStore, state: HubState, rows: VehicleRows, handle_of: Callable[[str, str], int]
) -> None:
    """Read every checkpoint into the state, before the first step.

    Args:
        store: where they are.
        state: fresh.
        rows: as fresh.
        handle_of: the handle of (fleet, fence id); for a fence that is gone a handle that no fence has, so that the first
            step closes its visits.

    Raises:
        StoreError: the store cannot be reached.
    """
    handle_of = cache(handle_of)  # one handle for all visits of a fence that is gone
    async for portion in store.read_all():
        restore_portion(portion, state, rows, handle_of)


def restore_portion(
    portion: Checkpoints, state: HubState, rows: VehicleRows, handle_of: Callable[[str, str], int]
) -> None:
    """See `restore_vehicles`."""
    names = zip(portion.fleet, portion.vehicle, strict=True)
    row = np.array([rows.row_of(fleet, vehicle) for fleet, vehicle in names], np.int32)
    state.ensure_rows(len(rows), rows.fleet_number)
    numbers = {**portion.numbers, "row": row}
    state.last.keep(from_columns(numbers[name] for name in COLUMNS))
    track = state.track.track
    track["newest_ms"][row] = numbers["time_ms"]
    track["newest_lat"][row] = numbers["lat_deg"]
    track["newest_lon"][row] = numbers["lon_deg"]
    track["newest_accuracy"][row] = numbers["accuracy_m"]
    track["top_seq"][row] = numbers["top_seq"]
    track["window"][row] = numbers["seq_window"].view(np.uint64)
    track["handled_seq"][row] = numbers["handled_seq"]
    # it was taken and may never have been kept; if it was, its store knows
    track["newest_is_lost"][row] = ~state.track.is_taken(row, numbers["seq"])
    state.rules.restore(row, numbers["told_ms"])
    state.rules.restore_pairs(_pairs(portion, row, rows))
    state.routes.restore(row.tolist(), portion.route)
    state.ensure_rows(len(rows), rows.fleet_number)
    known = _slots(portion, row, handle_of)
    state.fences.state.restore(
        row, numbers["fence_time_ms"], numbers["fence_lat_deg"], numbers["fence_lon_deg"], known
    )


def _slots(portion: Checkpoints, rows: NDArray[np.int32], handle_of: Callable[[str, str], int]) -> Slots:
    found = [
        (row, handle_of(fleet, fence_id), *said, *_SETTLED[len(said) :])
        for row, fleet, text in zip(rows.tolist(), portion.fleet, portion.visits, strict=True)
        if text != NONE_OPEN
        for fence_id, *said in orjson.loads(text)
    ]
    table = np.array(found, _SLOT)
    return Slots(*(table[name] for name in Slots._fields))


def _pairs(portion: Checkpoints, row: NDArray[np.int32], rows: VehicleRows) -> Iterator[OpenPair]:
    for first, fleet, text in zip(row.tolist(), portion.fleet, portion.pairs, strict=True):
        if text != NONE_OPEN:
            for rule_id, vehicle, visit, entered_ms, is_told in orjson.loads(text):
                yield OpenPair(fleet, rule_id, first, rows.row_of(fleet, vehicle), visit, entered_ms, is_told)
