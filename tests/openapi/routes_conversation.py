"""The part of the conversation that is about loads, routes and profiles."""

import json
import time
from typing import Any

import httpx

from benchmarks.processes import FLEET, SECRET
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

PICKUP = {"lat": 52.5, "lon": 13.4, "name": "Store", "opens": "2026-01-31T08:00:00+01:00", "service_s": 60}
DELIVERY = {"lat": 52.6, "lon": 13.5, "closes": 1_790_000_000_000, "radius_m": 80}
LOAD = {"pickup": PICKUP, "delivery": DELIVERY, "size": {"kg": 8.5}, "needs": ["reefer"], "left_out_cost": 3}
LINE = {"type": "LineString", "coordinates": [[13.4, 52.5], [13.45, 52.55, 30.0], [13.5, 52.6]]}
VAN = "/v1/vehicles/van"


def _stops(load: str) -> list[dict[str, Any]]:
    return [{"id": f"{load}-{kind}", "kind": kind, "load": load} for kind in ("pickup", "delivery")]


def routes_and_loads(say: Any) -> None:
    """Each operation once, and what commonly goes wrong."""
    with say.of("admin") as admin, say.of("viewer") as viewer, say.of("van") as device:
        _loads(admin, viewer)
        _routes(admin, viewer, device)
        _profiles(admin, viewer)
        _shared(admin)


def _loads(admin: httpx.Client, viewer: httpx.Client) -> None:
    made = admin.post("/v1/loads", json=LOAD)
    assert made.status_code == 201
    path, edition = made.headers["location"], {"If-Match": made.headers["etag"]}
    assert viewer.get(path).json() == made.json()
    assert viewer.put(path, json=LOAD).status_code == 403
    assert admin.post("/v1/loads", json=made.json()).status_code == 409
    assert admin.put("/v1/loads/a", json=LOAD).status_code == 201
    assert admin.put(path, json=made.json(), headers=edition).status_code == 200
    assert admin.put(path, json=LOAD, headers=edition).status_code == 412
    assert admin.put(path, json={}).json()["code"] == "missing_field"
    assert admin.put(path, json={"pickup": PICKUP | {"fence": "none"}}).json()["code"] == "no_such_fence"
    assert admin.patch(path, json={"size": {"kg": 9}}).json()["size"] == {"kg": 9}
    assert admin.patch(path, json={}, headers=edition).status_code == 412
    assert admin.patch("/v1/loads/none", json={}).status_code == 404
    many = [{"id": f"l{i}", "delivery": DELIVERY} for i in range(5)]
    assert len(admin.post("/v1/loads:import", json=many).json()["loads"]) == 5
    assert admin.post("/v1/loads:import", json=many).status_code == 409
    assert admin.post("/v1/loads:import", json={}).status_code == 400
    assert admin.post("/v1/loads:import", json=[{}] * 1001).status_code == 413
    lines = "\n".join(json.dumps(one) for one in (LOAD, {"id": "wrong"}))
    wrong = admin.post("/v1/loads:import", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert (wrong.json()["code"], wrong.json()["errors"][0]["index"]) == ("bad_loads", 1)
    page = viewer.get("/v1/loads?limit=2&status=open").json()
    assert len(viewer.get(page["next"]).json()["loads"]) == 2
    assert viewer.get("/v1/loads?status=x").status_code == 400
    assert admin.delete(path, headers=edition).status_code == 412
    for _ in range(2):
        assert admin.delete(path).status_code == 204
    assert admin.put(path, json=LOAD).json()["code"] == "load_over"
    assert admin.delete("/v1/loads/none").status_code == 404


def _routes(admin: httpx.Client, viewer: httpx.Client, device: httpx.Client) -> None:
    assert device.get(f"{VAN}/route").status_code == 404
    stops = [*_stops("a"), {"lat": 52.4, "lon": 13.3, "planned": "2026-01-31T12:00:00Z"}]
    made = admin.post("/v1/routes", json={"vehicle": "van", "stops": stops, "line": LINE})
    assert made.status_code == 201
    path, edition = made.headers["location"], {"If-Match": made.headers["etag"]}
    assert admin.post("/v1/routes", json=made.json()).status_code == 409
    assert admin.put(path, json=made.json(), headers=edition).status_code == 200
    assert admin.put(path, json=made.json(), headers=edition).status_code == 412
    assert admin.put(path, json={"vehicle": "van", "stops": stops[:1]}).json()["code"] == "bad_stops"
    assert admin.put("/v1/routes/b", json={"vehicle": "b", "stops": stops[2:]}).status_code == 201
    assert (
        admin.put("/v1/routes/c", json={"vehicle": "c", "stops": _stops("a")}).json()["code"]
        == "load_planned"
    )
    first = f"{path}/stops/a-pickup"
    assert admin.post(f"{first}/arrive").json()["code"] == "stop_not_due"
    assert admin.patch(path, json={"status": "active"}).json()["status"] == "active"
    assert admin.patch(path, json={}, headers=edition).status_code == 412
    assert admin.patch("/v1/routes/none", json={}).status_code == 404
    for whose in (device, viewer):
        assert whose.get(f"{VAN}/route").json()["line"]["coordinates"][1] == [13.45, 52.55]
    assert device.get("/v1/vehicles/truck%208/route").json()["code"] == "other_vehicle"
    assert device.get(path).status_code == 403
    assert viewer.post(f"{first}/arrive").status_code == 403
    arrived = admin.post(f"{first}/arrive", json={"time": "2026-01-31T09:12:00Z"}).json()
    assert (arrived["stops"][0]["state"], arrived["stops"][0]["arrived"]) == ("arrived", 1_769_850_720_000)
    assert admin.post(f"{first}/arrive", json={"time": 2**45}).json()["code"] == "bad_time"
    assert admin.post(f"{first}/depart").json()["stops"][0]["state"] == "done"
    assert viewer.get("/v1/loads/a").json()["status"] == "on_board"
    assert admin.post(f"{first}/skip").json()["code"] == "stop_over"
    assert admin.post(f"{path}/stops/none/skip").status_code == 404
    assert admin.post(f"{path}/stops/a-delivery/skip").json()["stops"][1]["state"] == "skipped"
    page = viewer.get("/v1/routes?limit=1").json()
    assert len(viewer.get(page["next"]).json()["routes"]) == 1
    assert [one["id"] for one in viewer.get("/v1/routes?vehicle=b").json()["routes"]] == ["b"]
    assert viewer.get("/v1/routes?off_route=true").json() == {"routes": []}
    assert viewer.get("/v1/routes?off_route=x").status_code == 400
    assert viewer.get("/v1/routes/none").status_code == 404
    assert viewer.get("/v1/routes/b").status_code == 200
    assert admin.delete("/v1/routes/b", headers=edition).status_code == 412
    assert admin.delete("/v1/routes/b").status_code == 204
    assert admin.patch("/v1/routes/b", json={}).json()["code"] == "route_over"
    assert admin.delete("/v1/routes/none").status_code == 404


def _profiles(admin: httpx.Client, viewer: httpx.Client) -> None:
    profile = {
        "capacity": {"kg": 900},
        "skills": ["reefer"],
        "start": {"lat": 52.5, "lon": 13.4},
        "shift_opens": 0,
    }
    path = f"{VAN}/profile"
    assert viewer.get(path).status_code == 404
    made = admin.put(path, json=profile)
    assert made.status_code == 201
    assert viewer.get(path).json() == made.json()
    edition = {"If-Match": made.headers["etag"]}
    assert admin.put(path, json=made.json(), headers=edition).status_code == 200
    assert admin.put(path, json=profile, headers=edition).status_code == 412
    assert admin.put(path, json={"break_s": 1}).json()["code"] == "missing_field"
    assert admin.delete(path, headers=edition).status_code == 412
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).status_code == 404


def _shared(admin: httpx.Client) -> None:
    """A shared view reads the routes of its vehicles, and nothing else of this."""
    assert admin.put("/v1/routes/other", json={"vehicle": "b", "status": "active", "stops": [PICKUP]}).status_code == 201  # fmt: skip
    now_ms = int(time.time() * 1000)
    claims = Claims(FLEET, "viewer", None, now_ms + 60_000, frozenset({"van"}), issued_ms=now_ms)
    held = {"Authorization": f"Bearer {TokenBook(SECRET.encode()).make(claims)}"}
    (own,) = admin.get("/v1/routes", headers=held).json()["routes"]
    assert own["vehicle"] == "van"
    assert admin.get(f"/v1/routes/{own['id']}", headers=held).json() == own
    assert admin.get(f"{VAN}/route", headers=held).json() == own
    assert admin.get("/v1/routes/other", headers=held).status_code == 404
    assert admin.get("/v1/vehicles/b/route", headers=held).json()["code"] == "other_vehicle"
    assert admin.get("/v1/loads", headers=held).json()["code"] == "shared_view"
    for route in ("other", own["id"]):
        assert admin.delete(f"/v1/routes/{route}").status_code == 204
