"""The families of counters and histograms: names by the conventions, and values that a Prometheus reads back."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from geo.track_filter import TrackState
from haulcast.histogram import BATCH_BOUNDS, Histogram
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.history.history_writer import HistoryWriter
from haulcast.metrics.families import COUNTER, HISTOGRAMS, ROWS, HubCollector

WHOLE = {
    **{row.path: 3 for row in ROWS if "." not in row.path},
    "refused_by_reason": {"stale": 2, "duplicate": 1},
    "closes": {"4002": 1, "other": 0},
    "inbox": {"frames": 1, "bytes": 90},
    "map": {"subscribers": 1, "frames": 2, "bytes": 3, "rows": 4, "events": 5, "slow_closes": 6},
    "playbacks": {"open": 1, "begun": 2, "frames": 3, "bytes": 4, "rows": 5, "events": 6},
    "routes": {"active": 2, "off_route": 1, "told": {"arrived": 3, "off_route": 1}},
    "doors": {"connections": 1, "turned_away": 2, "rate_limited": 3, "audit_dropped": 4},
    "checkpoints": {"saved": 1, "waiting": 2, "events_stored": 3, "events_waiting": 4, "events_dropped": 5},
    "database": {"connections": {"used": 1, "idle": 2}, "most": 10},
    "webhooks": {"known": 2, "sending": 1, "delivered": 9, "failed": 1, "dead": 0, "gone": 0, "backlog": 4},
    "travel": {
        "fleets": 1, "legs": 2, "matrices": {"learned": 3, "engine": 4}, "engine_failures": 5, "engine_away": True,
    },
    "availability_quality": {
        "sampled": 9, "dropped": 1, "pending": 3, "outcomes": 5, "drifts": 1, "degraded": 1,
        "on_duty_accuracy": {"900": 0.97}, "on_duty_brier": {"900": 0.03}, "free_accuracy": {"900": 0.8}, "free_brier": {"900": 0.1},
    },
    "availability": {"fleets": 1, "drivers": 2, "passes": 3, "longest_s": 0.5, "spans_waiting": 4, "spans_lost": 0},
    "history": {
        "stored": 7, "repeated": 1, "unstorable": 0, "dropped": 0, "resends": 0, "errors": 2, "buffered": 5,
        "buffered_bytes": 400, "store_lag_ms": 1_250, "store_away": True,
    },
}  # fmt: skip


def registry(counters, histograms=None):
    """A registry of the hub's collector alone."""
    made = CollectorRegistry()
    histogram = Histogram(BATCH_BOUNDS)
    histogram.add(np.array([0.0, 5.0, 10.0, 70_000.0]))
    named = dict.fromkeys(HISTOGRAMS, histogram) if histograms is None else histograms
    counted = SimpleNamespace(status=lambda: counters, histograms=lambda: named)
    made.register(HubCollector(counted, '0.1 "odd"'))
    return made


def samples(families):
    """(name, labels) -> value."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_every_counter_has_its_metric_and_both_formats_say_the_same():
    """Text and OpenMetrics are read back by their own parsers, with all values, scaled to base units."""
    made = registry(WHOLE)
    families = list(read_text(generate_latest(made).decode()))
    assert len(families) >= 1 + len(ROWS) + len(HISTOGRAMS)
    found = samples(families)
    assert found["haulcast_store_lag_seconds", ()] == 1.25
    assert found["haulcast_store_away", ()] == 1.0
    assert found["haulcast_refusal_reasons_total", (("reason", "stale"),)] == 2
    assert found["haulcast_batch_fixes_bucket", (("le", "10.0"),)] == 3
    assert (
        found["haulcast_batch_fixes_bucket", (("le", "+Inf"),)]
        == found["haulcast_batch_fixes_count", ()]
        == 4
    )
    assert found["haulcast_batch_fixes_sum", ()] == 70_015
    assert found["haulcast_build_info", (("version", '0.1 "odd"'),)] == 1
    assert samples(read_openmetrics(generate_openmetrics(made).decode())) == found


def test_names_and_types_follow_the_conventions():
    """What promtool's linter looks for: help, units, `_total` for counters and for nothing else, no reserved ending."""
    families = list(read_text(generate_latest(registry(WHOLE)).decode()))
    names = [family.name for family in families]
    assert len(set(names)) == len(names)
    for family in families:
        assert re.fullmatch(r"haulcast_[a-z][a-z0-9_]*", family.name)
        assert family.documentation.endswith(".") or family.documentation[0] == "1"
        assert family.type in {"counter", "gauge", "histogram"}
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|count|sum|bucket)(_|$)", family.name)
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            assert not {"fleet", "vehicle", "fence"} & sample.labels.keys()
    for row in ROWS:
        assert not row.name.endswith("_total")
        assert ("bytes" in row.name) == (row.unit == "bytes")
        assert ("seconds" in row.name) == (row.unit == "seconds")
    assert all(row.kind is not COUNTER or row.unit in {"", "bytes"} for row in ROWS)


async def test_the_history_counts_all_that_has_a_metric():
    """A metric of something that nobody counts would never be seen, nor missed."""
    store = MemoryHistoryStore(lambda row: ("acme", str(row)))
    writer = HistoryWriter(store, TrackState(), buffer_bytes=1, commit_s=0.0, now_ms=lambda: 0)
    paths = {row.path.partition(".")[2] for row in ROWS if row.path.startswith("history.")}
    assert paths == writer.counters.keys()


def test_a_feature_that_is_off_has_no_metrics():
    """Nothing stands there as zero that nobody counts; a counter that is null is one of those."""
    found = samples(read_text(generate_latest(registry({"ticks": 1, "history": None}, {})).decode()))
    assert {name for name, _ in found} == {"haulcast_build_info", "haulcast_ticks_total"}


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_histogram_is_whole(count):
    """All buckets are there before the first value, so that a rate begins at zero."""
    histogram = Histogram((1.0, 2.0))
    histogram.add(np.zeros(count))
    found = samples(read_text(generate_latest(registry({}, {"ages": histogram})).decode()))
    buckets = {labels: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert buckets == {(("le", bound),): count for bound in ("1.0", "2.0", "+Inf")}


def test_the_documentation_names_every_metric_and_no_other():
    """Who reads docs/operations.md knows what there is; alerts there use names that exist."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    written = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bhaulcast_[a-z_]*[a-z]", text)}
    made = {row.name + ("_total" if row.kind is COUNTER else "") for row in ROWS}
    made |= {name for name, *_ in HISTOGRAMS.values()} | {"haulcast_build_info"}
    assert written - {"haulcast_metrics_token"} == made
