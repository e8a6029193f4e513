"""A simulated freight fleet whose routes are known, for `benchmarks.availability --simulated`: nothing of it is measured on real trucks.

Vehicles drive their rounds around San Francisco Bay (`haulcast.simulation`), each round a route that is known when it begins. After it a driver is free for a random time, or
goes off duty when it has been on duty for long enough. What is said of who drives a route is its ETA: legs at the learned share of the limits at that hour, the learned
dwell at each stop, and the learned spread around it all (`geo.availability.free_by_route`); of everybody else, and of what comes after a route, the model's word.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.availability import ROUTE_SPREAD_S, ROUTE_SPREAD_SHARE, Spans, fleet_rates, free_by_route, spans_of
from haulcast.availability.learning import AvailabilityModel, Moments, Past
from haulcast.simulation import Fleet, bay_places, bay_roads, make_roster

Floats = NDArray[np.float64]

DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0
BEGIN_MS: Final = 1_790_578_800_000  # a Monday's midnight around the Bay, 2026-09-28
DUTY_S: Final = (8.0 * HOUR_S, 11.0 * HOUR_S)
"""A driver goes off duty at the end of the first route that ends after so long; each has its own."""
BEGINS_S: Final = (4.0 * HOUR_S, 10.0 * HOUR_S)
"""The hour at which a driver's days begin, give or take `LATE_S`."""
LATE_S: Final = 900.0
SHORTEST_REST_S: Final = 10.0 * HOUR_S
LEAST_LEFT_S: Final = 60.0


@dataclass(slots=True)
class Route:
    """One round as it went: where it stopped, and when it came and went, seconds since the begin."""

    begin_s: float
    nodes: list[int]
    legs_s: list[float]
    came_s: list[float] = field(default_factory=list)
    went_s: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the fleet did: routes of each driver in order of time, and spans on duty (begin, end)."""

    routes: list[list[Route]]
    duty: list[list[tuple[float, float]]]
    days: float

    def past(self) -> Past:
        """As the hub would know it."""

        def spans(rows: list[tuple[int, float, float]]) -> Spans:
            who, begin, end = np.array(rows).T
            return spans_of(len(self.routes), who.astype(np.int64), begin, end)

        duty = spans([(i, *span) for i, own in enumerate(self.duty) for span in own])
        busy = spans([(i, r.begin_s, r.went_s[-1] if _is_done(r) else np.inf) for i, own in enumerate(self.routes) for r in own])  # fmt: skip
        return Past(duty, busy, fleet_rates(duty, busy, self.days * DAY_S))


def _is_done(route: Route) -> bool:
    return len(route.went_s) == len(route.nodes)


def simulate(drivers: int, days: float, wait_s: float, seed: int) -> Simulated:
    """Drive so many days, second by second; the same seed gives the same.

    A driver waits for the next load for `wait_s` on average; exponentially, so that nobody can foretell how long it will be.
    """
    roads = bay_roads()
    roster = make_roster(roads, bay_places(roads), drivers, seed)
    fleet, random = Fleet(roads, bay_places(roads), roster, seed, BEGIN_MS), np.random.default_rng(seed)
    begins_s = random.uniform(*BEGINS_S, drivers)
    limits_s = random.uniform(*DUTY_S, drivers)
    found = Simulated([[] for _ in roster], [[(0.0, np.inf)] for _ in roster], days)
    rounds = [[*entry.round[1:], entry.round[0]] for entry in roster]
    legs_s = [[float(roads.time_s[a, b]) for a, b in zip([nodes[-1], *nodes], nodes, strict=False)] for nodes in rounds]  # fmt: skip
    before = fleet.destination
    for second in range(1, int(days * DAY_S) + 1):
        fleet.advance(1.0)
        now = fleet.destination
        for row in np.flatnonzero(now != before).tolist():
            went_s = second + float(fleet.waits_s[row])
            routes, is_home = found.routes[row], before[row] == rounds[row][-1]
            if routes and not _is_done(routes[-1]):
                routes[-1].came_s.append(float(second))
                routes[-1].went_s.append(went_s)
            if is_home:
                next_s = _after(found.duty[row], went_s, begins_s[row], limits_s[row], random)
                next_s += float(random.exponential(wait_s))
                fleet.waits_s[row] += next_s - went_s
                routes.append(Route(next_s, rounds[row], legs_s[row]))
        before = now
    return found


def _after(duty: list[tuple[float, float]], went_s: float, begins_s: float, limit_s: float, random: np.random.Generator) -> float:  # fmt: skip
    """When the driver waits for the next route: at once, or when the next duty begins."""
    if went_s - duty[-1][0] < limit_s:
        return went_s
    day = np.ceil((went_s + SHORTEST_REST_S - begins_s) / DAY_S)
    on_s = max(float(day * DAY_S + begins_s + random.normal(0.0, LATE_S)), went_s + SHORTEST_REST_S)
    duty[-1] = (duty[-1][0], went_s)
    duty.append((on_s, np.inf))
    return on_s


@dataclass(frozen=True, slots=True)
class Backbone:
    """What routes taught: how fast legs are driven by hour, how long stops take, how far ends are from their ETA.

    Attributes:
        share: float64[24], time over time at the limits.
        dwell_s: of each node.
        spread: as of `free_by_route`.
    """

    share: Floats
    dwell_s: dict[int, float]
    spread: float

    def left_s(self, route: Route, at_s: float) -> float:
        """Until the end of the last stop's service, by what was known at the moment."""
        left_s, from_s, when_s = 0.0, route.begin_s, at_s
        for k, node in enumerate(route.nodes):
            if k < len(route.went_s) and route.went_s[k] <= at_s:
                from_s = route.went_s[k]
                continue
            dwell_s = self.dwell_s.get(node, 0.0)
            if k < len(route.came_s) and route.came_s[k] <= at_s:
                left_s += max(dwell_s - (at_s - route.came_s[k]), LEAST_LEFT_S)
            else:
                leg_s = route.legs_s[k] * self.share[_hour(when_s)]
                left_s += (max(leg_s - (at_s - from_s), LEAST_LEFT_S) if from_s < at_s else leg_s) + dwell_s
            when_s = at_s + left_s
            from_s = at_s  # what is beyond has not begun
        return left_s


def _hour(at_s: float) -> int:
    return int(at_s // HOUR_S) % 24


def learned_backbone(found: Simulated, until_s: float) -> Backbone:
    """From the routes that ended before."""
    routes = [
        route for own in found.routes for route in own if _is_done(route) and route.went_s[-1] < until_s
    ]
    ratios: list[list[float]] = [[] for _ in range(24)]
    dwells: dict[int, list[float]] = {}
    for route in routes:
        for left_s, came_s, leg_s in zip(
            [route.begin_s, *route.went_s], route.came_s, route.legs_s, strict=False
        ):
            ratios[_hour(left_s)].append((came_s - left_s) / leg_s)
        for node, came_s, went_s in zip(route.nodes, route.came_s, route.went_s, strict=True):
            dwells.setdefault(node, []).append(went_s - came_s)
    usual = float(np.median([ratio for of_hour in ratios for ratio in of_hour]))
    share = np.array([np.median(of_hour) if of_hour else usual for of_hour in ratios])
    plain = Backbone(share, {node: float(np.mean(many)) for node, many in dwells.items()}, 1.0)
    off = []
    for route in routes:
        at_s = route.begin_s + 0.3 * (route.went_s[-1] - route.begin_s)
        left_s = plain.left_s(route, at_s)
        off.append((route.went_s[-1] - at_s - left_s) / (ROUTE_SPREAD_S + ROUTE_SPREAD_SHARE * left_s))
    return Backbone(share, plain.dwell_s, float(np.sqrt(np.mean(np.square(off)))))


def with_routes(model: AvailabilityModel, backbone: Backbone, found: Simulated, past: Past, asked: Moments) -> tuple[Floats, Floats]:  # fmt: skip
    """P(on duty) and P(free) of each: the model's word, over the backbone of the route where one is driven."""
    p_on, p_free = model.probabilities(asked.features(past))
    begins = [np.array([route.begin_s for route in own]) for own in found.routes]
    rows, left_s = [], []
    for i, (driver, at_s) in enumerate(zip(asked.driver.tolist(), asked.at_s.tolist(), strict=True)):
        k = int(np.searchsorted(begins[driver], at_s, "right")) - 1
        if k < 0:
            continue
        route = found.routes[driver][k]
        if not _is_done(route) or at_s < route.went_s[-1]:
            rows.append(i)
            left_s.append(backbone.left_s(route, at_s))
    own = np.array(rows, np.intp)
    horizon_s = asked.horizon_s[own, None]
    p_on, p_free = p_on.copy(), p_free.copy()
    on, free = free_by_route(np.array(left_s), horizon_s, p_on[own, None], p_free[own, None], backbone.spread)
    p_on[own], p_free[own] = on[:, 0], free[:, 0]
    return p_on, p_free


def chance_alone(found: Simulated, wait_s: float, asked: Moments) -> Floats:
    """P(free) of one who knows when each route ends and each duty begins, and only not how long waits will be: what nobody can say better, a second wait within the horizon aside."""
    p = np.zeros(len(asked.at_s))
    for driver, own in enumerate(found.routes):
        on_s = np.array([begin_s for begin_s, _ in found.duty[driver]])
        begins_s = np.array([route.begin_s for route in own])
        ends_s = np.array([0.0, *[route.went_s[-1] for route in own[:-1]]])
        waits_s = np.maximum(ends_s, on_s[np.searchsorted(on_s, begins_s, "right") - 1])
        mine = np.flatnonzero(asked.driver == driver)
        at_s, then_s = asked.at_s[mine], asked.at_s[mine] + asked.horizon_s[mine]
        from_s = np.maximum(np.append(waits_s, np.inf)[np.searchsorted(begins_s, at_s, "right")], at_s)
        p[mine] = np.where(then_s < from_s, 0.0, np.exp(np.minimum(from_s - then_s, 0.0) / wait_s))
    return p
