"""The device client against a real server that drops, refuses, rejects and restarts."""

import asyncio
import math
from http import HTTPStatus
from random import Random
from typing import Any

import numpy as np
import pytest
from small_hub import SmallHub, fixes_of, small_hub, token
from websockets.asyncio.server import serve

from haulcast.client import DeviceClient, DeviceFleet, Reject
from haulcast.client.device_frames import numbered, record_body
from haulcast.doors.wire import DEVICE_RECORD
from haulcast.errors import (
    ConflictError,
    ForbiddenError,
    FrameError,
    NotFoundError,
    TokenError,
    TooLargeError,
)

QUICK = {"backoff_s": (0.02, 0.1), "random": Random(7)}


def columns(size: int) -> dict[str, Any]:
    """Fixes a second apart."""
    at = np.arange(size)
    return {
        "time_ms": 1_790_000_000_000 + 1000 * at,
        "lat_deg": 37.0 + at * 1e-4,
        "lon_deg": -122.0 + at * 1e-4,
    }


@pytest.mark.parametrize("binary", [False, True])
async def test_what_is_sent_arrives_as_it_was(binary: bool) -> None:
    """Every field of a fix reaches the hub; unknown ones are absent or NaN."""
    async with small_hub() as hub:
        async with DeviceClient(hub.url, token(), binary=binary, first_seq=5) as device:
            device.send(
                time_ms=1_790_000_000_000, lat_deg=37.5, lon_deg=-122.5, speed_mps=13.5, heading_deg=math.nan
            )
            await device.drained()
        (fix,) = hub.taken["truck-7"].values()
    assert (fix["seq"], fix["time_ms"], fix["lat"], fix["lon"], fix["speed_mps"]) == (
        5,
        1_790_000_000_000,
        37.5,
        -122.5,
        13.5,
    )
    assert math.isnan(fix.get("heading_deg", math.nan))
    assert math.isnan(fix.get("altitude_m", math.nan))
    assert isinstance(hub.frames[0], bytes) is binary


async def test_attributes_go_as_text_on_a_binary_connection() -> None:
    """Records have no room for attributes, so such a fix is sent as JSON between the records."""
    async with small_hub() as hub:
        async with DeviceClient(hub.url, token(), binary=True, first_seq=0) as device:
            device.send_many(**columns(2))
            device.send(time_ms=1, lat_deg=1.0, lon_deg=2.0, attributes={"ignition": True})
            device.send_many(**columns(2))
        kinds = [type(frame) for frame in hub.frames]
    assert kinds == [bytes, str, bytes]
    assert hub.taken["truck-7"][2]["attributes"] == {"ignition": True}
    assert sorted(hub.taken["truck-7"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("binary", [False, True])
async def test_waiting_fixes_are_joined_into_frames(binary: bool) -> None:
    """Fixes that wait for the connection go out together, never more than `frame_fixes` to a frame."""
    async with small_hub() as hub:
        async with DeviceClient(hub.url, token(), binary=binary, frame_fixes=40) as device:
            device.send_many(**columns(100))
        sizes = [len(fixes_of(frame)) for frame in hub.frames]
    assert sizes == [40, 40, 20]
    assert device.counts.acked == 100


@pytest.mark.parametrize("binary", [False, True])
async def test_nothing_is_lost_or_doubled_when_connections_break(binary: bool) -> None:
    """With the connection cut before every third ack, the hub ends with each fix once, and all are settled."""
    frames = 0

    async def cut(socket: Any) -> None:
        nonlocal frames
        frames += 1
        if frames % 3 == 0:
            socket.transport.abort()

    async with (
        small_hub(before_ack=cut) as hub,
        DeviceClient(hub.url, token(), binary=binary, frame_fixes=7, first_seq=0, **QUICK) as device,
    ):
        device.send_many(**columns(200))
        await asyncio.wait_for(device.drained(), 20)
    counts = device.counts
    assert sorted(hub.taken["truck-7"]) == list(range(200))
    assert (counts.given, counts.acked, counts.rejected, counts.dropped) == (200, 200, 0, 0)
    assert counts.connections > 3


@pytest.mark.parametrize("binary", [False, True])
async def test_rejects_are_told_with_all_reasons_and_counted(binary: bool) -> None:
    """Sent = acked + rejected, and each reject comes to the callback."""
    heard: list[Reject] = []

    def reasons_of(fix: dict[str, Any]) -> list[str]:
        return ["null_island", "stale"] if fix["seq"] % 10 == 9 else []

    async with (
        small_hub(reasons_of=reasons_of) as hub,
        DeviceClient(hub.url, token(), binary=binary, first_seq=0, on_reject=heard.append) as device,
    ):
        device.send_many(**columns(100))
        await device.drained()
    assert [one.seq for one in heard] == list(range(9, 100, 10))
    assert heard[0].reasons == ("null_island", "stale")
    assert (device.counts.acked, device.counts.rejected) == (90, 10)
    assert device.counts.rejected_by_reason == {"null_island": 10, "stale": 10}


async def test_welcome_says_what_need_not_be_sent_again() -> None:
    """Fixes up to `welcome.seq` are settled without being sent."""
    async with (
        small_hub(handled={"truck-7": 59}) as hub,
        DeviceClient(hub.url, token(), first_seq=0) as device,
    ):
        device.send_many(**columns(100))
        await device.drained()
    assert sorted(hub.taken["truck-7"]) == list(range(60, 100))
    assert (device.counts.acked, device.counts.transmitted) == (100, 40)


async def test_a_full_buffer_drops_the_oldest_and_counts_them() -> None:
    """While the hub cannot be reached memory stays bounded, and the newest fixes survive."""
    async with (
        small_hub(refuse_with=HTTPStatus.SERVICE_UNAVAILABLE) as hub,
        DeviceClient(hub.url, token(), buffer_fixes=30, first_seq=0, **QUICK) as device,
    ):
        device.send_many(**columns(100))
        assert (device.unacked, device.counts.dropped) == (30, 70)
        hub.refuse_with = None
        await device.drained()
    assert sorted(hub.taken["truck-7"]) == list(range(70, 100))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (HTTPStatus.UNAUTHORIZED, TokenError),
        (HTTPStatus.FORBIDDEN, ForbiddenError),
        (HTTPStatus.NOT_FOUND, NotFoundError),
    ],
)
async def test_a_refused_handshake_stops_the_client(status: HTTPStatus, error: type[Exception]) -> None:
    """Where coming back cannot help there is one attempt, and the error says why, at `drained` and at `send`."""
    async with small_hub(refuse_with=status) as hub:
        async with DeviceClient(hub.url, token(), **QUICK) as device:
            device.send_many(**columns(1))
            with pytest.raises(error, match=str(int(status))):
                await device.drained()
            with pytest.raises(error):
                device.send_many(**columns(1))
        assert hub.handshakes == 1


@pytest.mark.parametrize(
    ("code", "error"), [(4500, ConflictError), (4501, FrameError), (4503, ForbiddenError)]
)
async def test_close_codes_for_good_stop_the_client(code: int, error: type[Exception]) -> None:
    """4500 to 4999 mean: don't come back."""

    async def close(socket: Any) -> None:
        await socket.close(code)

    async with small_hub(before_ack=close) as hub:
        async with DeviceClient(hub.url, token(), **QUICK) as device:
            device.send_many(**columns(1))
            hub.handled.clear()
            with pytest.raises(error, match=str(code)):
                await device.drained()
        assert hub.handshakes == 1


@pytest.mark.parametrize("code", [1000, 1011, 1012, 4000, 4001, 4004, 4401])
async def test_other_close_codes_bring_the_client_back(code: int, wait_until: Any) -> None:
    """Everything else means: come back, with a fresh token."""
    made: list[str] = []

    def fresh() -> str:
        made.append(token())
        return made[-1]

    async with small_hub() as hub, DeviceClient(hub.url, fresh, **QUICK) as device:
        await wait_until(lambda: device.is_connected)
        await hub.drop_all(code)
        device.send_many(**columns(3))
        await asyncio.wait_for(device.drained(), 5)
        assert len(made) == hub.handshakes == 2


async def test_a_frame_that_is_too_big_is_split() -> None:
    """After close code 1009 the frames are half as large, until they fit."""

    async def too_big(socket: Any) -> None:
        if len(fixes_of(hub.frames[-1])) > 6:
            hub.taken["truck-7"].clear()
            hub.handled.clear()
            await socket.close(1009)

    async with (
        small_hub(before_ack=too_big) as hub,
        DeviceClient(hub.url, token(), first_seq=0, frame_fixes=20, **QUICK) as device,
    ):
        device.send_many(**columns(20))
        await asyncio.wait_for(device.drained(), 5)
    assert sorted(hub.taken["truck-7"]) == list(range(20))


async def test_a_fix_that_is_too_big_by_itself_stops_the_client() -> None:
    """A single fix over the hub's frame size could be sent forever; the error says so instead."""

    async def too_big(socket: Any) -> None:
        hub.handled.clear()
        await socket.close(1009)

    async with (
        small_hub(before_ack=too_big) as hub,
        DeviceClient(hub.url, token(), frame_fixes=2, **QUICK) as device,
    ):
        device.send_many(**columns(2))
        with pytest.raises(TooLargeError):
            await asyncio.wait_for(device.drained(), 5)


async def test_wrong_fixes_are_refused_before_they_are_buffered() -> None:
    """Positions that are not finite, sequences that do not grow and columns of two lengths never leave the client."""
    async with small_hub() as hub, DeviceClient(hub.url, token(), first_seq=10) as device:
        with pytest.raises(ValueError, match="finite"):
            device.send(time_ms=1, lat_deg=math.nan, lon_deg=0.0)
        with pytest.raises(ValueError, match="finite"):
            device.send_many(time_ms=[1, 2], lat_deg=[1.0, math.inf], lon_deg=[1.0, 1.0])
        with pytest.raises(ValueError, match="only grow"):
            device.send(time_ms=1, lat_deg=1.0, lon_deg=1.0, seq=9)
        with pytest.raises(ValueError, match="JSON"):
            device.send(time_ms=1, lat_deg=1.0, lon_deg=1.0, attributes={"x": object()})
        with pytest.raises(ValueError):
            device.send_many(time_ms=[1, 2], lat_deg=[1.0, 2.0, 3.0], lon_deg=[1.0, 1.0, 1.0])
        assert device.unacked == 0


async def test_sequences_grow_across_clients() -> None:
    """A second client of the same vehicle starts above the first one, so nothing is taken for a duplicate."""
    async with small_hub() as hub:
        for _ in range(2):
            async with DeviceClient(hub.url, token()) as device:
                device.send_many(**columns(10))
                await device.drained()
                assert device.counts.rejected == 0
    assert len(hub.taken["truck-7"]) == 20


async def test_leaving_waits_for_the_last_acks() -> None:
    """`async with` ends when the hub has everything."""
    async with small_hub() as hub:
        async with DeviceClient(hub.url, token(), frame_fixes=10) as device:
            device.send_many(**columns(500))
        assert len(hub.taken["truck-7"]) == 500


def test_one_record_is_the_wire_s_record() -> None:
    """The quick packing of a single fix gives the bytes of the numpy dtype."""
    record = numbered(7, record_body(8, 1.5, -2.5, (3.0, None, 4.0, math.nan)), is_text=False)
    packed = np.frombuffer(record, DEVICE_RECORD)[0]
    assert packed.tolist()[:5] == (7, 8, 1.5, -2.5, 3.0)
    assert [math.isnan(packed[name]) for name in ("heading_deg", "accuracy_m", "altitude_m")] == [
        True,
        False,
        True,
    ]


async def test_a_fleet_settles_together() -> None:
    """Many clients share one gate, and their counts add up."""

    def of(vehicle: str) -> str:
        return token(vehicle=vehicle)

    async with small_hub() as hub:
        async with DeviceFleet(hub.url, [f"v{i}" for i in range(120)], of) as fleet:
            for client in fleet.clients:
                client.send_many(**columns(5))
            assert await asyncio.wait_for(fleet.drained(), 20) == []
            assert fleet.connected == 120
        assert (fleet.counts.given, fleet.counts.acked, fleet.unacked) == (600, 600, 0)
        assert {len(fixes) for fixes in hub.taken.values()} == {5}


async def test_a_hub_that_comes_up_late_gets_everything() -> None:
    """Fixes sent before there is any hub wait for it."""
    async with small_hub() as first:
        port = first.port
    hub = SmallHub()
    async with DeviceClient(f"ws://127.0.0.1:{port}", token(), **QUICK) as device:
        device.send_many(**columns(20))
        async with serve(hub.serve, "127.0.0.1", port, process_request=hub.admit):
            await asyncio.wait_for(device.drained(), 10)
    assert len(hub.taken["truck-7"]) == 20


@pytest.mark.parametrize("binary", [False, True])
async def test_what_the_rate_limit_sends_back_comes_again_until_it_is_taken(binary: bool) -> None:
    """With a bucket of 100 that fills by 40 a second, 600 fixes arrive, though acks have long passed their first sequences."""
    tokens = 100.0

    def reasons_of(fix: dict[str, Any]) -> list[str]:
        nonlocal tokens
        if fix["lat"] == 37.0:
            return ["stale", "rate_limited"]
        tokens -= 1
        return [] if tokens >= 0 else ["out_of_order", "rate_limited"]

    async def a_second(_: float) -> None:
        nonlocal tokens
        tokens = min(100.0, max(tokens, 0) + 40)
        await asyncio.sleep(0.01)

    rejects: list[Reject] = []
    async with (
        small_hub(reasons_of=reasons_of) as hub,
        DeviceClient(
            hub.url, token(), binary=binary, first_seq=0, sleep=a_second, on_reject=rejects.append
        ) as device,
    ):
        device.send_many(**columns(600))
        await asyncio.wait_for(device.drained(), 20)
    taken = {fix["time_ms"] for fix in hub.taken["truck-7"].values()}
    assert len(hub.taken["truck-7"]) == len(taken) == 599
    assert (device.counts.given, device.counts.acked, device.counts.rejected) == (600, 599, 1)
    assert rejects == [Reject(0, ("stale", "rate_limited"))]
    assert device.counts.put_off >= 400


async def test_rate_limited_fixes_are_rejects_when_that_is_wanted() -> None:
    """Without `retry_rate_limited` they are told like the others."""
    async with (
        small_hub(reasons_of=lambda _: ["rate_limited"]) as hub,
        DeviceClient(hub.url, token(), retry_rate_limited=False) as device,
    ):
        device.send_many(**columns(3))
        await device.drained()
    assert device.counts.rejected_by_reason == {"rate_limited": 3}
