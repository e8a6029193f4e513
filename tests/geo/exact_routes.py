"""Small random route tasks over every feature, and the least cost there is for each, by trying everything.

It shares nothing with the product but the columns of a task: every order of stops of every set of loads is walked for every vehicle, and the
sets are dealt out to the vehicles in every way.
"""

from collections.abc import Iterator
from math import ceil, inf
from typing import Any

import numpy as np

from geo.route_task import ANY_SKILLS, NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of

EARLY = 1e-7
"""A sum of floats that is late by less is not."""


def made_task(rng: np.random.Generator, most_loads: int = 4, *, is_metric: bool = True) -> RouteTask:
    """A task of up to so many loads and three vehicles; every feature is there in some."""
    loads, vehicles, kinds, dimensions = (int(rng.integers(1, most + 1)) for most in (most_loads, 3, 2, 2))
    places = int(rng.integers(2, 2 * loads + 3))
    way = made_way(rng, places, is_metric=is_metric)
    time_s = np.stack([way * (1.0 + 0.5 * kind) for kind in range(kinds)])
    distance_m = np.broadcast_to(
        made_way(rng, places, is_metric=is_metric) if rng.random() < 0.3 else way, time_s.shape
    )
    which = rng.integers(0, 4, loads) if rng.random() < 0.7 else np.full(loads, rng.integers(0, 3))
    count = int((which != 1).sum() + (which != 2).sum())
    order = iter(rng.permutation(count).tolist())
    pickup = [NONE if kind == 1 else next(order) for kind in which]
    delivery = [NONE if kind == 2 else next(order) for kind in which]
    opens_s, width_s = rng.integers(0, 60, count), rng.integers(1, 90, count)
    is_open = rng.random(count) < rng.choice([0.0, 0.5, 1.0])
    stops = stops_of(
        rng.integers(0, places, count),
        opens_s=np.where(is_open, -inf, opens_s),
        closes_s=np.where(is_open, inf, opens_s + width_s),
        service_s=rng.integers(0, 6, count) * float(rng.random() < 0.6),
    )
    return route_task(
        stops,
        _made_loads(rng, pickup, delivery, vehicles, dimensions),
        _made_vehicles(rng, vehicles, places, kinds, dimensions),
        time_s,
        distance_m,
    )


def made_way(rng: np.random.Generator, places: int, *, is_metric: bool) -> Any:
    """Whole numbers from place to place, another one back; unless it is a metric some ways are longer than a detour, or missing."""
    way = rng.integers(1, 30, (places, places)).astype(float)
    np.fill_diagonal(way, 0.0)
    if not is_metric:
        way[rng.random((places, places)) < 0.05] = inf
        return way
    for middle in range(places):
        way = np.minimum(way, way[:, middle, None] + way[None, middle])
    return way


def _made_loads(rng: np.random.Generator, pickup: Any, delivery: Any, vehicles: int, dimensions: int) -> Any:
    count = len(pickup)
    return loads_of(
        pickup,
        delivery,
        amounts=rng.integers(0, 8, (count, dimensions)) / 10,
        needs=rng.choice([0, 0, 1, 2], count) if rng.random() < 0.3 else 0,
        only=rng.integers(-1, vehicles, count) if rng.random() < 0.2 else NONE,
        left_out_cost=np.where(rng.random(count) < 0.5, inf, rng.integers(0, 120, count))
        if rng.random() < 0.3
        else inf,
    )


def _made_vehicles(rng: np.random.Generator, count: int, places: int, kinds: int, dimensions: int) -> Any:
    alike = rng.random() < 0.3
    drawn = 1 if alike else count

    def any_of(feature: float, values: Any, otherwise: Any) -> Any:
        made = values if rng.random() < feature else np.full(drawn, otherwise)
        return np.repeat(made, count) if alike else made

    after_s = any_of(0.3, rng.integers(10, 40, drawn).astype(float), inf)
    return vehicles_of(
        any_of(0.9, rng.integers(0, places, drawn), NONE),
        any_of(0.8, rng.integers(0, places, drawn), NONE),
        from_s=any_of(0.5, rng.integers(0, 30, drawn), 0),
        until_s=any_of(0.5, rng.integers(40, 200, drawn).astype(float), inf),
        capacity=np.repeat(rng.integers(3, 16, (1 if alike else count, dimensions)) / 10, count if alike else 1, axis=0),
        skills=any_of(0.5, rng.integers(0, 4, drawn).astype(np.uint64), ANY_SKILLS),
        kind=any_of(1.0, rng.integers(0, kinds, drawn), 0),
        most_drive_s=any_of(0.3, rng.integers(30, 150, drawn).astype(float), inf),
        break_after_s=after_s,
        break_s=any_of(1.0, rng.integers(1, 20, drawn), 0),
        driven_s=np.where(np.isinf(after_s), 0.0, np.minimum(after_s, any_of(0.5, rng.integers(0, 10, drawn), 0))),
        fixed_cost=any_of(0.4, rng.integers(0, 60, drawn), 0),
        cost_per_m=any_of(0.3, rng.integers(0, 3, drawn), 1),
        cost_per_s=any_of(0.4, rng.integers(0, 3, drawn), 0),
    )  # fmt: skip


def exact_cost(task: RouteTask) -> tuple[int, float]:
    """How many loads that must be carried have to be left out, and the least cost with so few."""
    count = len(task.loads.pickup)
    worth = [float(cost) for cost in task.loads.left_out_cost]
    best: dict[int, tuple[int, float]] = {0: (0, 0.0)}
    for vehicle in range(len(task.vehicles.start)):
        costs = _Vehicle(task, vehicle).costs()
        then = dict(best)
        for done, (_, cost) in best.items():
            for loads, more in costs.items():
                if not done & loads and cost + more < then.get(done | loads, (0, inf))[1]:
                    then[done | loads] = (0, cost + more)
        best = then

    def whole(done: int, cost: float) -> tuple[int, float]:
        out = [worth[load] for load in range(count) if not done >> load & 1]
        return sum(o == inf for o in out), cost + sum(o for o in out if o < inf)

    return min(whole(done, cost) for done, (_, cost) in best.items())


class _Vehicle:
    """All routes of one vehicle."""

    def __init__(self, task: RouteTask, vehicle: int) -> None:
        who = task.vehicles
        self.task = task
        self.way_s = task.time_s[who.kind[vehicle]].tolist()
        self.way_m = task.distance_m[who.kind[vehicle]].tolist()
        self.start, self.end, self.from_s, self.until_s = (
            column[vehicle].item() for column in (who.start, who.end, who.from_s, who.until_s)
        )
        self.most_drive_s, self.after_s, self.break_s, self.driven_s = (
            column[vehicle].item()
            for column in (who.most_drive_s, who.break_after_s, who.break_s, who.driven_s)
        )
        self.fixed, self.per_m, self.per_s = (
            column[vehicle].item() for column in (who.fixed_cost, who.cost_per_m, who.cost_per_s)
        )
        self.most = [round(1000 * amount) for amount in who.capacity[vehicle].tolist()]
        self.amounts = [[round(1000 * a) for a in row] for row in task.loads.amounts.tolist()]
        self.pairs = list(zip(task.loads.pickup.tolist(), task.loads.delivery.tolist(), strict=True))
        self.stops = list(
            zip(
                *(
                    c.tolist()
                    for c in (task.stops.place, task.stops.opens_s, task.stops.closes_s, task.stops.service_s)
                ),
                strict=True,
            )
        )
        skills = int(who.skills[vehicle])
        self.may = [
            load
            for load in range(len(self.pairs))
            if not int(task.loads.needs[load]) & ~skills and task.loads.only[load] in (NONE, vehicle)
        ]

    def costs(self) -> dict[int, float]:
        """The least cost of each set of loads, as bits, that it can carry."""
        found = {}
        for loads in _sets(self.may):
            self.best = inf
            aboard = [
                sum(self.amounts[load][d] for load in loads if self.pairs[load][0] == NONE)
                for d in range(len(self.most))
            ]
            if all(a <= most for a, most in zip(aboard, self.most, strict=True)):
                first = [(load, 0) if self.pairs[load][0] != NONE else (load, 1) for load in loads]
                self._extend(first, aboard, self.start, None, self.driven_s, 0.0, 0.0, 0.0, self.until_s)
            if self.best < inf:
                found[sum(1 << load for load in loads)] = self.best
        return found

    def _extend(
        self,
        left: list,
        aboard: list,
        place: int,
        now: Any,
        driven: float,
        drive: float,
        metres: float,
        busy: float,
        latest: float,
    ) -> None:
        """Try every next stop. `now`: (start, clock); `busy`: driving and service; `latest`: start that keeps every window so far."""
        if not left:
            self._finish(place, now, driven, drive, metres, busy, latest)
        for i, (load, end) in enumerate(left):
            stop = self.pairs[load][end]
            to, opens, closes, service = self.stops[stop]
            sign = 1 if end == 0 else -1
            then = [a + sign * q for a, q in zip(aboard, self.amounts[load], strict=True)]
            if any(a > most for a, most in zip(then, self.most, strict=True)):
                continue
            leg_s, leg_m = (0.0, 0.0) if place == NONE else (self.way_s[place][to], self.way_m[place][to])
            if inf in (leg_s, leg_m):
                continue
            since, rest = self._rested(driven + leg_s)
            began, clock = now or (self.from_s, self.from_s)
            clock += leg_s + rest
            if now is None and self.after_s < inf:
                began, clock = began + max(0.0, opens - clock), max(clock, opens)
            if clock > closes + EARLY:
                continue
            since = 0.0 if opens - clock >= self.break_s else since
            rest_of = left[:i] + left[i + 1 :]
            if end == 0 and self.pairs[load][1] != NONE:
                rest_of = [*rest_of, (load, 1)]
            self._extend(
                rest_of,
                then,
                to,
                (began, max(clock, opens) + service),
                since,
                drive + leg_s,
                metres + leg_m,
                busy + leg_s + service,
                min(latest, closes - busy - leg_s),
            )

    def _finish(
        self, place: int, now: Any, driven: float, drive: float, metres: float, busy: float, latest: float
    ) -> None:
        leg_s, leg_m = (
            (0.0, 0.0) if self.end == NONE else (self.way_s[place][self.end], self.way_m[place][self.end])
        )
        if inf in (leg_s, leg_m):
            return
        began, clock = now
        clock += leg_s + self._rested(driven + leg_s)[1]
        busy, drive = busy + leg_s, drive + leg_s
        if clock > self.until_s + EARLY or drive > self.most_drive_s + EARLY:
            return
        duty = clock - began if self.after_s < inf else max(busy, clock - min(latest, self.until_s - busy))
        self.best = min(self.best, self.fixed + self.per_m * (metres + leg_m) + self.per_s * duty)

    def _rested(self, driven: float) -> tuple[float, float]:
        """Driving since the last break, and the time of the breaks taken on the way."""
        if self.after_s == inf:
            return driven, 0.0
        breaks = max(0, ceil(driven / self.after_s) - 1)
        return driven - breaks * self.after_s, breaks * self.break_s


def _sets(items: list[int]) -> Iterator[list[int]]:
    for bits in range(1, 2 ** len(items)):
        yield [item for i, item in enumerate(items) if bits >> i & 1]
