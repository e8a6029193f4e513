"""What keeps a load out of a vehicle, with the numbers: at the place where it comes closest.

Which constraint it is says `geo.route_insertion.Reason`; here all places are looked at once more, for how much is missing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.route_growth import places_of
from geo.route_insertion import LoadRows, Reason
from geo.route_times import AMOUNT_UNITS
from haulcast.dispatch.fleet_routes import NO_ROOM
from haulcast.dispatch.fleets import Asked
from haulcast.dispatch.sentences import clock_times, counted, minutes
from haulcast.routes.load import Load

_TOLERANCE_S = 0.01


class Refusal(NamedTuple):
    """Why a vehicle cannot take a load.

    Attributes:
        vehicle: its id.
        constraint: in lower case.
        stop: id of the planned stop that would be late; "pickup" or "delivery" of the load; empty: it is none of a stop.
        words: the same with numbers.
    """

    vehicle: str
    constraint: str
    stop: str
    words: str


def counts_of(asked: Asked, reasons: NDArray[np.int8]) -> dict[str, int]:
    """How many of those who were asked fail each constraint."""
    counts = np.bincount(reasons[asked.is_asked], minlength=len(Reason))
    return {reason.name.lower(): int(counts[reason]) for reason in Reason if reason and counts[reason]}


def nearest(asked: Asked, loads: LoadRows, at: int, most: int) -> NDArray[np.int64]:
    """Those who are asked, the nearest to a load's pickup first."""
    live, pickup = asked.live, loads.ends[2 * at]
    who = np.flatnonzero(asked.is_asked)
    first = live.stops[live.offsets[who]]
    square = sum((first[axis].astype(np.float64) - float(pickup[axis])) ** 2 for axis in "xyz")
    return who[np.argsort(square, kind="stable")[:most]]


def refusal(asked: Asked, loads: LoadRows, at: int, load: Load, vehicle: int, reason: Reason) -> Refusal:
    """Why this vehicle cannot take the load, in words."""
    name = asked.columns.facts[vehicle].vehicle
    if reason is Reason.SKILLS:
        lacks = sorted(load.needs - asked.columns.facts[vehicle].profile.skills)
        return Refusal(name, "skills", "", f"{name}: lacks {', '.join(lacks)}")
    if reason is Reason.CAPACITY:
        return Refusal(name, "capacity", "", f"{name}: {_no_room(asked, load, vehicle)}")
    stop, words = _Closest(asked, loads, at, vehicle).told(reason)
    return Refusal(name, reason.name.lower(), stop, f"{name}: {words}")


def _no_room(asked: Asked, load: Load, vehicle: int) -> str:
    """The dimension of which most is missing, at the stop where most of it is free."""
    columns, live = asked.columns, asked.live
    known = set(columns.dimensions)
    for name in sorted(load.size.keys() - known):
        if load.size[name] > 0:
            return f"has no room for {name}, and the load has {load.size[name]:g}"
    free = live.most_free[vehicle] / AMOUNT_UNITS
    missing = [load.size.get(name, 0.0) - free[i] for i, name in enumerate(columns.dimensions)]
    i = int(np.argmax([m if name != NO_ROOM else -np.inf for m, name in zip(missing, columns.dimensions, strict=True)]))  # fmt: skip
    name = columns.dimensions[i]
    if name == NO_ROOM or missing[i] <= 0:
        return "has room for the load after no stop in all dimensions at once"
    return f"has room for {max(0.0, free[i]):g} {name} at most, and the load has {load.size[name]:g}"


class _Closest:
    """A route with the load at every place, and where it comes closest to fitting: what passes all that is asked before."""

    def __init__(self, asked: Asked, loads: LoadRows, at: int, vehicle: int) -> None:
        self._asked, self._vehicle = asked, vehicle
        places = places_of(asked.live, vehicle, loads, at, asked.paces)
        self._stops, self._origin, self._each = places.stops, places.origin, np.arange(len(places.pairs))
        self._ends = [np.argmax(places.origin == ~(2 * at + end), axis=1) for end in range(2)]
        row = np.arange(places.origin.shape[1])
        carries = (row >= self._ends[0][:, None]) & (row < self._ends[1][:, None])
        before_s = asked.live.stops["ready_s"][np.maximum(places.origin, 0)]
        self._allowed_s = np.maximum(places.stops["closes_s"], before_s)
        self._was_late = before_s > places.stops["closes_s"]
        self._late_s = np.where(places.origin >= 0, places.stops["ready_s"] - self._allowed_s, -np.inf)
        most_drive_s = asked.live.vehicles["most_drive_s"][vehicle]
        passes = (
            (Reason.CAPACITY, ((places.free >= 0).all(axis=2) | ~carries).all(axis=1)),
            (Reason.PICKUP_LATE, self._in_time(0)),
            (Reason.DELIVERY_LATE, self._in_time(1)),
            (Reason.STOP_LATE, self._late_s.max(axis=1) <= _TOLERANCE_S),
            (Reason.DRIVING, places.stops["driven_s"][:, -1] <= most_drive_s + _TOLERANCE_S),
        )
        self._passes = dict(passes)

    def told(self, reason: Reason) -> tuple[str, str]:
        """The stop, and the words."""
        tell = {
            Reason.PICKUP_LATE: self._late_end,
            Reason.DELIVERY_LATE: self._late_end,
            Reason.STOP_LATE: self._late_stop,
            Reason.DRIVING: self._too_much_driving,
            Reason.SHIFT: self._shift_over,
        }
        return tell[reason](reason)

    def _in_time(self, end: int) -> NDArray[np.bool_]:
        begins_s, closes_s = (
            self._stops[name][self._each, self._ends[end]] for name in ("ready_s", "closes_s")
        )
        in_time: NDArray[np.bool_] = begins_s <= closes_s + _TOLERANCE_S
        return in_time

    def _least(self, values: NDArray[np.float64], reason: Reason) -> int:
        """The place with the least of them among those that pass what is asked before this reason."""
        passes = np.ones(len(values), np.bool_)
        for earlier, ok in self._passes.items():
            if earlier < reason and (passes & ok).any():
                passes &= ok
        return int(np.argmin(np.where(passes, values, np.inf)))

    def _late_end(self, reason: Reason) -> tuple[str, str]:
        end = int(reason is Reason.DELIVERY_LATE)
        name, row = ("pickup", "delivery")[end], self._ends[end]
        best = self._least(self._stops["ready_s"][self._each, row], reason)
        stop = self._stops[best, row[best]]
        closes, there = clock_times(float(stop["closes_s"]), float(stop["ready_s"]))
        return name, f"the {name} window closes {closes}, it would be there {there}"

    def _late_stop(self, reason: Reason) -> tuple[str, str]:
        """The planned stop that would be late, where it would be least so."""
        best = self._least(self._late_s.max(axis=1), reason)
        row = int(np.argmax(self._late_s[best]))
        stop = self._asked.columns.stops[int(self._origin[best, row])]
        name = "its end depot" if stop is None else f"stop {stop.stop_id!r}"
        limit, begins = clock_times(
            float(self._allowed_s[best, row]), float(self._stops["ready_s"][best, row])
        )
        if self._was_late[best, row]:
            words = f"{name} is late already, at {limit}, and would be at {begins}"
        else:
            words = f"{name} closes {limit}, it would be there {begins}"
        return "" if stop is None else stop.stop_id, words

    def _too_much_driving(self, reason: Reason) -> tuple[str, str]:
        driven_s = self._stops["driven_s"][:, -1]
        most_s, least_s = (
            float(self._asked.live.vehicles["most_drive_s"][self._vehicle]),
            float(driven_s[self._least(driven_s, reason)]),
        )
        would = minutes(least_s)
        if would == minutes(most_s):
            would = f"{counted((least_s - most_s) / 60, 'min')} more"
        return "", f"may drive {minutes(most_s)}, and would drive {would}"

    def _shift_over(self, reason: Reason) -> tuple[str, str]:
        over_s = (self._stops["ready_s"] + self._stops["service_s"])[:, -1]
        ends_s = float(self._asked.live.vehicles["ends_s"][self._vehicle])
        ends, done = clock_times(ends_s, float(over_s[self._least(over_s, reason)]))
        return "", f"its shift ends {ends}, and it would be done {done}"


def refusals(
    asked: Asked, loads: LoadRows, at: int, load: Load, reasons: NDArray[np.int8], most: int
) -> Sequence[Refusal]:
    """The words of the nearest who are asked and cannot."""
    return [
        refusal(asked, loads, at, load, int(vehicle), Reason(int(reasons[vehicle])))
        for vehicle in nearest(asked, loads, at, most)
        if reasons[vehicle] != Reason.FITS
    ]
