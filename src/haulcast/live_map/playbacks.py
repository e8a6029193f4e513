"""All playbacks of the hub: how many there may be, and what they share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from functools import partial

import orjson
import structlog

from haulcast import clock
from haulcast.doors.socket_session import Claims, Link
from haulcast.errors import TooLargeError
from haulcast.history.history_store import HistoryStore
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


class Playbacks:
    """Begins playbacks, and ends them with the hub."""

    def __init__(
        self,
        store: HistoryStore,
        settings: Settings,
        *,
        count: Callable[[Claims], None] = lambda _claims: None,
        now_ms: Callable[[], int] = clock.epoch_ms,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        """None yet.

        Args:
            store: what is played.
            settings: how many at once, and how far a picture looks back.
            count: counts a request under these claims; raises RateError when there were too many.
            now_ms: the time, in ms since 1970.
            monotonic_s: seconds on a clock that never goes back.
        """
        self.count = count
        self._store = store
        self._settings = settings
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], Hashable] = {}

    def __len__(self) -> int:
        return len(self._tasks)

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
        reader_of = partial(self._reader, claims.fleet)
        playback = Playback(fleet, reader_of, link, self._now_ms, self._monotonic_s)
        playback.begin(play, view)
        task = loop.create_task(playback.run())
        self._tasks[task] = bearer
        task.add_done_callback(partial(self._done, link))
        return playback

    def _judge(self, bearer: Hashable) -> None:
        most, most_a_token = self._settings.playbacks, self._settings.playbacks_per_token
        if len(self._tasks) >= most:
            reason = (
                f"{most} playbacks run on this hub, and no more are allowed; try again when one has ended"
            )
            raise TooLargeError("too_many_playbacks", reason)
        if Counter(self._tasks.values())[bearer] >= most_a_token:
            reason = f"{most_a_token} playbacks run under this token, and no more are allowed; end one first"
            raise TooLargeError("too_many_playbacks", reason)

    async def stop(self) -> None:
        """End all; nothing reads the store any more."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)

    def _reader(self, fleet: str, view: View) -> ReadAhead:
        look_back_ms = int(self._settings.playback_look_back_s * 1000)
        return ReadAhead(self._store, self._reading, fleet, view.vehicles, look_back_ms)

    def _done(self, link: Link, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("playback_failed", exc_info=error)
            link.send_text(orjson.dumps(FAILED))
