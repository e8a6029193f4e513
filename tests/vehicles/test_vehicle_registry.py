"""The registry behind the devices' backs: whatever the store says, it goes on, and who is not to blame is written down."""

import asyncio
from collections.abc import Iterable

import pytest

from haulcast.errors import StoreError
from haulcast.vehicles import vehicle_registry as registry_module
from haulcast.vehicles.vehicle_registry import vehicle_registry


class Store:
    """Keeps names, and fails as it is told."""

    def __init__(self) -> None:
        self.names: set[tuple[str, str]] = set()
        self.poison: set[tuple[str, str]] = set()
        self.errors: list[Exception] = []

    async def add_missing(self, vehicles: Iterable[tuple[str, str]]) -> None:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop()
        if self.poison & set(vehicles):
            raise ValueError("this one breaks the store")
        self.names |= set(vehicles)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(registry_module, "RETRY_S", 0.0)


async def test_no_error_ends_the_registry(wait_until):
    """A store that is away, and one that makes a mistake: afterwards everybody is written down."""
    store = Store()
    store.errors = [StoreError("away", "away"), RuntimeError("a mistake"), MemoryError()]
    async with vehicle_registry(store) as registry:
        registry.seen("acme", "v1")
        await wait_until(lambda: store.names == {("acme", "v1")})
        registry.seen("acme", "v2")
        await wait_until(lambda: len(store.names) == 2)


@pytest.mark.parametrize("place", [0, 17, 39])
async def test_one_vehicle_that_cannot_be_written_keeps_nobody_else_out(place, wait_until):
    """It is tried again for ever, and written down once that works."""
    store, names = Store(), [("acme", f"v{i}") for i in range(40)]
    store.poison = {names[place]}
    async with vehicle_registry(store) as registry:
        for name in names:
            registry.seen(*name)
        await wait_until(lambda: store.names == {*names} - store.poison)
        registry.seen("acme", "later")
        await wait_until(lambda: ("acme", "later") in store.names)
        store.poison.clear()
        await wait_until(lambda: names[place] in store.names)


async def test_what_cannot_be_written_at_the_stop_stops_nothing():
    """The hub ends all the same."""
    store = Store()
    store.poison = {("acme", "v1")}
    async with vehicle_registry(store) as registry:
        registry.seen("acme", "v1")
