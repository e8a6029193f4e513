"""Turns the step: as soon as something waits, but at most every `tick_ms`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.fence_set import FenceSet
from geo.positions import PositionBatch, concatenate
from geo.track_filter import FilterLimits, Reason
from haulcast.histogram import AGE_BOUNDS_S, BATCH_BOUNDS, DELAY_BOUNDS_S, Histogram
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.routes.route_set import NO_ROUTES, RouteSet
from haulcast.rules.rule_set import NO_RULES, RuleSet
from haulcast.tracking.arrivals import Arrivals
from haulcast.tracking.step import HubState, StepResult, step

log = structlog.get_logger(__name__)

BYTES_PER_FIX = 48  # the smallest a fix comes in, so that `step_fixes` bounds the bytes of one step

Decode = Callable[[WaitingFrames, int], PositionBatch]
CallLater = Callable[[float, Callable[[], Any]], Any]


@dataclass(slots=True)
class Counters:
    """What has happened since the start; sent = accepted + refused + held, fix by fix.

    Attributes:
        device_delays: of the fixes taken, from their own time until they came here.
        queue_delays: of all fixes, how long the oldest frame of their step had waited for it.
        step_durations: seconds, with the decoding before and the listeners after the step.
        batch_sizes: fixes of a step.
    """

    ticks: int = 0
    fixes: int = 0
    accepted: int = 0
    late: int = 0
    refused: int = 0
    refused_by_reason: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Reason), np.int64))
    fence_events: int = 0
    longest_step_s: float = 0.0
    device_delays: Histogram = field(default_factory=lambda: Histogram(AGE_BOUNDS_S))
    queue_delays: Histogram = field(default_factory=lambda: Histogram(DELAY_BOUNDS_S))
    step_durations: Histogram = field(default_factory=lambda: Histogram(DELAY_BOUNDS_S))
    batch_sizes: Histogram = field(default_factory=lambda: Histogram(BATCH_BOUNDS))

    def count(self, fixes: int, result: StepResult, step_s: float, waited_s: float) -> None:
        """Add one step, whose oldest frame had waited for `waited_s`."""
        self.ticks += 1
        self.fixes += fixes
        self.accepted += len(result.accepted)
        self.late += int(np.count_nonzero(result.is_late))
        self.fence_events += len(result.events)
        self.longest_step_s = max(self.longest_step_s, step_s)
        if len(result.refused):
            self.refused += len(result.refused)
            self.refused_by_reason += result.refused.counts()
        accepted = result.accepted  # as received counts the step; what waited came earlier
        self.device_delays.add((accepted.received_ms - accepted.time_ms) / 1000.0 - waited_s)
        self.queue_delays.add_one(waited_s, fixes)
        self.step_durations.add_one(step_s)
        self.batch_sizes.add_one(fixes)


class TickLoop:
    """Takes what waits, decodes it, steps, and tells the listeners, in their order.

    Args:
        decode: frames and the time they count as received -> one batch.
        fence_set, rule_set, route_set: the fences, the rules and the driven routes in force now.
        listeners: called with every result; one that fails is logged and does not stop the others.
        on_failed: given the fixes of a step that failed; some may count as taken or refused, and no listener hears of them.
        now_ms, monotonic_s, call_later: the clock and the event loop's timer.
    """

    def __init__(
        self,
        state: HubState,
        inbox: Inbox,
        *,
        limits: FilterLimits,
        tick_ms: int,
        step_fixes: int,
        decode: Decode,
        fence_set: Callable[[], FenceSet],
        rule_set: Callable[[], RuleSet] = lambda: NO_RULES,
        route_set: Callable[[], RouteSet] = lambda: NO_ROUTES,
        listeners: Sequence[Callable[[StepResult], None]],
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        call_later: CallLater,
        on_failed: Callable[[PositionBatch], None] = lambda _batch: None,
    ) -> None:
        self.counters = Counters()
        self._state = state
        self._inbox = inbox
        self._limits = limits
        self._tick_s = tick_ms / 1000
        self._step_bytes = step_fixes * BYTES_PER_FIX
        self._decode = decode
        self._fence_set = fence_set
        self._rule_set = rule_set
        self._route_set = route_set
        self._listeners = listeners
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._call_later = call_later
        self._on_failed = on_failed
        self._next_s = 0.0
        self._is_scheduled = False
        self._arrivals = Arrivals()
        self._longest_wait_s = 0.0
        inbox.on_waiting(self._on_waiting)

    def _on_waiting(self) -> None:
        self._arrivals.first(self._monotonic_s())
        self.wake()

    def wake(self) -> None:
        """Something waits (frames, a new fence or rule set, a held fix that is given up, or a moment at which a rule fires): step as soon as the tick allows."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._call_later(max(0.0, self._next_s - self._monotonic_s()), self.tick)

    def tick(self) -> None:
        """One turn; a backlog larger than a step goes on in the next, after the sockets have had theirs."""
        started_s = self._monotonic_s()
        self._is_scheduled = False
        self._next_s = started_s + self._tick_s
        try:
            self._turn(started_s)
            if self._is_waiting:
                self._next_s = started_s
        finally:  # also after a failure: what waits is told of once only, and would wait for ever
            if self._is_waiting:
                self.wake()

    def _turn(self, started_s: float) -> None:
        now_ms = self._now_ms()
        before = len(self._inbox)
        waiting = self._inbox.take(self._step_bytes)
        waited_s = self._arrivals.take(before, len(self._inbox), started_s)
        self._longest_wait_s = max(self._longest_wait_s, waited_s)
        batch = self._decode(waiting, now_ms)
        decided = [self._state.track.given_up(), batch] if self._state.track.has_given_up else [batch]
        try:
            sets = self._rule_set(), self._route_set()
            result = step(self._state, batch, self._fence_set(), now_ms, self._limits, *sets)
        except Exception:
            self._on_failed(concatenate(decided))
            raise
        for listener in self._listeners:
            try:
                listener(result)
            except Exception:
                log.exception(
                    "listener failed",
                    listener=getattr(listener, "__qualname__", repr(listener)),
                    tick=result.tick,
                )
        self.counters.count(len(batch), result, self._monotonic_s() - started_s, waited_s)

    def take_longest_wait_s(self) -> float:
        """How long a frame has waited for its step at the most, since this was last asked."""
        longest_s, self._longest_wait_s = self._longest_wait_s, 0.0
        return longest_s

    def finish(self) -> None:
        """Step until nothing waits; for the end."""
        while self._is_waiting:
            self.tick()

    @property
    def _is_waiting(self) -> bool:
        return len(self._inbox) > 0 or self._state.fences.is_waiting or self._state.track.has_given_up
