"""Arrivals at the stops ahead, against a plain walk along the route."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.route_etas import ROUTE_STOP, route_etas
from geo.route_progress import fresh_progress, join_lines, route_lines, start_line
from geo.travel_time import TravelLimits, sphere_points, untaught_travel_times

NOW_S = 1_790_000_000.0
MPS, WINDING = 10.0, 1.3
TRAVEL = untaught_travel_times(TravelLimits(default_mps=MPS, default_circuity=WINDING))
LINES = join_lines([route_lines([np.array([[9.0, 45.0], [9.5, 45.0]])])])


def etas(stops, is_ahead, *, along_m=None, is_off=False, place=(45.0, 9.0), leaves_s=NOW_S, routes=1):
    """Arrivals, seconds from now, of (lat, lon, along_m, opens_s, service_s) of one route, the last of several equal ones."""
    states = fresh_progress(routes)
    for row in range(routes):
        start_line(states, row, 0)
    if along_m is not None:
        states["edge"], states["along_m"] = 0, along_m
    states["is_off"] = is_off
    records = np.zeros(len(stops) * routes, ROUTE_STOP)
    lat, lon, along, opens, service = np.array(stops * routes).T
    for name, column in zip("xyz", sphere_points(lat, lon).T, strict=True):
        records[name] = column
    records["along_m"], records["opens_s"], records["service_s"] = along, opens, service
    number = np.array([routes - 1], np.int32)
    eta_s = np.full(len(records), -1.0)
    route_etas(
        states, np.arange(routes, dtype=np.int32), np.arange(0, len(records) + 1, len(stops)), records, np.array(is_ahead * routes),
        np.full(routes, 1 / WINDING), number, np.array([place[0]]), np.array([place[1]]), np.zeros(1, np.int32),
        np.array([leaves_s]), TRAVEL.paces(), eta_s,
    )  # fmt: skip
    assert (eta_s[: -len(stops)] == -1.0).all()  # others are left alone
    return eta_s[-len(stops) :] - NOW_S


def test_nothing_ahead_has_no_time():
    """Stops that are over have none, and those after them are driven to as if they were not there."""
    stops = [(45.0, 9.1, 7_000.0, -math.inf, 0.0), (45.0, 9.2, 9_000.0, -math.inf, 0.0)]
    found = etas(stops, [False, True], along_m=1_000.0)
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(800, rel=1e-3)


def test_who_is_off_its_line_drives_straight_to_the_next_stop_and_on_along_the_line():
    """Straight ways are longer by how roads wind, ways along the line are not."""
    stops = [(45.1, 9.0, 5_000.0, -math.inf, 60.0), (45.1, 9.0, 8_000.0, -math.inf, 0.0)]
    found = etas(stops, [True, True], along_m=1_000.0, is_off=True)
    assert found == pytest.approx([1_446, 1_446 + 60 + 300], rel=2e-3)


def test_a_stop_far_behind_on_the_line_has_no_time():
    """And one that is hardly behind is driven back to."""
    stops = [
        (45.0, 9.0, 0.0, -math.inf, 0.0),
        (45.0, 9.0, 700.0, -math.inf, 0.0),
        (45.0, 9.1, 3_000.0, -math.inf, 0.0),
    ]
    found = etas(stops, [True] * 3, along_m=1_000.0, place=(45.0, 9.0 + 300 / 78_600))
    assert math.isnan(found[0])
    assert found[1:] == pytest.approx([39, 39 + 230], rel=2e-2)


@given(
    st.lists(
        st.tuples(st.floats(0, 3_000), st.booleans(), st.floats(-500, 4_000), st.floats(0, 900)), min_size=1, max_size=9
    ),
    st.floats(0, 2_000),
    st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_the_chain_is_that_of_a_plain_walk(steps, at_m, routes):
    """Along the line with waiting and service, whichever stops are over and whatever other routes there are."""
    along, stops, expected, clock_s, here_m = at_m, [], [], 0.0, at_m
    for way_m, is_ahead, opens_s, service_s in steps:
        along += way_m
        stops.append((45.0, 9.0, along, NOW_S + opens_s, service_s))
        if not is_ahead:
            expected.append(math.nan)
            continue
        clock_s += (along - here_m) / MPS
        expected.append(clock_s)
        clock_s, here_m = max(clock_s, opens_s) + service_s, along
    found = etas(stops, [one[1] for one in steps], along_m=at_m, routes=routes)
    assert found == pytest.approx(expected, rel=1e-5, abs=0.01, nan_ok=True)
