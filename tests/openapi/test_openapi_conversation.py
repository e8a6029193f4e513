"""A conversation with a real hub that uses every route; each answer is held against the document that the hub itself serves."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from availability_conversation import availability
from described import Described
from dispatch_conversation import dispatching
from routes_conversation import routes_and_loads

from benchmarks.processes import FLEET, SECRET, HubProcess, hub
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
FENCE = {
    "type": "Feature",
    "geometry": SQUARE,
    "properties": {"name": "Yard", "tags": ["depot"], "attributes": {"a": [1]}},
}
ANY_ID = "/v1/vehicles/truck%2F7"
OWN_CONVERSATIONS = ("/v1/plans",)
"""Routes that have a file of their own beside this one."""
PAGE = "https://map.example"


def token(role: str, vehicle: str | None = None) -> str:
    """One that says when it was issued: others are older than any revocation."""
    now_ms = int(time.time() * 1000)
    claims = Claims(FLEET, role, vehicle, now_ms + 3_600_000, issued_ms=now_ms)
    return TokenBook(SECRET.encode()).make(claims)


class Conversation:
    """Clients of one hub, whose answers are checked."""

    def __init__(self, found: HubProcess) -> None:
        self.url = f"http://127.0.0.1:{found.http_port}"
        self.described = Described(httpx.get(f"{self.url}/openapi.json", timeout=30).json())
        self._tokens = {
            "admin": token("admin"),
            "viewer": token("viewer"),
            "device": token("device", "truck/7"),
            "van": token("device", "van"),
            "": "",
        }

    def of(self, role: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._tokens[role]}"} if role else {}
        hooks = {"response": [self.described.check]}
        return httpx.Client(base_url=self.url, headers=headers, event_hooks=hooks, timeout=60)


def _follow(client: httpx.Client, path: str) -> Iterator[dict]:
    while path:
        page = client.get(path).raise_for_status().json()
        yield page
        path = page.get("next", "")


def _hub_itself(say: Conversation) -> None:
    with say.of("") as nobody, say.of("viewer") as viewer, say.of("admin") as admin:
        for path in ("/health", "/ready", "/docs"):
            assert nobody.get(path).status_code == 200
        assert nobody.get("/v1/status").status_code == 401
        assert nobody.get("/metrics").status_code == 401
        assert viewer.get("/metrics").status_code == 403
        assert viewer.get("/v1/status").status_code == 200
        assert admin.get("/metrics").status_code == 200
        assert viewer.get("/v1/availability/quality").status_code == 403
        assert admin.get("/v1/availability/quality").json()["figures"] == {"on_duty": [], "free": []}
        assert admin.get("/metrics", headers={"Accept": "application/openmetrics-text"}).status_code == 200
        etag = nobody.get("/openapi.json").headers["etag"]
        for asked in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            same = nobody.get("/openapi.json", headers={"If-None-Match": asked})
            assert (same.status_code, same.headers["etag"]) == (304, etag)
        assert nobody.get("/openapi.json", headers={"If-None-Match": '"x"'}).status_code == 200


def _vehicles(say: Conversation) -> None:
    with say.of("admin") as admin, say.of("viewer") as viewer:
        assert admin.post("/v1/vehicles", json={"tags": ["van"]}).status_code == 201
        assert admin.post("/v1/vehicles", json={"id": "truck 8", "name": None}).status_code == 201
        assert admin.post("/v1/vehicles", json={"id": "truck 8"}).status_code == 409
        assert admin.put(ANY_ID, json={"name": "Truck 7", "attributes": {"plate": "B"}}).status_code == 201
        read = viewer.get(ANY_ID).json()
        assert admin.put(ANY_ID, json=read).status_code == 200
        assert viewer.put(ANY_ID, json={}).status_code == 403
        assert viewer.get("/v1/vehicles/none").status_code == 404
        assert admin.put(ANY_ID, json={"colour": "red"}).status_code == 400
        assert admin.put(ANY_ID, content=b"x" * 70_000).status_code == 413
        assert len(list(_follow(viewer, "/v1/vehicles?limit=1"))) == 3
        assert admin.post("/v1/phone-ids/truck%208").status_code == 201
        assert admin.post("/v1/phone-ids/none").status_code == 404
        assert admin.delete("/v1/phone-ids/truck%208").status_code == 204
        assert admin.delete("/v1/phone-ids/truck%208").status_code == 404
        assert admin.delete("/v1/vehicles/truck%208").status_code == 204
        assert admin.delete("/v1/vehicles/truck%208").status_code == 404


def _fences(say: Conversation) -> None:
    circle = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [5, 5]},
        "properties": {"radius_m": 50},
    }
    line = {
        "type": "Feature",
        "geometry": None,
        "properties": {"polyline": "_p~iF~ps|U_ulLnnqC", "polyline_precision": 5, "width_m": 9},
    }
    with say.of("admin") as admin, say.of("viewer") as viewer:
        assert admin.post("/v1/fences", json=circle).status_code == 201
        assert admin.post("/v1/fences", json=line | {"id": "trip"}).status_code == 201
        assert admin.post("/v1/fences", json=line | {"id": "trip"}).status_code == 409
        made = admin.put("/v1/fences/yard", json=FENCE)
        assert made.status_code == 201
        edition = {"If-Match": made.headers["etag"]}
        assert admin.put("/v1/fences/yard", json=FENCE, headers=edition).status_code == 200
        assert admin.put("/v1/fences/yard", json=FENCE, headers=edition).status_code == 412
        patch = {"properties": {"name": "Yard 2"}}
        assert admin.patch("/v1/fences/yard", json=patch, headers=edition).status_code == 412
        assert admin.patch("/v1/fences/yard", json=patch).json()["properties"]["name"] == "Yard 2"
        assert admin.patch("/v1/fences/none", json=patch).status_code == 404
        for wrong in ([], "", 0, False):
            assert (
                admin.put("/v1/fences/yard", json=FENCE | {"properties": wrong}).json()["code"]
                == "wrong_type"
            )
        assert viewer.get("/v1/fences/yard").status_code == 200
        assert viewer.get("/v1/fences/none").status_code == 404
        assert (
            admin.put(
                "/v1/fences/yard", json=FENCE | {"geometry": {"type": "Point", "coordinates": [1]}}
            ).status_code
            == 400
        )
        assert len(list(_follow(viewer, "/v1/fences?limit=1"))) == 3
        collection = {"type": "FeatureCollection", "features": [FENCE | {"id": "yard"}, FENCE]}
        assert admin.post("/v1/fences:import", json=collection).json()["code"] == "bad_features"
        assert admin.post("/v1/fences:import?skip_wrong=true", json=collection).json()["wrong"] == 1
        wkt = admin.post(
            "/v1/fences:import",
            content="A\tPOLYGON ((0 0, 1 0, 1 1, 0 0))",
            headers={"Content-Type": "text/plain"},
        )
        assert wkt.json()["created"] == 1
        assert admin.delete("/v1/fences/yard", headers=edition).status_code == 412
        assert admin.delete("/v1/fences/yard").status_code == 204
        assert admin.delete("/v1/fences/yard").status_code == 404


def _rules(say: Conversation) -> None:
    examples = say.described.document["components"]["requestBodies"]["Rule"]["content"]["application/json"][
        "examples"
    ]
    others = [
        {"kind": "exit", "fences": {"ids": ["yard"]}},
        {"kind": "cross", "fences": {"ids": ["yard"]}, "vehicles": {"tags": ["a"]}, "enabled": False},
        {"kind": "overspeed", "fences": {"ids": ["yard"]}, "limit_mps": 5},
        {"kind": "unauthorised", "fences": {"ids": ["yard"]}, "deny": {"ids": ["a"]}},
    ]
    with say.of("admin") as admin, say.of("viewer") as viewer:
        for rule in [*(one["value"] for one in examples.values()), *others]:
            made = admin.post("/v1/rules", json=rule)
            assert made.status_code == 201
            assert viewer.get(made.headers["location"]).json() == made.json()
        edition = {"If-Match": made.headers["etag"]}
        assert admin.put("/v1/rules/one", json=made.json() | {"id": "one"}).status_code == 201
        assert admin.post("/v1/rules", json=made.json()).status_code == 409
        path = made.headers["location"]
        assert admin.put(path, json=made.json(), headers=edition).status_code == 200
        assert admin.put(path, json=made.json(), headers=edition).status_code == 412
        assert admin.patch(path, json={"enabled": False}).json()["enabled"] is False
        assert admin.patch(path, json={"enabled": False}, headers=edition).status_code == 412
        assert admin.patch("/v1/rules/none", json={}).status_code == 404
        assert admin.put(path, json={"kind": "enter"}).json()["code"] == "missing_field"
        assert viewer.get("/v1/rules/none").status_code == 404
        assert len(list(_follow(viewer, "/v1/rules?limit=3"))) == 3
        assert len(viewer.get("/v1/rules?fence=yard").json()["rules"]) > 3
        assert admin.delete(path, headers=edition).status_code == 412
        assert admin.delete(path).status_code == 204
        assert admin.delete(path).status_code == 404


def _phones(say: Conversation) -> None:
    now_ms = int(time.time() * 1000)
    fixes = [
        {
            "time_ms": now_ms - 1_200_000 + i * 10_000,
            "lat": 37.0 + max(0, i - 60) * 2e-3,
            "lon": -122.0,
            "speed_mps": 20.0 * (i > 60),
        }
        for i in range(120)
    ]
    at = {"id": "truck/7", "lat": 37.2, "lon": -122.0}
    with say.of("device") as device, say.of("") as nobody, say.of("admin") as admin:
        assert nobody.post("/v1/fixes", json={"fixes": fixes}).status_code == 401
        assert admin.post("/v1/fixes", json={"fixes": fixes}).status_code == 403
        assert device.post("/v1/fixes", json={"fixes": fixes}).json()["accepted"] == len(fixes)
        assert device.post("/v1/fixes", json={"fixes": []}).status_code == 400
        packed = gzip.compress(json.dumps({"fixes": [{**fixes[-1], "lat": 0, "lon": 0}]}).encode())
        reply = device.post("/v1/fixes", content=packed, headers={"Content-Encoding": "gzip"}).json()
        assert reply["rejects"][0]["reasons"]
        assert device.get("/osmand", params=at).status_code == 200
        assert device.delete("/osmand", params=at).status_code == 200
        assert device.get("/osmand", params=at | {"id": "truck 8"}).status_code == 400
        assert nobody.get("/osmand", params=at).status_code == 400
        for ask in (device.post, device.put, device.patch):
            assert ask("/osmand", data=at).status_code == 200
        traccar = {
            "device_id": "truck 8",
            "location": {"timestamp": "2026-03-01T08:00:00Z", "coords": {"latitude": 1, "longitude": 2}},
        }
        assert device.post("/osmand", json=traccar).status_code == 404
        location = {"_type": "location", "lat": 37.2, "lon": -122.0, "tst": now_ms // 1000}
        assert device.post("/owntracks?d=truck/7", json=location).status_code == 200
        assert device.post("/owntracks?d=truck8", json=location).status_code == 404
        point = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-122.0, 37.2]},
            "properties": {"timestamp": "2026-03-01T08:00:00Z"},
        }
        assert device.post("/overland", json={"locations": [point]}).status_code == 200
        assert device.post("/overland", json={}).status_code == 400


def _reports(say: Conversation) -> None:
    with say.of("viewer") as viewer:
        for times in ("ms", "iso"):
            assert viewer.get(f"/v1/positions?times={times}").json()["positions"]
            assert viewer.get(f"{ANY_ID}/fixes?times={times}&limit=1000").json()["fixes"]
            assert viewer.get(f"{ANY_ID}/stops?times={times}").json()["stops"]
            assert viewer.get(f"{ANY_ID}/trips?times={times}").json()["trips"]
            assert viewer.get(f"{ANY_ID}/days?times={times}&time_zone=Europe/Berlin").json()["days"]
            assert viewer.get(f"{ANY_ID}/track?times={times}").json()["features"]
        assert len(list(_follow(viewer, f"{ANY_ID}/fixes?limit=50"))) > 1
        assert viewer.get(f"{ANY_ID}/fixes?thin=0").status_code == 200
        assert viewer.get(f"{ANY_ID}/fixes?implausible=true").status_code == 200
        assert viewer.get(f"{ANY_ID}/fixes?implausible=true&thin=1").json()["code"] == "bad_combination"
        assert len(list(_follow(viewer, f"{ANY_ID}/days?limit=3"))) == 3
        for name in ("gpx", "csv", "mf-json"):
            assert viewer.get(f"{ANY_ID}/track?format={name}").status_code == 200
        assert viewer.get(f"{ANY_ID}/track", headers={"Accept": "image/png"}).status_code == 406
        assert viewer.get(f"{ANY_ID}/track?gap_s=38295.43331124457").status_code == 200
        assert viewer.get("/v1/gtfs-rt/vehicle-positions").status_code == 200
        assert viewer.get("/v1/positions?id=truck/7&id=none").status_code == 200
        now_ms = int(time.time() * 1000)
        iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ms / 1000 - 7200))
        for what in ("fixes", "track", "trips", "stops", "days"):
            assert viewer.get(f"/v1/vehicles/none/{what}").status_code == 404
            assert viewer.get(f"{ANY_ID}/{what}?from=x").status_code == 400
            if what != "days":
                assert viewer.get(f"{ANY_ID}/{what}", params={"from": iso, "to": now_ms}).status_code == 200
        assert viewer.get(ANY_ID).json()["position"]["lat"] > 37


def _webhooks(say: Conversation) -> None:
    """Before the events, of which the one that leads to where nothing is gets dead letters."""
    with say.of("admin") as admin, say.of("viewer") as viewer:
        hook = {"url": f"{say.url}/v1/nothing", "kinds": ["enter", "exit"]}
        made = admin.post("/v1/webhooks", json=hook)
        assert made.status_code == 201
        path, edition = made.headers["location"], {"If-Match": made.headers["etag"]}
        assert admin.get(path).json() == {k: v for k, v in made.json().items() if k != "secret"}
        assert admin.post("/v1/webhooks", json=made.json()).status_code == 409
        assert admin.put("/v1/webhooks/nowhere", json=hook).status_code == 201
        assert admin.put(path, json=hook | {"paused": True}, headers=edition).status_code == 200
        assert admin.put(path, json=hook, headers=edition).status_code == 412
        assert admin.patch(path, json={"paused": False}).json()["paused"] is False
        assert admin.patch(path, json={}, headers=edition).status_code == 412
        assert admin.patch("/v1/webhooks/none", json={}).status_code == 404
        assert admin.post(f"{path}/secret", json={"overlap_s": 60}).json()["old_secret_until_ms"]
        assert admin.post(f"{path}/secret", json={"overlap_s": -1}).status_code == 400
        assert admin.post(f"{path}/secret", json={"secret": "x"}).json()["code"] == "bad_secret"
        assert (
            admin.post("/v1/webhooks", json={"url": "https://10.0.0.1/"}).json()["code"]
            == "address_not_allowed"
        )
        assert admin.put(path, content=b"x" * 1_100_000).status_code == 413
        assert viewer.get("/v1/webhooks").status_code == 403
        assert len(list(_follow(admin, "/v1/webhooks?limit=1"))) == 2
        assert admin.delete(path, headers=edition).status_code == 412
        assert admin.delete(path).status_code == 204
        for ask in (admin.delete, admin.get):
            assert ask(path).status_code == 404


def _dead_letters(say: Conversation) -> None:
    with say.of("admin") as admin:
        path = "/v1/webhooks/nowhere"
        assert _until(lambda: admin.get(f"{path}/status").json()["dead"] == 5)
        pages = list(_follow(admin, f"{path}/dead-letters?limit=3"))
        letters = [letter for page in pages for letter in page["dead_letters"]]
        assert (len(pages), {letter["error"] for letter in letters}) == (2, {"answered 404"})
        assert {letter["event"]["event"] for letter in letters} == {"enter", "exit"}
        chosen = {"events": [letters[0]["id"], "none"]}
        assert admin.post(f"{path}/redeliver", json=chosen).json() == {"due": 1}
        assert admin.post(f"{path}/redeliver", json={"all": True}).status_code == 202
        for wrong in ({}, {"all": False}, chosen | {"all": True}, {"all": 1}, {"events": []}):
            assert admin.post(f"{path}/redeliver", json=wrong).status_code == 400
        assert admin.get(f"{path}/dead-letters?after=x").json()["code"] == "bad_place"
        for what in ("status", "dead-letters"):
            assert admin.get(f"/v1/webhooks/none/{what}").status_code == 404
        for what in ("redeliver", "secret"):
            assert admin.post(f"/v1/webhooks/none/{what}", json={"all": True}).status_code in {400, 404}


def _events(say: Conversation) -> None:
    """A van goes through two fences and stays in a third."""
    wide = {
        "type": "Polygon",
        "coordinates": [[[9.9, 9.9], [10.2, 9.9], [10.2, 10.2], [9.9, 10.2], [9.9, 9.9]]],
    }
    near = {"type": "Polygon", "coordinates": [[[9.99, 9.99], [10.01, 9.99], [10.01, 10.01], [9.99, 10.01], [9.99, 9.99]]]}  # fmt: skip
    with say.of("admin") as admin, say.of("van") as device:
        for name, shape in (("dock 1", near), ("dock 2", near), ("town", wide)):
            assert admin.put(f"/v1/fences/{name}", json=FENCE | {"geometry": shape}).status_code == 201
        now_ms = int(time.time() * 1000)
        fixes = [
            {"time_ms": now_ms - 600_000 + i * 10_000, "lat": 10.0 + i * 1e-3, "lon": 10.0, "speed_mps": 11.0}
            for i in range(40)
        ]
        assert device.post("/v1/fixes", json={"fixes": fixes}).json()["accepted"] == len(fixes)
        told = _until(lambda: admin.get("/v1/events?vehicle=van").json()["events"], 5)
    with say.of("viewer") as viewer:
        kinds = [event["event"] for event in told]
        assert sorted(kinds) == ["enter", "enter", "enter", "exit", "exit"]
        paged = [
            event for page in _follow(viewer, "/v1/events?limit=2&vehicle=van") for event in page["events"]
        ]
        assert paged == told
        newest = viewer.get("/v1/events?order=newest&vehicle=van").json()["events"]
        assert newest == told[::-1]
        for query in (
            "kind=exit",
            "fence=dock+1",
            f"from={now_ms - 86_400_000}&to={now_ms}",
            f"after={told[0]['id']}",
        ):
            assert viewer.get(f"/v1/events?vehicle=van&{query}").json()["events"]
        for wrong in ("kind=x", "order=x", "limit=0", "from=x", "from=2&to=1", "vehicle="):
            assert viewer.get(f"/v1/events?{wrong}").status_code == 400
        _visits(viewer)


def _visits(viewer: httpx.Client) -> None:
    for times in ("ms", "iso"):
        for path, count in (("visits", 3), ("vehicles/van/visits", 3), ("fences/dock%201/visits", 1)):
            assert len(viewer.get(f"/v1/{path}?times={times}").json()["visits"]) == count
        zones = viewer.get(f"/v1/vehicles/van/time-in-zones?times={times}").json()["fences"]
        assert [(zone["fence"], zone["is_open"]) for zone in zones] == [
            ("dock 1", False), ("dock 2", False), ("town", True),
        ]  # fmt: skip
        vans = viewer.get(f"/v1/fences/town/time-of-vehicles?times={times}").json()["vehicles"]
        assert [van["vehicle"] for van in vans] == ["van"]
    for path in ("/v1/visits", "/v1/vehicles/van/visits", "/v1/vehicles/van/time-in-zones"):
        assert len(list(_follow(viewer, f"{path}?limit=1"))) == 3
    for path in ("visits?open=true", "visits?vehicle=van&fence=town", "vehicles/van/visits?fence=town"):
        assert len(viewer.get(f"/v1/{path}").json()["visits"]) == 1
    for path in (
        "vehicles/none/visits",
        "vehicles/none/time-in-zones",
        "fences/none/visits",
        "fences/none/time-of-vehicles",
    ):
        assert viewer.get(f"/v1/{path}").status_code == 404
    for wrong in ("open=x", "after=x", "from=x", "from=2&to=1", "limit=0", "times=x", "vehicle="):
        assert viewer.get(f"/v1/visits?{wrong}").status_code == 400


def _until(found: Callable[[], Any], least: int = 1, within_s: float = 30) -> Any:
    """What is found, once it is something, or has so many things; events are stored a moment after they happen."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        value = found()
        if value if isinstance(value, bool) else len(value) >= least:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s} s: {value}")


def _access(say: Conversation) -> None:
    with say.of("admin") as admin:
        share = admin.post("/v1/shares", json={"vehicles": ["truck/7"], "lasts_s": 60})
        assert share.status_code == 201
        admin.post("/v1/shares", json={"name": "b", "vehicles": ["truck/7"], "lasts_s": 60})
        shared = {"Authorization": f"Bearer {share.json()['token']}"}
        assert admin.get("/v1/positions", headers=shared).json()["code"] == "shared_view"
        assert admin.post("/v1/shares", json={"vehicles": []}).status_code == 400
        assert len(list(_follow(admin, "/v1/shares?limit=1"))) == 2
        assert admin.delete(share.headers["location"]).status_code == 204
        assert admin.delete(share.headers["location"]).status_code == 404
        assert admin.get("/v1/positions", headers=shared).json()["code"] == "revoked_token"
        for whom in (
            {"token_id": "t1"},
            {"vehicle": "v"},
            {"vehicle": "w", "before": "2026-01-01T00:00:00Z"},
            {"everybody": True, "before_ms": 1},
        ):
            assert admin.post("/v1/revocations", json=whom).status_code == 201
        assert admin.post("/v1/revocations", json={}).status_code == 400
        found = [one for page in _follow(admin, "/v1/revocations?limit=2") for one in page["revocations"]]
        assert len(found) == 5
        assert admin.get("/v1/audit?limit=2").json()["next"]
        assert sum(len(page["records"]) for page in _follow(admin, "/v1/audit?limit=20")) > 20


async def test_every_route_answers_as_it_is_described() -> None:
    """Each operation of the document succeeds once, and each answer, also of what goes wrong, is as the document says."""
    async with hub(webhook_private_networks="127.0.0.0/8") as found:
        say = Conversation(found)
        for part in (
            _hub_itself, _vehicles, _fences, _rules, _phones, _reports, _webhooks, _events, _dead_letters, routes_and_loads, dispatching,
            availability, _access,
        ):  # fmt: skip
            await asyncio.to_thread(part, say)
    good = {(method, path) for method, path, status in say.described.seen if status < 300}
    ours = {
        (method, path) for method, path in say.described.operations if not path.startswith(OWN_CONVERSATIONS)
    }
    assert ours - good == set()


ELSEWHERE = [
    ("GET", "/nothing", {}, 404, "not_found"),
    ("GET", "/v1/nothing", {}, 404, "not_found"),
    ("POST", "/v1/nothing", {}, 404, "not_found"),
    ("POST", "/", {}, 405, "method_not_allowed"),
    ("DELETE", "/v1/fences", {}, 405, "method_not_allowed"),
    ("GET", "/v1/fixes", {}, 405, "method_not_allowed"),
    ("PATCH", "/health", {}, 405, "method_not_allowed"),
    ("BREW", "/v1/fences", {}, 405, "method_not_allowed"),
    ("GET", "/%00", {}, 404, "not_found"),
    ("GET", "/" + "a" * 3_000, {}, 404, "not_found"),
    ("GET", "/docs/../../document.py", {}, 404, "not_found"),
    ("GET", "/docs/%2e%2e/document.py", {}, 404, "not_found"),
    ("GET", "/health", {"X": "a" * 17_000}, 431, "head_too_large"),
]
NO_HTTP = [
    (b"GET /health HTTP/1.1\r\nX: " + b"a" * 20_000, 431, "head_too_large"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400, "bad_http"),
    (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_http"),
    (b"POST /v1/fixes HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_http"),
]


async def test_every_error_is_a_problem_document() -> None:
    """Also of paths that are none, methods that are none, heads that are too large and what is no HTTP; a foreign page that may read us can read them."""
    async with hub(allowed_origins=PAGE) as found:
        url = f"http://127.0.0.1:{found.http_port}"
        described = Described((await asyncio.to_thread(httpx.get, f"{url}/openapi.json")).json())
        async with httpx.AsyncClient(timeout=30) as client:
            for method, path, headers, status, code in ELSEWHERE:
                answer = await client.request(method, url + path, headers={**headers, "Origin": PAGE})
                place = f"{method} {path[:40]}: {answer.status_code} {answer.text[:200]}"
                assert (answer.status_code, answer.headers["content-type"]) == (
                    status,
                    "application/problem+json",
                ), place
                described.validate({"$ref": "#/components/schemas/Problem"}, answer.json(), place)
                assert (answer.json()["code"], answer.json()["status"]) == (code, status), place
                assert answer.headers["access-control-allow-origin"] == PAGE, place
                if status == 405:
                    assert answer.headers["allow"], place
        for sent, status, code in NO_HTTP:
            await _hears_a_problem(found.http_port, sent, status, code)


async def _hears_a_problem(port: int, sent: bytes, status: int, code: str) -> None:
    """What is no HTTP: with the headers of every answer, and the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"content-type: application/problem+json" in head.lower()
    assert b"content-security-policy: " in head.lower()
    assert (json.loads(body)["code"], json.loads(body)["status"]) == (code, status)


async def test_a_rate_limit_is_a_problem_document() -> None:
    """A foreign page can read it, and when to come back; other pages cannot."""
    async with (
        hub(allowed_origins=PAGE, address_rate_per_s=0.1, address_burst=20) as found,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{found.http_port}") as client,
    ):
        for _ in range(30):
            answer = await client.get("/health", headers={"Origin": PAGE})
        other = await client.get("/health", headers={"Origin": "https://other.example"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["content-security-policy"]
