"""The client of a map subscriber: say what to watch, iterate over what happens.

After a lost connection it comes back, resumes the events from the last one seen, and subscribes again; the snapshot that
follows makes the view whole. Events are given exactly once and in order, or an `EventGap` says where that was not possible.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self

import orjson
from websockets.asyncio.client import ClientConnection

from haulcast.client.backoff import Backoff
from haulcast.client.connection import Dialling, Talk, stay_connected, until_one_ends
from haulcast.client.live_frames import read_map_bytes, read_map_text
from haulcast.client.live_updates import (
    Bbox,
    Clusters,
    Connection,
    Event,
    EventGap,
    LiveError,
    LiveUpdate,
    PastEvent,
    PlaybackTime,
    Positions,
)
from haulcast.client.live_view import Cluster, LiveView, Vehicle
from haulcast.client.token_renewal import keep_token_fresh
from haulcast.doors import wire

QUEUED_UPDATES = 64
"""Then nothing more is read, and the hub joins what this subscriber misses into newer frames."""


class LiveClient(Talk):
    """Watches a fleet; use in `async with`, then iterate. `vehicles` and `clusters` follow the iteration.

    Args:
        url: the hub, such as `ws://localhost:8001`.
        token: a viewer's, dispatcher's or admin's JWT, or a callable that makes a fresh one, for each connection and before it expires.
        binary: ask for map frames as typed arrays instead of JSON; what is yielded is the same.
        resume_from: epoch and offset of the last event seen by an earlier client, to go on from there.
        random: jitter of the reconnects.
        backoff_s: longest first and longest wait between two attempts, seconds.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        binary: bool = False,
        resume_from: tuple[str, int] | None = None,
        random: Random | None = None,
        backoff_s: tuple[float, float] = (1.0, 30.0),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        subprotocol = wire.BINARY_SUBPROTOCOL if binary else wire.JSON_SUBPROTOCOL
        self._dialling = Dialling(url, wire.LIVE_PATH, token, subprotocol)
        self._backoff = Backoff(random or Random(), first_s=backoff_s[0], most_s=backoff_s[1])  # noqa: S311 - jitter, not secrets
        self._sleep = sleep
        self._view = LiveView()
        self._position = resume_from
        self._subscription: dict[str, Any] | None = None
        self._playback: dict[str, Any] | None = None
        self._is_subscribed = False  # on this connection, so that `live` can go back to it
        self._commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._updates: asyncio.Queue[LiveUpdate | None] = asyncio.Queue(QUEUED_UPDATES)
        self._task: asyncio.Task[None] | None = None
        self._is_up = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="haulcast live client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def vehicles(self) -> dict[str, Vehicle]:
        """Newest fix of each vehicle in view, by name; stale while disconnected."""
        return self._view.vehicles

    @property
    def clusters(self) -> dict[str, Cluster]:
        """H3 aggregates in view, by cell, when the zoom is below the hub's limit."""
        return self._view.clusters

    @property
    def position(self) -> tuple[str, int] | None:
        """Epoch and offset of the last event received; keep it to resume with another client."""
        return self._position

    def subscribe(
        self,
        bbox: Bbox,
        *,
        zoom: float = 12,
        rate_hz: float | None = None,
        vehicles: Sequence[str] | None = None,
        events: bool = True,
    ) -> None:
        """Watch this view from now on, in place of what was watched; also again after each reconnect.

        Args:
            bbox: west, south, east, north, degrees.
            zoom: 0 to 24; low ones get clusters.
            rate_hz: most frames a second; None: the hub's most.
            vehicles: these only.
            events: whether fence events are wanted.
        """
        wanted: dict[str, Any] = {"type": "subscribe", "bbox": list(bbox), "zoom": zoom, "events": events}
        if rate_hz is not None:
            wanted["rate_hz"] = rate_hz
        if vehicles is not None:
            wanted["vehicles"] = list(vehicles)
        self._subscription, self._playback, self._is_subscribed = wanted, None, True
        self._command(wanted)

    def playback(
        self,
        at_ms: int,
        *,
        until_ms: int | None = None,
        speed: float = 1.0,
        bbox: Bbox | None = None,
        zoom: float | None = None,
        rate_hz: float | None = None,
        vehicles: Sequence[str] | None = None,
    ) -> None:
        """Watch the history from a moment on, in place of what is watched; after a reconnect it goes on where it was.

        Args:
            at_ms: the first moment, ms since 1970.
            until_ms: the last one; None: until now.
            speed: history's time over real time, 0 (pause) or 0.1 to 3,600.
            bbox: as in `subscribe`; what is None is as it was subscribed.
            zoom: likewise.
            rate_hz: likewise.
            vehicles: likewise.

        Raises:
            ValueError: there is neither a `bbox` nor a subscription.
        """
        if bbox is None and self._subscription is None:
            raise ValueError("bbox is missing, and there is no subscription; give one")
        given = {
            "until_ms": until_ms,
            "bbox": None if bbox is None else list(bbox),
            "zoom": zoom,
            "rate_hz": rate_hz,
            "vehicles": None if vehicles is None else list(vehicles),
        }
        known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self._playback = {"type": "playback", "at_ms": at_ms, "speed": speed, **known}
        view = {name: value for name, value in known.items() if name != "until_ms"}
        if self._subscription is None:  # the hub sees it the same way
            self._subscription = {"type": "subscribe", **view}
        else:
            where = {name: value for name, value in view.items() if name in {"bbox", "zoom"}}
            self._subscription = {**self._subscription, **where}
        self._command(self._playback)

    def seek(self, at_ms: int) -> None:
        """Go on from another moment.

        Raises:
            RuntimeError: nothing is played.
        """
        self._steer("seek_ms", at_ms)
        played = self._playback or {}
        self._playback = {**played, "at_ms": min(at_ms, played.get("until_ms", at_ms))}

    def set_speed(self, speed: float) -> None:
        """Play faster or slower; 0: pause.

        Raises:
            RuntimeError: nothing is played.
        """
        self._steer("speed", speed)
        self._playback = {**(self._playback or {}), "speed": speed}

    def live(self) -> None:
        """Back to what happens now, with the subscription from before at the box and zoom that are shown.

        Raises:
            RuntimeError: nothing is played.
        """
        if self._playback is None:
            raise RuntimeError("nothing is played")
        self._playback = None
        if self._is_subscribed:
            self._command({"type": "live"})
        elif self._subscription is not None:
            self._is_subscribed = True
            self._command(self._subscription)

    def move(self, bbox: Bbox, *, zoom: float | None = None) -> None:
        """Look elsewhere with the same subscription.

        Raises:
            RuntimeError: there is no subscription yet.
        """
        if self._subscription is None:
            raise RuntimeError("subscribe first, then move")
        where: dict[str, Any] = {"bbox": list(bbox)}
        if zoom is not None:
            where["zoom"] = zoom
        self._subscription = {**self._subscription, **where}
        if self._playback is not None:
            self._playback = {**self._playback, **where}
        self._command({"type": "move", **where})

    def unsubscribe(self) -> None:
        """Watch nothing; the connection stays."""
        self._subscription = self._playback = None
        self._is_subscribed = False
        self._command({"type": "unsubscribe"})

    def __aiter__(self) -> AsyncIterator[LiveUpdate]:
        return self

    async def __anext__(self) -> LiveUpdate:
        """The next update; raises ClientError when coming back cannot help."""
        update = await self._updates.get()
        if update is None:
            self._updates.put_nowait(None)
            if self._task and self._task.done() and not self._task.cancelled():
                self._task.result()
            raise StopAsyncIteration
        if isinstance(update, Positions | Clusters):
            self._view.apply(update)
        return update

    async def close(self) -> None:
        """Say goodbye; iterations end."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        while not self._updates.empty():
            self._updates.get_nowait()
        self._updates.put_nowait(None)

    async def converse(self, socket: ClientConnection) -> None:
        """Resume, subscribe, then commands out and updates in until the connection is gone."""
        welcome = orjson.loads(await socket.recv())
        self.answered = True
        self._view.forget_names()
        self._commands = asyncio.Queue()
        if self._position is None:
            self._position = (welcome["epoch"], welcome["offset"])
        else:
            # before the subscription, so that no newer event can overtake the missed ones
            self._command(
                {"type": "resume", "epoch": self._position[0], "offset": self._position[1]}, now=True
            )
        self._is_subscribed = self._playback is None and self._subscription is not None
        if self._playback is not None:
            # with all of the view, for a subscription would show the present first
            seen = {name: value for name, value in (self._subscription or {}).items() if name != "events"}
            self._command({**seen, **self._playback}, now=True)
        elif self._subscription is not None:
            self._command(self._subscription, now=True)
        self._is_up = True
        await self._updates.put(Connection(True))
        renewing = keep_token_fresh(socket, self._dialling.token)
        await until_one_ends(self._write(socket), self._read(socket), renewing)

    async def lost(self, code: int | None, reason: str) -> None:
        """Tell it once; failed attempts in between are no news."""
        was_up, self._is_up = self._is_up, False
        if was_up:
            await self._updates.put(Connection(False, reason if code is None else f"{code} {reason}"))

    async def _run(self) -> None:
        try:
            await stay_connected(self._dialling, self, self._backoff, self._sleep)
        except Exception:
            await self._updates.put(None)
            raise

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(orjson.dumps(await self._commands.get()).decode())

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            update = self._heard(await socket.recv())
            if update is not None:
                await self._updates.put(update)

    def _steer(self, name: str, value: float) -> None:
        if self._playback is None:
            raise RuntimeError("nothing is played; call playback first")
        self._command({"type": "playback", name: value})

    def _command(self, command: dict[str, Any], *, now: bool = False) -> None:
        if self._is_up or now:
            self._commands.put_nowait(command)

    def _heard(self, message: str | bytes) -> LiveUpdate | None:
        if isinstance(message, bytes):
            return self._view.name(read_map_bytes(message))
        said = orjson.loads(message)
        match said["type"]:
            case "snapshot" | "positions" | "clusters":
                return self._view.name(read_map_text(said))
            case "event":
                return self._event(said)
            case "past_event":
                return PastEvent(_event_of("", said))
            case "resumed":
                return self._resumed(said)
            case "error":
                return LiveError(said["code"], said.get("reason", ""), said.get("field"))
            case "playback":
                return self._played(said)
        return None

    def _played(self, said: dict[str, Any]) -> PlaybackTime:
        # of a moment that is being looked for, and of a playback that is over, there is nothing to go on from
        if self._playback is not None and said["state"] in {"playing", "paused", "ended"}:
            self._playback = {**self._playback, "at_ms": said["time_ms"]}
        return PlaybackTime(said["time_ms"], said["speed"], said["state"])

    def _event(self, said: dict[str, Any]) -> Event | None:
        epoch, last = self._position or ("", -1)
        if said["offset"] <= last:
            return None  # seen before the connection was lost
        self._position = (epoch, said["offset"])
        return _event_of(epoch, said)

    def _resumed(self, said: dict[str, Any]) -> EventGap | None:
        epoch, last = self._position or ("", -1)
        if said["complete"]:
            return None
        self._position = (said["epoch"], said["offset"])
        return EventGap(epoch, last)


def _event_of(epoch: str, said: dict[str, Any]) -> Event:
    return Event(
        epoch=epoch,
        offset=said.get("offset", 0),
        event=said["event"],
        cause=said.get("cause", ""),
        visit=said.get("visit"),
        vehicle=said["vehicle"],
        fence=said.get("fence", ""),
        name=said.get("name", ""),
        time_ms=said["time_ms"],
        lat_deg=said["lat"],
        lon_deg=said["lon"],
        fix_time_ms=said["fix_time_ms"],
        entered_ms=said.get("entered_ms"),
        fields=said,
        left_ms=said.get("left_ms"),
        rule=said.get("rule"),
        rule_name=said.get("rule_name"),
        other=said.get("other"),
        speed_mps=said.get("speed_mps"),
        distance_m=said.get("distance_m"),
        event_id=said.get("id", ""),
    )
