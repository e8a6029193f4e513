"""From an HTTP request into the hub and back: its fixes wait in the inbox as device frames do, and it for what became of them.

The answer of a phone app's request is its ack, so it comes only when the step has decided on every fix, and what the step
took is stored (`stored`). What cannot be decided or stored in time is an error, and the app keeps its fixes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.positions import PositionBatch, concatenate
from geo.track_filter import TrackState
from haulcast.errors import OverloadError
from haulcast.phones.reported_fix import ReportedFix, batch_of
from haulcast.positions.inbox import Inbox
from haulcast.tracking.step import StepResult

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S = 10.0
"""Apps give up on an answer after 15 s (OsmAnd) to 60 s; ours comes first, and says that the fixes are not safe."""

RowOf = Callable[[str, str], int]
Stored = Callable[[int], Awaitable[None]]
"""Given the number of a step: returns when all that was accepted up to and in it is committed, and raises StoreError when
some of that is lost. Up to it, because a fix that is sent again is a duplicate, and safe only when the first one is."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request's fixes, in their order.

    Attributes:
        reasons: uint32, why each was refused, as bits of `geo.track_filter.Reason`; 0: it was not.
        is_held: bool, whether it is held back until the vehicle's next fix bears it out or not.
    """

    reasons: NDArray[np.uint32]
    is_held: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: PositionBatch
    decided: asyncio.Future[tuple[int, Receipt]]


class Submissions:
    """Requests that wait for the step. One thread.

    Args:
        inbox: what the tick takes.
        track: knows which fixes are held back.
        row_of: gives the row of (fleet, vehicle), making room for it in all state.
        stored: the seam to history.
        now_ms: the clock.
    """

    def __init__(
        self, inbox: Inbox, track: TrackState, *, row_of: RowOf, stored: Stored, now_ms: Callable[[], int]
    ) -> None:
        self.counters = dict.fromkeys(("requests", "fixes", "refused", "held", "overloaded", "unanswered"), 0)
        self._inbox = inbox
        self._track = track
        self._row_of = row_of
        self._stored = stored
        self._now_ms = now_ms
        self._waiting: dict[int, _Waiting] = {}  # by the identity of the batch
        self._in_step: list[tuple[int, _Waiting]] = []  # with the index of its first fix in the step's batch

    async def submit(self, fleet: str, vehicle: str, fixes: Sequence[ReportedFix]) -> Receipt:
        """Give one vehicle's fixes to the hub, and wait for what becomes of them.

        Raises:
            RequestError: a fix cannot be kept as it is; none was taken.
            OverloadError: the inbox is full and none was taken; or no answer in time, and nobody knows.
            StoreError: what was taken could not be stored; it may be sent again.
        """
        self.counters["requests"] += 1
        self.counters["fixes"] += len(fixes)
        batch = batch_of(fixes, self._row_of(fleet, vehicle), self._now_ms())
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting[id(batch)] = waiting
        try:
            if not self._inbox.put_batch(batch):
                self.counters["overloaded"] += 1
                raise OverloadError("overloaded", "the hub is overloaded; send the same again later")
            async with asyncio.timeout(ANSWER_WITHIN_S):
                tick, receipt = await waiting.decided
                await self._stored(tick)
        except TimeoutError:
            self.counters["unanswered"] += 1
            reason = f"nothing was heard of these fixes for {ANSWER_WITHIN_S:g} s; send the same again later"
            raise OverloadError("too_slow", reason) from None
        finally:
            self._waiting.pop(id(batch), None)
        self.counters["refused"] += int(np.count_nonzero(receipt.reasons))
        self.counters["held"] += int(np.count_nonzero(receipt.is_held))
        return receipt

    def join(self, batch: PositionBatch, batches: Sequence[PositionBatch], received_ms: int) -> PositionBatch:
        """The step's batch: the fixes of its frames, then those of the requests that the inbox gave with them.

        Args:
            batch: fixes of frames.
            batches: what the inbox gave, in the order it was put there.
            received_ms: what `received_ms` of the latter becomes.
        """
        self._in_step = []
        if not batches:
            return batch
        for one in batches:
            one.received_ms[:] = received_ms
        try:
            joined = concatenate([batch, *batches])
        except (
            Exception
        ):  # nobody hears of these requests, and the apps send them again; the frames' fixes go on
            log.exception("requests_not_joined", requests=len(batches))
            return batch
        start = len(batch)
        for one in batches:
            if id(one) in self._waiting:  # else its request was given up meanwhile
                self._in_step.append((start, self._waiting.pop(id(one))))
            start += len(one)
        return joined

    def on_step(self, result: StepResult) -> None:
        """Tell the requests of this step what became of their fixes."""
        for start, waiting in self._in_step:
            batch = waiting.batch
            place = result.refused.source - start
            own = (place >= 0) & (place < len(batch))
            reasons = np.zeros(len(batch), np.uint32)
            reasons[place[own]] = result.refused.reasons[own]
            is_held = (reasons == 0) & self._track.holds(batch.row, batch.time_ms)
            if not waiting.decided.done():  # else the request was given up meanwhile
                waiting.decided.set_result((result.tick, Receipt(reasons, is_held)))
        self._in_step = []
