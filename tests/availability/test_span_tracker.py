"""Spans out of fixes, words and routes, held against a plain loop over the same."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.positions import COLUMNS, PositionBatch
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan
from haulcast.availability.span_tracker import LASTS, NEVER, SpanTracker, State, Word, stored_spans

GAP_MS = 900_000
START_MS = 1_700_000_000_000
NAMES = ["a", "b", "c"]


def batch(row, time_ms, lat=None, speed_mps=None):
    """Fixes as columns; where and how fast is of no interest unless it is said."""
    n = len(row)
    columns = {name: np.zeros(n, dtype) for name, dtype in COLUMNS.items()}
    columns |= {"row": np.array(row, np.int32), "time_ms": np.array(time_ms, np.int64)}
    columns["lat_deg"] = np.zeros(n) if lat is None else np.array(lat, float)
    columns["speed_mps"] = np.zeros(n) if speed_mps is None else np.array(speed_mps, float)
    return PositionBatch(**columns)


@dataclass
class Told:
    """A tracker, and all spans that others have followed."""

    closed: list = field(default_factory=list)

    def __post_init__(self):
        self.tracker = SpanTracker(GAP_MS / 1000, self.closed.append)
        self.tracker.ensure_rows(len(NAMES))

    def spans(self, kind):
        """All of them by vehicle, as begin and end."""
        found = {name: [] for name in NAMES}
        newest = self.tracker.spans[kind]
        lots = [(lot.row.tolist(), lot.spans) for lot in self.closed if lot.kind == kind]
        for rows, spans in [*lots, (range(len(NAMES)), newest[: len(NAMES)])]:
            for row, span in zip(rows, spans.tolist(), strict=True):
                if span[0] != NEVER:
                    found[NAMES[row]].append((span[0], None if span[1] == LASTS else span[1]))
        return found


def plain_duty(fixes, now_ms):
    """By the rule: apart where nothing came for more than the gap; the last one ends when that is over."""
    found = {}
    for name, times in fixes.items():
        spans = []
        for time_ms in times:
            if spans and time_ms - spans[-1][1] <= GAP_MS:
                spans[-1][1] = time_ms
            else:
                spans.append([time_ms, time_ms])
        ends = [end + GAP_MS for _, end in spans]
        is_on = bool(spans) and now_ms < ends[-1]
        found[name] = [
            (begin, None if is_on and i == len(spans) - 1 else end)
            for i, ((begin, _), end) in enumerate(zip(spans, ends, strict=True))
        ]
    return found


steps = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([1_000, 60_000, GAP_MS, GAP_MS + 1, 3 * GAP_MS]), st.booleans()
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_duty_is_apart_where_nothing_came_for_the_gap(said):
    """However fixes of several vehicles are cut into batches, and whenever the tracker looks, the spans are those of a plain loop."""
    told, now_ms, fixes, waiting = Told(), START_MS, {name: [] for name in NAMES}, []
    for row, passed_ms, is_cut in said:
        now_ms += passed_ms
        waiting.append((row, now_ms))
        fixes[NAMES[row]].append(now_ms)
        if is_cut:
            told.tracker.take(batch(*zip(*waiting, strict=True)), now_ms)
            told.tracker.look(now_ms)
            waiting = []
    if waiting:
        told.tracker.take(batch(*zip(*waiting, strict=True)), now_ms)
    told.tracker.look(now_ms)
    last = {name: times[-1] if times else 0 for name, times in fixes.items()}
    for name, expected in plain_duty(fixes, now_ms).items():
        found = told.spans(DUTY)[name]
        if expected and expected[-1][1] is None:
            assert found[:-1] == expected[:-1]
            # fixes that came with others' later ones count as heard when they came
            assert found[-1] in ((expected[-1]), (expected[-1][0], last[name] + GAP_MS))
        else:
            assert [span[0] for span in found] == [span[0] for span in expected]
            assert all(a == b for a, b in zip(found[:-1], expected[:-1], strict=True))
            assert not found or found[-1][1] in (None, expected[-1][1])


def test_silence_ends_a_duty_when_it_is_known():
    """The end is the last fix and the gap; a fix from within the gap that was on its way shows that the duty went on."""
    told = Told()
    told.tracker.take(batch([0], [START_MS]), START_MS)
    told.tracker.look(START_MS + GAP_MS - 1)
    assert told.spans(DUTY)["a"] == [(START_MS, None)]
    told.tracker.look(START_MS + GAP_MS)
    assert told.spans(DUTY)["a"] == [(START_MS, START_MS + GAP_MS)]
    told.tracker.take(batch([0, 0], [START_MS + 60_000, START_MS + 800_000]), START_MS + 2 * GAP_MS)
    assert told.spans(DUTY)["a"] == [(START_MS, None)]


def test_a_backlog_with_gaps_is_cut_at_each():
    """Hours of fixes that come at once make as many spans as if they had come one by one, with the places where each began and ended."""
    times = [START_MS, START_MS + 60_000, START_MS + 4_000_000, START_MS + 8_000_000, START_MS + 8_060_000]
    told = Told()
    told.tracker.take(batch([1] * 5, times, lat=[1, 2, 3, 4, 5]), times[-1])
    assert told.spans(DUTY)["b"] == [
        (times[0], times[1] + GAP_MS),
        (times[2], times[2] + GAP_MS),
        (times[3], None),
    ]
    stored = [span for lot in told.closed for span in stored_spans(lot, NAMES)]
    assert [(span.begin_lat_deg, span.end_lat_deg) for span in stored] == [(1, 2), (3, 3)]


def test_a_route_makes_busy_and_its_end_free():
    """Busy lasts while there is a route and the driver is on duty; who is silent is busy no more, and again when it comes back."""
    told, tracker = Told(), None
    tracker = told.tracker
    tracker.follow(0, START_MS, has_route=True)
    assert tracker.states(np.arange(1)) == [State.OFF]
    tracker.take(batch([0], [START_MS]), START_MS)
    assert tracker.states(np.arange(1)) == [State.BUSY]
    tracker.look(START_MS + GAP_MS)
    assert told.spans(BUSY)["a"] == [(START_MS, START_MS + GAP_MS)]
    back_ms = START_MS + 5 * GAP_MS
    tracker.take(batch([0], [back_ms]), back_ms)
    tracker.follow(0, back_ms + 1_000, has_route=False)
    assert tracker.states(np.arange(1)) == [State.FREE]
    assert told.spans(BUSY)["a"] == [(START_MS, START_MS + GAP_MS), (back_ms, back_ms + 1_000)]


def test_a_word_counts_more_than_what_is_seen():
    """`off` holds though fixes go on, until the device has been silent; `free` holds against a route, `busy` without one."""
    told = Told()
    tracker, now_ms = told.tracker, START_MS
    tracker.take(batch([0], [now_ms]), now_ms)
    tracker.say(0, Word.OFF, now_ms + 1_000)
    assert told.spans(DUTY)["a"] == [(START_MS, START_MS + 1_000)]
    for minute in range(1, 10):
        tracker.take(batch([0], [now_ms + 60_000 * minute]), now_ms + 60_000 * minute)
    assert tracker.states(np.arange(1)) == [State.OFF]
    now_ms += 5 * GAP_MS
    tracker.take(batch([0], [now_ms]), now_ms)
    assert tracker.states(np.arange(1)) == [State.FREE]
    tracker.say(0, Word.BUSY, now_ms + 10)
    assert tracker.states(np.arange(1)) == [State.BUSY]
    tracker.follow(0, now_ms + 20, has_route=True)
    tracker.say(0, Word.FREE, now_ms + 30)
    assert tracker.states(np.arange(1)) == [State.FREE]
    tracker.look(now_ms + 2 * GAP_MS)
    tracker.take(batch([0], [now_ms + 9 * GAP_MS]), now_ms + 9 * GAP_MS)
    assert tracker.states(np.arange(1)) == [State.BUSY]


def test_a_word_of_one_that_was_never_heard_of_begins_its_duty():
    """It is on duty from then on, nowhere, and off when nothing more comes."""
    told = Told()
    told.tracker.say(2, Word.FREE, START_MS)
    assert told.tracker.states(np.array([2])) == [State.FREE]
    told.tracker.look(START_MS + GAP_MS)
    assert told.spans(DUTY)["c"] == [(START_MS, START_MS + GAP_MS)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fix", "late", "off", "free", "busy", "route", "no route", "look", "forget"]),
            st.integers(0, 1),
            st.integers(0, 2 * GAP_MS),
        ),
        max_size=40,
    )
)
def test_spans_never_overlap(said):
    """Whatever comes in whatever order, a driver's spans of a kind are in order and apart, and busy is within duty."""
    told, now_ms, seen = Told(), START_MS, [0, 0]
    for what, row, passed_ms in said:
        now_ms += passed_ms
        if what == "fix":
            seen[row] = now_ms
            told.tracker.take(batch([row], [now_ms]), now_ms)
        elif what == "late":
            seen[row] = max(seen[row] + 1, now_ms - GAP_MS // 2)
            told.tracker.take(batch([row], [seen[row]]), now_ms)
        elif what in ("off", "free", "busy"):
            told.tracker.say(row, Word[what.upper()], now_ms)
        elif what == "look":
            told.tracker.look(now_ms)
        elif what == "forget":
            told.tracker.forget(row, now_ms)
        else:
            told.tracker.follow(row, now_ms, has_route=what == "route")
    for kind in (DUTY, BUSY):
        for spans in told.spans(kind).values():
            ends = [LASTS if end is None else end for _, end in spans]
            assert all(begin <= end for (begin, _), end in zip(spans, ends, strict=True))
            assert all(end <= begin for end, (begin, _) in zip(ends, spans[1:], strict=False))
    states = told.tracker.states(np.arange(2))
    lasting = told.tracker.spans["end_ms"] == LASTS
    assert not (lasting[BUSY] & ~lasting[DUTY]).any()
    assert ((states == State.OFF) == ~lasting[DUTY, :2]).all()


def test_a_restart_goes_on_where_it_was():
    """What was stored comes back: a duty that lasts, an end that was said and holds, a busy that was said."""
    at = (1.0, 2.0, float("nan"), float("nan"))
    tracker = SpanTracker(GAP_MS / 1000)
    now_ms = START_MS + 10_000
    seen = (START_MS + 5_000, START_MS + 5_100, 1.0, 2.0)
    tracker.restore(0, StoredSpan("a", DUTY, START_MS, None, *at), seen, now_ms)
    tracker.restore(0, StoredSpan("a", BUSY, START_MS + 50, None, *at, is_said=True), seen, now_ms)
    tracker.restore(1, StoredSpan("b", DUTY, START_MS, START_MS + 2_000, *at, is_said=True), seen, now_ms)
    assert tracker.states(np.arange(2)).tolist() == [State.BUSY, State.OFF]
    tracker.take(batch([0, 1], [now_ms, now_ms]), now_ms)
    assert tracker.states(np.arange(2)).tolist() == [State.BUSY, State.OFF]
    assert tracker.spans["begin_ms"][DUTY, 0] == START_MS
    assert not tracker.is_dirty.any()


def test_a_route_that_ended_while_the_hub_was_down_keeps_nobody_busy():
    """A busy that was stored as lasting ends when the routes are told and there is none for it; with one, or said, it goes on."""
    at = (1.0, 2.0, float("nan"), float("nan"))
    tracker = SpanTracker(GAP_MS / 1000)
    seen = (START_MS + 5_000, START_MS + 5_100, 1.0, 2.0)
    for row, name in enumerate(NAMES):
        tracker.restore(row, StoredSpan(name, DUTY, START_MS, None, *at), seen, START_MS + 9_000)
        busy = StoredSpan(name, BUSY, START_MS + 50, None, *at, is_said=name == "c")
        tracker.restore(row, busy, seen, START_MS + 9_000)
    tracker.follow(1, START_MS + 9_000, has_route=True)
    tracker.settle()
    assert tracker.states(np.arange(3)).tolist() == [State.FREE, State.BUSY, State.BUSY]


def test_off_holds_from_the_word_on():
    """Also of one that was never heard of, or silent for long when it was said: only silence after the word ends it."""
    tracker = SpanTracker(GAP_MS / 1000)
    tracker.ensure_rows(1)
    for begin_ms in (START_MS, START_MS + 20 * GAP_MS):
        tracker.say(0, Word.OFF, begin_ms)
        tracker.take(batch([0], [begin_ms + 1_000]), begin_ms + 1_000)
        assert tracker.states(np.arange(1)) == [State.OFF]


def test_a_duty_that_lasted_through_a_long_stop_of_the_hub_ends_when_it_did():
    """The hub was down for hours: silence counts from the last fix, and what comes then is another duty."""
    at = (1.0, 2.0, float("nan"), float("nan"))
    tracker = SpanTracker(GAP_MS / 1000)
    seen = (START_MS + 5_000, START_MS + 5_000, 1.0, 2.0)
    tracker.restore(0, StoredSpan("a", DUTY, START_MS, None, *at), seen, START_MS + 9 * GAP_MS)
    tracker.look(START_MS + 9 * GAP_MS)
    assert tracker.spans["end_ms"][DUTY, 0] == START_MS + 5_000 + GAP_MS


def test_driving_is_counted_until_a_long_rest():
    """Only what moves counts, silence does not, and three hours of rest begin anew."""
    tracker = SpanTracker(GAP_MS / 1000)
    tracker.take(batch([0] * 4, [START_MS + 60_000 * i for i in range(4)], speed_mps=[9, 9, 0, 9]), START_MS)
    assert tracker.driven_s[0] == 120
    later_ms = START_MS + 4 * 3_600_000
    tracker.take(batch([0, 0], [later_ms, later_ms + 30_000], speed_mps=[9, 9]), later_ms)
    assert tracker.driven_s[0] == 30
