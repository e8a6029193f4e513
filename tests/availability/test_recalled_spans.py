"""Who was on duty and busy is recalled from fixes and routes as it would have been seen, whatever is read at once and however often."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.positions import position_batch
from geo.track_filter import FilterLimits
from haulcast.availability import recalled
from haulcast.availability.recalled import busy_spans, keep_recalled, past_routes, recalled_duty
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_store import RouteWrite
from haulcast.routes.route_store_postgres import PostgresRouteStore
from haulcast.routes.stop_place import StopPlace

MINUTE_MS = 60_000
GAP_MS = 15 * MINUTE_MS
BEGIN_MS = 20_780 * 86_400_000
LIMITS = FilterLimits(60_000, 86_400_000, 90.0, 200.0, 2_000.0, 100.0, 20_000.0)


def track(row, minutes, lat_deg=45.0):
    """A vehicle that stands there, with a fix at each of these minutes."""
    batch = position_batch(len(minutes))
    batch.row[:], batch.seq[:] = row, np.arange(len(minutes))
    batch.time_ms[:] = BEGIN_MS + np.array(minutes, np.int64) * MINUTE_MS
    batch.lat_deg[:] = lat_deg + np.arange(len(minutes)) * 1e-6
    batch.lon_deg[:] = 9.0
    return batch


def history_of(*tracks):
    store = MemoryHistoryStore(lambda row: ("acme", f"v{row}"))
    for fixes in tracks:
        asyncio.run(store.write(fixes))
    return store


def recall(store, from_minute, until_minute, now_minute=10_000):
    times = (BEGIN_MS + minute * MINUTE_MS for minute in (from_minute, until_minute, now_minute))
    return asyncio.run(recalled_duty(store, "acme", *times, GAP_MS, LIMITS))


def minutes_of(spans):
    return sorted((span.vehicle, *((at_ms - BEGIN_MS) // MINUTE_MS for at_ms in span[2:4])) for span in spans)


def told(tracks, from_minute, until_minute, now_minute):
    """By hand, fix by fix."""
    found = []
    for row, minutes in enumerate(tracks):
        runs = []
        for minute in sorted(set(minutes)):
            if minute >= now_minute:
                break
            if runs and minute - runs[-1][1] <= 15:
                runs[-1][1] = minute
            else:
                runs.append([minute, minute])
        found += [
            (f"v{row}", begin, last + 15)
            for begin, last in runs
            if from_minute <= begin < until_minute and last + 15 < now_minute
        ]
    return sorted(found)


MINUTES = st.lists(st.integers(0, 400), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(MINUTES, min_size=1, max_size=4),
    st.integers(0, 400),
    st.integers(0, 200),
    st.integers(2, 30),
    st.data(),
)
def test_spans_are_those_of_the_gap_rule(tracks, from_minute, length, portion, data):
    """For any fixes, span and portions: one begins with a fix after a silence, and ends the gap after its last fix; what lasts is left out."""
    now_minute = data.draw(st.integers(from_minute + length + 1, 800))
    store = history_of(*(track(row, sorted(set(minutes))) for row, minutes in enumerate(tracks)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recalled, "PORTION_FIXES", portion)
        found = recall(store, from_minute, from_minute + length, now_minute)
    assert minutes_of(found) == told(tracks, from_minute, from_minute + length, now_minute)
    assert {span.kind for span in found} <= {DUTY}


@settings(max_examples=40, deadline=None)
@given(MINUTES, st.integers(0, 400))
def test_two_times_beside_each_other_give_each_span_once(minutes, cut):
    """Also of one that goes on over the cut."""
    store = history_of(track(0, sorted(set(minutes))))
    assert recall(store, 0, cut) + recall(store, cut, 401) == recall(store, 0, 401)


def test_a_span_has_the_places_of_its_first_and_last_fix():
    """A fix that jumped away is of neither."""
    fixes = track(0, [0, 5, 10, 15])
    fixes.lat_deg[1] = 60.0
    [span] = recall(history_of(fixes), 0, 60)
    assert span == StoredSpan("v0", DUTY, BEGIN_MS, BEGIN_MS + 30 * MINUTE_MS, 45.0, 9.0, 45.0 + 3e-6, 9.0)


def test_a_fleet_without_fixes_has_no_spans():
    """Nor a time that has not come."""
    assert recall(history_of(track(0, [100])), 0, 90) == []
    assert recall(history_of(track(0, [100])), 200, 300, now_minute=50) == []


def stop(name, arrived, left=None, kind=StopKind.STOP):
    times = [None if minute is None else BEGIN_MS + minute * MINUTE_MS for minute in (arrived, left)]
    state = StopState.DONE if left else StopState.ARRIVED if arrived is not None else StopState.SKIPPED
    return RouteStop(name, kind, StopPlace(45.0, float(ord(name))), "", state, None, *times)


def route(name, *stops, status=RouteStatus.DONE):
    return Route("acme", name, "v1", stops, status)


def test_a_past_route_was_work_from_its_first_arrival_until_its_last_stop_was_left():
    """In any order of its stops; one that was never begun is none, one that is driven is not over, one of another time neither."""
    driven = route("r", stop("b", 60, 80), stop("a", 20, 30), stop("c", None), stop("d", 90, None))
    lasts = route("s", stop("a", 20, 30), stop("b", None), status=RouteStatus.ACTIVE)
    never = route("t", stop("a", None), status=RouteStatus.CANCELLED)
    given_up = route("u", stop("a", 200, 230), stop("b", None), status=RouteStatus.CANCELLED)
    routes = [driven, lasts, never, given_up]
    always, until = [span_of(-100, 2_000)], BEGIN_MS + 1_000 * MINUTE_MS
    span, other = busy_spans(routes, always, BEGIN_MS, until)
    times = (BEGIN_MS + 20 * MINUTE_MS, BEGIN_MS + 90 * MINUTE_MS)
    assert span[1:] == (BUSY, *times, 45.0, 97.0, 45.0, 100.0, False)
    assert minutes_of([other]) == [("v1", 200, 230)]
    assert busy_spans(routes, always, BEGIN_MS + 21 * MINUTE_MS, BEGIN_MS + 100 * MINUTE_MS) == []
    assert (
        busy_spans(routes, [], BEGIN_MS, until)
        == busy_spans(routes, [span_of(0, 500, "v2")], BEGIN_MS, until)
        == []
    )


def test_work_is_work_on_duty_only():
    """A route of two days is a piece of each shift, where the shift began and ended; a shift that lasts has no end."""
    routes = [route("r", stop("a", 50, 60), stop("b", 300, 390))]
    shifts = [span_of(0, 100), span_of(200, 280), span_of(350, None), span_of(400, 500)]
    found = busy_spans(routes, shifts, BEGIN_MS, BEGIN_MS + 1_000 * MINUTE_MS)
    assert minutes_of(found) == [("v1", 50, 100), ("v1", 200, 280), ("v1", 350, 390)]
    assert [(span.begin_lon_deg, span.end_lon_deg) for span in (found[0], found[2])] == [
        (97.0, pytest.approx(math.nan, nan_ok=True)), (pytest.approx(math.nan, nan_ok=True), 98.0),
    ]  # fmt: skip
    assert minutes_of(busy_spans(routes, shifts, BEGIN_MS + 200 * MINUTE_MS, BEGIN_MS + 350 * MINUTE_MS)) == [
        ("v1", 200, 280)
    ]


async def test_past_routes_are_read_in_portions(database, monkeypatch):
    """All that are over, of this fleet alone, each once."""
    monkeypatch.setattr(recalled, "PAGE_ROUTES", 2)
    store = PostgresRouteStore(database)
    over = [route(f"r{number}", stop("a", 1, 2)) for number in range(5)]
    over.append(route("x", stop("a", 1, 2), status=RouteStatus.CANCELLED))
    await store.write(
        "acme",
        routes=[RouteWrite(one) for one in [*over, route("p", stop("a", None), status=RouteStatus.PLANNED)]],
    )
    pages = [page async for page in past_routes(store, "acme")]
    assert sorted(one.route_id for page in pages for one in page) == ["r0", "r1", "r2", "r3", "r4", "x"]
    assert [page async for page in past_routes(store, "other")] == []


def span_of(begin, end, vehicle="v1", kind=DUTY, *, is_said=False):
    ends_ms = None if end is None else BEGIN_MS + end * MINUTE_MS
    return StoredSpan(vehicle, kind, BEGIN_MS + begin * MINUTE_MS, ends_ms, *[math.nan] * 4, is_said)


async def test_what_is_stored_and_what_was_said_stands(database):
    """A second recall adds nothing; a span that the hub has is not changed; nobody is on duty where he said that he is off."""
    store = PostgresSpanStore(database)
    await store.put(
        "acme", [span_of(0, 20), span_of(100, 130, is_said=True), span_of(500, None, is_said=True)]
    )
    recalled_spans = [
        span_of(0, 60),  # is there
        span_of(110, 200), span_of(600, 700),  # were said otherwise
        span_of(110, 200, kind=BUSY), span_of(110, 200, "v2"), span_of(130, 150), span_of(40, 60),
    ]  # fmt: skip
    assert await keep_recalled(store, "acme", recalled_spans) == 4
    assert await keep_recalled(store, "acme", recalled_spans) == 0
    assert await keep_recalled(store, "acme", []) == 0
    stored = await store.read("acme", BEGIN_MS, BEGIN_MS + 10_000 * MINUTE_MS)
    assert [(span.vehicle, span.kind, (span.begin_ms - BEGIN_MS) // MINUTE_MS) for span in stored] == [
        ("v1", DUTY, 0), ("v1", DUTY, 40), ("v1", DUTY, 100), ("v1", DUTY, 130), ("v1", DUTY, 500), ("v1", BUSY, 110),
        ("v2", DUTY, 110),
    ]  # fmt: skip
    assert stored[0].end_ms == BEGIN_MS + 20 * MINUTE_MS
