"""Turns the step: as soon as something waits, but at most every `tick_ms`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.fence_set import FenceSet
from geo.positions import PositionBatch
from geo.track_filter import FilterLimits, Reason, Refusals
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.rules.rule_set import NO_RULES, RuleSet
from haulcast.tracking.step import HubState, StepResult, step

log = structlog.get_logger(__name__)

BYTES_PER_FIX = 48  # the smallest a fix comes in, so that `step_fixes` bounds the bytes of one step

Decode = Callable[[WaitingFrames, int], PositionBatch]
CallLater = Callable[[float, Callable[[], Any]], Any]


@dataclass(slots=True)
class Counters:
    """What has happened since the start; sent = accepted + refused + held, fix by fix."""

    ticks: int = 0
    fixes: int = 0
    accepted: int = 0
    late: int = 0
    refused: int = 0
    refused_by_reason: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Reason), np.int64))
    fence_events: int = 0
    step_s: float = 0.0
    longest_step_s: float = 0.0

    def count(self, fixes: int, result: StepResult, step_s: float) -> None:
        """Add one step."""
        self.ticks += 1
        self.fixes += fixes
        self.accepted += len(result.accepted)
        self.late += int(np.count_nonzero(result.is_late))
        self.fence_events += len(result.events)
        self.step_s += step_s
        self.longest_step_s = max(self.longest_step_s, step_s)
        self.count_refused(result.refused)

    def count_refused(self, refused: Refusals) -> None:
        """Add refusals, of a step or of a fix that was held back to the end."""
        if len(refused):
            self.refused += len(refused)
            self.refused_by_reason += refused.counts()


class TickLoop:
    """Takes what waits, decodes it, steps, and tells the listeners, in their order.

    Args:
        decode: frames and the time they count as received -> one batch.
        fence_set, rule_set: the fences and the rules in force now.
        listeners: called with every result; one that fails is logged and does not stop the others.
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
        listeners: Sequence[Callable[[StepResult], None]],
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        call_later: CallLater,
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
        self._listeners = listeners
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._call_later = call_later
        self._next_s = 0.0
        self._is_scheduled = False
        inbox.on_waiting(self.wake)

    def wake(self) -> None:
        """Something waits (frames, a new fence or rule set, or a moment at which a rule fires): step as soon as the tick allows."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._call_later(max(0.0, self._next_s - self._monotonic_s()), self.tick)

    def tick(self) -> None:
        """One turn; a backlog larger than a step goes on in the next, after the sockets have had theirs."""
        started_s = self._monotonic_s()
        self._is_scheduled = False
        self._next_s = started_s + self._tick_s
        now_ms = self._now_ms()
        batch = self._decode(self._inbox.take(self._step_bytes), now_ms)
        result = step(self._state, batch, self._fence_set(), now_ms, self._limits, self._rule_set())
        for listener in self._listeners:
            try:
                listener(result)
            except Exception:
                log.exception(
                    "listener failed",
                    listener=getattr(listener, "__qualname__", repr(listener)),
                    tick=result.tick,
                )
        self.counters.count(len(batch), result, self._monotonic_s() - started_s)
        if self._is_waiting:
            self._next_s = started_s
            self.wake()

    def finish(self) -> None:
        """Step until nothing waits; for the end."""
        while self._is_waiting:
            self.tick()

    @property
    def _is_waiting(self) -> bool:
        return len(self._inbox) > 0 or self._state.fences.is_waiting
