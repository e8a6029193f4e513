"""The checker: each limit alone, by routes made by hand, and times that can be reckoned in the head."""

import numpy as np
import pytest

from geo.route_check import Limit, broken_limits, first_broken, timetable
from geo.route_task import NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of

WAY = 10.0 * abs(np.subtract.outer(np.arange(5), np.arange(5)))


def pair_task(stops: dict | None = None, loads: dict | None = None, **vehicle: object) -> RouteTask:
    """Load 0 from place 1 (stop 0) to place 3 (stop 1), load 1 only delivered at place 2 (stop 2); two vehicles at place 0."""
    who = vehicles_of([0, 0], 0, **{"capacity": [[4.0], [4.0]], "cost_per_m": 1, **vehicle})
    what = loads_of([0, NONE], [1, 2], **{"amounts": [[3.0], [1.0]], **(loads or {})})
    return route_task(stops_of([1, 3, 2], **(stops or {})), what, who, WAY, WAY)


@pytest.mark.parametrize(
    ("task", "stops", "limit", "stop", "text"),
    [
        (pair_task(), [0, 0, 1], Limit.LOAD, 0, "stop 0 stands twice"),
        (pair_task(), [2, 0], Limit.LOAD, 0, "stop 0 of load 0 stands without its partner"),
        (pair_task(), [1, 0], Limit.LOAD, 1, "load 0 is delivered before it is picked up"),
        (pair_task(loads={"only": [NONE, 1]}), [2], Limit.VEHICLE, 2, "load 1 is bound to vehicle 1, not 0"),
        (pair_task(loads={"needs": [4, 0]}), [0, 1], Limit.SKILLS, 0, "load 0 needs skill 2 of vehicle 0"),
        (pair_task(loads={"amounts": [[3], [2]]}), [0, 2, 1], Limit.CAPACITY, 0, "leaves stop 0 with 5 of dimension 0"),
        (pair_task(loads={"amounts": [[3], [5]]}), [2], Limit.CAPACITY, 2, "vehicle 0 starts with 5 of dimension 0"),
        (pair_task({"closes_s": [99, 25, 99]}), [0, 1], Limit.WINDOW, 1, "at stop 1 at 30 s, it closes at 25 s"),
        (pair_task(until_s=59), [0, 1], Limit.SHIFT, NONE, "at its end at 60 s, its shift is until 59 s"),
        (pair_task(most_drive_s=59), [0, 1], Limit.DRIVING, NONE, "drives 60 s, allowed are 59 s"),
    ],
)  # fmt: skip
def test_each_limit_is_named(task: RouteTask, stops: list[int], limit: Limit, stop: int, text: str) -> None:
    """With its stop and the numbers."""
    broken = first_broken(task, 0, stops)
    assert broken is not None
    assert (broken.limit, broken.vehicle, broken.stop) == (limit, 0, stop)
    assert text in broken.text


def test_a_limit_that_is_just_reached_holds() -> None:
    """All of them at once."""
    task = pair_task({"closes_s": [10, 30, 20]}, until_s=60, most_drive_s=60, break_after_s=60, break_s=9)
    assert first_broken(task, 0, [0, 2, 1]) is None
    assert first_broken(task, 0, []) is None


def test_a_stop_in_two_routes_is_found() -> None:
    """Each route holds, the plan does not."""
    task = pair_task()
    assert not broken_limits(task, {0: [0, 1], 1: [2]})
    (broken,) = broken_limits(task, {0: [2], 1: [2]})
    assert (broken.limit, broken.stop, broken.vehicle) == (Limit.LOAD, 2, 1)


def test_amounts_add_up_without_rounding() -> None:
    """Ten times 0.1 is 1, also of floats."""
    loads = loads_of(NONE, np.arange(10), amounts=0.1)
    task = route_task(stops_of([1] * 10), loads, vehicles_of([0], 0, capacity=1.0), WAY, WAY)
    assert first_broken(task, 0, range(10)) is None


def test_a_route_waits_at_its_start_and_pays_for_its_duty() -> None:
    """It starts when it need not wait later, unless it must for another window."""
    task = pair_task({"opens_s": [50, 100, 0], "closes_s": [60, 200, 999], "service_s": 5}, cost_per_s=2)
    table = timetable(task, 0, [0, 1])
    assert (table.start_s, table.end_s) == (
        50,
        135,
    )  # 60 at the first stop at the latest, 25 s more to the second
    assert (table.arrive_s, table.begin_s, table.leave_s) == ((60, 85), (60, 100), (65, 105))
    assert (table.drive_s, table.distance_m, table.break_s) == (60, 60, 0)
    assert table.cost == 60 + 2 * 85


def test_breaks_are_taken_as_late_as_may_be() -> None:
    """On the road, each for its length; what was driven before counts; a wait of that length is one."""
    task = pair_task(break_after_s=25, break_s=7, driven_s=20)
    table = timetable(task, 0, [0, 1])
    assert table.arrive_s == (17, 37)  # the first after 5 s; the second is due after 30 s, just here
    assert (table.end_s, table.break_s) == (81, 21)  # and a third after 55 s
    waits = pair_task({"opens_s": [0, 50, 0]}, break_after_s=30, break_s=7)
    assert timetable(waits, 0, [0, 1]).end_s == 80


def test_open_ends_cost_nothing() -> None:
    """Neither the way to the first stop, nor that from the last."""
    task = route_task(stops_of([1, 3]), loads_of([0], [1]), vehicles_of([NONE], NONE, cost_per_m=1), WAY, WAY)
    assert timetable(task, 0, [0, 1]).cost == 20
