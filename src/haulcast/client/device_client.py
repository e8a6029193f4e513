"""The client of one device: give it fixes, it brings them to the hub.

`send` only buffers. One task keeps the connection up, writes what waits (joined into frames) and reads the replies. What
is not acked stays in the buffer, and after a reconnect everything that the hub does not have yet (`welcome.seq`) goes out again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from types import TracebackType
from typing import Any, Self

import structlog
from numpy.typing import ArrayLike
from websockets.asyncio.client import ClientConnection

from haulcast.client.backoff import Backoff
from haulcast.client.connection import Dialling, Talk, stay_connected, until_one_ends
from haulcast.client.device_frames import (
    Ack,
    FrameRefused,
    Reject,
    Resend,
    Welcome,
    read_replies,
    record_bodies,
    record_body,
    text_bodies,
    text_body,
)
from haulcast.client.pace import SECOND_S, Pace
from haulcast.client.token_renewal import keep_token_fresh
from haulcast.client.unacked_fixes import DeviceCounts, EncodedFix, UnackedFixes
from haulcast.clock import epoch_ms
from haulcast.doors import wire
from haulcast.doors.close_codes import CloseCode
from haulcast.errors import ClientError, TooLargeError

COMES_AGAIN = frozenset({"rate_limited", "out_of_order"})
"""With no reason but these the same fix is taken at another time; `out_of_order` alone refuses nothing."""

_log = structlog.get_logger("haulcast.client")


class DeviceClient(Talk):
    """Reports one vehicle's fixes; `async with` connects, and on the way out waits for the last acks.

    Args:
        url: the hub, such as `ws://localhost:8001`.
        token: the device's JWT, or a callable that makes a fresh one, for each connection and before it expires.
        binary: send records of 48 bytes instead of JSON; a fix with attributes still goes as JSON.
        buffer_fixes: how many unacked fixes are kept; beyond it the oldest are dropped, counted and warned about once.
        frame_fixes: most fixes in a frame; no more than the hub's `frame_fixes`.
        frame_bytes: most bytes in a frame; no more than the hub's `frame_bytes`.
        first_seq: the first sequence; default microseconds of the system's clock, so that they also grow across restarts.
        retry_rate_limited: a fix that only the hub's rate limit refused is sent again, later and slower, under a new
            sequence; turn it off when all sequences are given. `on_reject` always tells the one that `send` returned.
        on_reject: called with each fix that the hub refused.
        on_refused_frame: called when the hub could not read a frame.
        random: jitter of the reconnects.
        gate: shared by many clients, it limits how many shake hands at once.
        flush_s: how long leaving `async with` waits for the acks that are still out.
        backoff_s: longest first and longest wait between two attempts, seconds.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        binary: bool = False,
        buffer_fixes: int = 100_000,
        frame_fixes: int = 200,
        frame_bytes: int = 131_072,
        first_seq: int | None = None,
        retry_rate_limited: bool = True,
        on_reject: Callable[[Reject], None] | None = None,
        on_refused_frame: Callable[[FrameRefused], None] | None = None,
        random: Random | None = None,
        gate: asyncio.Semaphore | None = None,
        flush_s: float = 10.0,
        backoff_s: tuple[float, float] = (1.0, 30.0),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        subprotocol = wire.BINARY_SUBPROTOCOL if binary else wire.JSON_SUBPROTOCOL
        self._dialling = Dialling(url, wire.DEVICE_PATH, token, subprotocol, gate)
        self._backoff = Backoff(random or Random(), first_s=backoff_s[0], most_s=backoff_s[1])  # noqa: S311 - jitter, not secrets
        self._sleep = sleep
        self._binary = binary
        self._frame_fixes = frame_fixes
        self._frame_bytes = frame_bytes
        self._retry_rate_limited = retry_rate_limited
        self._pace = Pace()
        self._on_reject = on_reject
        self._on_refused_frame = on_refused_frame
        self._flush_s = flush_s
        self._next_seq = epoch_ms() * 1000 if first_seq is None else first_seq
        self._fixes = UnackedFixes(buffer_fixes)
        self._something_waits = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None
        self._is_connected = False
        self._is_closed = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="haulcast device client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with contextlib.suppress(TimeoutError, ClientError):
                await asyncio.wait_for(self.drained(), self._flush_s)
        await self.close()

    @property
    def counts(self) -> DeviceCounts:
        """What became of the fixes so far; a live view, not a copy."""
        return self._fixes.counts

    @property
    def unacked(self) -> int:
        """Fixes that the hub has neither taken nor rejected yet."""
        return len(self._fixes)

    @property
    def is_connected(self) -> bool:
        """Whether the hub has said welcome on a connection that still stands, as far as can be known."""
        return self._is_connected

    def send(
        self,
        *,
        time_ms: int,
        lat_deg: float,
        lon_deg: float,
        speed_mps: float | None = None,
        heading_deg: float | None = None,
        accuracy_m: float | None = None,
        altitude_m: float | None = None,
        attributes: Mapping[str, Any] | None = None,
        seq: int | None = None,
    ) -> int:
        """Buffer one fix; never waits for the network. Returns its sequence.

        Args:
            time_ms: when the fix was taken, ms since 1970 UTC.
            lat_deg: degrees, WGS 84.
            lon_deg: degrees, WGS 84.
            speed_mps: metres a second; here and in what follows None or NaN is unknown.
            heading_deg: 0 = north, clockwise.
            accuracy_m: radius of one standard deviation.
            altitude_m: metres above the ellipsoid.
            attributes: anything else, JSON.
            seq: the fix's sequence, larger than all before; default the next one.

        Raises:
            ValueError: a sequence that does not grow, a position that is not finite, attributes that are not JSON.
            ClientError: the hub has refused this client for good.
        """
        self.raise_if_stopped()
        first = self._claim_seq(seq, 1)
        optional = (speed_mps, heading_deg, accuracy_m, altitude_m)
        if self._binary and not attributes:
            body = record_body(time_ms, lat_deg, lon_deg, optional)
        else:
            body = text_body(time_ms, lat_deg, lon_deg, optional, attributes)
        self._next_seq = first + 1
        self._add(EncodedFix(first, body, not self._binary or bool(attributes), first))
        return first

    def send_many(
        self,
        *,
        time_ms: ArrayLike,
        lat_deg: ArrayLike,
        lon_deg: ArrayLike,
        speed_mps: ArrayLike | None = None,
        heading_deg: ArrayLike | None = None,
        accuracy_m: ArrayLike | None = None,
        altitude_m: ArrayLike | None = None,
    ) -> range:
        """Buffer many fixes, given as columns of one length in the units of `send`. Returns their sequences.

        Raises:
            ValueError: columns of different lengths, or a position that is not finite; then none is buffered.
            ClientError: the hub has refused this client for good.
        """
        self.raise_if_stopped()
        optional = (speed_mps, heading_deg, accuracy_m, altitude_m)
        encode = record_bodies if self._binary else text_bodies
        bodies = encode(time_ms, lat_deg, lon_deg, optional)
        first = self._claim_seq(None, len(bodies))
        self._next_seq = first + len(bodies)
        for seq, body in enumerate(bodies, first):
            self._add(EncodedFix(seq, body, not self._binary, seq))
        return range(first, self._next_seq)

    async def drained(self) -> None:
        """Wait until every fix given so far is acked, rejected or dropped.

        Raises:
            ClientError: the hub has refused this client for good, and fixes are left.
        """
        if self._task is None:
            raise RuntimeError("the client is not running: use it in `async with`")
        settled = asyncio.create_task(self._settled.wait())
        try:
            await asyncio.wait({settled, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
        if self.unacked:
            self.raise_if_stopped()

    async def close(self) -> None:
        """Say goodbye now; what is unacked is lost with this client (`unacked` tells how much)."""
        if self._task is None or self._is_closed:
            return
        self._is_closed = True
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and (error := self._task.exception()):
            _log.warning("device_client_stopped", reason=str(error))
        if self.unacked:
            _log.warning("device_client_closed", unacked=self.unacked)

    async def converse(self, socket: ClientConnection) -> None:
        """Write what waits and read the replies until the connection is gone."""
        self._fixes.rewind()
        self._something_waits.set()
        try:
            self._heard(await socket.recv())
            renewing = keep_token_fresh(socket, self._dialling.token)
            await until_one_ends(self._write(socket), self._read(socket), renewing)
        finally:
            self._is_connected = False

    async def lost(self, code: int | None, reason: str) -> None:
        """A frame that was too big is split, unless it was a single fix already."""
        _log.debug("device_connection_lost", code=code, reason=reason)
        if code == CloseCode.TOO_BIG:
            if self._frame_fixes == 1:
                raise TooLargeError("fix_too_large", "the hub takes no frame as large as one of these fixes")
            self._frame_fixes = max(1, self._frame_fixes // 2)

    async def _run(self) -> None:
        await stay_connected(self._dialling, self, self._backoff, self._sleep)

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            self._heard(await socket.recv())

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            while self._fixes.has_waiting and not self._pace.is_limited:
                await self._send_frame(socket, self._frame_fixes)
            while self._pace.is_limited:
                await self._send_slowly(socket)

    async def _send_slowly(self, socket: ClientConnection) -> None:
        """One second under the hub's rate limit."""
        await self._sleep(SECOND_S)
        self._next_seq = self._fixes.renumber(self._next_seq)
        left = self._pace.next_second()
        while left > 0 and self._fixes.has_waiting:
            left -= await self._send_frame(socket, min(left, self._frame_fixes))
        if not self.unacked:
            self._pace.end()

    async def _send_frame(self, socket: ClientConnection, most_fixes: int) -> int:
        before = self.counts.transmitted
        frame = self._fixes.next_frame(most_fixes, self._frame_bytes)
        await socket.send(frame)
        return self.counts.transmitted - before

    def _heard(self, message: str | bytes) -> None:
        for reply in read_replies(message):
            match reply:
                case Welcome(seq=seq):
                    self._is_connected = self.answered = True
                    self.counts.connections += 1
                    self._fixes.ack(seq)
                case Ack(seq=seq):
                    self._fixes.ack(seq)
                case Reject(seq=seq, reasons=reasons):
                    self._rejected(seq, reasons)
                case Resend(seq=seq):
                    self._fixes.rewind(seq)
                    self._something_waits.set()
                case FrameRefused():
                    self.counts.refused_frames += 1
                    _log.warning("frame_refused", code=reply.code, field=reply.field, reason=reply.reason)
                    if self._on_refused_frame:
                        self._on_refused_frame(reply)
        if not self.unacked:
            self._settled.set()

    def _rejected(self, seq: int, reasons: tuple[str, ...]) -> None:
        if self._retry_rate_limited and "rate_limited" in reasons and COMES_AGAIN.issuperset(reasons):
            self._fixes.put_off(seq)
            self._pace.limited()
            self._something_waits.set()
            return
        given_seq = self._fixes.reject(seq, reasons)
        if self._on_reject and given_seq is not None:
            self._on_reject(Reject(given_seq, reasons))

    def _claim_seq(self, seq: int | None, size: int) -> int:
        first = self._next_seq if seq is None else seq
        if not self._next_seq <= first <= wire.MAX_SEQ - size:
            raise ValueError(
                f"seq {first}: has to be from {self._next_seq} to {wire.MAX_SEQ - size}, sequences only grow"
            )
        return first

    def _add(self, fix: EncodedFix) -> None:
        is_first_drop = not self._fixes.add(fix) and self.counts.dropped == 1
        if is_first_drop:
            _log.warning("device_buffer_full", hint="the oldest unacked fixes are dropped from now on")
        self._settled.clear()
        self._something_waits.set()

    def raise_if_stopped(self) -> None:
        """Raise the ClientError with which the hub has refused this client for good, if it has."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if error is not None:
                raise error
