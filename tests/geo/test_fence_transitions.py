"""Enters and exits against a plain Python oracle, and each rule by a small example."""

from collections.abc import Iterable

import numpy as np
import pytest
import shapely
from fence_oracles import cab_day, fence_set_of, holds, star, zones
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_area import checked_area
from geo.fence_events import NONE, Cause, FenceEvents, Kind, fence_events, join_events, no_events
from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set
from geo.fence_transitions import FenceState, find_transitions, refresh_fences, warm_up
from geo.kernels import fence_match as match_kernel
from geo.kernels import fence_transitions as kernel

ENTER, EXIT = Kind.ENTER, Kind.EXIT
MOVED, FENCE_CHANGED = Cause.MOVED, Cause.FENCE_CHANGED
BOX = shapely.box(0, 0, 2, 2)


def moved(
    state: FenceState, fence_set: FenceSet, fixes: Iterable[tuple[int, int, float, float]]
) -> FenceEvents:
    """Events of fixes (row, time_ms, lat, lon)."""
    row, time_ms, lat, lon = (np.array(column) for column in zip(*fixes, strict=True))
    lat, lon = lat.astype(float), lon.astype(float)
    hits = match_fences(fence_set, np.zeros(len(row), np.int32), lat, lon)
    return find_transitions(state, fence_set, row.astype(np.int32), time_ms.astype(np.int64), lat, lon, hits)


def refreshed(state: FenceState, fence_set: FenceSet, rows: list[int], now_ms: int) -> FenceEvents:
    return refresh_fences(state, fence_set, np.array(rows, np.int32), np.zeros(len(rows), np.int32), now_ms)


def short(events: FenceEvents) -> list[tuple]:
    """(row, handle, kind, visit, time) of each event."""
    columns = (events.row, events.handle, events.kind, events.visit, events.time_ms)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_drive_through_a_fence_is_timed_at_its_edges():
    """Enter and exit carry the moment and the place of the crossing, one visit id, and the fix that proved them."""
    state = FenceState(next_visit=100)
    events = moved(state, fence_set_of(BOX), [(3, 0, 1, -1), (3, 1000, 1, 1), (3, 5000, 1, 5)])
    assert short(events) == [(3, 0, ENTER, 100, 500), (3, 0, EXIT, 100, 2000)]
    assert events.lon_deg.tolist() == [0, 2]
    assert events.lat_deg.tolist() == [1, 1]
    assert events.fix_time_ms.tolist() == [1000, 5000]
    assert events.fix.tolist() == [1, 2]
    assert events.cause.tolist() == [MOVED, MOVED]
    assert events.entered_ms.tolist() == [500, 500]
    assert events.left_ms.tolist() == [NONE, 2000]
    assert state.next_visit == 101
    assert not state.inside(3).size


def test_the_first_fix_enters_at_its_own_time():
    """A vehicle that was never seen enters where and when its first fix is."""
    state = FenceState(0)
    events = moved(state, fence_set_of(BOX), [(0, 777, 1, 1)])
    assert short(events) == [(0, 0, ENTER, 0, 777)]
    assert (events.lat_deg[0], events.lon_deg[0]) == (1, 1)
    assert state.states.entered_ms[0, 0] == 777
    assert not len(moved(state, fence_set_of(BOX), [(0, 900, 1.5, 1)]))


def test_exits_come_before_enters_then_by_handle():
    """From one pair of fences to another the exits come first, each kind by handle."""
    left, right = (
        [shapely.box(0, 0, 1, 1), Circle(0.5, 0.5, 30_000)],
        [shapely.box(4, 0, 5, 1), Circle(0.5, 4.5, 30_000)],
    )
    fence_set = fence_set_of(left[0], right[0], left[1], right[1])
    events = moved(FenceState(0), fence_set, [(0, 0, 0.5, 0.5), (0, 1000, 0.5, 4.5)])
    assert [event[1:3] for event in short(events)] == [
        (0, ENTER),
        (2, ENTER),
        (0, EXIT),
        (2, EXIT),
        (1, ENTER),
        (3, ENTER),
    ]


def test_a_wavy_path_enters_first_and_leaves_last():
    """Of several crossings between two fixes, the first counts for the enter and the last for the exit."""
    comb = shapely.MultiPolygon([shapely.box(1, 0, 2, 1), shapely.box(3, 0, 4, 1)])
    events = moved(
        FenceState(0), fence_set_of(comb), [(0, 0, 0.5, 0), (0, 3500, 0.5, 3.5), (0, 7000, 0.5, 0)]
    )
    assert [event[4] for event in short(events)] == [1000, 3500 + 2500]


def test_touching_and_standing_on_an_edge():
    """A path along an edge enters where it meets it; from standing on the edge, leaving begins at the last point on it."""
    events = moved(
        FenceState(0), fence_set_of(BOX), [(0, 0, 0, -1), (0, 1000, 0, 1), (0, 2000, 0, 3), (0, 3000, 0, 3)]
    )
    assert [event[2:5:2] for event in short(events)] == [(ENTER, 500), (EXIT, 1500)]
    events = moved(FenceState(0), fence_set_of(BOX), [(0, 0, 3, 1), (0, 1000, 2, 1), (0, 2000, 3, 1)])
    assert [event[2:5:2] for event in short(events)] == [(ENTER, 1000), (EXIT, 1000)]


def test_circles_are_crossed_at_their_radius():
    """The crossing point of a circle is its radius away from its centre, to a few millimetres, over 180 too."""
    for lon in (20.0, 179.99):
        circle = Circle(60.0, lon, 5_000.0)
        there, back = (60.01, (lon + 0.01 + 180) % 360 - 180), (60.2, (lon + 0.2 + 180) % 360 - 180)
        events = moved(
            FenceState(0), fence_set_of(circle), [(0, 0, *back), (0, 60_000, *there), (0, 120_000, *back)]
        )
        assert events.kind.tolist() == [ENTER, EXIT]
        for lat_, lon_ in zip(events.lat_deg, events.lon_deg, strict=True):
            distance = Geodesic.WGS84.Inverse(60.0, lon, lat_, lon_)["s12"]
            assert distance == pytest.approx(5_000, abs=0.005)
        assert sum(events.time_ms) == pytest.approx(120_000, abs=1)


def test_the_way_over_180_is_the_short_one():
    """A vehicle that crosses 180 meets the fence there, on whichever side it is, and the crossing point keeps to +-180."""
    ring = [[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]
    fence_set = fence_set_of(checked_area({"type": "Polygon", "coordinates": [ring]}, repair=False))
    events = moved(
        FenceState(0),
        fence_set,
        [(0, 0, 0, 178), (0, 2500, 0, -179.5), (0, 3500, 0, -178.5), (0, 4500, 0, 178)],
    )
    assert [event[2:5:2] for event in short(events)] == [(ENTER, 1000), (EXIT, 3000)]
    assert events.lon_deg.tolist() == [179, -179]
    events = moved(FenceState(0), fence_set, [(0, 0, 0, -178), (0, 2000, 0, 180.0), (0, 4000, 0, 178)])
    assert events.lon_deg.tolist() == [-179, 179]


def test_a_new_set_enters_and_closes_at_once():
    """After a swap, who is inside a new fence enters it, who is inside a changed or deleted one leaves it, at the time of the swap."""
    state = FenceState(5)
    old = build_fence_set([Fence(4, 0, BOX), Fence(9, 0, BOX), Fence(11, 0, BOX)], 1)
    moved(state, old, [(0, 1000, 1, 1), (2, 1000, 8, 8)])
    new = build_fence_set([Fence(4, 0, shapely.box(0, 0, 0.5, 0.5)), Fence(7, 0, BOX), Fence(11, 0, BOX)], 2)
    events = refreshed(state, new, [0, 1, 2], 2000)
    assert short(events) == [(0, 4, EXIT, 5, 2000), (0, 9, EXIT, 6, 2000), (0, 7, ENTER, 8, 2000)]
    assert events.cause.tolist() == [FENCE_CHANGED] * 3
    assert events.fix.tolist() == [-1] * 3
    assert events.fix_time_ms.tolist() == [1000] * 3
    assert (events.lat_deg == 1).all()
    assert state.inside(0).tolist() == [7, 11]
    assert state.states.visit[0, :2].tolist() == [8, 7]
    assert state.states.entered_ms[0, :2].tolist() == [2000, 1000]
    assert not len(refreshed(state, new, [0, 1, 2], 3000))
    assert not len(refreshed(state, new, [], 3000))


def test_a_swap_that_nobody_refreshed_still_ends_its_visits():
    """Without a refresh, a fence that is gone is left at the next fix, and one that grew is entered there."""
    state = FenceState(0)
    moved(state, build_fence_set([Fence(1, 0, BOX), Fence(2, 0, shapely.box(5, 5, 6, 6))], 1), [(0, 0, 1, 1)])
    after = build_fence_set([Fence(2, 0, shapely.box(-9, -9, 9, 9))], 2)
    events = moved(state, after, [(0, 1000, 1, 1.5)])
    assert short(events) == [(0, 1, EXIT, 0, 1000), (0, 2, ENTER, 1, 1000)]
    assert events.cause.tolist() == [FENCE_CHANGED, MOVED]


def test_rows_and_slots_grow():
    """A vehicle inside many fences at once, in a row beyond any seen, is no special case; what was known stays."""
    state = FenceState(0)
    state.ensure_rows(1)
    fence_set = fence_set_of(*[shapely.box(-i, -i, i, i) for i in range(1, 51)])
    moved(state, fence_set, [(0, 0, 49.5, 0)])
    assert len(moved(state, fence_set, [(1000, 0, 0, 0)])) == 50
    assert state.inside(0).tolist() == [49]
    assert state.inside(1000).tolist() == list(range(50))
    assert len(moved(state, fence_set, [(1000, 10, 80, 0)])) == 50


def _oracle_time(area, before, now, kind) -> float:
    """When a path meets a boundary first (enter) or last (exit), by shapely."""
    (t0, y0, x0), (t1, y1, x1) = before, now
    path = shapely.LineString([(x0, y0), (x1, y1)])
    met = shapely.get_coordinates(path.intersection(area.boundary))
    along = [path.project(shapely.Point(xy)) / path.length for xy in met] if path.length else [1.0]
    return t0 + (t1 - t0) * (min(along) if kind == ENTER else max(along))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_any_drive_has_the_oracles_events(seed, batch):
    """Random drives of several vehicles, in batches of any size, give the enters and exits of a plain comparison of sets."""
    rng = np.random.default_rng(seed)
    areas = [star(rng, *rng.normal(0, 1.5, 2), 1.5, 25) for _ in range(8)]
    areas = [area for area in areas if area.is_valid and area.area > 0]
    fence_set = fence_set_of(*areas)
    fixes = [(int(rng.integers(3)), 1000 * i, *np.round(rng.normal(0, 2, 2), 3)) for i in range(60)]
    state, events = FenceState(1), []
    for start in range(0, len(fixes), batch):
        found = moved(state, fence_set, fixes[start : start + batch])
        events += [(*event, start + fix) for event, fix in zip(short(found), found.fix.tolist(), strict=True)]

    inside: dict[int, dict[int, int]] = {row: {} for row in range(3)}
    before: dict[int, tuple] = {}
    visit, expected = 1, []
    for i, (row, time_ms, lat, lon) in enumerate(fixes):
        now = {index for index, area in enumerate(areas) if holds(area, lat, lon)}
        for handle in sorted(set(inside[row]) - now):
            when = _oracle_time(areas[handle], before[row], (time_ms, lat, lon), EXIT)
            expected.append((row, handle, EXIT, inside[row].pop(handle), when, i))
        for handle in sorted(now - set(inside[row])):
            when = (
                _oracle_time(areas[handle], before[row], (time_ms, lat, lon), ENTER)
                if row in before
                else time_ms
            )
            expected.append((row, handle, ENTER, visit, when, i))
            inside[row][handle] = visit
            visit += 1
        before[row] = (time_ms, lat, lon)
    assert [(*e[:4], e[5]) for e in events] == [(*e[:4], e[5]) for e in expected]
    assert all(abs(a[4] - b[4]) <= 1 for a, b in zip(events, expected, strict=True))
    assert state.next_visit == visit


def test_a_real_days_events_are_the_oracles(shared_data):
    """Every enter and exit of 489 cabs and 37 zones in a day, by fix, in batches: the changes of what shapely says of each fix."""
    areas = zones(shared_data, "san-francisco.geojson")
    time_ms, row, lat, lon = cab_day(shared_data)
    fence_set, state, found = fence_set_of(*areas), FenceState(1), []
    for start in range(0, len(row), 20_000):
        part = slice(start, start + 20_000)
        hits = match_fences(fence_set, np.zeros(len(row[part]), np.int32), lat[part], lon[part])
        events = find_transitions(state, fence_set, row[part], time_ms[part], lat[part], lon[part], hits)
        found.append(np.c_[events.fix + start, events.kind, events.handle])
        late = events.time_ms > events.fix_time_ms
        assert not late.any()
    expected = []
    by_row = np.argsort(row, kind="stable")
    is_first = np.diff(row[by_row], prepend=-1) != 0
    for handle, area in enumerate(areas):
        shapely.prepare(area)
        inside = shapely.intersects_xy(area, lon, lat)[by_row].astype(int)
        change = np.where(is_first, inside, np.diff(inside, prepend=0))
        for kind, step in ((ENTER, 1), (EXIT, -1)):
            fixes = by_row[change == step]
            expected.append(np.c_[fixes, np.full(len(fixes), kind), np.full(len(fixes), handle)])
    expected = np.concatenate(expected)
    order = np.lexsort((expected[:, 2], -expected[:, 1], expected[:, 0]))
    assert (np.concatenate(found) == expected[order]).all()


def test_nothing_is_compiled_after_the_warm_up():
    """Read-only, strided and narrower columns are taken without another compilation, which would stall the hub."""
    warm_up()
    compiled = [len(function.signatures) for function in (match_kernel.match, kernel.find, kernel.refresh)]
    fence_set, state = fence_set_of(BOX, Circle(1, 1, 10)), FenceState(0)
    place = np.frombuffer(np.ones(4).tobytes())[::2]
    row, time_ms = np.zeros(2, np.int64), np.arange(4, dtype=np.int32)[::2]
    hits = match_fences(fence_set, row, place, place)
    assert len(find_transitions(state, fence_set, row, time_ms, place, place, hits)) == 2
    assert len(refresh_fences(state, build_fence_set([], 2), row, row, 10)) == 2
    assert [
        len(function.signatures) for function in (match_kernel.match, kernel.find, kernel.refresh)
    ] == compiled


def test_the_kernels_numbers_are_the_names():
    """Kinds and causes are the same numbers in the kernel and outside."""
    assert (Kind.ENTER, Kind.EXIT) == (kernel.ENTER, kernel.EXIT)
    assert (Cause.MOVED, Cause.FENCE_CHANGED) == (kernel.MOVED, kernel.FENCE_CHANGED)


def test_a_forgotten_vehicle_is_nowhere():
    """After it is forgotten a vehicle leaves nothing, no edit enters it, and its next fix is its first; an unknown row is no error."""
    state, fence_set = FenceState(0), fence_set_of(BOX)
    moved(state, fence_set, [(0, 0, 1, 1), (1, 0, 1, 1)])
    state.forget(0)
    state.forget(1000)
    assert not state.inside(0).size
    assert state.inside(1).tolist() == [0]
    assert not len(refreshed(state, fence_set, [0, 1], 50))
    assert short(moved(state, fence_set, [(0, 700, 1, 1)])) == [(0, 0, ENTER, 2, 700)]


def test_events_join_in_order():
    """Parts follow one another column by column, with the same types; of nothing comes nothing."""
    one, two = fence_events(row=[1, 2], visit=[5, 6], kind=0), fence_events(row=[3], visit=7, kind=1)
    joined = join_events([one, no_events(), two])
    assert short(joined) == [(1, NONE, 0, 5, NONE), (2, NONE, 0, 6, NONE), (3, NONE, 1, 7, NONE)]
    assert joined.kind.dtype == np.int8
    assert join_events([no_events(), one]) is one
    assert not len(join_events([]))
    assert no_events().visit.dtype == np.int64
