"""What a serving hub knows of a fleet, put together bit by bit, is what all of its spans say at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.availability import AvailabilityError, features, spans_of
from geo.span_weaving import spent_s, woven
from haulcast.availability.fleet_past import FleetPast
from haulcast.availability.past import joined_spans, origin_of, past_of, zone_of
from haulcast.availability.span_store import BUSY, DUTY, MOST_MS, SpanColumns, StoredSpan
from haulcast.availability.span_tracker import LASTS, NEVER, SPAN

HOUR_MS = 3_600_000
AT_S = 1_700_000_000.0
AT_MS = int(AT_S * 1000)
NAMES = [f"v{number}" for number in range(4)]


def some_spans(random, per_driver=30):
    """Of each driver some in order and apart, the last of some lasts; vehicle, kind, begin, end."""
    spans = []
    for name in NAMES:
        for kind in (DUTY, BUSY):
            times = np.sort(
                random.choice(np.arange(1, 20 * 24), 2 * int(random.integers(0, per_driver)), replace=False)
            )
            for begin, end in times.reshape(-1, 2)[:, ::1].tolist():
                begin_ms, end_ms = AT_MS - (481 - begin) * HOUR_MS, AT_MS - (481 - end) * HOUR_MS
                spans.append(StoredSpan(name, kind, begin_ms, end_ms, *random.uniform(-1, 1, 4).tolist()))
            if spans and random.random() < 0.5:
                spans.append(StoredSpan(name, kind, AT_MS - HOUR_MS // 2, None, 0.5, 0.5, np.nan, np.nan))
    return spans


def columns_of(spans):
    spans = sorted(spans)
    return SpanColumns(
        NAMES,
        np.array([NAMES.index(span.vehicle) for span in spans], np.int64),
        np.array([span.kind for span in spans], np.int16),
        np.array([span.begin_ms for span in spans], np.int64),
        np.array([MOST_MS if span.end_ms is None else span.end_ms for span in spans], np.int64),
        np.array([span[4:8] for span in spans], float).reshape(len(spans), 4),
    )


def as_row(span):
    return (span.begin_ms, LASTS if span.end_ms is None else span.end_ms, *span[4:8], False)


@pytest.mark.parametrize("seed", range(12))
def test_a_past_built_bit_by_bit_is_that_of_all_spans(seed):
    """Some spans were stored, some (also among those) were closed since, each driver's newest is in hand: features are as from all at once."""
    random = np.random.default_rng(seed)
    spans = some_spans(random)
    vehicles, whole = past_of(spans, AT_S, 3_600.0, (0.1, 0.2))
    newest = {(span.vehicle, span.kind): span for span in sorted(spans, key=lambda one: one.begin_ms)}
    current = np.zeros((2, len(NAMES)), SPAN)
    current["begin_ms"] = current["end_ms"] = NEVER
    for (vehicle, kind), span in newest.items():
        current[kind, NAMES.index(vehicle)] = as_row(span)
    older = [span for span in spans if newest[span.vehicle, span.kind] is not span]
    cut_ms = AT_MS - int(random.integers(1, 400)) * HOUR_MS
    stored = [span for span in spans if span.begin_ms < cut_ms]
    past = FleetPast()
    for span in older:
        if span.begin_ms >= cut_ms - 20 * HOUR_MS:  # some of which are stored too
            past.add(np.array([NAMES.index(span.vehicle)]), span.kind, np.array([as_row(span)], SPAN))
    past.take(columns_of(stored), np.arange(len(NAMES)), current, past.waiting, (0.1, 0.2), 3_600.0)
    found = past.past(current, past.waiting, AT_S)
    driver = np.repeat([NAMES.index(vehicle) for vehicle in vehicles], 5)
    horizon_s, at_s = (
        np.tile([300.0, 900.0, 3_600.0, 14_400.0, 28_800.0], len(vehicles)),
        np.full(len(driver), AT_S),
    )
    expected = features(
        np.repeat(np.arange(len(vehicles)), 5),
        at_s,
        horizon_s,
        whole.duty,
        whole.busy,
        whole.rates,
        whole.zone_s,
    )
    got = features(driver, at_s, horizon_s, found.duty, found.busy, whole.rates, found.zone_s)
    np.testing.assert_array_equal(got, expected)


def test_what_is_closed_later_is_woven_in():
    """Spans that come after the past was read are part of it from then on, of new drivers too, and count once."""
    past = FleetPast()
    current = np.zeros((2, 1), SPAN)
    current["begin_ms"] = current["end_ms"] = NEVER
    past.take(columns_of([]), np.empty(0, np.int64), current, 0, None, None)
    assert past.past(current, 0, AT_S).duty.drivers == 1
    wider = np.concatenate((current, current), axis=1)
    span = StoredSpan("v1", DUTY, AT_MS - 2 * HOUR_MS, AT_MS - HOUR_MS, 1, 2, 3, 4)
    past.add(np.array([1]), DUTY, np.array([as_row(span)], SPAN))
    for _ in range(2):
        duty = past.past(wider, past.waiting, AT_S).duty
        assert (duty.offsets.tolist(), duty.begin_s.tolist()) == ([0, 0, 1], [AT_S - 7_200])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 12)), max_size=30))
def test_spans_that_overlap_are_one(said):
    """Hour for hour a driver is in a joined span where it is in any of those given; and joined spans are apart."""
    driver = np.array([who for who, _, _ in said], np.int64)
    begin_s = np.array([begin for _, begin, _ in said], float)
    end_s = begin_s + np.array([long for _, _, long in said], float)
    places = np.stack((begin_s, begin_s, end_s, end_s), 1).reshape(len(said), 4)
    joined = joined_spans(4, driver, begin_s, end_s, places, (0.0, 0.0))
    for who in range(4):
        for moment in np.arange(0.5, 60):
            inside = bool(np.any((driver == who) & (begin_s <= moment) & (moment < end_s)))
            assert joined.holds([who], [moment])[0] == inside
        own = slice(joined.offsets[who], joined.offsets[who + 1])
        assert (joined.begin_s[own][1:] >= joined.end_s[own][:-1]).all()
        # the places are those of the first begin and of the last end
        np.testing.assert_allclose(joined.begin_xy[own, 1], joined.begin_s[own] * 111.195)
        np.testing.assert_allclose(joined.end_xy[own, 1], joined.end_s[own] * 111.195)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_weaving_is_concatenation(seed):
    """Woven spans are those of both, driver by driver, without what ended before a moment; and sums over them are sums over hours."""
    random = np.random.default_rng(seed)
    base_n, more_n = int(random.integers(0, 5)), 5

    def some(drivers, from_s):
        begins = {d: np.sort(random.choice(50, int(random.integers(0, 8)), replace=False)) * 2 + from_s for d in range(drivers)}  # fmt: skip
        driver = np.concatenate([np.full(len(b), d) for d, b in begins.items()] or [np.empty(0)]).astype(int)
        begin_s = np.concatenate([*begins.values(), np.empty(0)]).astype(float)
        places = random.uniform(-1, 1, (len(driver), 4))
        return spans_of(drivers, driver, begin_s, begin_s + 1, places[:, :2], places[:, 2:])

    base, more, from_s = some(base_n, 0), some(more_n, 200), float(random.integers(0, 100))
    made = woven(base, more, from_s)
    for d in range(more_n):
        own = slice(base.offsets[d], base.offsets[d + 1]) if d < base_n else slice(0, 0)
        kept = base.end_s[own] >= from_s
        after, now = slice(more.offsets[d], more.offsets[d + 1]), slice(made.offsets[d], made.offsets[d + 1])
        for name in ("begin_s", "end_s", "begin_xy", "end_xy"):
            expected = np.concatenate((getattr(base, name)[own][kept], getattr(more, name)[after]))
            np.testing.assert_array_equal(getattr(made, name)[now], expected)
    begins, ends = random.uniform(0, 300, 6), random.uniform(0, 300, 6)
    times = np.minimum(begins, ends), np.maximum(begins, ends)
    sums = spent_s(made, np.arange(more_n), *times)
    for d in range(more_n):
        own = slice(made.offsets[d], made.offsets[d + 1])
        for j, (begin, end) in enumerate(zip(*times, strict=True)):
            expected = np.maximum(0, np.minimum(made.end_s[own], end) - np.maximum(made.begin_s[own], begin))
            assert sums[d, j] == pytest.approx(expected.sum())
    with pytest.raises(AvailabilityError):
        woven(more, some(3, 0))


def test_origin_and_zone_say_where_and_when_the_fleet_is():
    """The middle of where spans began, in tenths; hours by the sun; nothing known is nowhere."""
    spans = [StoredSpan("a", DUTY, i, i + 1, 37.74 + i, -122.42, np.nan, np.nan) for i in (-1, 0, 1)]
    assert origin_of(spans) == (37.7, -122.4)
    assert zone_of(origin_of(spans)) == -8 * 3_600
    assert origin_of([StoredSpan("a", DUTY, 0, 1, *[float("nan")] * 4)]) == (0.0, 0.0)
