"""The book: the frozen set that follows the changes, and edits that reach store and book in one order."""

import asyncio
import threading
from dataclasses import replace

import pytest
from rule_app import enter, rule_app

from haulcast.errors import StoreError, TooLargeError
from haulcast.rules import rule_book, rule_edits
from haulcast.rules.rule_book import RuleBook
from haulcast.rules.rule_documents import rule_of_document
from haulcast.rules.rule_set import NO_RULES

RULE = rule_of_document(enter("r"), "acme")


def _rule(rule_id: str, fleet: str = "acme", **members):
    return rule_of_document(enter(rule_id, **members), fleet)


async def test_a_set_follows_the_changes() -> None:
    """Rules in order of fleet and id, without those that are off; each swap is told, with a higher version."""
    told = []
    book = RuleBook(lambda: told.append(book.current.version))
    assert book.current is NO_RULES
    await book.settled()
    for rule in (_rule("b"), _rule("c", enabled=False), _rule("a", "globex"), _rule("a")):
        book.put(rule)
    assert book.current is NO_RULES
    await book.settled()
    assert [(rule.fleet, rule.rule_id) for rule in book.current.rules] == [
        ("acme", "a"),
        ("acme", "b"),
        ("globex", "a"),
    ]
    assert (len(book), set(book.of_fleet("acme"))) == (4, {"a", "b", "c"})
    book.remove("acme", "a")
    book.keep_only("globex", ())
    await book.settled()
    assert [rule.rule_id for rule in book.current.rules] == ["b"]
    assert len(told) == 2
    assert told == sorted(told)
    assert book.of_fleet("globex") == set()


async def test_what_changes_nothing_makes_no_set() -> None:
    """The same rule again, or the removal of one that is not there, keeps the set in force."""
    book = RuleBook()
    book.put(RULE)
    await book.settled()
    before = book.current
    book.put(replace(RULE))
    book.remove("acme", "none")
    book.remove("none", "r")
    await book.settled()
    assert book.current is before


async def test_changes_during_a_build_share_the_next(monkeypatch) -> None:
    """While a set is made the old one stays in force, all changes meanwhile need one more, and who gives up stops nobody."""
    builds, go, build = [], threading.Event(), rule_book.build_rule_set

    def slow_build(rules, version):
        builds.append(len(rules))
        go.wait(10)
        return build(rules, version)

    monkeypatch.setattr(rule_book, "build_rule_set", slow_build)
    book = RuleBook()
    book.put(_rule("r0"))
    first, leaving = (asyncio.create_task(book.settled()) for _ in range(2))
    while not builds:  # noqa: ASYNC110 - the build is in a thread
        await asyncio.sleep(0)
    leaving.cancel()
    for number in range(1, 20):
        book.put(_rule(f"r{number}"))
    rest = [asyncio.create_task(book.settled()) for _ in range(5)]
    assert not book.current.rules
    go.set()
    await asyncio.gather(first, *rest)
    assert builds == [1, 20]
    assert len(book.current.rules) == 20


async def test_a_failed_build_is_told_and_tried_again(monkeypatch) -> None:
    """Who waits hears of it, the old set stays, and the next wait builds anew."""
    book = RuleBook()

    def broken(_rules, _version):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(rule_book, "build_rule_set", broken)
        book.put(RULE)
        with pytest.raises(MemoryError):
            await book.settled()
        assert book.current is NO_RULES
    await book.settled()
    assert book.current.rules == (RULE,)


async def test_edits_at_once_end_alike_in_store_and_book(database) -> None:
    """Many writers of the same few rules, deletions among them: the set in force is what the table holds."""
    async with rule_app(database) as hub:

        async def write(i: int) -> None:
            if i % 7 == 0:
                await hub.edits.delete("acme", f"r{i % 5}")
            else:
                await hub.edits.put(_rule(f"r{i % 5}", name=str(i)))

        await asyncio.gather(*(write(i) for i in range(60)), return_exceptions=True)
        stored = {
            record.rule_id: record.document["name"] for record in await hub.edits.store.page("acme", "", 99)
        }
        assert {rule.rule_id: rule.name for rule in hub.book.current.rules} == stored
        assert stored


async def test_a_fleet_has_so_many_rules(database, monkeypatch) -> None:
    """One more than allowed is refused with the limit; changes, and other fleets, are not."""
    monkeypatch.setattr(rule_edits, "MOST_RULES", 2)
    async with rule_app(database) as hub:
        await hub.edits.create(_rule("a"))
        await hub.edits.put(_rule("b", enabled=False))
        for write in (hub.edits.create(_rule("c")), hub.edits.put(_rule("c"))):
            with pytest.raises(TooLargeError, match="allowed are 2"):
                await write
        await hub.edits.put(_rule("b"))
        await hub.edits.create(_rule("c", "globex"))
        await hub.edits.delete("acme", "a")
        await hub.edits.create(_rule("c"))
        assert hub.ids() == {"b", "c"}


async def test_writes_of_unknown_outcome_are_read_again(database, monkeypatch, wait_until) -> None:
    """When the store is lost in mid-write, what it did is in force once it answers again; reading is tried until it does."""
    async with rule_app(database) as hub:
        await hub.edits.create(_rule("gone"))
        store, lost = hub.edits.store, [True, True]
        put, delete, rules = store.put, store.delete, store.rules

        def unheard(write):
            async def done_but_unheard(*arguments):
                await write(*arguments)
                raise StoreError("database_unreachable", "it went away")

            return done_but_unheard

        async def away_twice(fleet):
            if lost:
                lost.pop()
                raise StoreError("database_unreachable", "it is away")
            async for portion in rules(fleet):
                yield portion

        monkeypatch.setattr("haulcast.database.write_order.READ_AGAIN_S", 0.01)
        monkeypatch.setattr(store, "put", unheard(put))
        monkeypatch.setattr(store, "delete", unheard(delete))
        monkeypatch.setattr(store, "rules", away_twice)
        for write in (hub.edits.put(_rule("new")), hub.edits.delete("acme", "gone")):
            with pytest.raises(StoreError):
                await write
        await wait_until(lambda: hub.ids() == {"new"})
        assert lost == []


async def test_a_write_that_was_given_up_is_read_again(database, monkeypatch, wait_until) -> None:
    """A request that is cancelled between store and book leaves both alike."""
    async with rule_app(database) as hub:
        put, is_stored = hub.edits.store.put, asyncio.Event()

        async def slow(*arguments):
            await put(*arguments)
            is_stored.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(hub.edits.store, "put", slow)
        writing = asyncio.create_task(hub.edits.put(_rule("new")))
        await is_stored.wait()
        writing.cancel()
        await wait_until(lambda: hub.ids() == {"new"})
