"""Loads, routes and profiles over HTTP on a real PostgreSQL: what is wrong is named, and nothing of it is taken."""

import asyncio

import orjson
import pytest
from route_app import NOW_MS, route_app
from route_world import load, place

from haulcast.routes.document_fields import document_of_place, place_of
from haulcast.routes.load_documents import document_of_load, load_of_document
from haulcast.routes.profile_documents import document_of_profile, profile_of_document
from haulcast.routes.route_documents import MOST_LINE_POINTS, MOST_STOPS, RouteOutlook

P, D = document_of_place(place(1)), document_of_place(place(2))
LOAD = {"pickup": P, "delivery": D}
PAIR = [{"id": "p", "kind": "pickup", "load": "a"}, {"id": "d", "kind": "delivery", "load": "a"}]


@pytest.fixture
async def hub(database):
    """The app, with one load."""
    async with route_app(database) as found:
        async with found.client() as client:
            assert (await client.put("/v1/loads/a", json=LOAD)).status_code == 201
        yield found


def _line(points: int) -> dict:
    return {"type": "LineString", "coordinates": [[13.0 + i / 1e6, 52.0] for i in range(points)]}


WRONG_LOADS = {
    "pickup": {},
    "id": {"id": ".", "pickup": P},
    "pickup.lat": {"pickup": {"lon": 1}},
    "pickup.lon": {"pickup": P | {"lon": 180.1}},
    "delivery.radius_m": {"delivery": D | {"radius_m": 9.9}},
    "delivery.name": {"delivery": D | {"name": "a\0"}},
    "delivery.closes": {"delivery": D | {"opens": 5, "closes": 4}},
    "pickup.opens": {"pickup": P | {"opens": "2026-01-31T08:00:00"}},
    "pickup.closes": {"pickup": P | {"closes": 1e30}},
    "pickup.service_s": {"pickup": P | {"service_s": -1}},
    "pickup.fence": {"pickup": P | {"fence": ""}},
    "size.kg": {"pickup": P, "size": {"kg": -0.1}},
    "size.m3": {"pickup": P, "size": {"m3": 1e10}},
    "size.t": {"pickup": P, "size": {"t": "NaN"}},
    "size": {"pickup": P, "size": {str(i): 1 for i in range(9)}},
    "needs": {"pickup": P, "needs": "reefer"},
    "left_out_cost": {"pickup": P, "left_out_cost": True},
    "colour": {"pickup": P, "colour": "red"},
}


@pytest.mark.parametrize("field", WRONG_LOADS)
async def test_a_wrong_load_names_its_field(hub, field) -> None:
    """Each wrong member is a 400 whose `field` is that member, with what is allowed, and no load is made."""
    async with hub.client() as client:
        answer = await client.post("/v1/loads", json={"id": "x", **WRONG_LOADS[field]})
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
        assert (await client.get("/v1/loads/x")).status_code == 404


async def test_bodies_that_are_no_numbers_or_no_json_are_refused(hub) -> None:
    """NaN is no JSON, nor is half a document; a list is no load; a large body is refused before it is read."""
    async with hub.client() as client:
        for body, code in (
            (b'{"id":"x","pickup":{"lat":NaN,"lon":1}}', "bad_json"),
            (b'{"id":', "bad_json"),
            (b"[]", "wrong_type"),
            (b" " * 70_000, "body_too_large"),
        ):
            assert (await client.post("/v1/loads", content=body)).json()["code"] == code
    late = LOAD | {"pickup": P | {"opens": 10_000, "service_s": 5}, "delivery": D | {"closes": 14_999}}
    async with hub.client() as client:
        assert (await client.post("/v1/loads", json=late)).json()["field"] == "delivery.closes"


WRONG_ROUTES = {
    "vehicle": {"stops": PAIR},
    "stops": {"vehicle": "v", "stops": {}},
    "stops[1].id": {"vehicle": "v", "stops": [PAIR[0], PAIR[1] | {"id": "p"}]},
    "stops[0].kind": {"vehicle": "v", "stops": [P | {"kind": "x"}]},
    "stops[1].kind": {"vehicle": "v", "stops": [P, {"load": "a"}]},
    "stops[0].load": {"vehicle": "v", "stops": [P | {"kind": "pickup"}]},
    "stops[1].load": {"vehicle": "v", "stops": [P, P | {"kind": "stop", "load": "a"}]},
    "stops[0].lat": {"vehicle": "v", "stops": [{}]},
    "stops[0].lon": {"vehicle": "v", "stops": [{"lat": 1}]},
    "stops[0].planned": {"vehicle": "v", "stops": [P | {"planned": "soon"}]},
    "status": {"vehicle": "v", "stops": PAIR, "status": "driven"},
    "line": {"vehicle": "v", "stops": PAIR, "line": _line(1)},
    "line.coordinates[1]": {"vehicle": "v", "stops": PAIR, "line": {"type": "LineString", "coordinates": [[1, 2], [1, 91]]}},
    "plans": {"vehicle": "v", "stops": PAIR, "plans": 1},
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG_ROUTES)
async def test_a_wrong_route_names_its_field(hub, field) -> None:
    """Each wrong member is a 400 whose `field` is that member, and no route is made."""
    async with hub.client() as client:
        answer = await client.put("/v1/routes/x", json=WRONG_ROUTES[field])
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
        assert (await client.get("/v1/routes/x")).status_code == 404
        assert (await client.get("/v1/loads/a")).json()["status"] == "open"


async def test_limits_are_what_is_said(hub) -> None:
    """As many stops and positions as are allowed are taken, and come back; one more is a 413 that says how many."""
    stops = [P | {"id": str(i)} for i in range(MOST_STOPS + 1)]
    async with hub.client() as client:
        route = {"vehicle": "v", "stops": stops[:-1], "line": _line(MOST_LINE_POINTS)}
        made = await client.put("/v1/routes/r", json=route)
        assert made.status_code == 201
        assert len(made.json()["stops"]) == MOST_STOPS
        assert (await client.get("/v1/routes/r")).json()["line"] == route["line"]
        for more, code in (({"stops": stops}, "too_many_stops"), ({"line": _line(MOST_LINE_POINTS + 1)}, "too_many_vertices")):  # fmt: skip
            answer = await client.put("/v1/routes/r", json=route | more)
            assert (answer.status_code, answer.json()["code"]) == (413, code)
        assert len(hub.fences.ids()) == 1


async def test_stops_take_the_places_of_their_loads(hub) -> None:
    """And what a stop says itself counts, whole."""
    async with hub.client() as client:
        made = await client.put("/v1/routes/r", json={"vehicle": "v", "stops": PAIR})
        assert [stop["lat"] for stop in made.json()["stops"]] == [P["lat"], D["lat"]]
        own = [PAIR[0] | {"lat": 1, "lon": 2}, PAIR[1]]
        changed = await client.put("/v1/routes/r", json={"vehicle": "v", "stops": own})
        assert (changed.json()["stops"][0]["lat"], changed.json()["stops"][0].get("name")) == (1, None)
        same = await client.put("/v1/routes/r", json=changed.json())
        assert same.json() | {"edition": ""} == changed.json() | {"edition": ""}


async def test_roles(hub) -> None:
    """Viewers read, dispatchers write, a device reads its own vehicle's route, and another fleet sees nothing."""
    async with hub.client() as client:
        await client.put("/v1/routes/r", json={"vehicle": "v", "status": "active", "stops": PAIR})
    for token, asked, status in (
        ("acme/viewer", ("GET", "/v1/routes/r"), 200),
        ("acme/viewer", ("DELETE", "/v1/routes/r"), 403),
        ("acme/viewer", ("POST", "/v1/routes/r/stops/p/arrive"), 403),
        ("acme/viewer", ("POST", "/v1/loads:import"), 403),
        ("acme/viewer", ("PUT", "/v1/vehicles/v/profile"), 403),
        ("acme/device/v", ("GET", "/v1/vehicles/v/route"), 200),
        ("acme/device/w", ("GET", "/v1/vehicles/v/route"), 403),
        ("acme/device/v", ("GET", "/v1/routes/r"), 403),
        ("acme/device/v", ("GET", "/v1/loads/a"), 403),
        ("globex/admin", ("GET", "/v1/routes/r"), 404),
        ("globex/admin", ("DELETE", "/v1/loads/a"), 404),
        ("globex/admin", ("GET", "/v1/vehicles/v/route"), 404),
        ("", ("GET", "/v1/routes"), 401),
    ):
        async with hub.client(token) as client:
            assert (await client.request(*asked)).status_code == status, (token, asked)


async def test_what_is_known_while_it_is_driven(hub) -> None:
    """ETA, lateness and progress stand in the route, and those that are off it can be listed; of others they do not."""
    async with hub.client() as client:
        for name in ("r", "s", "t"):
            route = {"vehicle": name, "status": "active", "stops": [P | {"id": "p"}, D | {"id": "d"}]}
            await client.put(f"/v1/routes/{name}", json=route)
        for name, is_off in (("r", True), ("s", False), ("t", True)):
            progress = {"is_off_route": is_off, "left_m": 5.5, "along_m": 1.0, "time": NOW_MS}
            hub.outlooks[name] = RouteOutlook({"p": NOW_MS, "d": NOW_MS + 1}, {"d": 2.5}, progress)
        found = (await client.get("/v1/routes/r")).json()
        assert found["progress"]["left_m"] == 5.5
        assert [(stop["eta"], stop.get("late_s")) for stop in found["stops"]] == [
            (NOW_MS, None),
            (NOW_MS + 1, 2.5),
        ]
        page = (await client.get("/v1/routes?off_route=true&limit=1")).json()
        assert [one["id"] for one in page["routes"]] == ["r"]
        page = (await client.get(page["next"])).json()
        assert ([one["id"] for one in page["routes"]], "next" in page) == (["t"], False)
        assert (await client.get("/v1/routes?off_route=true&status=planned")).json() == {"routes": []}
        await client.post("/v1/routes/r/stops/p/depart")
        assert "eta" not in (await client.get("/v1/routes/r")).json()["stops"][0]
        await client.patch("/v1/routes/r", json={"status": "cancelled"})
        assert "progress" not in (await client.get("/v1/routes/r")).json()


async def test_marks_of_a_dispatcher(hub) -> None:
    """Arrival and departure at the times that are said, or now; twice is as once; what cannot be is a 409 that says why."""
    async with hub.client() as client:
        await client.put("/v1/routes/r", json={"vehicle": "v", "status": "active", "stops": PAIR})
        early = await client.post("/v1/routes/r/stops/d/depart")
        assert (early.status_code, early.json()["code"]) == (409, "stop_not_due")
        assert "not picked up" in early.json()["detail"]
        for _ in range(2):
            done = await client.post("/v1/routes/r/stops/p/depart", json={"time": NOW_MS - 5})
        assert done.json()["stops"][0] | {"left": NOW_MS - 5, "state": "done"} == done.json()["stops"][0]
        assert (await client.post("/v1/routes/r/stops/p/skip")).json()["code"] == "stop_over"
        assert (
            await client.post("/v1/routes/r/stops/d/arrive", json={"time": NOW_MS + 61_000})
        ).status_code == 400
        assert (await client.post("/v1/routes/r/stops/d/arrive", content=b"{")).status_code == 400
        arrived = (await client.post("/v1/routes/r/stops/d/arrive")).json()
        assert arrived["stops"][1]["arrived"] == NOW_MS
        over = (await client.post("/v1/routes/r/stops/d/depart")).json()
        assert over["status"] == "done"
        assert (await client.post("/v1/routes/r/stops/d/depart")).json() == over
        assert (await client.get("/v1/vehicles/v/route")).status_code == 404
        assert (await client.get("/v1/loads/a")).json()["status"] == "delivered"


async def test_ids_may_have_slashes(hub) -> None:
    """Ids of loads, routes, stops and vehicles go through paths as they are."""
    async with hub.client() as client:
        assert (await client.put("/v1/loads/a%2Fb", json=LOAD)).status_code == 201
        stops = [one | {"load": "a/b", "id": f"s/{one['id']}"} for one in PAIR]
        route = {"vehicle": "v/1", "status": "active", "stops": stops}
        made = await client.put("/v1/routes/r%2F1", json=route)
        assert made.headers["location"] == "/v1/routes/r%2F1"
        assert (await client.post("/v1/routes/r%2F1/stops/s%2Fp/depart")).status_code == 200
        assert (await client.get("/v1/vehicles/v%2F1/route")).json()["stops"][0]["state"] == "done"
        assert (await client.put("/v1/vehicles/v%2F1/profile", json={})).json()["vehicle"] == "v/1"


async def test_two_dispatchers_with_one_edition(hub) -> None:
    """Of two writes with the same If-Match one is done, and patches without it are all done."""
    async with hub.client() as client:
        made = await client.put("/v1/routes/r", json={"vehicle": "v", "stops": PAIR})
        edition = {"If-Match": made.headers["etag"]}
        puts = (client.put("/v1/routes/r", json=made.json(), headers=edition) for _ in range(4))
        assert sorted([answer.status_code for answer in await asyncio.gather(*puts)]) == [200, 412, 412, 412]
        patches = (client.patch("/v1/loads/a", json={"size": {str(i): i}}) for i in range(4))
        assert [answer.status_code for answer in await asyncio.gather(*patches)] == [200] * 4
        assert (await client.get("/v1/loads/a")).json()["size"] == {str(i): i for i in range(4)}


async def test_imports_are_whole(hub) -> None:
    """A thousand loads, as a list or as lines, come in one write; with one that is wrong or there already none does."""
    many = [{**LOAD, "id": f"l{i}"} for i in range(1000)]
    lines = {"Content-Type": "application/x-ndjson"}
    async with hub.client() as client:
        for wrong, status, code in (
            ([*many[:5], {"id": "x"}, {"id": "l0", **LOAD}], 400, "bad_loads"),
            ([*many[:5], {"id": "a", **LOAD}], 409, "load_exists"),
            ([*many[:5], {"pickup": P | {"fence": "none"}}], 400, "no_such_fence"),
            ([*many, LOAD], 413, "too_many_loads"),
            ([], 400, "wrong_type"),
        ):
            answer = await client.post("/v1/loads:import", json=wrong)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        errors = (await client.post("/v1/loads:import", json=[many[0], {"id": "x"}, many[0]])).json()[
            "errors"
        ]
        assert [(one["index"], one["id"], one["code"]) for one in errors] == [(1, "x", "missing_field"), (2, "l0", "same_id")]  # fmt: skip
        body = b"\n".join(orjson.dumps(one) for one in many)
        made = await client.post("/v1/loads:import", content=body, headers=lines)
        assert [one["id"] for one in made.json()["loads"]] == [one["id"] for one in many]
        assert hub.edits.book.sizes("acme") == (1001, 0)


def test_documents_come_back() -> None:
    """What is read from what was written is the same."""
    one = load(pickup=place(1, fence="x", opens_ms=1, closes_ms=2, service_s=3.0), left_out_cost=0.5)
    assert load_of_document(document_of_load(one), "acme") == one
    assert place_of(document_of_place(place(3)), "x") == place(3)
    profile = profile_of_document({"capacity": {"kg": 1.5}, "skills": ["b", "a"], "end": {"lat": 1, "lon": 2}, "shift_opens": 5, "shift_closes": "1970-01-01T00:00:09Z", "break_s": 1, "break_after_s": 2, "cost_per_km": 0})  # fmt: skip
    assert profile.shift_closes_ms == 9_000
    assert profile_of_document(document_of_profile("v", profile, "1")) == profile
