"""One picture and those who watch it: who is due gets one frame with everything new in its view."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.view_match import Candidates, Selection, candidates, match_views
from haulcast.live_map.audience import Audience, Member, Slots
from haulcast.live_map.freshness import times_sent
from haulcast.live_map.map_frames import FramePress, Telling
from haulcast.live_map.picture import LAT, LON, Picture

MOST_DELTAS = 500
MOST_SCANS = 16
"""Views told in one flush, of those that need the changed rows only and of those that need all rows. The others have
their turn after the loop has served the sockets once; what has changed until then they get too."""


OnTold = Callable[[NDArray[np.int32], NDArray[np.int64]], None]
"""Rows of the picture that a delta tells, and to how many views each."""


@dataclass(slots=True)
class Sent:
    """What has gone out since the start, as plain counts."""

    frames: int = 0
    bytes: int = 0
    rows: int = 0


class Showing:
    """A picture with its audience.

    What a member is told is found when it is due, from its box, the version that it has, and the picture's log. So
    nothing waits in a queue: who is slow, or wants a low rate, gets the newest of each row whenever it can hear it.

    Attributes:
        wake_ms: when `flush` has something to do; inf: not before the picture or a member changes.
    """

    def __init__(
        self,
        picture: Picture,
        audience: Audience,
        press: FramePress,
        sent: Sent,
        on_full: Callable[[Member], None],
        refresh: Callable[[int], float] | None = None,
        on_told: OnTold | None = None,
    ) -> None:
        """What is shown to whom.

        Args:
            picture: what is shown.
            audience: who watches.
            press: makes the frames; may be shared.
            sent: is counted in; may be shared.
            on_full: called with a member whose link takes no more; `is_ready` is for the caller to set again.
            refresh: brings the picture up to date before a flush, and says when it wants to be called again.
            on_told: called with what deltas have told.
        """
        self.picture = picture
        self.audience = audience
        self.wake_ms = np.inf
        self._press = press
        self._sent = sent
        self._on_full = on_full
        self._refresh = refresh
        self._on_told = on_told

    def flush(self, now_ms: int) -> None:
        """Tell those who are due, as many as one turn takes."""
        refresh_ms = np.inf if self._refresh is None else self._refresh(now_ms)
        picture, audience = self.picture, self.audience
        audience.ensure_rows(picture.size)
        slots = audience.due(now_ms, picture.version)
        if len(slots):
            audience.is_snapshot[slots] |= ~picture.reaches(audience.since[slots])
            needs_all = audience.is_snapshot[slots] | audience.has_moved[slots]
            self._tell_changes(slots[~needs_all], now_ms)
            self._tell_all(slots[needs_all], now_ms)
        self.wake_ms = min(refresh_ms, audience.next_due_ms(picture.version))

    def _tell_changes(self, slots: Slots, now_ms: int) -> None:
        if not len(slots):
            return
        since = self.audience.since[slots]
        # the ones that are furthest behind come first, and are told in the log's direction, which is backwards
        order = np.argsort(since, kind="stable")[:MOST_DELTAS][::-1]
        changed = self.picture.changed_after(int(since[order[-1]]))
        found, selection = self._tell(slots[order], since[order], changed, now_ms)
        if self._on_told is not None:
            times = times_sent(selection.span, len(found.row))
            is_sent = times > 0
            self._on_told(found.row[is_sent], times[is_sent])

    def _tell_all(self, slots: Slots, now_ms: int) -> None:
        if not len(slots):
            return
        slots = slots[np.argsort(self.audience.due_ms[slots], kind="stable")[:MOST_SCANS]]
        # a snapshot leaves nothing out, so its view has nothing to look up in the log
        since = np.where(self.audience.is_snapshot[slots], self.picture.version, self.audience.since[slots])
        order = np.argsort(-since, kind="stable")
        self._tell(slots[order], since[order], np.arange(self.picture.size, dtype=np.int32), now_ms)

    def _tell(
        self, slots: Slots, since: NDArray[np.int64], rows: NDArray[np.int32], now_ms: int
    ) -> tuple[Candidates, Selection]:
        picture, audience = self.picture, self.audience
        found = candidates(
            rows, picture.values[LAT, rows], picture.values[LON, rows], picture.changed[rows], picture.size
        )
        is_snapshot, is_binary = audience.is_snapshot[slots], audience.is_binary[slots]
        selection = match_views(found, picture.log, audience.views(slots, since))
        has_frame = is_snapshot | (np.diff(selection.span_at) > 0) | (np.diff(selection.gone_at) > 0)
        audience.told(slots, picture.version)
        audience.sent(slots[has_frame], now_ms)
        self._sent.rows += _sent_rows(selection)
        telling = Telling(
            picture.kind,
            picture.resolution,
            now_ms,
            found,
            picture.values[:, found.row],
            selection,
            is_snapshot,
            picture.names,
        )
        for speaks_binary in (False, True):
            views = np.flatnonzero(has_frame & (is_binary == speaks_binary)).astype(np.int32)
            if len(views):
                self._send(slots, telling, views, is_binary=speaks_binary)
        return found, selection

    def _send(self, slots: Slots, telling: Telling, views: NDArray[np.int32], *, is_binary: bool) -> None:
        members = [self.audience.members[slot] for slot in slots.tolist()]
        frames = total = 0
        for view, frame in self._press.frames(telling, views, is_binary=is_binary):
            member = members[view]
            if member is None:
                continue
            link = member.link
            if is_binary:
                link.send_binary(frame)
            else:
                link.send_text(frame)
            frames += 1
            total += len(frame)
            if not link.is_writable:
                self._on_full(member)
        self._sent.frames += frames
        self._sent.bytes += total


def _sent_rows(selection: Selection) -> int:
    span = selection.span
    return int(span[1::2].sum(dtype=np.int64) - span[::2].sum(dtype=np.int64))
