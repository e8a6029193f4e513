"""What the savings are measured on: instances of the literature, and pick-ups of a real day."""

import csv
import lzma
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.solver_instances import Instance, task_of
from geo.route_task import RouteTask, loads_of, route_task, stops_of, vehicles_of

LOCAL = timedelta(hours=-7)
"""San Francisco's clock in May."""
FIRST_HOUR, LAST_HOUR = 6, 20
PICKUP_WITHIN_S, DELIVERY_WITHIN_S, SERVICE_S = 3600.0, 7200.0, 120.0
ROOM = 12
MEAN_RADIUS_M = 6_371_008.8


class Case(NamedTuple):
    """A task, and what it is one of."""

    name: str
    group: str
    task: RouteTask


class Trips(NamedTuple):
    """Columns over trips: Unix seconds of the start, lat_deg and lon_deg of both ends, float64[n, 2]; and of the cabs, what roads are like.

    Attributes:
        circuity: metres driven over metres as the crow flies, the median.
        speed_mps: the median.
    """

    start_s: NDArray[np.float64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    circuity: float
    speed_mps: float


def case_of_instance(instance: Instance) -> Case:
    """An instance with as many vehicles as customers, so that nobody has to leave anybody out."""
    return Case(instance.name, "solomon", task_of(instance._replace(vehicles=len(instance.table) - 1)))


def saving_time(case: Case) -> Case:
    """The same, where a second of a route's duration costs instead of a metre."""
    count = len(case.task.vehicles.start)
    vehicles = replace(case.task.vehicles, cost_per_m=np.zeros(count), cost_per_s=np.ones(count))
    return case._replace(task=replace(case.task, vehicles=vehicles))


def read_trips(file: Path, day: str) -> Trips:
    """The hired trips of a day by the clock there, of 200 m and more; a CSV with `vehicle,start_ts,end_ts,start_lat,...,km`, or its .xz."""
    begin = (datetime.fromisoformat(day).replace(tzinfo=UTC) - LOCAL).timestamp()
    with lzma.open(file, "rt") if file.suffix == ".xz" else file.open() as lines:
        reader = csv.reader(lines)
        next(reader)
        rows = [row[1:7] + row[8:9] for row in reader if 0 <= float(row[1]) - begin < 86_400]
    table = np.array(rows, np.float64).reshape(-1, 7)
    crow_m = crow_flies_m(table[:, 2:4], table[:, 4:6])
    lasts_s = table[:, 1] - table[:, 0]
    table, crow_m = table[is_real := (crow_m >= 200) & (lasts_s >= 60)], crow_m[is_real]
    way_m = 1000 * table[:, 6]
    circuity, speed = np.median(way_m / crow_m), np.median(way_m / (table[:, 1] - table[:, 0]))
    return Trips(table[:, 0], table[:, 2:4], table[:, 4:6], float(np.clip(circuity, 1.0, 3.0)), float(speed))


def made_trips(seed: int, count: int) -> Trips:
    """Trips between places around a few centres, for who has no file."""
    rng = np.random.default_rng(seed)
    centres = np.array([37.77, -122.42]) + rng.normal(0, 0.03, (6, 2))
    start, end = (centres[rng.integers(0, 6, count)] + rng.normal(0, 0.01, (count, 2)) for _ in range(2))
    day_s = (datetime(2008, 5, 30, tzinfo=UTC) - LOCAL).timestamp()
    return Trips(day_s + 3600 * rng.uniform(FIRST_HOUR, LAST_HOUR, count), start, end, 1.3, 7.0)


def cases_of_trips(trips: Trips, cases: int, loads: int, seed: int) -> list[Case]:
    """Small fleets' days: each has some of the trips of the working day as parcels, from where a passenger got in to where he got out.

    A parcel is there when the passenger got in, is picked up within an hour and delivered within two; two minutes at each end; a van has room for
    12 and starts and ends in the middle of the pick-ups. Ways are as winding and as fast as the cabs' in the median.
    """
    rng = np.random.default_rng(seed)
    hour = ((trips.start_s + LOCAL.total_seconds()) % 86_400) / 3600
    day = np.flatnonzero((hour >= FIRST_HOUR) & (hour < LAST_HOUR))
    found = []
    for case in range(cases):
        some = np.sort(rng.choice(day, min(loads, len(day)), replace=False))
        some = some[np.argsort(trips.start_s[some], kind="stable")]
        found.append(Case(f"trips-{case}", "trips", _task_of_trips(trips, some)))
    return found


def _task_of_trips(trips: Trips, some: NDArray[np.int64]) -> RouteTask:
    count = len(some)
    depot = np.median(trips.start[some], axis=0)
    places = np.vstack([depot, trips.start[some], trips.end[some]])
    way_m = crow_flies_m(places[:, None], places[None]) * trips.circuity
    opens_s = np.tile(trips.start_s[some] - trips.start_s[some].min(), 2)
    closes_s = opens_s + np.repeat([PICKUP_WITHIN_S, DELIVERY_WITHIN_S], count)
    stops = stops_of(1 + np.arange(2 * count), opens_s=opens_s, closes_s=closes_s, service_s=SERVICE_S)
    loads = loads_of(np.arange(count), count + np.arange(count), amounts=np.ones((count, 1)))
    vans = vehicles_of(
        np.zeros(count), 0, from_s=-7200.0, capacity=np.full((count, 1), float(ROOM)), cost_per_m=1.0
    )
    return route_task(stops, loads, vans, way_m / trips.speed_mps, way_m)


def crow_flies_m(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres between positions in degrees, float64[..., 2], on the mean sphere (haversine)."""
    a, b = np.radians(one), np.radians(other)
    half = np.sin((b - a) / 2) ** 2
    chord = half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]
    metres: NDArray[np.float64] = 2 * MEAN_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
    return metres


def groups_of(cases: Sequence[Case]) -> list[str]:
    """In order, each once."""
    return list(dict.fromkeys(case.group for case in cases))
