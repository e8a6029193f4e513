"""The part of the conversation that is about who will be free; while a van has reported."""

from typing import Any

WAY = "/v1/vehicles/van/availability"
DUTY = "/v1/vehicles/van/duty"


def availability(say: Any) -> None:
    """Each operation once, and what commonly goes wrong."""
    with say.of("admin") as admin, say.of("viewer") as viewer, say.of("van") as device, say.of("") as nobody:
        said = viewer.get(WAY).json()
        assert [one["minutes"] for one in said["horizons"]] == [60]
        several = viewer.get(f"{WAY}?horizon_minutes=5,480&horizon_minutes=30").json()
        assert [one["minutes"] for one in several["horizons"]] == [5, 480, 30]
        for wrong in ("0", "481", "x", "", "1.5", ",".join(["5"] * 21)):
            assert viewer.get(f"{WAY}?horizon_minutes={wrong}").json()["code"] == "out_of_range"
        assert viewer.get("/v1/vehicles/none/availability").json()["code"] == "no_such_vehicle"
        assert device.get(WAY).status_code == 403
        assert nobody.get(WAY).status_code == 401
        for state in ("off", "busy", "free"):
            assert device.post(DUTY, json={"state": state}).json() == {"vehicle": "van", "state": state}
            assert viewer.get(WAY).json()["state"] == state
        assert admin.post(DUTY, json={"state": "busy"}).status_code == 200
        assert (
            device.post("/v1/vehicles/truck%2F7/duty", json={"state": "off"}).json()["code"]
            == "other_vehicle"
        )
        assert viewer.post(DUTY, json={"state": "off"}).json()["code"] == "wrong_role"
        assert admin.post("/v1/vehicles/none/duty", json={"state": "off"}).status_code == 404
        for wrong in ({"state": "asleep"}, {"state": 1}, {}, {"state": "off", "why": "tired"}, []):
            assert admin.post(DUTY, json=wrong).status_code == 400
        assert admin.post(DUTY, content=b"x" * 5_000).status_code == 413
