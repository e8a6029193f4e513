"""Instances of the vehicle routing problem with time windows: Solomon's and Gehring and Homberger's from their files, and made ones."""

import csv
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.route_task import NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of

SIDE = 100.0
"""Side of the square of made instances, as in Solomon's."""


class Instance(NamedTuple):
    """Customers from one depot, all vehicles alike; distances are not rounded, and driving takes as long as it is far.

    Attributes:
        name: its file's stem in capitals.
        vehicles: how many there are.
        capacity: of each.
        table: float64[n + 1, 6], x, y, demand, begin and end of the window, service; the depot first.
        best_known: distance, NaN: nobody knows.
    """

    name: str
    vehicles: int
    capacity: float
    table: NDArray[np.float64]
    best_known: float

    @property
    def group(self) -> str:
        """Its class: C1, R2, RC1."""
        letters = self.name.rstrip("0123456789_")
        return self.name[: len(letters) + 1] if "_" not in self.name else self.name.split("_")[0]

    @property
    def distance(self) -> NDArray[np.float64]:
        """float64[n + 1, n + 1]."""
        x, y = self.table[:, 0], self.table[:, 1]
        return np.hypot(x[:, None] - x, y[:, None] - y)


def task_of(instance: Instance) -> RouteTask:
    """The instance as a task: distance is all that costs."""
    customers = instance.table[1:]
    count = len(customers)
    stops = stops_of(
        np.arange(1, count + 1), opens_s=customers[:, 3], closes_s=customers[:, 4], service_s=customers[:, 5]
    )
    loads = loads_of(NONE, np.arange(count), amounts=customers[:, 2:3])
    vehicles = vehicles_of(
        np.zeros(instance.vehicles),
        0,
        from_s=instance.table[0, 3],
        until_s=instance.table[0, 4],
        capacity=np.full((instance.vehicles, 1), instance.capacity),
        cost_per_m=1.0,
    )
    return route_task(stops, loads, vehicles, instance.distance, instance.distance)


def read_instances(folder: Path, names: str, best_known: Path | None) -> list[Instance]:
    """The instances of a folder whose file's stem fits the pattern; upper and lower case are the same."""
    known = read_best_known(best_known) if best_known else {}
    files = sorted(file for file in folder.glob("*.txt") if fnmatchcase(file.stem.upper(), names.upper()))
    return [_read(file, known.get(file.stem.upper(), np.nan)) for file in files]


def read_best_known(file: Path) -> dict[str, float]:
    """The smaller of the distance that was recomputed from known routes and of the one that is quoted, by name in capitals."""
    found = {}
    with file.open() as lines:
        for row in csv.DictReader(lines):
            columns = [row["routes_distance_recomputed"], row["bks_distance_distance_objective"]]
            found[row["instance"].upper()] = min((float(text) for text in columns if text), default=np.nan)
    return found


def made_instances(seed: int, customers: int) -> list[Instance]:
    """One of each of Solomon's classes: clustered, random or both, with short routes (1) or long ones (2)."""
    rng = np.random.default_rng(seed)
    return [_made(rng, f"{kind}{horizon}01", customers) for kind in ("C", "R", "RC") for horizon in (1, 2)]


def _made(rng: np.random.Generator, name: str, customers: int) -> Instance:
    spread = rng.uniform(0, SIDE, (customers, 2))
    centres = rng.uniform(10, 90, (6, 2))[rng.integers(0, 6, customers)]
    clustered = centres + rng.normal(0, 4, (customers, 2))
    share = {"C": 1.0, "R": 0.0, "RC": 0.5}[name[:-3]]
    places = np.where(rng.random((customers, 1)) < share, clustered, spread)
    depot = np.array([[50.0, 50.0]])
    long = name[-3] == "2"
    until_s, service_s = (1000.0, 10.0) if long else (240.0, 10.0)
    away_s = np.hypot(*(places - depot).T)
    middle_s = rng.uniform(away_s, until_s - away_s - service_s)
    half_s = rng.uniform(10, until_s / 4, customers)
    window = np.clip(np.c_[middle_s - half_s, middle_s + half_s], 0, (until_s - away_s - service_s)[:, None])
    rows = np.c_[places, rng.integers(5, 30, customers), window, np.full(customers, service_s)]
    table = np.vstack([[50.0, 50.0, 0.0, 0.0, until_s, 0.0], rows])
    return Instance(name, customers // 2, 1000.0 if long else 200.0, table, np.nan)


def _read(file: Path, best_known: float) -> Instance:
    rows: list[Sequence[str]] = [line.split() for line in file.read_text().splitlines()]
    numbers = [[float(text) for text in row] for row in rows if row and all(_is_number(text) for text in row)]
    vehicles, capacity = next(row for row in numbers if len(row) == 2)
    table = np.array([row[1:] for row in numbers if len(row) == 7])
    return Instance(file.stem.upper(), int(vehicles), capacity, table, best_known)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
