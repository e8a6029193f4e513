"""What the hub will say of routes, said by the browser's request routing in its place: for the paths of `/v1/routes` only.

Everything else of these tests is the real hub. Where the hub has routes itself, make them there and leave this out.
"""

import itertools
import json
from typing import Any

from playwright.async_api import Page, WebSocketRoute

from haulcast.clock import epoch_ms

MINUTE_MS = 60_000


def route_document(vehicle: str, *, is_off_route: bool = False) -> dict[str, Any]:
    """Four stops around Oakland: one done, one with a late arrival."""
    now_ms = epoch_ms()
    places = [
        ("Depot", 37.78, -122.3),
        ("Oakland port", 37.8, -122.27),
        ("", 37.82, -122.25),
        ("Berkeley", 37.86, -122.27),
    ]
    stops = [
        {"id": f"s{i}", "kind": "delivery", "load": f"L-{i}", "lat": lat, "lon": lon, "name": name, "radius_m": 150, "service_s": 300, "state": "ahead"}
        for i, (name, lat, lon) in enumerate(places)
    ]  # fmt: skip
    stops[0] |= {"state": "done", "arrived": now_ms - 50 * MINUTE_MS, "left": now_ms - 40 * MINUTE_MS}
    stops[1] |= {"eta": now_ms + 25 * MINUTE_MS + 20_000, "late_s": 0, "planned": now_ms + 24 * MINUTE_MS}
    stops[2] |= {"eta": now_ms + 70 * MINUTE_MS, "late_s": 725, "closes": now_ms + 58 * MINUTE_MS}
    stops[3] |= {"planned": now_ms + 120 * MINUTE_MS}
    line = [[lon, lat] for _, lat, lon in places]
    progress = {"is_off_route": is_off_route, "along_m": 1500.0, "left_m": 12_345.0, "time": now_ms}
    return {
        "id": "r-1", "vehicle": vehicle, "status": "active", "stops": stops,
        "line": {"type": "LineString", "coordinates": line}, "progress": progress,
    }  # fmt: skip


class StandIn:
    """The routes of a hub.

    Attributes:
        routes: documents by vehicle; tests change them.
    """

    def __init__(self, *routes: dict[str, Any]) -> None:
        self.routes = {route["vehicle"]: route for route in routes}
        self._sockets: list[WebSocketRoute] = []
        self._numbers = itertools.count(1)

    async def stand(self, page: Page) -> None:
        """From the next load of the page on."""
        await page.route("**/openapi.json", self._described)
        await page.route("**/v1/routes?*", self._listed)
        await page.route("**/v1/vehicles/*/route", self._found)
        await page.route_web_socket("**/v1/live*", self._connected)

    def tell(self, kind: str, vehicle: str, **more: Any) -> None:
        """An event on the live socket, after all that the hub has told."""
        number = next(self._numbers)
        event = {
            "type": "event", "offset": 10**6 + number, "id": f"ff{number:014x}", "event": kind, "cause": "moved", "vehicle": vehicle,
            "route": "r-1", "time_ms": epoch_ms(), "lat": 37.8, "lon": -122.27, "fix_time_ms": epoch_ms(), **more,
        }  # fmt: skip
        self._sockets[-1].send(json.dumps(event))

    def _connected(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(socket.send)
        self._sockets.append(socket)

    async def _described(self, route) -> None:
        answer = await route.fetch()
        document = await answer.json()
        document["paths"].setdefault("/v1/routes", {})
        await route.fulfill(response=answer, json=document)

    async def _listed(self, route) -> None:
        asked = route.request.url
        found = [
            one for vehicle, one in self.routes.items()
            if ("vehicle=" not in asked or f"vehicle={vehicle}&" in asked)
            and ("off_route=true" not in asked or one["progress"]["is_off_route"])
        ]  # fmt: skip
        await route.fulfill(json={"routes": found, "next": None})

    async def _found(self, route) -> None:
        vehicle = route.request.url.split("/")[-2]
        await route.fulfill(json=self.routes[vehicle])
