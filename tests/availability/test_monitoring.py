"""From predictions served to figures and alerts, on a real PostgreSQL; the clock is the test's."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from monitored import DAY_MS, NOW_MS, Forecast, World, busy, expected, on_duty, outcomes, recorded, sample

from haulcast.availability import monitoring as module
from haulcast.availability.alerts import Alert
from haulcast.availability.monitoring import open_monitoring
from haulcast.availability.outcomes import Outcome
from haulcast.availability.sampling import EVERY_S, HORIZONS_S, MOST_A_DAY, Sampling
from haulcast.errors import StoreError

MINUTE_MS = 60_000


@pytest.fixture
def world(database):
    return World(database)


async def test_what_came_is_by_the_spans_that_hold_the_moment(world):
    """From its begin on, and before its end; busy only within duty; who has no spans was off; one that lasts holds; spans that overlap are one."""
    spans = [
        on_duty("a", 1_000, 5_000),
        busy("a", 2_000, 3_000),
        on_duty("b", 1_000, None),
        busy("b", 4_000, None),
        on_duty("c", 1_000, 3_000),
        on_duty("c", 2_000, 4_000),
        busy("c", 3_500, 9_000),
        on_duty("stranger", 0, None),
    ]
    asked = {
        ("a", 999): (False, False), ("a", 1_000): (True, True), ("a", 2_000): (True, False), ("a", 3_000): (True, True),
        ("a", 4_999): (True, True), ("a", 5_000): (False, False), ("b", 3_999): (True, True), ("b", 90_000): (True, False),
        ("c", 3_400): (True, True), ("c", 3_600): (True, False), ("c", 4_000): (False, False), ("d", 2_000): (False, False),
    }  # fmt: skip
    samples = [sample(due_ms, vehicle) for vehicle, due_ms in asked]
    await world.spans.put("acme", spans)
    await world.spans.put("other", [on_duty("d", 0, None)])
    await world.store.add([("acme", one) for one in samples])
    found = [*await world.store.settle("acme", 4_000, 5), *await world.store.settle("acme", 90_001, 99)]
    assert {(one.sample.vehicle, one.sample.due_ms): (one.on_duty, one.free) for one in found} == asked
    assert found == sorted(expected(samples, spans), key=lambda one: one.sample.due_ms)
    assert await world.store.settle("acme", 90_001, 99) == []
    assert await world.store.read("acme", 0, 90_001, 99) == found


async def test_what_came_of_any_samples_is_what_plain_loops_say(world):
    """Spans that touch, overlap, last and lie within each other, of two dozen drivers; settled in portions."""
    random, names = np.random.default_rng(11), [f"v{number}" for number in range(24)]
    spans = [
        (on_duty, busy)[random.integers(2)](name, int(begin), None if random.random() < 0.1 else int(begin + random.integers(1, 40)))
        for name in names[:-2]
        for begin in random.integers(0, 200, 8)
    ]  # fmt: skip
    asked = {(random.choice(names), int(due_ms)) for due_ms in random.integers(0, 250, 600)}
    samples = [sample(due_ms, str(name)) for name, due_ms in asked]
    await world.spans.put("acme", spans)
    await world.store.add([("acme", one) for one in samples])
    found = []
    while portion := await world.store.settle("acme", 1_000, 77):
        found += portion
    kept = {(one.vehicle, one.kind, one.begin_ms): one for one in spans}
    assert Counter(found) == Counter(expected(samples, list(kept.values())))
    assert {one.free for one in found} == {one.on_duty for one in found} == {True, False}


async def test_what_was_written_down_without_an_answer_is_read_again(world):
    """A store that is lost after its commit: no outcome is missing in the figures, and none counts twice."""
    away = _Away(world.store)
    away.is_away, away.is_lost = False, True
    monitoring = world.monitoring(store=away)
    await world.settled("acme", outcomes(20, 1.0, from_ms=NOW_MS - 7_200_000))
    await world.store.add([("acme", sample(NOW_MS - number, f"v{number}")) for number in range(1, 31)])
    with pytest.raises(StoreError):
        await monitoring.look()
    away.is_lost = False
    await monitoring.look()  # though it was judged a moment ago
    assert monitoring.quality("acme").judgement.figures["on_duty", 900].n == 50
    assert monitoring.quality("acme").pending == 0


def test_samples_are_a_fair_choice():
    """Each driver and horizon about once in ten minutes, other horizons never; what says nothing is left out; the same seed chooses the same."""
    sampling, again = Sampling(np.random.default_rng(4)), Sampling(np.random.default_rng(4))
    chosen = []
    for tick in range(4_000):
        served = recorded(1e6 + 5 * tick)
        found = sampling.choose("acme", served)
        assert found == again.choose("acme", served)
        assert not sampling.choose("acme", served)  # the same once more
        chosen += found
    counts = Counter((one.vehicle, one.horizon_s) for one in chosen)
    assert set(counts) == {(name, h) for name in ("always", "leaves", "comes", "works") for h in HORIZONS_S}
    mean = 4_000 * 5 / EVERY_S
    assert all(abs(count - mean) < 5 * mean**0.5 for count in counts.values())
    one = next(one for one in chosen if (one.vehicle, one.horizon_s) == ("works", 3_600))
    assert one[3:] == (1, 0.97, 0.60, "route", "v7")
    assert (one.due_ms - 3_600_000) % 5_000 == 0


def test_a_large_fleet_is_sampled_thinner_and_a_pause_is_not_made_up_for():
    """At most so many a day whatever its size; after an hour's pause as after a minute; a forecast without the horizons, or of nobody, gives none."""
    n = 10_000
    big = Forecast(
        [f"v{i}" for i in range(n)], 0.0, np.array(HORIZONS_S, float), np.full((n, 5), 0.5), np.full((n, 5), 0.4),
        np.zeros(n, np.int8), np.full(n, "model"),
    )  # fmt: skip
    sampling = Sampling(np.random.default_rng(0))
    count = 0
    for tick in range(2_000):
        count += len(sampling.choose("big", Forecast(**(vars(big) | {"at_s": 5.0 * tick}))))
    assert count == pytest.approx(MOST_A_DAY * 10_000 / 86_400, rel=0.05)
    assert len(sampling.choose("big", Forecast(**(vars(big) | {"at_s": 9e6})))) < 100
    for odd in (recorded(9e6, horizons_s=np.arange(12.0)), recorded(9e6, vehicles=[])):
        assert sampling.choose("odd", odd) == []


async def _served(world, monitoring, until_ms, every_ms=5_000):
    """The recorded forecast every few seconds until then."""
    while world.now_ms < until_ms:
        monitoring.on_forecast("acme", recorded(world.now_ms / 1000))
        world.now_ms += every_ms


async def test_predictions_served_become_figures(world):
    """Of five drivers over six hours: each outcome is what the spans say; figures are of exactly these; pending ones wait for their moment."""
    begin_ms = world.now_ms
    spans = [
        on_duty("always", begin_ms, None), on_duty("leaves", begin_ms, begin_ms + 120 * MINUTE_MS),
        on_duty("comes", begin_ms + 90 * MINUTE_MS, None), on_duty("works", begin_ms, None), busy("works", begin_ms, begin_ms + 200 * MINUTE_MS),
    ]  # fmt: skip
    await world.spans.put("acme", spans)
    monitoring = world.monitoring()
    for hour in range(6):
        await _served(world, monitoring, begin_ms + (hour + 1) * 60 * MINUTE_MS)
        await monitoring.look()
    stored = await world.store.read("acme", 0, world.now_ms, 10_000)
    assert stored == expected([one.sample for one in stored], spans)
    assert {one.sample.vehicle for one in stored} == {"always", "leaves", "comes", "works"}
    counts, quality = monitoring.counters, monitoring.quality("acme")
    assert counts["sampled"] == counts["outcomes"] + counts["pending"]
    assert counts["outcomes"] == len(stored) > 400
    assert quality.pending == counts["pending"] > 0
    assert [key for key in quality.judgement.figures if key[0] == "free"] == [("free", h) for h in HORIZONS_S]
    for place, question in enumerate(("on_duty", "free")):
        for horizon_s in HORIZONS_S:
            mine = [one for one in stored if one.sample.horizon_s == horizon_s]
            p, came = [one.sample[4 + place] for one in mine], [one[1 + place] for one in mine]
            figures = quality.judgement.figures[question, horizon_s]
            assert figures.n == len(mine)
            assert figures.brier == pytest.approx(np.mean((np.array(p) - came) ** 2))
            assert counts[f"{question}_brier"][str(horizon_s)] == pytest.approx(figures.brier)
    assert monitoring.quality("other").judgement.figures == {}


async def test_a_restart_loses_no_sample_and_no_figure(world):
    """Samples that wait are joined by the next run, from the spans; it has the figures of the last day, and tells no alert twice."""
    first = world.monitoring()
    await world.spans.put("acme", [on_duty("always", world.now_ms, None)])
    await world.settled("acme", outcomes(300, 0.5, from_ms=world.now_ms - 3_600_000, horizon_s=1_800))
    await _served(world, first, NOW_MS + 60 * MINUTE_MS)
    await first.look()
    (begin,) = world.told
    assert begin[2]["event"] == "availability_degraded"
    known, pending = first.quality("acme"), first.quality("acme").pending
    assert pending > 0
    world.now_ms += 300 * MINUTE_MS
    second = world.monitoring()
    await second.look()
    after = second.quality("acme")
    assert after.pending == 0
    assert world.told == [begin]
    assert [alert.key for alert in after.alerts] == [("on_duty", 1_800)]
    assert second.counters["degraded"] == 1
    total = sum(one.n for one in after.judgement.figures.values())
    assert total == sum(one.n for one in known.judgement.figures.values()) + 2 * pending
    third = world.monitoring()
    await third.look()
    assert third.quality("acme").judgement.figures == after.judgement.figures


async def test_what_is_older_than_a_day_counts_no_more(world):
    """The window moves with time; and after four weeks the rows go, those that never were joined too."""
    await world.settled("acme", outcomes(50, 1.0, from_ms=NOW_MS - 2 * DAY_MS))
    await world.settled("acme", outcomes(60, 1.0, from_ms=NOW_MS - 3_600_000))
    monitoring = world.monitoring()
    await monitoring.look()
    assert monitoring.quality("acme").judgement.figures["on_duty", 900].n == 60
    world.now_ms += DAY_MS
    await monitoring.look()
    assert monitoring.quality("acme").judgement.figures == {}
    await world.store.add([("acme", sample(NOW_MS + 40 * DAY_MS, "late"))])
    world.now_ms = NOW_MS + 27 * DAY_MS
    await monitoring.look()
    assert len(await world.store.read("acme", 0, world.now_ms, 1_000)) == 60
    world.now_ms += 2 * DAY_MS
    await monitoring.look()
    assert await world.store.read("acme", 0, world.now_ms, 1_000) == []
    assert await world.store.pending() == {"acme": 1}


async def test_an_alert_is_told_once_and_its_end_once(world):
    """With what it is about; only that fleet hears it; it is kept, with its end."""
    monitoring = world.monitoring()
    await world.settled("acme", outcomes(400, 0.70, from_ms=NOW_MS - 20 * 3_600_000))
    await world.settled("fine", outcomes(400, 0.95, from_ms=NOW_MS - 20 * 3_600_000))
    for _ in range(3):
        await monitoring.look()
        world.now_ms += module.JUDGE_EVERY_MS
    ((fleet, key, said),) = world.told
    assert (fleet, key) == ("acme", "availability on_duty 900")
    assert said == {
        "type": "availability_alert", "event": "availability_degraded", "question": "on_duty", "horizon_minutes": 15,
        "begin_ms": NOW_MS, "end_ms": None, "accuracy": 0.7, "accuracy_high": said["accuracy_high"], "n": 400, "least_accuracy": 0.8,
    }  # fmt: skip
    assert 0.7 < said["accuracy_high"] < 0.8
    spans, right = [], [(f"e{n}", n < 380) for n in range(400)]
    for n, (vehicle, is_right) in enumerate(right):
        spans += [on_duty(vehicle, NOW_MS, None)] if is_right else []
        await world.store.add([("acme", sample(NOW_MS + n, vehicle, p_free=0.0))])
    await world.spans.put("acme", spans)
    for _ in range(3):
        await monitoring.look()
        world.now_ms += module.JUDGE_EVERY_MS
    assert [one[2]["event"] for one in world.told] == [
        "availability_degraded", "availability_recovered", "availability_degraded",
    ]  # fmt: skip
    assert world.told[2][2]["question"] == "free"  # of which these were all wrong
    kept = await world.store.alerts("acme", 0)
    assert [alert.end_ms is None for _, alert in kept] == [False, True]
    assert await world.store.alerts("fine", 0) == []


async def test_an_alert_lasts_once_and_ends_once(world):
    """One that begins again while it lasts, as after an answer that was lost, changes nothing; after its end another may begin; each is of its fleet, question and horizon."""
    first = Alert("free", 900, 10, None, 0.7, 0.75, 300)
    others = [replace(first, horizon_s=1_800), replace(first, question="on_duty")]
    for one in (first, replace(first, begin_ms=20), *others):
        await world.store.put_alert("acme", one)
    await world.store.put_alert("other", first)
    assert {alert for _, alert in await world.store.alerts("acme", 0)} == {first, *others}
    await world.store.put_alert("acme", replace(first, begin_ms=20, end_ms=30))
    ended, again = replace(first, end_ms=30), replace(first, begin_ms=40)
    await world.store.put_alert("acme", again)
    assert {alert for _, alert in await world.store.alerts("acme", 0)} == {ended, again, *others}
    assert {alert for _, alert in await world.store.alerts("acme", 30)} == {again, *others}
    assert len(await world.store.alerts(None, 0)) == 5
    assert await world.store.forget(31) == 1
    assert await world.store.alerts("other", 0) == [("other", first)]


class _Away:
    """A store that is away while `is_away`, and lost behind each commit of outcomes while `is_lost`."""

    def __init__(self, store):
        self.store, self.is_away, self.is_lost = store, True, False

    def __getattr__(self, name):
        async def called(*values):
            if self.is_away:
                raise StoreError("database_unreachable", "gone")
            found = await getattr(self.store, name)(*values)
            if self.is_lost and name == "settle":
                raise StoreError("database_unreachable", "gone")
            return found

        return called


async def test_while_the_store_is_away_samples_wait_bounded(world, monkeypatch):
    """Nothing is lost before the bound; beyond it the oldest go and are counted; when it is back all that wait are stored."""
    away = _Away(world.store)
    monitoring = world.monitoring(store=away)
    await _served(world, monitoring, NOW_MS + 60 * MINUTE_MS)
    for _ in range(2):
        with pytest.raises(StoreError):
            await monitoring.look()
    counted = monitoring.counters
    assert counted["pending"] == counted["sampled"] > 50
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    monitoring.on_forecast("acme", recorded(world.now_ms / 1000 + 60))
    away.is_away = False
    await monitoring.look()
    counted = monitoring.counters
    assert counted["sampled"] == counted["dropped"] + counted["outcomes"] + counted["pending"]
    stored = await world.store.pending()
    assert stored["acme"] == counted["pending"]


async def test_after_a_start_nothing_is_joined_before_devices_had_time(world):
    """Samples that are long due wait out the delay, so that fixes kept by devices can still say that a driver was there."""
    await world.store.add([("acme", sample(NOW_MS - 3_600_000, "a"))])
    monitoring = world.monitoring(join_delay_ms=120_000)
    await monitoring.look()
    assert monitoring.quality("acme").pending == 1
    await world.spans.put("acme", [on_duty("a", NOW_MS - 2 * 3_600_000, None)])
    world.now_ms += 119_000
    await monitoring.look()
    assert monitoring.counters["outcomes"] == 0
    world.now_ms += 1_000
    await monitoring.look()
    (found,) = await world.store.read("acme", 0, world.now_ms, 9)
    assert found == Outcome(sample(NOW_MS - 3_600_000, "a"), on_duty=True, free=True)


async def test_the_same_sample_twice_is_one(world):
    """Also when an attempt whose end nobody heard of had stored it; what came stays what was written down first."""
    one = sample(NOW_MS - 1, "a")
    await world.store.add([("acme", one), ("acme", one), ("other", one)])
    await world.store.add([("acme", one)])
    assert await world.store.pending() == {"acme": 1, "other": 1}
    await world.settled("acme", [Outcome(one, on_duty=True, free=False)])
    await world.store.add([("acme", one)])
    assert await world.store.pending() == {"other": 1}
    assert await world.store.fleets(0) == ["acme"]
    assert await world.store.read("other", 0, NOW_MS, 9) == []
    await world.store.add([])


async def test_reading_in_portions_splits_no_moment(world):
    """All outcomes of the last moment of a portion are in it, so the next one begins behind it."""
    made = [
        Outcome(sample(NOW_MS + number // 7, f"v{number}"), on_duty=True, free=True) for number in range(50)
    ]
    await world.settled("acme", made)
    found, from_ms = [], 0
    while portion := await world.store.read("acme", from_ms, NOW_MS + DAY_MS, 5):
        assert len(portion) in (7, 1)
        found += portion
        from_ms = portion[-1].sample.due_ms + 1
    assert Counter(found) == Counter(made)


async def test_at_the_end_what_was_sampled_is_written_down(database, wait_until, monkeypatch):
    """The monitoring of a hub runs by itself, and its end stores what was not stored yet; the next run knows of it."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 3_600.0)
    world = World(database)
    await world.store.add([("acme", sample(10**13))])
    async with open_monitoring(database, lambda *_: None, seed=1) as monitoring:
        await wait_until(lambda: monitoring.quality("acme").pending)
        for tick in range(200):
            monitoring.on_forecast("acme", recorded(1e10 + tick * 60))
        sampled = monitoring.counters["sampled"]
        assert await world.store.pending() == {"acme": 1}
    assert await world.store.pending() == {"acme": 1 + sampled}
    async with open_monitoring(database, lambda *_: None) as monitoring:
        await wait_until(lambda: monitoring.counters["pending"] == 1 + sampled)
