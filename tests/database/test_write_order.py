"""Writes in order, and the reading again after one of unknown outcome."""

import asyncio

import pytest

from haulcast.database import write_order
from haulcast.database.write_order import WriteOrder
from haulcast.errors import ConflictError, StoreError

LOST = StoreError("database_unreachable", "it went away")


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    """Reading is tried again at once."""
    monkeypatch.setattr(write_order, "READ_AGAIN_S", 0.0)


async def test_a_fleets_writes_follow_each_other() -> None:
    """Two writes of one fleet never overlap, in the order they came; another fleet's do not wait."""
    said: list[str] = []
    go = asyncio.Event()
    order = WriteOrder(_never, "things")

    async def write(fleet: str, name: str, wait: bool) -> None:
        async with order.of(fleet):
            said.append(f"+{name}")
            if wait:
                await go.wait()
            said.append(f"-{name}")

    first, second = (
        asyncio.create_task(write("acme", "a", wait=True)),
        asyncio.create_task(write("acme", "b", wait=False)),
    )
    await asyncio.sleep(0)
    await write("globex", "c", wait=False)
    go.set()
    await asyncio.gather(first, second)
    assert said == ["+a", "+c", "-c", "-a", "+b", "-b"]


async def test_an_unknown_outcome_is_read_once(wait_until) -> None:
    """Lost writes of a fleet lead to one reading, before any later write, tried until the store answers."""
    reads: list[str] = []

    async def read(fleet: str) -> None:
        reads.append(fleet)
        if len(reads) < 3:
            raise LOST

    order = WriteOrder(read, "things")
    for _ in range(2):
        with pytest.raises(StoreError):
            async with order.of("acme"):
                raise LOST
    await wait_until(lambda: len(reads) == 3)
    async with order.of("acme"):
        assert reads == ["acme"] * 3
    with pytest.raises(StoreError):
        async with order.of("acme"):
            raise LOST
    await wait_until(lambda: len(reads) == 4)


async def test_a_refusal_is_no_unknown_outcome() -> None:
    """What the store refused was not done, and nothing is read."""
    order = WriteOrder(_never, "things")
    with pytest.raises(ConflictError):
        async with order.of("acme"):
            raise ConflictError("taken", "it is taken")
    await asyncio.sleep(0)


async def test_the_end_gives_up_reading() -> None:
    """A store that stays away does not keep the hub from stopping; without a reading the end is no work."""
    is_reading = asyncio.Event()

    async def hang(_fleet: str) -> None:
        is_reading.set()
        await asyncio.Event().wait()

    order = WriteOrder(hang, "things")
    await order.stop()
    with pytest.raises(StoreError):
        async with order.of("acme"):
            raise LOST
    await is_reading.wait()
    await order.stop()
    async with order.of("acme"):
        pass


async def _never(_fleet: str) -> None:
    pytest.fail("it was read")
