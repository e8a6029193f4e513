"""Loads assigned as routes that can be published: the old stops in their order, the new ones among them, and when service begins at each."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from haulcast.dispatch.assigning import Assigned, assign
from haulcast.dispatch.fleet_routes import VehicleFacts
from haulcast.dispatch.fleets import Asked
from haulcast.dispatch.refusing import counts_of, refusals
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState

KINDS: Final = (StopKind.PICKUP, StopKind.DELIVERY)


class Placed(NamedTuple):
    """A load that found a driver. What it costs is as of when it was put in; times are those of the whole plan.

    Attributes:
        route: id of the route, which may be new.
    """

    load: str
    vehicle: str
    route: str
    cost: float
    extra_m: float
    extra_s: float
    pickup_s: float
    delivery_s: float


class LeftOut(NamedTuple):
    """A load that found none: how many vehicles fail which constraint of it, and why in words."""

    load: str
    refused: dict[str, int]
    why: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who gets what.

    Attributes:
        routes: those that change and those that are new, as they shall be.
        expected: the edition of each that changes.
        rounds: of `assigning.assign`.
    """

    placed: Sequence[Placed]
    left_out: Sequence[LeftOut]
    routes: Sequence[Route]
    expected: dict[str, str]
    rounds: int


def assignment(
    asked: Asked,
    loads: Sequence[Load],
    new_id: Callable[[], str],
    threads: Executor | None = None,
    workers: int = 1,
) -> Assignment:
    """Assign loads that have both ends. Blocks: some 60 ms for a thousand loads and vehicles.

    Args:
        asked: the fleet.
        loads: the ids are distinct.
        new_id: names a new route.
        threads: see `assigning.assign`.
        workers: as well.
    """
    live, paces = asked.live, asked.paces
    given = [asked.columns.row_of_load(load, asked.needs_of(load.needs)) for load in loads]
    rows = asked.search.rows_of(live, given)
    most_cost = np.array([np.inf if load.left_out_cost is None else load.left_out_cost for load in loads])
    found = assign(asked.search, live, rows, most_cost, paces, threads, workers)
    changed = np.unique(found.insertions["vehicle"]).tolist()
    after = _after(asked, found, loads)
    routes = {vehicle: _route(after, asked.columns.facts[vehicle], vehicle, new_id) for vehicle in changed}
    ready_s = found.routes.stops["ready_s"]
    begins = {~int(code): float(ready_s[at]) for at, code in enumerate(found.origin) if code < 0}
    placed = []
    for load, record in zip(found.placed.tolist(), found.insertions, strict=True):
        vehicle, *_, cost, extra_m, extra_s, _, _, _, _ = record.item()
        name, route_id = asked.columns.facts[vehicle].vehicle, routes[vehicle].route_id
        ends = begins[2 * load], begins[2 * load + 1]
        placed.append(
            Placed(loads[load].load_id, name, route_id, cost, extra_m * live.circuity, extra_s, *ends)
        )
    left_out = []
    for at in found.left.tolist():
        reasons = asked.search.reasons(found.routes, given[at])
        nearest = refusals(after, rows, at, loads[at], reasons, 1)
        refused = counts_of(after, reasons)
        left_out.append(
            LeftOut(loads[at].load_id, refused, _why(asked, loads[at], refused, [r.words for r in nearest]))
        )
    expected = {
        route.route_id: known.edition
        for vehicle, route in routes.items()
        if (known := asked.columns.facts[vehicle].route) is not None
    }
    return Assignment(placed, left_out, list(routes.values()), expected, found.rounds)


def _why(asked: Asked, load: Load, refused: dict[str, int], words: list[str]) -> str:
    """Why a load is left out, in a sentence."""
    who = int(asked.is_asked.sum())
    if not who:
        return "no vehicle could be asked"
    if sum(refused.values()) < who:
        return f"leaving it out costs {load.left_out_cost:g}, which is less than carrying it"
    return f"no vehicle can take it; the nearest, {words[0]}" if words else "no vehicle can take it"


def _after(asked: Asked, found: Assigned, loads: Sequence[Load]) -> Asked:
    """The fleet with its new stops."""
    stops: list[RouteStop | None] = []
    for vehicle, facts in enumerate(asked.columns.facts):
        taken = set() if facts.route is None else {stop.stop_id for stop in facts.route.stops}
        first, end = found.routes.offsets[vehicle : vehicle + 2]
        for code in found.origin[first:end].tolist():
            known = _new_stop(loads[~code // 2], ~code % 2, taken) if code < 0 else asked.columns.stops[code]
            stops.append(known)
    return replace(asked, live=found.routes, columns=replace(asked.columns, stops=stops))


def _route(after: Asked, facts: VehicleFacts, vehicle: int, new_id: Callable[[], str]) -> Route:
    """The route of a vehicle with its new loads. Its line, if it had one, leads elsewhere now."""
    live, before = after.live, facts.route
    stops = [] if before is None else [stop for stop in before.stops if stop.state is not StopState.AHEAD]
    for at in range(int(live.offsets[vehicle]), int(live.offsets[vehicle + 1])):
        stop = after.columns.stops[at]
        if stop is not None:
            stops.append(replace(stop, planned_ms=round(float(live.stops["ready_s"][at]) * 1000)))
    if before is None:
        return Route(after.fleet, new_id(), facts.vehicle, tuple(stops), RouteStatus.ACTIVE)
    return replace(before, stops=tuple(stops), line=())


def _new_stop(load: Load, end: int, taken: set[str]) -> RouteStop:
    """A stop of a load, with an id that no other of the route has."""
    place = (load.pickup, load.delivery)[end]
    stop_id = name = f"{load.load_id[:100]}-{KINDS[end].value}"
    number = 1
    while stop_id in taken:
        number += 1
        stop_id = f"{name}-{number}"
    taken.add(stop_id)
    if place is None:
        raise ValueError(f"load {load.load_id!r} has no {KINDS[end].value}")  # nobody assigns such a one
    return RouteStop(stop_id, KINDS[end], place, load.load_id)
