"""The contract of a phone id store, on each PostgreSQL there is, and that vehicle ids of any kind have one."""

import httpx
import pytest
from phone_app import verify
from starlette.applications import Starlette

from haulcast.doors.problems import exception_handlers
from haulcast.errors import NotFoundError
from haulcast.phones import phone_id_api
from haulcast.phones.phone_id_store import digest_of
from haulcast.phones.phone_id_store_postgres import PostgresPhoneIdStore
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore

A, B = digest_of("ph-a"), digest_of("ph-b")


@pytest.fixture
async def store(each_database) -> PostgresPhoneIdStore:
    """A store, with vehicles `truck-7` in two fleets."""
    await PostgresVehicleStore(each_database).add_missing([("acme", "truck-7"), ("globex", "truck-7")])
    return PostgresPhoneIdStore(each_database)


async def test_an_id_stands_for_one_vehicle(store) -> None:
    """The newest id of a vehicle is the only one; fleets are apart; what is taken away stands for nothing."""
    assert await store.find(A) is None
    await store.put("acme", "truck-7", A)
    await store.put("globex", "truck-7", B)
    assert (await store.find(A), await store.find(B)) == (("acme", "truck-7"), ("globex", "truck-7"))
    newer = digest_of("ph-c")
    await store.put("acme", "truck-7", newer)
    assert (await store.find(A), await store.find(newer)) == (None, ("acme", "truck-7"))
    await store.delete("acme", "truck-7")
    assert await store.find(newer) is None
    with pytest.raises(NotFoundError):
        await store.delete("acme", "truck-7")
    assert await store.find(B) == ("globex", "truck-7")


async def test_ids_go_with_their_vehicles(store, each_database) -> None:
    """None for a vehicle that is not there, and none is left of one that was deleted."""
    with pytest.raises(NotFoundError):
        await store.put("acme", "truck-8", A)
    await store.put("acme", "truck-7", A)
    await PostgresVehicleStore(each_database).delete("acme", "truck-7")
    assert await store.find(A) is None


async def test_over_http(database) -> None:
    """Any vehicle id can have a phone id, also one with slashes; one that is no id is said to be none."""
    store = PostgresPhoneIdStore(database)
    await PostgresVehicleStore(database).add_missing([("acme", "north/7 ä")])
    app = Starlette(routes=phone_id_api.routes(store, verify), exception_handlers=exception_handlers())
    headers = {"Authorization": "Bearer acme/admin"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://hub", headers=headers
    ) as client:
        made = await client.post("/v1/phone-ids/north%2F7%20%C3%A4")
        assert made.json()["vehicle"] == "north/7 ä"
        assert await store.find(digest_of(made.json()["phone_id"])) == ("acme", "north/7 ä")
        assert (await client.post("/v1/phone-ids/x%00")).json()["code"] == "bad_id"
