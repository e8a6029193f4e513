"""What the parts of the hub have counted, gathered when somebody asks: `/v1/status`, `/metrics`, and the log's summary."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import structlog

from geo.track_filter import REASON_NAMES
from haulcast.access.gate import Gate
from haulcast.availability.monitoring import Monitoring
from haulcast.availability.serving import Serving
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.database.pool import Database
from haulcast.devices.device_sessions import DeviceSessions
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.open_sockets import OTHER, OpenSockets
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.histogram import Histogram
from haulcast.history.history_writer import HistoryWriter
from haulcast.live_map.fan_out import FanOut
from haulcast.live_map.playbacks import Playbacks
from haulcast.phones.submissions import Submissions
from haulcast.positions.inbox import Inbox
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.rules.rule_book import RuleBook
from haulcast.tracking.loop import TickLoop
from haulcast.tracking.step import HubState
from haulcast.travel.travel_book import TravelBook
from haulcast.webhooks.sending import WebhookSending

SUMMED = ("ticks", "fixes", "accepted", "late", "refused", "fence_events", "bad_frames")

log = structlog.get_logger("haulcast.hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCounters:
    """Who counts. Each number stands in one place, its part; nothing is counted twice."""

    loop: TickLoop
    state: HubState
    inbox: Inbox
    rows: VehicleRows
    sessions: DeviceSessions
    catalogue: FenceCatalogue
    rule_book: RuleBook
    fan_out: FanOut
    checkpoints: CheckpointLoop
    database: Database
    gate: Gate
    submissions: Submissions
    history: HistoryWriter | None
    webhooks: WebhookSending
    playbacks: Playbacks | None
    travel: TravelBook
    availability: Serving
    monitoring: Monitoring
    sockets: list[OpenSockets] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """All counters, of the whole hub; they name no fleet."""
        counters = self.loop.counters
        reasons = counters.refused_by_reason.tolist()
        return {
            "ticks": counters.ticks,
            "fixes": counters.fixes,
            "accepted": counters.accepted,
            "late": counters.late,
            **self.state.fences.late_counters,
            "refused": counters.refused,
            "held": len(self.state.track.held()),
            "refused_by_reason": dict(zip(REASON_NAMES, reasons, strict=True)),
            "bad_frames": self.sessions.bad_frames,
            "acks": self.sessions.acks,
            "inbox": {"frames": len(self.inbox), "bytes": self.inbox.nbytes},
            "fence_events": counters.fence_events,
            "devices": len(self.sessions),
            "vehicles": len(self.rows),
            "fences": len(self.catalogue),
            "rules": len(self.rule_book),
            "routes": self.state.routes.counters,
            "fence_bytes": self.catalogue.current.nbytes,
            "map": self.fan_out.counters,
            "closes": self._closes(),
            "phones": self.submissions.counters,
            "doors": self.gate.counters,
            "checkpoints": self.checkpoints.counters,
            "database": self.database.counters,
            "history": self.history.counters if self.history else None,
            "webhooks": self.webhooks.counters,
            "travel": self.travel.counters,
            "availability": self.availability.counters,
            "availability_quality": self.monitoring.counters,
            "playbacks": None if self.playbacks is None else self.playbacks.counters,
        }

    def _closes(self) -> dict[str, int]:
        """Sockets that ended, by close code; ours stand there before the first."""
        closes = Counter({int(code): 0 for code in CloseCode})
        for sockets in self.sockets:
            closes.update(sockets.closes)
        return {"other" if code == OTHER else str(code): count for code, count in sorted(closes.items())}

    def histograms(self) -> dict[str, Histogram]:
        """By the names that `metrics.families` knows them by."""
        counters, freshness = self.loop.counters, self.fan_out.freshness
        return {
            "ages": freshness.ages,
            "device_delays": counters.device_delays,
            "queue_delays": counters.queue_delays,
            "fan_out_delays": freshness.fan_out_delays,
            "step_durations": counters.step_durations,
            "batch_sizes": counters.batch_sizes,
            "webhook_delays": self.webhooks.delays,
        }

    async def summarise(self, interval_s: float) -> None:
        """Log one line each interval in which something happened, for ever."""
        before = self.status()
        while True:
            await asyncio.sleep(interval_s)
            now, counters = self.status(), self.loop.counters
            if now["fixes"] > before["fixes"] or now["devices"] != before["devices"]:
                log.info(
                    "ticks",
                    **{name: now[name] - before[name] for name in SUMMED},
                    devices=now["devices"],
                    subscribers=now["map"]["subscribers"],
                    longest_step_ms=round(counters.longest_step_s * 1000, 1),
                )
            counters.longest_step_s = 0.0
            before = now
