"""`/v1/vehicles`: what goes in comes out, who may, what is refused."""

import asyncio

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import StoreError
from haulcast.vehicles.vehicle_api import routes
from haulcast.vehicles.vehicle_edits import vehicle_edits
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore
from haulcast.vehicles.vehicle_tags import VehicleTags

POSITION = {"time_ms": 1, "lat": 2.0, "lon": 3.0}


def _verify(token: str) -> Claims:
    fleet, _, role = token.partition("/")
    return Claims(fleet, role)


@pytest.fixture
def forgotten() -> list[tuple[str, str]]:
    """Which vehicles the hub was told to forget."""
    return []


@pytest.fixture
def retagged() -> list[tuple[str, str]]:
    """Of which vehicles the hub was told that their tags are other ones."""
    return []


@pytest.fixture
async def edits(database, retagged):
    """The edits of a hub without vehicles."""
    tags = VehicleTags(on_change=lambda fleet, vehicle: retagged.append((fleet, vehicle)))
    async with vehicle_edits(PostgresVehicleStore(database), tags) as opened:
        yield opened


@pytest.fixture
def as_user(edits, forgotten):
    """Makes a client of a token `fleet/role`."""

    def position_of(_fleet: str, vehicle: str) -> dict | None:
        return POSITION if vehicle == "moving" else None

    def forget(fleet: str, vehicle: str) -> None:
        forgotten.append((fleet, vehicle))

    new_ids = iter(("made-0", "made-1"))
    app = Starlette(
        routes=routes(edits, _verify, position_of, forget, new_ids.__next__),
        exception_handlers=exception_handlers(),
    )

    def make(token: str = "acme/dispatcher") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub", headers=headers)

    return make


@pytest.fixture
async def client(as_user):
    """A dispatcher of acme."""
    async with as_user() as opened:
        yield opened


async def test_a_vehicle_lives(client, forgotten) -> None:
    """Created, read, replaced, deleted; the hub forgets what is deleted."""
    given = {"id": "truck 7/ä", "name": "Truck", "tags": ["a"], "attributes": {"axles": 3}}
    made = await client.post("/v1/vehicles", json=given)
    place = made.headers["location"]
    assert (made.status_code, place) == (201, "/v1/vehicles/truck%207%2F%C3%A4")
    assert {**made.json(), **given} == made.json()
    assert (await client.get(place)).json() == made.json()
    changed = await client.put(place, json={**made.json(), "name": None, "tags": []})
    assert (changed.status_code, changed.json()["name"], changed.json()["tags"]) == (200, "truck 7/ä", [])
    assert changed.json()["created_at"] == made.json()["created_at"]
    assert (await client.delete(place)).status_code == 204
    assert forgotten == [("acme", "truck 7/ä")]
    for gone in (await client.get(place), await client.delete(place)):
        assert (gone.status_code, gone.json()["code"]) == (404, "no_such_vehicle")
    assert (await client.put(place, json={})).status_code == 201


async def test_names(client) -> None:
    """A vehicle without an id gets one; a taken one is a conflict."""
    assert (await client.post("/v1/vehicles", json={})).json()["id"] == "made-0"
    again = await client.post("/v1/vehicles", json={"id": "made-0"})
    assert (again.status_code, again.json()["code"]) == (409, "vehicle_exists")


async def test_the_newest_position_is_there(client) -> None:
    """A vehicle that has reported shows where it is, in the list too; others show nothing."""
    for vehicle in ("moving", "parked"):
        await client.put(f"/v1/vehicles/{vehicle}", json={})
    moving, parked = (await client.get("/v1/vehicles")).json()["vehicles"]
    assert (moving["position"], "position" in parked) == (POSITION, False)
    assert (await client.get("/v1/vehicles/moving")).json()["position"] == POSITION


async def test_pages(client) -> None:
    """The list comes in pages that link to the next one."""
    for i in range(5):
        await client.put(f"/v1/vehicles/v{i}", json={})
    got, place = [], "/v1/vehicles?limit=2"
    while place:
        page = (await client.get(place)).json()
        got.append([vehicle["id"] for vehicle in page["vehicles"]])
        place = page.get("next")
    assert got == [["v0", "v1"], ["v2", "v3"], ["v4"]]


async def test_roles_and_fleets(as_user, client) -> None:
    """Viewers read, devices do nothing, and another fleet's vehicles are not there."""
    await client.put("/v1/vehicles/a", json={})
    async with (
        as_user("acme/viewer") as viewer,
        as_user("acme/device") as device,
        as_user("globex/admin") as other,
    ):
        assert (await viewer.get("/v1/vehicles/a")).status_code == 200
        for refused in (
            await viewer.put("/v1/vehicles/a", json={}),
            await viewer.delete("/v1/vehicles/a"),
            await device.get("/v1/vehicles"),
        ):
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")
        assert (await other.get("/v1/vehicles/a")).status_code == 404
        assert (await other.delete("/v1/vehicles/a")).status_code == 404
        assert (await other.get("/v1/vehicles")).json() == {"vehicles": []}


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ([], 400, "wrong_type", "body"),
        ({"id": 7}, 400, "bad_id", "id"),
        ({"id": "a\u200b\x00"}, 400, "bad_id", "id"),
        ({"id": "x" * 129}, 400, "bad_id", "id"),
        ({"nmae": "x"}, 400, "unknown_field", "nmae"),
        ({"name": "x" * 201}, 400, "bad_name", "name"),
        ({"tags": ["x"] * 33}, 400, "bad_tags", "tags"),
        ({"attributes": "x"}, 400, "wrong_type", "attributes"),
        ({"attributes": {"x": orjson.loads("[" * 64 + "]" * 64)}}, 400, "out_of_range", "attributes"),
        ({"attributes": {"x": orjson.loads("[" * 200 + "]" * 200)}}, 400, "out_of_range", "attributes"),
        ({"attributes": {"x": "y" * 16_384}}, 413, "attributes_too_large", "attributes"),
        ({"attributes": {"x": "y" * 66_000}}, 413, "body_too_large", None),
    ],
)
async def test_what_is_wrong_is_named(client, body, status, code, field) -> None:
    """A wrong body is refused with code, field and reason."""
    answer = await client.post("/v1/vehicles", content=orjson.dumps(body))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, field)
    assert (await client.get("/v1/vehicles")).json()["vehicles"] == []


async def test_tags_follow_every_edit(client, as_user, edits, retagged) -> None:
    """Created, replaced, deleted: memory has the stored tags, and the hub is told when they are other ones."""
    await client.post("/v1/vehicles", json={"id": "a", "tags": ["reefer", "north"]})
    await client.put("/v1/vehicles/b", json={})
    assert (edits.tags.tags_of("acme", "a"), retagged) == (("reefer", "north"), [("acme", "a")])
    await client.put("/v1/vehicles/a", json={"name": "A", "tags": ["north", "reefer"]})
    assert retagged == [("acme", "a")]
    async with as_user("globex/admin") as other:
        await other.put("/v1/vehicles/a", json={"tags": ["theirs"]})
        await client.delete("/v1/vehicles/a")
    await client.delete("/v1/vehicles/b")
    assert (edits.tags.tags_of("acme", "a"), edits.tags.tags_of("globex", "a")) == ((), ("theirs",))
    assert retagged == [("acme", "a"), ("globex", "a"), ("acme", "a")]


async def test_stored_tags_are_known_at_the_next_start(client, edits) -> None:
    """A hub that starts knows every vehicle's tags; edits at once end alike in store and memory."""
    bodies = [{"tags": [f"t{i}"]} if i % 3 else {} for i in range(60)]
    await asyncio.gather(
        *(client.put(f"/v1/vehicles/v{i % 7}", json=body) for i, body in enumerate(bodies)),
        client.delete("/v1/vehicles/v3"),
    )
    async with vehicle_edits(edits.store, VehicleTags()) as next_edits:
        ids = [f"v{i}" for i in range(7)]
        known = [next_edits.tags.tags_of("acme", vehicle) for vehicle in ids]
        assert known == [edits.tags.tags_of("acme", vehicle) for vehicle in ids]
        assert any(known)


async def test_tags_of_unknown_outcome_are_read_again(client, edits, monkeypatch, wait_until) -> None:
    """A write that was done and never answered is in memory soon; what was deleted unheard is out of it."""
    await client.put("/v1/vehicles/gone", json={"tags": ["x"]})
    put, delete = edits.store.put, edits.store.delete

    def unheard(write):
        async def done_but_unheard(*arguments):
            await write(*arguments)
            raise StoreError("database_unreachable", "it went away")

        return done_but_unheard

    monkeypatch.setattr(edits.store, "put", unheard(put))
    monkeypatch.setattr(edits.store, "delete", unheard(delete))
    assert (await client.put("/v1/vehicles/a", json={"tags": ["y"]})).status_code == 503
    assert (await client.delete("/v1/vehicles/gone")).status_code == 503
    await wait_until(lambda: edits.tags.tags_of("acme", "a") == ("y",))
    await wait_until(lambda: edits.tags.tags_of("acme", "gone") == ())


async def test_a_deletion_is_done_once(client, forgotten) -> None:
    """Of deletions at once one succeeds, and the hub forgets once."""
    await client.put("/v1/vehicles/a", json={})
    answers = await asyncio.gather(*(client.delete("/v1/vehicles/a") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    assert forgotten == [("acme", "a")]
