"""The contract of a rule store, on each PostgreSQL there is."""

import asyncio

import pytest
from rule_app import NIGHT, enter

from haulcast.errors import ConflictError, NotFoundError, PreconditionError
from haulcast.rules.rule_store import FenceFacts
from haulcast.rules.rule_store_postgres import PORTION, PostgresRuleStore

DOCUMENT = enter("night", name="Yard ☂", schedule=NIGHT, limit_mps=13.9, dwell_s=1e-7)


@pytest.fixture
def store(each_database) -> PostgresRuleStore:
    """A store without rules."""
    return PostgresRuleStore(each_database)


async def test_what_goes_in_comes_out(store) -> None:
    """The document comes back as it was given, numbers to the last bit."""
    made = await store.create("acme", DOCUMENT)
    assert (made.fleet, made.rule_id, made.document, made.version) == ("acme", "night", DOCUMENT, 1)
    assert await store.find("acme", "night") == made
    assert await store.find("globex", "night") is None


async def test_a_change_grows_the_version(store) -> None:
    """`created` stays, `version` and `updated` move, the edition names each state, also over a deletion."""
    first, is_new = await store.put("acme", DOCUMENT)
    second, is_still_new = await store.put("acme", {**DOCUMENT, "name": "Other"})
    assert (is_new, is_still_new) == (True, False)
    assert (second.version, second.created, second.document["name"]) == (2, first.created, "Other")
    assert second.updated >= first.updated
    await store.delete("acme", "night")
    again, _ = await store.put("acme", DOCUMENT)
    assert again.version == 1
    assert len({first.edition, second.edition, again.edition}) == 3


async def test_an_edition_is_expected(store) -> None:
    """A change or deletion made for another edition, or for a rule that is gone, is refused and changes nothing."""
    made = await store.create("acme", DOCUMENT)
    for write in (
        store.replace("acme", {**DOCUMENT, "name": "x"}, "9-0"),
        store.delete("acme", "night", "9-0"),
        store.replace("acme", {**DOCUMENT, "id": "none"}, "*"),
    ):
        with pytest.raises(PreconditionError):
            await write
    assert await store.find("acme", "night") == made
    changed = await store.replace("acme", {**DOCUMENT, "name": "x"}, made.edition)
    await store.replace("acme", {**DOCUMENT, "name": "y"}, "*")
    with pytest.raises(PreconditionError):
        await store.delete("acme", "night", changed.edition)


async def test_of_many_at_once_one_wins(store) -> None:
    """Of creations, of changes of one edition, and of deletions at once exactly one is done."""

    async def refused(*writes) -> list[type]:
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        return [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]

    assert await refused(*(store.create("acme", DOCUMENT) for _ in range(6))) == [ConflictError] * 5
    edition = (await store.find("acme", "night")).edition
    changes = (store.replace("acme", {**DOCUMENT, "name": str(i)}, edition) for i in range(6))
    assert await refused(*changes) == [PreconditionError] * 5
    assert await refused(*(store.delete("acme", "night") for _ in range(4))) == [NotFoundError] * 3


async def test_pages_follow_the_bytes_of_ids(store) -> None:
    """Pages chained by the last id give each rule of the fleet once, in byte order, whatever the server's language."""
    ids = ["B", "a", "ä", "Z", "10", "9", "_x", "a b", "é", "😀"]
    for rule_id in ids:
        await store.create("acme", enter(rule_id))
    await store.create("globex", enter("theirs"))
    got, after = [], ""
    while page := await store.page("acme", after, 3):
        got += [record.rule_id for record in page]
        after = got[-1]
    assert got == sorted(ids, key=str.encode)


async def test_rules_about_a_fence(store) -> None:
    """A page of the rules that name a fence's id, or one of its tags; whatever characters they have."""
    near = {"id": "near", "kind": "proximity", "others": {"ids": ["yard"], "tags": ["depot"]}}
    for document in (
        enter("by-id", fences={"ids": ["yard", "gate"], "tags": []}),
        enter("by-tag", fences={"ids": [], "tags": ["depot", "'; \"{}"]}),
        enter("by-both", fences={"ids": ["yard"], "tags": ["depot"]}),
        enter("other", fences={"ids": ["depot"], "tags": ["yard"]}),
        near,
    ):
        await store.create("acme", document)

    async def about(fence_id: str, *tags: str) -> list[str]:
        return [record.rule_id for record in await store.page("acme", "", 10, FenceFacts(fence_id, tags))]

    assert await about("yard") == ["by-both", "by-id"]
    assert await about("yard", "depot", "x") == ["by-both", "by-id", "by-tag"]
    assert await about("none", "'; \"{}") == ["by-tag"]
    assert await about("none") == []
    page = await store.page("acme", "by-both", 1, FenceFacts("yard", ["depot"]))
    assert [record.rule_id for record in page] == ["by-id"]


async def test_all_are_read_in_portions(store) -> None:
    """All rules of one fleet or of all, each once."""
    ids = [f"r{i:04}" for i in range(PORTION + 7)]
    for rule_id in ids:
        await store.create("acme", enter(rule_id))
    await store.create("globex", enter("theirs"))
    own = [portion async for portion in store.rules("acme")]
    assert sorted(rule.rule_id for portion in own for rule in portion) == ids
    assert {rule.document["kind"] for portion in own for rule in portion} == {"enter"}
    assert len(own) > 1
    assert sum([len(portion) async for portion in store.rules()]) == len(ids) + 1
    assert [portion async for portion in store.rules("none")] == []
