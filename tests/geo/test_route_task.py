"""Route tasks: what columns become, and what is said of those that are wrong."""

from dataclasses import replace

import numpy as np
import pytest

from geo.route_task import (
    NONE,
    Loads,
    RouteTask,
    RouteTaskError,
    Stops,
    Vehicles,
    loads_of,
    route_task,
    stops_of,
    vehicles_of,
)

WAY = np.array([[0.0, 60.0], [60.0, 0.0]])
STOPS = stops_of([0, 1, 1], opens_s=[0, 10, 20], closes_s=100)
LOADS = loads_of([0, NONE], [1, 2], amounts=[[1, 0.5], [2, 0.25]], left_out_cost=[np.inf, 5])
VEHICLES = vehicles_of([0], [NONE], until_s=500, capacity=[[5, 1]])


def changed(table: object, name: str, value: object) -> RouteTask:
    """The task with another column in one of its tables."""
    columns = replace(table, **{name: value})  # type: ignore[type-var]
    tables = [columns if own is table else own for own in (STOPS, LOADS, VEHICLES)]
    return route_task(*tables, WAY, WAY)


def test_one_value_holds_for_a_whole_column() -> None:
    """A scalar is the value of every row."""
    assert STOPS.closes_s.tolist() == [100, 100, 100]
    assert loads_of(NONE, [0, 1]).pickup.tolist() == [NONE, NONE]
    assert vehicles_of([0, 1], 0).end.tolist() == [0, 0]


def test_every_stop_knows_its_load() -> None:
    """Pickups and deliveries alike."""
    assert route_task(STOPS, LOADS, VEHICLES, WAY, WAY).load_of.tolist() == [0, 0, 1]


def test_a_matrix_may_be_one_for_all_kinds_of_vehicles() -> None:
    """Two dimensions become three."""
    task = route_task(STOPS, LOADS, VEHICLES, WAY, WAY)
    assert task.time_s.shape == task.distance_m.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("table", "name", "value", "sentence"),
    [
        (STOPS, "place", np.array([0, 2, 1]), r"stops.place\[1\] is 2; allowed is 0 to 1"),
        (STOPS, "service_s", np.array([0, 0, -1.0]), r"stops.service_s\[2\] is -1.0; allowed is 0 to"),
        (STOPS, "service_s", np.array([0, np.nan, 0]), r"stops.service_s\[1\] is nan; allowed is 0 to"),
        (STOPS, "opens_s", np.array([0, 101.0, 0]), r"stops.opens_s\[1\] is 101.0; allowed is a time up to closes_s"),
        (STOPS, "closes_s", np.array([np.nan, 99, 99]), r"stops.opens_s\[0\] is 0.0; allowed is a time up to closes_s"),
        (LOADS, "pickup", np.array([3, NONE]), r"loads.pickup\[0\] is 3; allowed is -1 to 2"),
        (LOADS, "pickup", np.array([1, NONE]), r"number of loads at stop\[0\] is 0; allowed is 1"),
        (LOADS, "delivery", np.array([1, NONE]), r"loads.pickup\[1\] is -1; allowed is a stop"),
        (LOADS, "amounts", np.array([[1, 0], [1, -0.5]]), r"loads.amounts\[\(1, 1\)\] is -0.5; allowed is 0 to 1e\+09"),
        (LOADS, "amounts", np.ones((2, 1)), r"loads.amounts has 1 dimensions and vehicles.capacity 2"),
        (LOADS, "only", np.array([1, 0]), r"loads.only\[0\] is 1; allowed is -1 to 0"),
        (LOADS, "left_out_cost", np.array([1, np.nan]), r"loads.left_out_cost\[1\] is nan"),
        (VEHICLES, "start", np.array([2]), r"vehicles.start\[0\] is 2; allowed is -1 to 1"),
        (VEHICLES, "kind", np.array([1]), r"vehicles.kind\[0\] is 1; allowed is 0 to 0"),
        (VEHICLES, "until_s", np.array([-1.0]), r"vehicles.from_s\[0\] is 0.0; allowed is a time up to until_s"),
        (VEHICLES, "from_s", np.array([np.inf]), r"vehicles.from_s\[0\] is inf; allowed is"),
        (VEHICLES, "break_after_s", np.array([0.0]), r"vehicles.break_after_s\[0\] is 0.0; allowed is more than 0"),
        (VEHICLES, "cost_per_s", np.array([-0.1]), r"vehicles.cost_per_s\[0\] is -0.1; allowed is 0 to"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_is_allowed(
    table: Stops | Loads | Vehicles, name: str, value: object, sentence: str
) -> None:
    """The column, the row, the value, and the range."""
    with pytest.raises(RouteTaskError, match=sentence):
        changed(table, name, value)


@pytest.mark.parametrize("way", [np.zeros((2, 3)), np.zeros(4), np.array([[0, -1.0], [1, 0]])])
def test_a_wrong_matrix_is_refused(way: np.ndarray) -> None:
    """Neither square, nor a matrix, nor a time."""
    with pytest.raises(RouteTaskError, match=r"time_s"):
        route_task(STOPS, LOADS, VEHICLES, way, way)


def test_a_column_of_another_length_is_refused() -> None:
    """Says both lengths."""
    with pytest.raises(RouteTaskError, match=r"shape \(2,\) where one value or 3 are allowed"):
        stops_of([0, 1, 1], opens_s=[0, 1])
    with pytest.raises(RouteTaskError, match=r"shape \(1, 2\) where \(2, dimensions\) is allowed"):
        loads_of([0, 1], NONE, amounts=[[1, 2]])
