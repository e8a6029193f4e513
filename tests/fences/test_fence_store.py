"""The contract of a fence store, on each PostgreSQL there is."""

import asyncio
import json
from dataclasses import replace

import pytest

from haulcast.errors import ConflictError, NotFoundError, PreconditionError
from haulcast.fences.fence_store import FenceDraft
from haulcast.fences.fence_store_postgres import PORTION, PostgresFenceStore

AREA = {"type": "Polygon", "coordinates": [[[0.1, 1e-7], [0.1, 1.0], [1.0, 1.0], [0.1, 1e-7]]]}
DRAFT = FenceDraft(
    "depot", "Depot ☂", json.dumps(AREA), ("north", "café"), {"gate": 7, "open": [None, True, 1.5]}
)


@pytest.fixture
def store(each_database) -> PostgresFenceStore:
    """A store without fences."""
    return PostgresFenceStore(each_database)


async def test_what_goes_in_comes_out(store) -> None:
    """Names, areas to the last bit, tags and attributes come back as they were given."""
    made = await store.create("acme", DRAFT)
    assert (made.fleet, made.fence_id, made.name, made.tags) == ("acme", "depot", DRAFT.name, DRAFT.tags)
    assert json.loads(made.area) == AREA
    assert made.attributes == DRAFT.attributes
    assert made.version == 1
    assert await store.find("acme", "depot") == made


async def test_a_change_grows_the_version(store) -> None:
    """`created` stays, `version` and `updated` move, the edition names each state, also over a deletion."""
    first, is_new = await store.put("acme", DRAFT)
    second, is_still_new = await store.put("acme", replace(DRAFT, name="Other"))
    assert (is_new, is_still_new) == (True, False)
    assert (second.version, second.created, second.name) == (2, first.created, "Other")
    assert second.updated >= first.updated
    await store.delete("acme", "depot")
    again, _ = await store.put("acme", DRAFT)
    assert again.version == 1
    assert len({first.edition, second.edition, again.edition}) == 3


async def test_an_edition_is_expected(store) -> None:
    """A change or deletion made for another edition, or for a fence that is gone, is refused and changes nothing."""
    made = await store.create("acme", DRAFT)
    for write in (
        store.replace("acme", replace(DRAFT, name="x"), "9-0"),
        store.delete("acme", "depot", "9-0"),
        store.replace("acme", replace(DRAFT, fence_id="none"), "*"),
    ):
        with pytest.raises(PreconditionError):
            await write
    assert await store.find("acme", "depot") == made
    changed = await store.replace("acme", replace(DRAFT, name="x"), made.edition)
    await store.replace("acme", replace(DRAFT, name="y"), "*")
    with pytest.raises(PreconditionError):
        await store.delete("acme", "depot", changed.edition)


async def test_of_two_with_one_edition_one_wins(store) -> None:
    """Writes at once that expect the same edition: exactly one is done."""
    made = await store.create("acme", DRAFT)
    writes = [store.replace("acme", replace(DRAFT, name=str(i)), made.edition) for i in range(8)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(outcome, PreconditionError) for outcome in outcomes) == 7
    assert await store.find("acme", "depot") == won[0]


async def test_a_name_is_taken_once(store) -> None:
    """Of creations at once one succeeds; the others, and later ones, are conflicts."""
    outcomes = await asyncio.gather(*(store.create("acme", DRAFT) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 5


async def test_a_deletion_is_done_once(store) -> None:
    """Of deletions at once one succeeds, the others find nothing."""
    await store.create("acme", DRAFT)
    outcomes = await asyncio.gather(
        *(store.delete("acme", "depot") for _ in range(4)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes if outcome] == [NotFoundError] * 3
    assert await store.find("acme", "depot") is None


async def test_fleets_do_not_meet(store) -> None:
    """The same id in two fleets is two fences."""
    await store.create("acme", DRAFT)
    await store.create("globex", replace(DRAFT, name="Theirs"))
    await store.delete("acme", "depot")
    assert (await store.find("globex", "depot")).name == "Theirs"
    assert not await store.page("acme", "", 10)


async def test_pages_follow_the_bytes_of_ids(store) -> None:
    """Pages chained by the last id give each fence once, in byte order, whatever the server's language."""
    ids = ["B", "a", "ä", "Z", "10", "9", "_x", "a b", "é", "😀"]
    for fence_id in ids:
        await store.create("acme", replace(DRAFT, fence_id=fence_id))
    got, after = [], ""
    while page := await store.page("acme", after, 3):
        got += [record.fence_id for record in page]
        after = got[-1]
    assert got == sorted(ids, key=str.encode)


async def test_many_are_put_or_none(store) -> None:
    """`put_all` counts what is new and changed, leaves alone what is the same, and does nothing when one fails."""
    many = [replace(DRAFT, fence_id=f"f{i:05}", name=str(i)) for i in range(2 * PORTION + 7)]
    assert await store.put_all("acme", many) == (len(many), 0)
    assert await store.put_all("acme", many) == (0, 0)
    assert await store.put_all(
        "acme", [replace(many[3], tags=()), replace(many[4], fence_id="new"), many[5]]
    ) == (1, 1)
    broken = [replace(DRAFT, fence_id="good"), replace(DRAFT, fence_id="bad", name=None)]
    with pytest.raises(Exception, match="null value"):
        await store.put_all("acme", broken)
    assert await store.find("acme", "good") is None
    assert (await store.find("acme", "f00003")).version == 2
    portions = [portion async for portion in store.areas()]
    assert sum(map(len, portions)) == len(many) + 1
    assert len(portions) > 1
    assert [portion async for portion in store.areas("globex")] == []


async def test_imports_at_once_do_not_block_each_other(store) -> None:
    """Several imports of the same fences in different orders all end."""
    many = [replace(DRAFT, fence_id=f"f{i}") for i in range(300)]
    orders = [many, many[::-1], many[150:] + many[:150]]
    named = [[replace(draft, name=str(i)) for draft in order] for i, order in enumerate(orders)]
    await asyncio.gather(*(store.put_all("acme", drafts) for drafts in named))
    records = await store.page("acme", "", 1000)
    assert len(records) == 300
    assert len({record.name for record in records}) == 1


async def test_many_are_deleted_at_once(store) -> None:
    """Those that are there, of this fleet only; the others are as they were."""
    await store.put_all("acme", [replace(DRAFT, fence_id=one) for one in "abc"])
    await store.create("globex", replace(DRAFT, fence_id="a"))
    await store.delete_all("acme", {"a", "c", "none"})
    assert [one.fence_id for one in await store.page("acme", "", 9)] == ["b"]
    assert len(await store.page("globex", "", 9)) == 1
