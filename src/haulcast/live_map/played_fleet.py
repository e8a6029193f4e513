"""A fleet as it was, for one viewer: rows and last positions of its own, told by a fan-out as the live ones are.

So a view of the past has boxes, zooms, rates, clusters, both encodings and slow readers exactly as one of the present has.
Events of the past do not go this way: they have no place in a log (`past_events`).
"""

import asyncio
from collections.abc import Callable

import numpy as np

from geo.plausible_fixes import PlausibleFleet
from geo.positions import COLUMNS, PositionBatch, from_columns
from geo.track_filter import FilterLimits
from haulcast.doors.socket_session import Claims, Link
from haulcast.history.history_store import FleetFixes
from haulcast.live_map.fan_out import CallLater, FanOut
from haulcast.live_map.view import Move, View
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.tracking.event_documents import EventDocuments

NAMES_AT_ONCE = 5_000  # then the loop serves others


class PlayedFleet:
    """Where the vehicles were at the moment that is shown."""

    def __init__(
        self,
        settings: Settings,
        claims: Claims,
        link: Link,
        *,
        is_binary: bool,
        now_ms: Callable[[], int],
        call_later: CallLater,
    ) -> None:
        """Nothing is shown yet."""
        self._rows, self._last = VehicleRows(), LastPositions()
        limits = FilterLimits(*(getattr(settings, name) for name in FilterLimits._fields))
        self._plausible = PlausibleFleet(limits)
        self._fan_out = FanOut(
            settings, self._last, self._rows, epoch="", documents=EventDocuments(self._rows, _no_label, _no_label, 0),
            now_ms=now_ms, call_later=call_later,
        )  # fmt: skip
        self._viewer = self._fan_out.enter(link, claims, is_binary=is_binary)

    @property
    def slow_closes(self) -> int:
        """1 when the viewer was closed because it did not read."""
        return self._fan_out.slow_closes

    @property
    def counters(self) -> dict[str, int]:
        """Plain counts, as those of the live fan-out."""
        return self._fan_out.counters

    @property
    def is_settled(self) -> bool:
        """Whether the viewer has been sent all that is shown."""
        return self._fan_out.is_settled

    async def in_rows(self, found: FleetFixes) -> PositionBatch:
        """The fixes with this fleet's rows in place of the indices."""
        rows = np.empty(len(found.vehicles), np.int32)
        for start in range(0, len(rows), NAMES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            names = found.vehicles[start : start + NAMES_AT_ONCE]
            rows[start : start + len(names)] = [
                self._rows.row_of(self._viewer.fleet, vehicle) for vehicle in names
            ]
        self._last.ensure_rows(len(self._rows))
        return from_columns(
            rows[found.fixes.row] if name == "row" else getattr(found.fixes, name) for name in COLUMNS
        )

    def show(self, newest: PositionBatch, view: View) -> None:
        """These vehicles are where these fixes, in order of time, say, and no others are anywhere; the viewer gets a snapshot."""
        self._last.is_known[:] = False
        self._plausible.forget()
        self._last.keep(self._plausible.add(newest))
        self._fan_out.subscribe(self._viewer, view)

    def believed(self, fixes: PositionBatch, *, is_leap: bool) -> PositionBatch:
        """Those where the vehicles can have been, by what was shown, and asked for here, before; `is_leap`: not all since then."""
        if is_leap:
            self._plausible.forget_jumps()
        return self._plausible.add(fixes)

    def advance(self, fixes: PositionBatch) -> None:
        """Time passes: fixes in order of time, none older than what is shown of its vehicle."""
        self._fan_out.moved(self._last.keep(fixes))

    def move(self, move: Move) -> None:
        """Show another part of the map; nothing happens before something is shown."""
        self._fan_out.move(self._viewer, move)

    def writable(self) -> None:
        """The viewer has read."""
        self._fan_out.writable(self._viewer)

    def leave(self) -> None:
        """Nothing more is told."""
        self._fan_out.leave(self._viewer)


def _no_label(_number: int) -> tuple[str, str]:
    return "", ""
