"""At the start: fixes that the history has and no checkpoint has yet are stepped again, so that nothing is as if they had not been.

Checkpoints of vehicles that merely moved are some seconds old after a crash. Without this the next fix would be compared with a place
where the vehicle was long ago: it would enter and leave at other times than it did, and drive through fences that it went around.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

from geo.positions import COLUMNS, PositionBatch, from_columns
from haulcast.database.pool import Database
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.step import HubState

PORTION = 20_000
BEFORE_RECORD_MS = 60_000  # a vehicle's first fixes come a little before it is on record
SEQUENCES = ("top_seq", "window", "handled_seq")

_NAMES = tuple(name for name in COLUMNS if name != "row")
_READ = f"""
    SELECT fleet, vehicle_id, {", ".join(f"newer.{name}" for name in _NAMES)}
    FROM vehicles LEFT JOIN checkpoints USING (fleet, vehicle_id) JOIN history_vehicles USING (fleet, vehicle_id)
    CROSS JOIN LATERAL (
        SELECT {", ".join(_NAMES)} FROM fixes
        WHERE vehicle = history_vehicles.number AND time_ms > coalesce(checkpoints.time_ms, -{2**62})
            AND (checkpoints.time_ms IS NOT NULL OR received_ms > extract(epoch FROM vehicles.created) * 1000 - {BEFORE_RECORD_MS})
        OFFSET 0
    ) AS newer
    ORDER BY newer.time_ms, newer.seq
"""  # noqa: S608 - no input in it; OFFSET keeps the planner to one look into the index for each vehicle and day

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewerFixes:
    """Fixes in the order of their times, with the fleet and the vehicle of each; `row` says nothing."""

    fleet: Sequence[str]
    vehicle: Sequence[str]
    fixes: PositionBatch


class NewerFixStore(Protocol):
    """Where the fixes are."""

    def read_newer(self) -> AsyncIterator[NewerFixes]:
        """All that are newer than the checkpoint of their vehicle, in portions; of one on record that has none, all since it is.

        Raises:
            StoreError: the store cannot be reached.
        """


class PostgresNewerFixes:
    """History and checkpoints in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_newer(self) -> AsyncIterator[NewerFixes]:
        """See `NewerFixStore`."""
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(_READ)
            while found := await cursor.fetch(PORTION):
                fleet, vehicle, *columns = zip(*found, strict=True)
                named = {**dict(zip(_NAMES, columns, strict=True)), "row": np.zeros(len(found))}
                fixes = from_columns(np.array(named[name], dtype) for name, dtype in COLUMNS.items())
                yield NewerFixes(fleet, vehicle, fixes)


async def redo(
    store: NewerFixStore,
    state: HubState,
    rows: VehicleRows,
    take_step: Callable[[PositionBatch], None],
    now_ms: int,
) -> int:
    """Step what is newer, after `restore_vehicles` and before anything else; returns how many fixes that was.

    Of the sequences nothing is believed: devices send again what was not acked, and it is late then.

    Args:
        store: where they are.
        state: as `restore_vehicles` left it.
        rows: as well.
        take_step: steps fixes and tells those who have to hear of it.
        now_ms: the time from which the vehicles' clocks go on.
    """
    count = 0
    async for portion in store.read_newer():
        names = zip(portion.fleet, portion.vehicle, strict=True)
        row = np.array([rows.row_of(fleet, vehicle) for fleet, vehicle in names], np.int32)
        state.ensure_rows(len(rows), rows.fleet_number)
        own, track = np.unique(row), state.track.track
        before = {name: track[name][own] for name in SEQUENCES}
        count += len(row)
        given = {"row": row, "received_ms": np.full(len(row), now_ms)}
        columns = {name: given.get(name, getattr(portion.fixes, name)) for name in COLUMNS}
        take_step(from_columns(columns.values()))
        state.last.received_ms[row] = (
            portion.fixes.received_ms
        )  # of several fixes of one row the last one stays
        state.track.give_up_held(own)
        for name, values in before.items():
            state.track.track[name][own] = values
        state.track.track["newest_is_lost"][own] = 1
    if count:
        log.info("fixes_redone", fixes=count, hint="they were stored after the last checkpoints")
    return count
