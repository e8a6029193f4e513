"""How old positions are when they go out, against the frames that came."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_client import WORLD, MapHub

from haulcast.histogram import AGE_BOUNDS_S, DELAY_BOUNDS_S, Histogram
from haulcast.live_map.freshness import times_sent

NAMES = ["acme_a", "acme_b", "acme_c", "acme_d"]
places = st.tuples(st.integers(-9, 9), st.integers(-9, 9))
steps = st.tuples(st.dictionaries(st.sampled_from(NAMES), places), st.integers(0, 500), st.integers(0, 400))
views = st.tuples(st.booleans(), st.sampled_from([0.5, 3.0, 50.0]), st.sampled_from([WORLD, [0, 0, 5, 5]]))


@settings(max_examples=40, deadline=None)
@given(st.lists(views, min_size=1, max_size=4), st.lists(steps, max_size=12))
def test_ages_are_those_of_the_rows_in_the_deltas(wanted, moves):
    """Each row of each delta counts once, with the time it was sent at; a snapshot's do not."""
    hub = MapHub()
    clients = []
    for is_binary, rate_hz, box in wanted:
        clients.append(hub.client(is_binary=is_binary))
        clients[-1].subscribe(box, rate_hz=rate_hz)
    delay_of = {}
    for moved, device_delay_ms, pause_ms in moves:
        hub.device_delay_ms = device_delay_ms
        hub.put("acme", **moved)
        for client in clients:
            client.read()
        now_ms = hub.clock.now_ms()
        delay_of |= {(name, now_ms - device_delay_ms): now_ms for name in moved}
        hub.clock.advance(pause_ms + 1)
        for client in clients:
            client.read()
    hub.settle(*clients)
    ages, delays = Histogram(AGE_BOUNDS_S), Histogram(DELAY_BOUNDS_S)
    for client in clients:
        for frame in client.frames:
            if frame.is_snapshot:
                continue
            for number, row in frame.rows.items():
                fix_ms = int(row["fix_time_ms"])
                ages.add_one((frame.time_ms - fix_ms) / 1000)
                delays.add_one((frame.time_ms - delay_of[client.names[number], fix_ms]) / 1000)
    freshness = hub.fan_out.freshness
    for counted, oracle in ((freshness.ages, ages), (freshness.fan_out_delays, delays)):
        assert counted.counts.tolist() == oracle.counts.tolist()
        assert counted.total == pytest.approx(oracle.total)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_times_sent_is_the_spans_unrolled(pairs):
    """Spans overlap as they like; an empty one sends nothing."""
    spans = [sorted(pair) for pair in pairs]
    by_hand = [sum(begin <= i < end for begin, end in spans) for i in range(20)]
    span = np.array(spans, np.int32).reshape(-1)
    assert times_sent(span, 20).tolist() == by_hand


def test_clusters_and_snapshots_have_no_age():
    """What shows no single fix, and what shows parked vehicles, says nothing of our delay."""
    hub = MapHub()
    far, late = hub.client(), hub.client()
    far.subscribe(WORLD, zoom=3)
    hub.put("acme", acme_a=(1, 1))
    hub.settle(far)
    hub.clock.advance(3_600_000)
    late.subscribe(WORLD)
    hub.settle(far, late)
    assert [frame.is_snapshot for frame in late.frames] == [True]
    assert hub.fan_out.freshness.ages.counts.sum() == 0


def test_a_flush_costs_microseconds():
    """5,000 rows in 500 views: counting is far below what encoding them takes."""
    span = np.tile(np.arange(0, 5_000, 50, dtype=np.int32), 500)
    freshness = MapHub().fan_out.freshness
    freshness._positions.ensure_rows(5_000)
    rows = np.arange(5_000, dtype=np.int32)
    best_s = np.inf
    for _ in range(5):
        began_s = time.perf_counter()
        freshness.told(rows, times_sent(span, 5_000))
        freshness.sent(1_000)
        best_s = min(best_s, time.perf_counter() - began_s)
    assert best_s < 0.01
