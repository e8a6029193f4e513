"""The hub's doors as strangers and staff meet them: shared views, revocation, renewal, an issuer, and a log without secrets."""

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from issuer_server import EC_KEY, RSA_KEY, issuer_server, jwk, signed
from waiting import wait_until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.processes import FLEET, SECRET, HubProcess, Process, _until_ready, free_port, public_folder
from haulcast.client import Connection, DeviceClient, LiveClient
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

OLD_SECRET = "an old secret of at least 32 bytes"
BOOK, OLD_BOOK = TokenBook(SECRET.encode()), TokenBook(OLD_SECRET.encode())
WORLD = (-180.0, -90.0, 180.0, 90.0)
SEEN: list[str] = [SECRET, OLD_SECRET]


def _token(
    role: str, vehicle: str | None = None, *, lasts_s: float = 3600, book: TokenBook = BOOK, **more
) -> str:
    now_ms = int(time.time() * 1000)
    claims = Claims(FLEET, role, vehicle, now_ms + round(lasts_s * 1000), issued_ms=now_ms, **more)
    SEEN.append(book.make(claims))
    return SEEN[-1]


@asynccontextmanager
async def logged_hub(log: Path, **settings: object) -> AsyncIterator[HubProcess]:
    """A ready hub that writes all it has to say into a file."""
    with public_folder() as folder, log.open("wb") as out:
        ports = {"http_port": free_port(), "hub_port": free_port()}
        chosen = {
            "data_dir": f"{folder}/var",
            "token_secret": SECRET,
            "log_level": "debug",
            **ports,
            **settings,
        }
        environ = {**os.environ, **{f"HAULCAST_{name.upper()}": str(value) for name, value in chosen.items()}}
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "haulcast", "serve", env=environ, stdout=out, stderr=out
        )
        found = HubProcess(Process(started), ports["http_port"], ports["hub_port"])
        try:
            await _until_ready(found)
            yield found
        finally:
            started.terminate()
            await started.wait()


def _status(hub: HubProcess, path: str, bearer: str, method: str = "GET", body: bytes | None = None) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{hub.http_port}{path}", body, {"Authorization": f"Bearer {bearer}"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def _answers(hub: HubProcess, bearer: str, status: int) -> bool:
    return await asyncio.to_thread(_status, hub, "/v1/status", bearer) == status


async def _says(socket, kind: str) -> dict:
    async with asyncio.timeout(20):
        while True:
            said = json.loads(await socket.recv())
            if said["type"] == kind:
                return said


async def _close_code(socket) -> tuple[int, str]:
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                await socket.recv()
    return caught.value.rcvd.code, caught.value.rcvd.reason


def _live(hub: HubProcess, bearer: str) -> connect:
    return connect(
        f"ws://127.0.0.1:{hub.hub_port}/v1/live",
        additional_headers={"Authorization": f"Bearer {bearer}"},
        proxy=None,
    )


async def _sees_shared_only(hub: HubProcess) -> None:
    """A share shows its vehicle and no other, refuses to show more, and closes when it is deleted."""
    share = hub.send("POST", "/v1/shares", {"vehicles": ["v1"], "lasts_s": 600, "name": "Ann"})
    SEEN.append(share["token"])
    async with _live(hub, share["token"]) as socket:
        await socket.send(json.dumps({"type": "subscribe", "bbox": list(WORLD), "zoom": 3}))
        snapshot = await _says(socket, "snapshot")
        assert list(snapshot["names"].values()) == ["v1"]
        await socket.send(json.dumps({"type": "subscribe", "bbox": list(WORLD), "vehicles": ["v1", "v2"]}))
        assert (await _says(socket, "error"))["code"] == "not_shared"
        await asyncio.to_thread(hub.send, "DELETE", f"/v1/shares/{share['id']}")
        assert await _close_code(socket) == (4401, "revoked_token")
    with pytest.raises(InvalidStatus):
        await _live(hub, share["token"])


async def _lasts_beyond_its_tokens(hub: HubProcess) -> None:
    """Clients that can get tokens keep one connection beyond the end of several."""
    url, losses = f"ws://127.0.0.1:{hub.hub_port}", []
    tokens = {"device": 0, "viewer": 0}

    def newer(role: str, vehicle: str | None) -> str:
        tokens[role] += 1
        return _token(role, vehicle, lasts_s=2.5)

    async with (
        DeviceClient(url, lambda: newer("device", "v3")) as device,
        LiveClient(url, lambda: newer("viewer", None)) as live,
    ):

        async def listen() -> None:
            async for update in live:
                if isinstance(update, Connection) and not update.is_up:
                    losses.append(update)

        listening = asyncio.create_task(listen())
        await wait_until(lambda: min(tokens.values()) >= 5, timeout_s=60)
        device.send(time_ms=int(time.time() * 1000), lat_deg=37.7, lon_deg=-122.4)
        async with asyncio.timeout(10):
            await device.drained()
        listening.cancel()
        assert (device.counts.connections, device.counts.refused_frames, losses) == (1, 0, [])


async def _is_thrown_out(hub: HubProcess) -> None:
    """A vehicle whose tokens are revoked loses its socket, and comes back with a token that was issued later."""
    url = f"ws://127.0.0.1:{hub.hub_port}/v1/device"
    old = {"Authorization": f"Bearer {_token('device', 'v4')}"}
    async with connect(url, additional_headers=old, proxy=None) as socket:
        await _says(socket, "welcome")
        await asyncio.to_thread(hub.send, "POST", "/v1/revocations", {"vehicle": "v4"})
        assert await _close_code(socket) == (4401, "revoked_token")
    new = {"Authorization": f"Bearer {_token('device', 'v4')}"}
    async with connect(url, additional_headers=new, proxy=None) as socket:
        await _says(socket, "welcome")


async def _knocks_in_vain(hub: HubProcess) -> None:
    """Everything that is wrong with a token, on both ports, in header, query and message."""
    wrong = [_token("device", "v5", lasts_s=-60), _token("device", "v5")[:-3] + "abc", "junk-token-of-nobody"]
    SEEN.extend(wrong)
    for bearer in wrong:
        assert await asyncio.to_thread(_status, hub, "/v1/status", bearer) == 401
        for port in (hub.http_port, hub.hub_port):
            with pytest.raises(InvalidStatus):
                await connect(
                    f"ws://127.0.0.1:{port}/v1/device",
                    additional_headers={"Authorization": f"Bearer {bearer}"},
                    proxy=None,
                )
            async with connect(f"ws://127.0.0.1:{port}/v1/live?token={bearer}", proxy=None) as socket:
                assert (await _close_code(socket))[0] == 4401
    good = _token("device", "v5")
    async with connect(f"ws://127.0.0.1:{hub.http_port}/v1/device?token={good}", proxy=None) as socket:
        for newer in (_token("device", "other"), wrong[0]):
            await socket.send(json.dumps({"type": "token", "token": newer}, indent=2))
            assert (await _says(socket, "error"))["code"] in {"other_bearer", "expired_token"}
        await socket.send(json.dumps({"token": _token("device", "v5"), "type": "token"}))
        await _says(socket, "renewed")
    assert await asyncio.to_thread(_status, hub, "/v1/vehicles", good, "POST", b'{"x":') == 403


async def test_the_doors_of_a_running_hub(tmp_path: Path, wire_schema) -> None:
    """Shares, renewal, revocation, an issuer's and an old secret's tokens, on one hub; and none of it stands in its log."""
    log = tmp_path / "hub.log"
    async with (
        issuer_server(jwk(RSA_KEY, "r")) as issuer,
        logged_hub(log, token_keys=issuer.url, token_secret_old=OLD_SECRET, token_leeway_s=0) as hub,
    ):
        body = {"fleet": FLEET, "role": "viewer", "exp": int(time.time()) + 600}
        SEEN.extend([signed("r", body), signed("e", body)])
        await wait_until(lambda: _answers(hub, SEEN[-2], 200), timeout_s=30)
        assert await _answers(hub, SEEN[-1], 503)
        issuer.keys.append(jwk(EC_KEY, "e"))
        await wait_until(lambda: _answers(hub, SEEN[-1], 200), timeout_s=30)
        assert _status(hub, "/v1/status", _token("viewer", book=OLD_BOOK)) == 200
        url = f"ws://127.0.0.1:{hub.hub_port}"
        for vehicle in ("v1", "v2"):
            async with DeviceClient(url, _token("device", vehicle)) as device:
                device.send(time_ms=int(time.time() * 1000), lat_deg=37.7, lon_deg=-122.4)
                await device.drained()
        await _sees_shared_only(hub)
        await _is_thrown_out(hub)
        await _knocks_in_vain(hub)
        await _lasts_beyond_its_tokens(hub)
        assert _status(hub, "/v1/shares", _token("viewer"), "POST", b"{}") == 403

        async def refusal_is_written() -> bool:
            records = await asyncio.to_thread(hub.get, "/v1/audit")
            return any(record.get("code") == "wrong_role" for record in records["records"])

        await wait_until(refusal_is_written)
        records = hub.get("/v1/audit")["records"]
        assert {"POST /v1/shares", "DELETE /v1/shares/{share_id}", "POST /v1/revocations"} <= {
            record["action"] for record in records
        }
        assert hub.counters()["doors"]["connections"] >= 0
    text = log.read_text()
    assert "socket_refused" in text
    assert "expired_token" in text
    for secret in SEEN:
        assert secret not in text
        assert secret not in str(records)
        assert secret.rpartition(".")[2] not in text
    assert "token=" not in text
