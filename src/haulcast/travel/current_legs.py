"""The legs of the last minutes of fleets that somebody asks for; a listener of the step."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.driven_legs import LegTracks, some_of
from geo.travel_time import DrivenLegs
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.step import StepResult

CURRENT_MS: Final = 15 * 60_000
MOST_LEGS: Final = 32_768
"""Of a fleet; of a large one it is the newest, a leg of each vehicle before a second one of any."""
ASKED_MS: Final = 60 * 60_000
"""A fleet that nobody has asked for in so long costs nothing any more."""

_LEG = np.dtype([("time_ms", np.int64), ("cell", np.int64), ("hour", np.int64), ("speed_mps", np.float64)])


class LegRing:
    """The newest legs of one fleet."""

    def __init__(self, most: int = MOST_LEGS) -> None:
        self._legs = np.zeros(most, _LEG)
        self._next = 0

    def add(self, time_ms: NDArray[np.int64], legs: DrivenLegs) -> None:
        """Take these in the place of the oldest."""
        count = min(len(time_ms), len(self._legs))
        at = (self._next + np.arange(count)) % len(self._legs)
        for name, column in zip(_LEG.names or (), (time_ms, *legs), strict=True):
            self._legs[name][at] = column[len(column) - count :]
        self._next = (self._next + count) % len(self._legs)

    def since(self, begin_ms: int) -> DrivenLegs:
        """Those that ended at this moment or later."""
        found = self._legs[(self._legs["time_ms"] >= begin_ms) & (self._legs["time_ms"] > 0)]
        return DrivenLegs(*(np.ascontiguousarray(found[name]) for name in ("cell", "hour", "speed_mps")))


class CurrentLegs:
    """Legs of the fleets that are asked for.

    Args:
        rows: whose they are.
        most: legs kept of a fleet.
    """

    def __init__(self, rows: VehicleRows, most: int = MOST_LEGS) -> None:
        self.taken = 0
        self._rows = rows
        self._most = most
        self._tracks = LegTracks()
        self._asked_ms: dict[int, int] = {}
        self._rings: dict[int, LegRing] = {}
        self._is_asked = np.zeros(0, np.bool_)

    @property
    def fleets(self) -> list[str]:
        """Those that are collected."""
        return [self._rows.fleet_names[number] for number in self._rings]

    def ask(self, fleet: str, now_ms: int) -> None:
        """Collect this fleet's from now on, for an hour."""
        number = self._rows.fleet_number_of(fleet)
        self._asked_ms[number] = now_ms
        if number not in self._rings:
            self._rings[number] = LegRing(self._most)
            self._note()

    def forget_unasked(self, now_ms: int) -> None:
        """Let go of fleets that nobody has asked for in a while."""
        for number in [n for n, asked_ms in self._asked_ms.items() if now_ms - asked_ms > ASKED_MS]:
            del self._asked_ms[number], self._rings[number]
            self._note()

    def _note(self) -> None:
        self._is_asked = np.zeros(1 + max(self._rings, default=-1), np.bool_)
        self._is_asked[list(self._rings)] = True

    def on_step(self, result: StepResult) -> None:
        """Take the legs that a step's fixes end."""
        if not self._rings or not len(result.accepted):
            return
        self._tracks.ensure_rows(len(self._rows))
        fixes = result.accepted
        index = self._tracks.may_end(fixes.row, fixes.time_ms)
        fleet = self._rows.fleet_number[fixes.row[index]]
        # what was sent after hours without network says nothing of now
        is_ours = ~result.is_late[index] & (fixes.time_ms[index] > result.now_ms - CURRENT_MS)
        is_ours &= fleet < len(self._is_asked)
        is_ours[is_ours] = self._is_asked[fleet[is_ours]]
        index, fleet = index[is_ours], fleet[is_ours]
        if not len(index):
            return
        time_ms = fixes.time_ms[index]
        found = self._tracks.take(fixes.row[index], time_ms, fixes.lat_deg[index], fixes.lon_deg[index])
        self.taken += len(found.fix)
        self._share_out(fleet[found.fix], time_ms[found.fix], found.legs)

    def _share_out(self, fleet: NDArray[np.int32], time_ms: NDArray[np.int64], legs: DrivenLegs) -> None:
        order = np.argsort(fleet, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(fleet[order])) + 1):
            if len(part):
                self._rings[int(fleet[part[0]])].add(time_ms[part], some_of(legs, part))

    def since(self, fleet: str, begin_ms: int) -> DrivenLegs | None:
        """A fleet's legs from a moment on; None: it is not asked for."""
        ring = self._rings.get(self._rows.fleet_number_of(fleet))
        return None if ring is None else ring.since(begin_ms)
