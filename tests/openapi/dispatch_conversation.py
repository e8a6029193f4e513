"""The part of the conversation that is about who should take a load; after that about loads and routes, and while a van reports."""

import time
from typing import Any

PICKUP, DELIVERY = {"lat": 10.1, "lon": 10.0}, {"lat": 10.2, "lon": 10.0}
LOAD = {"pickup": PICKUP, "delivery": DELIVERY, "size": {"kg": 100}, "needs": ["tail lift"]}
WINDOW = {"opens": "2020-01-01T00:00:00Z", "closes": "2020-01-02T00:00:00Z"}


def dispatching(say: Any) -> None:
    """Each operation once, and what commonly goes wrong."""
    profile = {"capacity": {"kg": 500}, "skills": ["tail lift"]}
    with say.of("admin") as admin, say.of("viewer") as viewer, say.of("van") as device:
        fix = {"time_ms": int(time.time() * 1000), "lat": 10.05, "lon": 10.0}
        assert device.post("/v1/fixes", json={"fixes": [fix]}).status_code == 200
        assert admin.put("/v1/vehicles/van/profile", json=profile).is_success
        asked = viewer.post(
            "/v1/dispatch/recommend", json={"load": LOAD, "vehicles": {"ids": ["van"]}}
        ).json()
        assert [driver["vehicle"] for driver in asked["drivers"]] == ["van"]
        late = LOAD | {"pickup": PICKUP | WINDOW}
        for load, constraint in ((LOAD | {"needs": ["wings"]}, "skills"), (late, "pickup_late")):
            answer = viewer.post(
                "/v1/dispatch/recommend", json={"load": load, "vehicles": {"ids": ["van"]}}
            ).json()
            assert answer["refused"] == {constraint: 1}
            assert answer["nearest"][0]["why"].startswith("van: ")
        for number in range(3):
            assert admin.put(f"/v1/loads/give-{number}", json=LOAD).status_code == 201
        heavy = LOAD | {"size": {"kg": 5_000}}
        assert admin.put("/v1/loads/give-heavy", json=heavy).status_code == 201
        ids = {"loads": ["give-0", "give-1", "give-heavy"], "vehicles": {"ids": ["van"]}}
        assert viewer.post("/v1/dispatch/assign", json=ids).status_code == 403
        assert admin.post("/v1/dispatch/assign", json=ids).json()["committed"] is False
        done = admin.post("/v1/dispatch/assign", json=ids | {"commit": True}).json()
        assert {one["vehicle"] for one in done["assigned"]} == {"van"}
        assert [one["load"] for one in done["unassigned"]] == ["give-heavy"]
        assert viewer.get(f"/v1/routes/{done['routes'][0]}").json()["vehicle"] == "van"
        assert admin.post("/v1/dispatch/assign", json=ids).json()["code"] == "load_not_open"
        assert viewer.post("/v1/dispatch/recommend", json={"load": "give-0"}).status_code == 409
        assert viewer.post("/v1/dispatch/recommend", json={"load": "none"}).status_code == 404
        assert viewer.post("/v1/dispatch/recommend", json={}).status_code == 400
        assert admin.post("/v1/dispatch/assign", json={"loads": []}).status_code == 400
