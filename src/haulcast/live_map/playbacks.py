"""All playbacks of the hub: how many there may be, and what they share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from functools import partial
from typing import NamedTuple

import orjson
import structlog

from haulcast import clock
from haulcast.doors.socket_session import Claims, Link
from haulcast.errors import TooLargeError
from haulcast.events.event_store import EventStore
from haulcast.history.history_store import HistoryStore
from haulcast.live_map.past_events import PastEvents
from haulcast.live_map.playback import Playback
from haulcast.live_map.played_fleet import PlayedFleet
from haulcast.live_map.read_ahead import ReadAhead
from haulcast.live_map.view import Play, View
from haulcast.settings import Settings

STOP_S = 5.0
READS_AT_ONCE = (
    2  # of all playbacks together; the others wait, and the database has connections left for who writes
)
FAILED = {
    "type": "error",
    "code": "playback_failed",
    "reason": "the playback has failed; the hub's log says why",
}

log = structlog.get_logger()


COUNTED = ("frames", "bytes", "rows", "events")


class _Running(NamedTuple):
    bearer: Hashable
    playback: Playback


class Playbacks:
    """Begins playbacks, and ends them with the hub."""

    def __init__(
        self,
        store: HistoryStore,
        settings: Settings,
        *,
        events: EventStore | None = None,
        now_ms: Callable[[], int] = clock.epoch_ms,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        """None yet.

        Args:
            store: what is played.
            settings: how many at once, and how far a picture looks back.
            events: are played with it; None: there are none.
            now_ms: the time, in ms since 1970.
            monotonic_s: seconds on a clock that never goes back.
        """
        self._store = store
        self._events = events
        self._settings = settings
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], _Running] = {}
        self._begun = 0
        self._sent = dict.fromkeys(COUNTED, 0)  # by those that have ended

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def counters(self) -> dict[str, int]:
        """How many run, and plain counts since the start."""
        running = [running.playback.counters for running in self._tasks.values()]
        sent = {name: self._sent[name] + sum(one[name] for one in running) for name in COUNTED}
        return {"open": len(self), "begun": self._begun, **sent}

    def begin(self, claims: Claims, link: Link, play: Play, view: View, *, is_binary: bool) -> Playback:
        """Play to one more viewer.

        Raises:
            TooLargeError: there are as many as there may be.
        """
        bearer = claims.fleet, claims.token_id or (claims.bearer, claims.subject, claims.expires_ms)
        self._judge(bearer)
        loop = asyncio.get_running_loop()
        fleet = PlayedFleet(
            self._settings, claims, link,
            is_binary=is_binary, now_ms=self._now_ms, call_later=loop.call_later,
        )  # fmt: skip
        reader_of = partial(self._reader, claims)
        playback = Playback(fleet, reader_of, link, self._now_ms, self._monotonic_s)
        playback.begin(play, view)
        task = loop.create_task(playback.run())
        self._tasks[task] = _Running(bearer, playback)
        self._begun += 1
        task.add_done_callback(partial(self._done, link))
        return playback

    def _judge(self, bearer: Hashable) -> None:
        most, most_a_token = self._settings.playbacks, self._settings.playbacks_per_token
        if len(self._tasks) >= most:
            reason = (
                f"{most} playbacks run on this hub, and no more are allowed; try again when one has ended"
            )
            raise TooLargeError("too_many_playbacks", reason)
        if Counter(running.bearer for running in self._tasks.values())[bearer] >= most_a_token:
            reason = f"{most_a_token} playbacks run under this token, and no more are allowed; end one first"
            raise TooLargeError("too_many_playbacks", reason)

    async def stop(self) -> None:
        """End all; nothing reads the store any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)

    def _reader(self, claims: Claims, view: View) -> ReadAhead:
        look_back_ms = int(self._settings.playback_look_back_s * 1000)
        events = None
        if self._events is not None and view.events:
            events = PastEvents(self._events, claims.fleet, view.vehicles, claims.vehicles)
        return ReadAhead(self._store, self._reading, claims.fleet, view.vehicles, look_back_ms, events)

    def _done(self, link: Link, task: asyncio.Task[None]) -> None:
        sent = self._tasks.pop(task).playback.counters
        for name in COUNTED:
            self._sent[name] += sent[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("playback_failed", exc_info=error)
            link.send_text(orjson.dumps(FAILED))
