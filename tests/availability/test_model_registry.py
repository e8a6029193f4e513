"""Which model is in force: one a fleet at most, and always a way back; on both kinds of PostgreSQL."""

import asyncio

import asyncpg
import pytest
from small_models import CARD

from haulcast.availability.model_registry import ModelEntry, ModelStatus
from haulcast.availability.model_registry_postgres import PostgresModelRegistry
from haulcast.errors import ConflictError, NotFoundError


def entry(version, fleet="acme", made_ms=1_000):
    return ModelEntry(fleet, version, made_ms, f"{version}.npz", "0" * 64, CARD)


@pytest.fixture
async def registry(each_database):
    registry = PostgresModelRegistry(each_database)
    for place, version in enumerate("abc"):
        await registry.add(entry(version, made_ms=place))
    await registry.add(entry("a", "other"))
    return registry


async def statuses(registry, fleet="acme"):
    return "".join(f"{one.version}{one.status.value[0]}" for one in reversed(await registry.entries(fleet)))


async def live(registry):
    return {fleet: one.version for fleet, one in (await registry.live()).items()}


async def test_what_is_added_is_staged_and_comes_back_as_it_was(registry):
    """The newest first; another fleet's is another one; a version is there once."""
    assert await registry.entries("acme") == [
        entry(version, made_ms="abc".index(version)) for version in "cba"
    ]
    assert [(one.fleet, one.version) for one in await registry.entries()] == [
        ("acme", "c"), ("acme", "b"), ("acme", "a"), ("other", "a"),
    ]  # fmt: skip
    assert (await registry.entries("nobody"), await live(registry)) == ([], {})
    with pytest.raises(ConflictError, match="has a model 'a' already"):
        await registry.add(entry("a"))


async def test_a_promotion_puts_one_in_force_and_retires_the_other(registry):
    """Of its fleet only; once more changes nothing; and a retired one can come back."""
    assert await registry.promote("acme", "a", 10) is None
    assert await registry.promote("other", "a", 10) is None
    assert (await registry.promote("acme", "b", 20)).version == "a"
    assert await statuses(registry) == "arblcs"
    assert (await registry.promote("acme", "b", 30)).version == "b"
    assert (await registry.live())["acme"].live_ms == 20
    await registry.promote("acme", "a", 40)
    assert await live(registry) == {"acme": "a", "other": "a"}
    assert await statuses(registry) == "albrcs"


async def test_a_rollback_goes_down_the_promotions(registry):
    """One that was rolled back is not come back to; at the first there is nothing before."""
    with pytest.raises(ConflictError, match="has no live model to roll back"):
        await registry.rollback("acme")
    await registry.promote("acme", "a", 10)
    with pytest.raises(ConflictError, match="was live before a; promote another"):
        await registry.rollback("acme")
    await registry.promote("acme", "b", 20)
    retired, again = await registry.rollback("acme")
    assert (retired.version, retired.status, again.version, again.status) == (
        "b",
        ModelStatus.RETIRED,
        "a",
        ModelStatus.LIVE,
    )
    await registry.promote("acme", "c", 30)
    assert (await registry.rollback("acme"))[1].version == "a"
    assert await statuses(registry) == "albrcr"
    with pytest.raises(ConflictError):
        await registry.rollback("acme")


async def test_a_clock_that_goes_back_changes_no_order(registry):
    """Who went live later is later, also within a millisecond."""
    for version, now_ms in (("a", 50), ("b", 50), ("c", 10)):
        await registry.promote("acme", version, now_ms)
    assert [(await registry.rollback("acme"))[1].version for _ in range(2)] == ["b", "a"]


async def test_an_unknown_version_is_said(registry):
    """With those that there are; another fleet's do not count, and nothing was changed."""
    await registry.promote("acme", "b", 10)
    with pytest.raises(NotFoundError, match="fleet 'acme' has no model 'd'; it has c, b, a"):
        await registry.promote("acme", "d", 20)
    with pytest.raises(NotFoundError, match="fleet 'nobody' has no model 'a'; it has none"):
        await registry.promote("nobody", "a", 20)
    assert await live(registry) == {"acme": "b"}


async def test_promotions_at_once_come_one_after_the_other(registry):
    """All succeed, one is in force in the end, and the way back leads through all of them."""
    await asyncio.gather(*(registry.promote("acme", version, 10) for version in "abcabc"))
    assert [one.status for one in await registry.entries("acme")].count(ModelStatus.LIVE) == 1
    first = (await live(registry))["acme"]
    back = {(await registry.rollback("acme"))[1].version for _ in range(2)}
    assert back | {first} == {"a", "b", "c"}


async def test_the_database_itself_allows_one_live_model(registry, each_database):
    """Whoever writes, and however."""
    await registry.promote("acme", "a", 10)
    async with each_database.connection() as connection:
        with pytest.raises(asyncpg.UniqueViolationError, match="one_live_model"):
            await connection.execute("UPDATE availability_models SET status = 'live' WHERE version = 'b'")
