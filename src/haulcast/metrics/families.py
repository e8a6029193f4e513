"""The counters of `/v1/status` and the histograms, as Prometheus has them: one table, no counting of its own.

Names follow Prometheus's conventions: base units, `_total` for what only grows. No label ever names a fleet, a vehicle or a
fence, so that there are as many series with a million vehicles as with one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from haulcast.histogram import Histogram

Family = type[CounterMetricFamily] | type[GaugeMetricFamily]
COUNTER: Final = CounterMetricFamily
GAUGE: Final = GaugeMetricFamily


@dataclass(frozen=True, slots=True)
class Row:
    """A counter and its metric.

    Attributes:
        path: where it stands among the counters, with dots; one that is not there (its feature is off) has no metric.
        label: of a mapping of label values to numbers; empty: it is a number.
        unit: of the metric, with which its name ends (before `_total`).
        scale: makes the metric's unit of the counter's.
    """

    path: str
    kind: Family
    name: str
    help: str
    label: str = ""
    unit: str = ""
    scale: float = 1.0


ROWS: Final = (
    Row("ticks", COUNTER, "haulcast_ticks", "Steps of the hub."),
    Row("fixes", COUNTER, "haulcast_fixes", "Fixes read; each is then accepted, refused, or held."),
    Row("accepted", COUNTER, "haulcast_fixes_accepted", "Fixes taken, late ones among them."),
    Row("late", COUNTER, "haulcast_fixes_late", "Fixes taken that were older than the vehicle's newest."),
    Row("late_unreached", COUNTER, "haulcast_fixes_late_unreached", "Late fixes that came too late to correct a visit."),
    Row(
        "late_implausible", COUNTER, "haulcast_fixes_late_implausible",
        "Fixes, late or refused for a jump, that are not believed in the order of time either; they correct no visit.",
    ),
    Row("refused", COUNTER, "haulcast_fixes_refused", "Fixes refused."),
    Row(
        "refused_by_reason", COUNTER, "haulcast_refusal_reasons", "Reasons of refused fixes; one can have several.",
        label="reason",
    ),
    Row("held", GAUGE, "haulcast_fixes_held", "Jumps held back until the vehicle's next fix."),
    Row("bad_frames", COUNTER, "haulcast_bad_frames", "Frames that could not be read."),
    Row("acks", COUNTER, "haulcast_acks", "Acks sent; one acks all before it."),
    Row("inbox.frames", GAUGE, "haulcast_inbox_frames", "Frames that wait for the next step."),
    Row("inbox.bytes", GAUGE, "haulcast_inbox_bytes", "Bytes of them; inbox_bytes is the limit.", unit="bytes"),
    Row("devices", GAUGE, "haulcast_devices", "Devices connected."),
    Row("vehicles", GAUGE, "haulcast_vehicles", "Vehicles known since the start."),
    Row("fences", GAUGE, "haulcast_fences", "Fences in force."),
    Row("fence_bytes", GAUGE, "haulcast_fence_bytes", "Memory of the fence set.", unit="bytes"),
    Row("fence_events", COUNTER, "haulcast_fence_events", "Fence events found."),
    Row("rules", GAUGE, "haulcast_rules", "Rules in force."),
    Row("routes.active", GAUGE, "haulcast_routes", "Routes that are driven now."),
    Row("routes.off_route", GAUGE, "haulcast_vehicles_off_route", "Vehicles that are off the line of theirs."),
    Row("routes.told", COUNTER, "haulcast_route_events", "Events of routes told.", label="event"),
    Row("map.subscribers", GAUGE, "haulcast_subscribers", "Map subscribers with a view."),
    Row("map.frames", COUNTER, "haulcast_map_frames", "Map frames sent."),
    Row("map.bytes", COUNTER, "haulcast_map_bytes", "Bytes of the map frames sent.", unit="bytes"),
    Row("map.rows", COUNTER, "haulcast_map_rows", "Vehicles and clusters in the map frames sent."),
    Row("map.events", COUNTER, "haulcast_events_told", "Event frames sent to subscribers."),
    Row("playbacks.open", GAUGE, "haulcast_playbacks", "Playbacks of the history that run."),
    Row("playbacks.begun", COUNTER, "haulcast_playbacks_begun", "Playbacks begun."),
    Row("playbacks.frames", COUNTER, "haulcast_playback_frames", "Map frames sent by playbacks."),
    Row("playbacks.bytes", COUNTER, "haulcast_playback_bytes", "Bytes of these map frames.", unit="bytes"),
    Row("playbacks.events", COUNTER, "haulcast_playback_events", "Events of the past sent."),
    Row(
        "closes", COUNTER, "haulcast_socket_closes", "Sockets that ended, by close code; 4002 and 4003 are slow readers.",
        label="code",
    ),
    Row("doors.turned_away", COUNTER, "haulcast_connections_turned_away", "Connections beyond the limits."),
    Row("doors.rate_limited", COUNTER, "haulcast_requests_rate_limited", "Requests and handshakes over a rate limit."),
    Row("doors.audit_dropped", COUNTER, "haulcast_audit_records_dropped", "Records lost while the audit log could not be written."),
    Row("checkpoints.saved", COUNTER, "haulcast_checkpoints_saved", "Checkpoints of vehicles saved."),
    Row("checkpoints.waiting", GAUGE, "haulcast_checkpoints_waiting", "Vehicles whose newest state is not saved yet."),
    Row("checkpoints.events_stored", COUNTER, "haulcast_events_stored", "Events of fences and rules stored."),
    Row("checkpoints.events_waiting", GAUGE, "haulcast_events_waiting", "Events told that are not stored yet; acks of their fixes wait."),
    Row("checkpoints.events_dropped", COUNTER, "haulcast_events_dropped", "Events told that will never be stored: too many waited."),
    Row(
        "database.connections", GAUGE, "haulcast_database_connections", "Connections of the database pool, by state.",
        label="state",
    ),
    Row("database.most", GAUGE, "haulcast_database_connections_max", "The most there may be."),
    Row("webhooks.known", GAUGE, "haulcast_webhooks", "Webhooks, those that are paused among them."),
    Row("webhooks.delivered", COUNTER, "haulcast_webhook_deliveries", "Events that a webhook's receiver took."),
    Row("webhooks.failed", COUNTER, "haulcast_webhook_failures", "Attempts that failed."),
    Row("webhooks.dead", COUNTER, "haulcast_webhook_dead_letters", "Deliveries that were given up."),
    Row("webhooks.gone", COUNTER, "haulcast_webhooks_gone", "Webhooks that were paused because their receiver is gone."),
    Row("webhooks.backlog", GAUGE, "haulcast_webhook_backlog", "Deliveries still to be made, counted some seconds ago."),
    Row("travel.fleets", GAUGE, "haulcast_travel_fleets", "Fleets whose travel times were learned."),
    Row("travel.legs", COUNTER, "haulcast_travel_legs", "Legs taken as current traffic, of fleets that somebody asks for."),
    Row("travel.matrices", COUNTER, "haulcast_travel_matrices", "Travel matrices given, by what they were made of.", label="source"),
    Row("travel.engine_failures", COUNTER, "haulcast_road_engine_failures", "Matrices that the road engine did not give."),
    Row("travel.engine_away", GAUGE, "haulcast_road_engine_away", "1 if the road engine's last answer was none."),
    # sampled predictions of availability; accuracy and Brier score are of the last day and all fleets
    Row("availability_quality.sampled", COUNTER, "haulcast_availability_samples", "Predictions served that were kept to be held against what comes."),
    Row("availability_quality.dropped", COUNTER, "haulcast_availability_samples_dropped", "Of these, lost while the store was away for too long."),
    Row("availability_quality.pending", GAUGE, "haulcast_availability_samples_pending", "Of these, whose moment has not come."),
    Row("availability_quality.outcomes", COUNTER, "haulcast_availability_outcomes", "Predictions held against what came."),
    Row("availability_quality.drifts", COUNTER, "haulcast_availability_drifts", "Times that predictions became better or worse than they said of themselves."),
    Row("availability_quality.degraded", GAUGE, "haulcast_availability_degraded", "Fleets, questions and horizons whose accuracy is below 80 %, bounds included."),
    *(
        Row(f"availability_quality.{question}_{name}", GAUGE, f"haulcast_availability_{question}_{name}", words, label="horizon_s")
        for question, what in (("on_duty", "being on duty"), ("free", "being on duty and free"))
        for name, words in (("accuracy", f"Share of right predictions of {what}."), ("brier", f"Brier score of predictions of {what}."))
    ),
    Row("availability.fleets", GAUGE, "haulcast_availability_fleets", "Fleets of which it is said who will be free."),
    Row("availability.drivers", GAUGE, "haulcast_availability_drivers", "Drivers of them."),
    Row("availability.passes", COUNTER, "haulcast_availability_passes", "Times that it was computed for a fleet."),
    Row("availability.longest_s", GAUGE, "haulcast_availability_longest_pass_seconds", "The longest that this took.", unit="seconds"),
    Row("availability.spans_waiting", GAUGE, "haulcast_driver_spans_waiting", "Spans of drivers that wait for the store."),
    Row("availability.spans_lost", COUNTER, "haulcast_driver_spans_lost", "Spans dropped because too many waited."),
    # the history; absent while nothing is stored
    Row("history.stored", COUNTER, "haulcast_fixes_stored", "Fixes stored."),
    Row("history.repeated", COUNTER, "haulcast_fixes_repeated", "Fixes that were stored before already."),
    Row("history.unstorable", COUNTER, "haulcast_fixes_unstorable", "Fixes that the store refused."),
    Row("history.dropped", COUNTER, "haulcast_fixes_dropped", "Fixes dropped from the full buffer; devices send them again."),
    Row("history.resends", COUNTER, "haulcast_resends", "Devices told to send again."),
    Row("history.errors", COUNTER, "haulcast_store_errors", "Writes that failed and are tried again."),
    Row("history.buffered", GAUGE, "haulcast_store_buffered_fixes", "Fixes that wait for the store."),
    Row(
        "history.buffered_bytes", GAUGE, "haulcast_store_buffered_bytes", "Memory of the fixes that wait for the store.",
        unit="bytes",
    ),
    Row(
        "history.store_lag_ms", GAUGE, "haulcast_store_lag_seconds", "How long the oldest of them has waited.",
        unit="seconds", scale=0.001,
    ),
    Row("history.store_away", GAUGE, "haulcast_store_away", "1 while the store cannot be reached."),
)  # fmt: skip

HISTOGRAMS: Final = {
    "ages": (
        "haulcast_freshness_seconds", "Send time minus fix time, of each vehicle in each map delta.", "seconds",
    ),
    "device_delays": (
        "haulcast_device_delay_seconds", "From the fix's own time until it was here, of fixes accepted.", "seconds",
    ),
    "queue_delays": (
        "haulcast_queue_delay_seconds", "How long the oldest frame of a fix's step had waited for it.", "seconds",
    ),
    "fan_out_delays": (
        "haulcast_fan_out_delay_seconds", "Send time minus that of the step, of each vehicle in each map delta.", "seconds",
    ),
    "step_durations": (
        "haulcast_step_duration_seconds", "Of a step with decoding before and listeners after it.", "seconds",
    ),
    "batch_sizes": ("haulcast_batch_fixes", "Fixes of a step.", ""),
    "webhook_delays": (
        "haulcast_webhook_delay_seconds", "From an event's own time until a webhook's receiver had taken it.", "seconds",
    ),
}  # fmt: skip


class Counted(Protocol):
    """Who has counted."""

    def status(self) -> Mapping[str, Any]:
        """What `/v1/status` shows."""

    def histograms(self) -> Mapping[str, Histogram]:
        """By the names in `HISTOGRAMS`."""


class HubCollector(Collector):
    """Makes the families at each scrape, out of what was counted; `version` is Haulcast's."""

    def __init__(self, counters: Counted, version: str) -> None:
        self._counters = counters
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """All families, in the order of the tables."""
        yield InfoMetricFamily("haulcast_build", "Which Haulcast this is.", {"version": self._version})
        counters = self._counters.status()
        for row in ROWS:
            found = _at(counters, row.path)
            if found is not None:
                yield _family(row, found)
        for name, histogram in self._counters.histograms().items():
            yield _histogram_family(*HISTOGRAMS[name], histogram)


def _at(counters: Mapping[str, Any], path: str) -> Any:
    found: Any = counters
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _family(row: Row, found: Any) -> Metric:
    if not row.label:
        return row.kind(row.name, row.help, value=found * row.scale, unit=row.unit)
    family = row.kind(row.name, row.help, labels=[row.label], unit=row.unit)
    for value, number in found.items():
        family.add_metric([value], number * row.scale)
    return family


def _histogram_family(name: str, words: str, unit: str, histogram: Histogram) -> Metric:
    bounds = [*map(floatToGoString, histogram.bounds.tolist()), "+Inf"]
    buckets = list(zip(bounds, np.cumsum(histogram.counts).tolist(), strict=True))
    return HistogramMetricFamily(name, words, buckets=buckets, sum_value=histogram.total, unit=unit)
