"""The routes that a fleet drives now: arrival, latest feasible begin and slack of every stop. The face of `geo.kernels.route_times`.

A route is the stops of one vehicle in their order. The first is where the vehicle is, or where it will be free: `opens_s` is when. All times are
Unix seconds. `ready_s` of a stop is when its service begins: when the vehicle arrives, or when the window opens. `latest_s` is the latest
begin for which neither this stop nor one after it is late; a stop that is late already may not get later. Slack is the difference, and never below 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.kernels import route_times as kernel
from geo.travel_time import TravelTimes, sphere_points, untaught_travel_times

AMOUNT_UNITS = 1e6
"""Amounts are counted in millionths, so that sums of them are exact."""

MOST_AMOUNT = 1e9


class LiveRouteError(ValueError):
    """Routes that say something impossible of themselves: what, where, and what is allowed."""


@dataclass(frozen=True, slots=True)
class LiveRoutes:
    """Routes of k vehicles with n stops in all, and D dimensions of capacity; `live_routes` makes it.

    Attributes:
        offsets: int64[k + 1]; the stops of route r are rows offsets[r] to before offsets[r + 1].
        stops: LIVE_STOP[n].
        legs: LIVE_LEG[n], what is known of the travel times to each stop.
        vehicles: LIVE_VEHICLE[k].
        free: int64[n, D], what is free when a stop is left, in millionths.
        most_free: int64[k, D], the largest of a route.
        points: float32[4, n], places and ways of all stops once more, which is all that most of a search reads.
        balls: float32[7, k], around the stops of each route, and what an insertion costs at least.
        circuity: metres by road over metres as the crow flies.
    """

    offsets: NDArray[np.int64]
    stops: NDArray[np.void]
    legs: NDArray[np.void]
    vehicles: NDArray[np.void]
    free: NDArray[np.int64]
    most_free: NDArray[np.int64]
    points: NDArray[np.float32]
    balls: NDArray[np.float32]
    circuity: float

    def update(self, paces: NDArray[np.float32], *, are_new: bool = True) -> None:
        """Bring `ready_s`, `latest_s` and `driven_s` of all stops up to date.

        Args:
            paces: as of `TravelTimes.paces`.
            are_new: false if it is the table of the last update, which makes it several times as fast.
        """
        if are_new:
            self.legs.view(np.float64)[:] = 0.0
        kernel.eta_update(self.stops, self.legs, self.offsets, paces)

    def move(
        self,
        which: NDArray[np.int32],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        pace_row: NDArray[np.int32],
        free_s: NDArray[np.float64],
        paces: NDArray[np.float32],
    ) -> None:
        """Set where the vehicles of some routes are now, and bring the times of these up to date.

        Args:
            which: int32[m], the routes.
            lat_deg: float64[m].
            lon_deg: float64[m].
            pace_row: int32[m], as of `TravelTimes.rows_of`.
            free_s: float64[m], when each is free there: now, or when its service ends.
            paces: the table of the last update.
        """
        places = sphere_points(lat_deg, lon_deg)
        columns = self.stops, self.legs, self.points, self.balls, self.offsets
        kernel.move_starts(*columns, which, places, pace_row, free_s, paces)

    def arrival_s(self, paces: NDArray[np.float32]) -> NDArray[np.float64]:
        """When each stop is reached, float64[n]; of the first one when the vehicle is free there."""
        arrival = np.empty(len(self.stops))
        kernel.arrivals(self.stops, self.offsets, paces, arrival)
        return arrival

    def slack_s(self) -> NDArray[np.float64]:
        """How much later the service of each stop may begin, float64[n]; infinite where nothing that follows closes."""
        slack: NDArray[np.float64] = np.maximum(0.0, self.stops["latest_s"] - self.stops["ready_s"])
        return slack

    def late_s(self) -> NDArray[np.float64]:
        """How long after its window has closed the service of each stop begins, float64[n]; 0 where it is in time."""
        late: NDArray[np.float64] = np.maximum(0.0, self.stops["ready_s"] - self.stops["closes_s"])
        return late


def live_routes(
    travel: TravelTimes,
    offsets: ArrayLike,
    *,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    opens_s: ArrayLike,
    capacity: ArrayLike,
    closes_s: ArrayLike = np.inf,
    service_s: ArrayLike = 0.0,
    change: ArrayLike = 0.0,
    skills: ArrayLike = 0,
    returns: ArrayLike = False,
    cost_per_m: ArrayLike = 1.0,
    cost_per_s: ArrayLike = 0.0,
    fixed_cost: ArrayLike = 0.0,
    most_drive_s: ArrayLike = np.inf,
    change_cost: ArrayLike = 0.0,
    ends_s: ArrayLike = np.inf,
) -> LiveRoutes:
    """Routes from columns, with their times by the paces as learned. A number stands for a column of it.

    Args:
        travel: tells pace rows and circuity.
        offsets: int[k + 1], from 0 to n; every route has a stop, its vehicle's place.
        lat_deg: float[n].
        lon_deg: float[n].
        opens_s: float[n]; of a route's first stop: when the vehicle is free there.
        closes_s: float[n], infinite: never.
        service_s: float[n].
        change: float[n, D], what a stop loads, negative what it unloads; of a route's first stop: what is aboard.
        capacity: float[k, D].
        skills: uint64[k], bits.
        returns: bool[k], nothing may come after the last stop.
        cost_per_m: float[k], by road.
        cost_per_s: float[k].
        fixed_cost: float[k], of a vehicle that has nothing to do yet.
        most_drive_s: float[k], driving at most, from the first stop to the last.
        change_cost: float[k], of a vehicle that has something to do: what it costs to tell its driver something else.
        ends_s: float[k], by when service at the last stop has to be over, infinite: any time. A route that ends later already may not end later still.

    Raises:
        LiveRouteError: columns that do not fit together, or numbers that cannot be.
    """
    ends = _ends(offsets)
    n, k = int(ends[-1]), len(ends) - 1
    stops = _stops(travel, n, lat_deg, lon_deg, opens_s, closes_s, service_s)
    vehicles = _vehicles(k, cost_per_m, cost_per_s, fixed_cost, most_drive_s, ends_s)
    vehicles["cost_per_m"] *= travel.circuity  # the kernels count metres as the crow flies
    _set_kinds(vehicles, np.diff(ends), skills, returns, change_cost)
    room = amounts(capacity, "capacity", k)
    changes = amounts(change, "change", n, room.shape[1])
    legs = np.zeros(n, kernel.LIVE_LEG)
    free, most_free = np.zeros_like(changes), np.zeros_like(room)
    points, balls = np.zeros((4, n), np.float32), _balls(vehicles)
    kernel.set_shapes(stops, points, balls, ends, changes, room, free, most_free)
    routes = LiveRoutes(ends, stops, legs, vehicles, free, most_free, points, balls, float(travel.circuity))
    routes.update(travel.paces())
    return routes


def _ends(offsets: ArrayLike) -> NDArray[np.int64]:
    ends = np.ascontiguousarray(offsets, np.int64)
    if ends.ndim != 1 or len(ends) < 1 or ends[0] != 0 or (np.diff(ends) < 1).any():
        raise LiveRouteError(
            "offsets must begin with 0 and grow: every route has at least its vehicle's place"
        )
    return ends


def _stops(travel: TravelTimes, n: int, *columns: ArrayLike) -> NDArray[np.void]:
    """LIVE_STOP[n], without what follows from the routes."""
    names = ("lat_deg", "lon_deg", "opens_s", "closes_s", "service_s")
    lat, lon, *times = (_column(given, name, n) for name, given in zip(names, columns, strict=True))
    _require(np.abs(lat) <= 90, "lat_deg", "within +-90")
    _require(np.abs(lon) <= 180, "lon_deg", "within +-180")
    stops = np.zeros(n, kernel.LIVE_STOP)
    for name, column in zip(("x", "y", "z", *names[2:]), (*sphere_points(lat, lon).T, *times), strict=True):
        stops[name] = column
    stops["pace_row"] = travel.rows_of(lat, lon)
    _require(np.isfinite(stops["opens_s"]), "opens_s", "finite")
    _require(~np.isnan(stops["closes_s"]), "closes_s", "a number")
    _require((stops["service_s"] >= 0) & np.isfinite(stops["service_s"]), "service_s", "finite, at least 0")
    return stops


def _vehicles(k: int, *columns: ArrayLike) -> NDArray[np.void]:
    """LIVE_VEHICLE[k] with costs and driving limit only."""
    vehicles = np.zeros(k, kernel.LIVE_VEHICLE)
    names = ("cost_per_m", "cost_per_s", "fixed_cost", "most_drive_s", "ends_s")
    for name, given in zip(names, columns, strict=True):
        vehicles[name] = _column(given, name, k)
        _require(vehicles[name] >= 0, name, "at least 0")
    return vehicles


def _set_kinds(
    vehicles: NDArray[np.void],
    counts: NDArray[np.int64],
    skills: ArrayLike,
    returns: ArrayLike,
    change_cost: ArrayLike,
) -> None:
    """Skills, whether anything comes after the last stop, and what any insertion costs."""
    k = len(vehicles)
    vehicles["skills"] = np.broadcast_to(np.asarray(skills, np.uint64), k)
    vehicles["returns"] = np.broadcast_to(np.asarray(returns, np.bool_), k)
    has_plan = counts - vehicles["returns"] > 1
    change = _column(change_cost, "change_cost", k)
    vehicles["fixed_cost"] = np.where(has_plan, change, vehicles["fixed_cost"])
    _require(vehicles["fixed_cost"] >= 0, "change_cost", "at least 0")


def _balls(vehicles: NDArray[np.void]) -> NDArray[np.float32]:
    """With costs only."""
    balls = np.zeros((7, len(vehicles)), np.float32)
    balls[kernel.PER_M], balls[kernel.FIXED] = vehicles["cost_per_m"], vehicles["fixed_cost"]
    return balls


def amounts(given: ArrayLike, name: str, rows: int, dimensions: int | None = None) -> NDArray[np.int64]:
    """Amounts of some rows in millionths, int64[rows, D]."""
    table = np.asarray(given, np.float64)
    try:
        if table.shape == (rows, dimensions):
            pass
        elif table.ndim == 2:
            table = np.broadcast_to(table, (rows, dimensions or table.shape[1]))
        else:
            table = np.broadcast_to(table.reshape(1, -1), (rows, dimensions or table.size))
    except ValueError as error:
        wanted = f"{rows} x {dimensions}" if dimensions else f"{rows} rows"
        raise LiveRouteError(f"{name} has shape {table.shape}; {wanted} are needed") from error
    _require(np.abs(table) <= MOST_AMOUNT, name, f"within +-{MOST_AMOUNT:g}")
    return np.ascontiguousarray(np.rint(table * AMOUNT_UNITS), np.int64)


def _column(given: ArrayLike, name: str, rows: int) -> NDArray[np.float64]:
    column = np.asarray(given, np.float64)
    if column.shape not in {(), (rows,)}:
        raise LiveRouteError(f"{name} has shape {column.shape}; {rows} numbers are needed, or one")
    return np.broadcast_to(column, (rows,))


def _require(holds: Any, name: str, allowed: str) -> None:
    """Raise for the first row for which it does not hold."""
    kept = np.asarray(holds)
    if not kept.all():
        wrong = np.argwhere(~kept)[0]
        raise LiveRouteError(f"{name}[{', '.join(map(str, wrong))}] must be {allowed}")


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    travel = untaught_travel_times()
    routes = live_routes(travel, [0, 2], lat_deg=[0.0, 1.0], lon_deg=0.0, opens_s=0.0, capacity=[[1.0]])
    routes.arrival_s(travel.paces())
    row, place = np.zeros(1, np.int32), np.zeros(1)
    routes.move(row, place, place, row, place, travel.paces())
