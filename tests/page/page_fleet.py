"""A fleet as the page's tests need it: tokens, devices that report, requests as an admin."""

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from benchmarks.processes import SECRET, HubProcess
from haulcast.client.device_client import DeviceClient
from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

OAKLAND = (37.8, -122.27)


class Fleet:
    def __init__(self, hub: HubProcess, name: str) -> None:
        self.hub = hub
        self.name = name
        self.url = f"http://127.0.0.1:{hub.http_port}/"

    def token(self, role: str = "viewer", vehicle: str | None = None, lasts_s: float = 3600.0) -> str:
        expires_ms = epoch_ms() + int(lasts_s * 1000)
        return TokenBook(SECRET.encode()).make(Claims(self.name, role, vehicle, expires_ms))

    def link(self, role: str = "viewer", lasts_s: float = 3600.0) -> str:
        return f"{self.url}#token={self.token(role, lasts_s=lasts_s)}"

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        def do() -> Any:
            request = urllib.request.Request(
                self.url + path,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={
                    "Authorization": f"Bearer {self.token('admin')}",
                    "Content-Type": "application/json",
                },
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")

        return await asyncio.to_thread(do)

    async def has(self, path: str) -> bool:
        """Whether this hub has such a thing."""
        try:
            await self.send("GET", path)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    @contextlib.asynccontextmanager
    async def device(self, vehicle: str = "truck-1") -> AsyncIterator["Device"]:
        url = f"ws://127.0.0.1:{self.hub.hub_port}"
        async with DeviceClient(url, self.token("device", vehicle)) as client:
            yield Device(client)


class Device:
    def __init__(self, client: DeviceClient) -> None:
        self._client = client
        self._last_ms = 0

    async def at(self, lat: float, lon: float, *, ago_s: float = 0.0, **more: float) -> None:
        """Report a fix, stored when this returns; each is later than the one before."""
        self._last_ms = max(self._last_ms + 1, epoch_ms() - int(ago_s * 1000))
        self._client.send(time_ms=self._last_ms, lat_deg=lat, lon_deg=lon, **more)
        await self._client.drained()


def circle(lat: float, lon: float, radius_m: float, name: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"name": name, "radius_m": radius_m},
    }
