"""The contract of a vehicle store, on each PostgreSQL there is, and the registry that writes to it."""

import asyncio
from dataclasses import replace

import pytest

from haulcast.database.pool import open_database
from haulcast.errors import ConflictError, NotFoundError, StoreError
from haulcast.settings import Settings
from haulcast.vehicles import vehicle_registry as registry_module
from haulcast.vehicles import vehicle_store_postgres as store_module
from haulcast.vehicles.vehicle_registry import vehicle_registry
from haulcast.vehicles.vehicle_store import VehicleDraft
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore

DRAFT = VehicleDraft("truck-7", "Truck ☂", ("north", "café"), {"axles": 3, "open": [None, True, 1.5]})


@pytest.fixture
def store(each_database) -> PostgresVehicleStore:
    """A store without vehicles."""
    return PostgresVehicleStore(each_database)


async def _ids(store: PostgresVehicleStore, fleet: str = "acme") -> list[str]:
    return [record.vehicle_id for record in await store.page(fleet, "", 100_000)]


async def test_what_goes_in_comes_out(store) -> None:
    """Names, tags and attributes come back as they were given."""
    made = await store.create("acme", DRAFT)
    assert (made.fleet, made.vehicle_id, made.name, made.tags) == ("acme", "truck-7", DRAFT.name, DRAFT.tags)
    assert made.attributes == DRAFT.attributes
    assert await store.find("acme", "truck-7") == made
    assert await store.find("globex", "truck-7") is None


async def test_put_creates_or_changes(store) -> None:
    """`created` stays, `updated` moves, and it is said which of both it was."""
    first, is_new = await store.put("acme", DRAFT)
    second, is_still_new = await store.put("acme", replace(DRAFT, name="Other"))
    assert (is_new, is_still_new, second.name, second.created) == (True, False, "Other", first.created)
    assert second.updated >= first.updated


async def test_one_of_many_writers_succeeds(store) -> None:
    """Of creations at once, and of deletions at once, one succeeds."""
    made = await asyncio.gather(*(store.create("acme", DRAFT) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, ConflictError) for outcome in made) == 4
    gone = await asyncio.gather(*(store.delete("acme", "truck-7") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, NotFoundError) for outcome in gone) == 4


async def test_missing_ones_are_added(store) -> None:
    """What is there stays as it is; the rest is made, named by its id; nothing at all is fine too."""
    await store.create("acme", DRAFT)
    await store.add_missing([("acme", "truck-7"), ("acme", "truck-8"), ("globex", "truck-7")])
    await store.add_missing([])
    assert (await store.find("acme", "truck-7")).name == DRAFT.name
    assert (await store.find("globex", "truck-7")).name == "truck-7"
    assert await _ids(store) == ["truck-7", "truck-8"]


async def test_tags_of_all(store, monkeypatch) -> None:
    """Vehicles with tags, of one fleet or of all, in portions; those without are left out."""
    monkeypatch.setattr(store_module, "PORTION", 2)
    for i in range(5):
        await store.put("acme", replace(DRAFT, vehicle_id=f"v{i}", tags=(f"t{i}", "all")))
    await store.put("globex", DRAFT)
    await store.add_missing([("acme", "bare")])
    own = [one for portion in [part async for part in store.tags("acme")] for one in portion]
    assert sorted(own) == [("acme", f"v{i}", (f"t{i}", "all")) for i in range(5)]
    portions = [len(part) async for part in store.tags()]
    assert (sum(portions), max(portions)) == (6, 2)
    assert [part async for part in store.tags("none")] == []


async def test_hubs_that_add_the_same_do_not_block_each_other(store) -> None:
    """Additions at once in different orders all end."""
    names = [("acme", f"v{i:04}") for i in range(2000)]
    await asyncio.gather(
        *(store.add_missing(order) for order in (names, names[::-1], names[1000:] + names[:1000]))
    )
    assert len(await _ids(store)) == 2000


async def test_the_registry_writes_what_connects(database, monkeypatch, wait_until) -> None:
    """A burst of connections is in the store soon, in few writes; names that no store takes are left out."""
    monkeypatch.setattr(registry_module, "MOST_AT_ONCE", 1000)
    store, writes = PostgresVehicleStore(database), []
    add_missing = store.add_missing

    async def counted(vehicles) -> None:
        writes.append(len(vehicles))
        await add_missing(vehicles)

    monkeypatch.setattr(store, "add_missing", counted)
    async with vehicle_registry(store) as registry:
        for i in range(2500):
            registry.seen("acme", f"v{i:04}")
            registry.seen("acme", f"v{i:04}")
        registry.seen("acme", "bad\x00")
        registry.seen("bad\x00", "v")

        async def all_there() -> bool:
            return len(await _ids(store)) == 2500

        await wait_until(all_there)
        assert writes == [1000, 1000, 500]
        await store.delete("acme", "v0007")
        registry.seen("acme", "v0007")
        await wait_until(lambda: store.find("acme", "v0007"))


async def test_the_registry_writes_the_rest_at_its_end(database) -> None:
    """What connected just before the stop is written too; what was forgotten is not."""
    store = PostgresVehicleStore(database)
    async with vehicle_registry(store) as registry:
        registry.seen("acme", "last")
        registry.seen("acme", "deleted")
        registry.forget("acme", "deleted")
    assert await _ids(store) == ["last"]


async def test_the_registry_outlives_the_store(system_postgres, monkeypatch, wait_until) -> None:
    """While the database is away connecting costs nothing; when it is back everything is written."""
    monkeypatch.setattr(registry_module, "RETRY_S", 0.05)
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        store = PostgresVehicleStore(database)
        async with vehicle_registry(store) as registry:
            registry.seen("acme", "before")
            await wait_until(lambda: store.find("acme", "before"))
            system_postgres.kill()
            for i in range(100):
                registry.seen("acme", f"v{i:02}")
            with pytest.raises(StoreError):
                await store.find("acme", "v00")
            await asyncio.to_thread(system_postgres.start)

            async def all_there() -> bool:
                return len(await _ids(store)) == 101

            await wait_until(all_there)
