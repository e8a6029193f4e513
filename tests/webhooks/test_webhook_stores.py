"""The contracts of the webhook store and of the outbox, on each PostgreSQL there is."""

import asyncio
from dataclasses import replace

import pytest
from event_rows import NOW_MS, store_event

from haulcast.errors import ConflictError, NotFoundError, PreconditionError, TooLargeError
from haulcast.events.event_store import EventFilter
from haulcast.webhooks.outbox import Delivery, Owner
from haulcast.webhooks.outbox_postgres import PostgresOutbox
from haulcast.webhooks.webhook import Webhook
from haulcast.webhooks.webhook_store_postgres import PostgresWebhookStore

HOOK = Webhook(
    "acme",
    "erp ☂",
    "https://example.com/x?y=1",
    EventFilter(kinds=("enter", "exit"), vehicles=("a", "b")),
    False,
    b"s" * 32,
)


@pytest.fixture
def store(each_database) -> PostgresWebhookStore:
    """A store without webhooks."""
    return PostgresWebhookStore(each_database)


@pytest.fixture
def outbox(each_database) -> PostgresOutbox:
    """The outbox of the same database."""
    return PostgresOutbox(each_database)


def owner_of(record) -> Owner:
    return Owner(record.webhook.fleet, record.webhook.webhook_id, record.created)


async def test_what_goes_in_comes_out(store, each_database) -> None:
    """Everything, the secrets too; it begins behind the newest event; a repr shows no secret."""
    await store_event(each_database)
    made = await store.create(
        replace(HOOK, old_secret=b"o" * 24, old_secret_until_ms=5, pause_reason="x"), 10
    )
    assert await store.find("acme", "erp ☂") == made
    assert made.webhook == replace(HOOK, old_secret=b"o" * 24, old_secret_until_ms=5, pause_reason="x")
    assert (made.version, made.delivered_number) == (1, 1)
    assert await store.find("globex", "erp ☂") is None
    assert list(await store.everything()) == [made]
    assert "ssss" not in repr(made)
    every = await store.create(replace(HOOK, webhook_id="all", asked=EventFilter()), 10)
    assert every.webhook.asked == EventFilter()
    assert [record.webhook.webhook_id for record in await store.page("acme", "", 5)] == ["all", "erp ☂"]
    assert await store.page("acme", "erp ☂", 5) == []


async def test_writes_expect_editions(store) -> None:
    """One of many at once wins; another edition, and one that is gone, change nothing; one that is made anew has another edition."""
    outcomes = await asyncio.gather(*(store.create(HOOK, 10) for _ in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConflictError"] * 4 + ["WebhookRecord"]
    first = await store.find("acme", "erp ☂")
    changes = (store.replace(replace(HOOK, url=f"https://{i}.com"), first.edition) for i in range(5))
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(PreconditionError) == 4
    second = await store.find("acme", "erp ☂")
    assert (second.version, second.created, second.webhook.url == HOOK.url) == (2, first.created, False)
    for write in (
        store.replace(replace(HOOK, webhook_id="none"), "*"),
        store.delete("acme", "erp ☂", first.edition),
    ):
        with pytest.raises(PreconditionError):
            await write
    await store.delete("acme", "erp ☂", second.edition)
    with pytest.raises(NotFoundError):
        await store.delete("acme", "erp ☂")
    assert (await store.create(HOOK, 10)).edition not in {first.edition, second.edition}


async def test_a_fleet_has_so_many_at_most(store) -> None:
    """Also of many made at once; another fleet has its own."""
    makes = (store.create(replace(HOOK, webhook_id=str(i)), 3) for i in range(8))
    outcomes = await asyncio.gather(*makes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(TooLargeError) == 5
    assert len(await store.everything()) == 3
    await store.create(replace(HOOK, fleet="globex"), 3)
    with pytest.raises(ConflictError):
        await store.create(replace(HOOK, fleet="globex"), 3)


async def test_a_delivery_moves_beside_the_queue_and_leaves_it(store, outbox, each_database) -> None:
    """Failed, due again, delivered; dead, shown, due once more; each with the place and the status."""
    record = await store.create(replace(HOOK, asked=EventFilter()), 10)
    owner = owner_of(record)
    ids = [await store_event(each_database) for _ in range(4)]
    deliveries = [Delivery(i + 1, event_id, '{"a": 1}') for i, event_id in enumerate(ids)]
    status = await outbox.status("acme", "erp ☂", 3)
    assert (status.backlog, status.waiting, status.dead, status.last_success_ms) == (3, 0, 0, None)
    assert await outbox.backlog(100) == 4

    await outbox.delivered(owner, deliveries[0], NOW_MS)
    for _ in range(2):  # repeated, because nobody knew
        await outbox.failed(owner, deliveries[1], "answered 500", NOW_MS + 50, NOW_MS + 1)
    await outbox.failed(owner, deliveries[2], "answered 400", None, NOW_MS + 2)
    status = await outbox.status("acme", "erp ☂", 100)
    assert (status.backlog, status.waiting, status.dead, status.last_success_ms, status.last_error_ms, status.last_error) == (
        1, 1, 1, NOW_MS, NOW_MS + 2, "answered 400",
    )  # fmt: skip
    assert (await store.find("acme", "erp ☂")).delivered_number == 3
    assert (await store.find("acme", "erp ☂")).edition == record.edition
    assert await outbox.backlog(100) == 2

    assert await outbox.next_due_ms(owner) == NOW_MS + 50
    assert await outbox.due(owner, NOW_MS + 49) is None
    again = await outbox.due(owner, NOW_MS + 50)
    assert again == Delivery(2, ids[1], '{"a": 1}', 1)
    await outbox.failed(owner, again, "answered 500", NOW_MS + 500, NOW_MS + 60)
    await outbox.hurry(owner, NOW_MS + 70)
    again = await outbox.due(owner, NOW_MS + 70)
    assert again.tries == 2
    await outbox.delivered(owner, again, NOW_MS + 80)
    assert await outbox.next_due_ms(owner) is None

    (letter,) = await outbox.dead("acme", "erp ☂", 0, 5)
    assert (letter.number, letter.event_id, letter.tries, letter.failed_ms, letter.error) == (
        3,
        ids[2],
        1,
        NOW_MS + 2,
        "answered 400",
    )
    assert await outbox.dead("acme", "erp ☂", 3, 5) == []
    assert await outbox.dead("globex", "erp ☂", 0, 5) == []
    assert await outbox.redeliver("acme", "erp ☂", ["none"], NOW_MS) == 0
    assert await outbox.redeliver("acme", "erp ☂", [ids[2], ids[1]], NOW_MS) == 1
    assert (await outbox.due(owner, NOW_MS)).number == 3
    assert await outbox.redeliver("acme", "erp ☂", None, NOW_MS) == 0
    assert await outbox.status("acme", "none", 5) is None


async def test_of_one_that_is_gone_nothing_is_noted(store, outbox, each_database) -> None:
    """Deleted, and made anew under the same id: what was under way for the old one does not touch the new one."""
    old = owner_of(await store.create(HOOK, 10))
    await store_event(each_database)
    await outbox.failed(old, Delivery(1, "x", "{}"), "answered 500", 5, 5)
    await store.delete("acme", "erp ☂")
    await outbox.delivered(old, Delivery(1, "x", "{}"), 5)
    new = await store.create(HOOK, 10)
    await outbox.failed(old, Delivery(7, "x", "{}"), "answered 500", 5, 5)
    await outbox.delivered(old, Delivery(8, "x", "{}"), 5)
    await outbox.passed(old, 9)
    await outbox.gone(old, "answered 410", 5)
    assert await store.find("acme", "erp ☂") == new
    assert await outbox.due(owner_of(new), 10) is None


async def test_a_gone_receiver_pauses_its_webhook(store, outbox) -> None:
    """With the reason, in another edition, at its place."""
    record = await store.create(HOOK, 10)
    await outbox.gone(owner_of(record), "the receiver answered 410", NOW_MS)
    paused = await store.find("acme", "erp ☂")
    assert (paused.webhook.is_paused, paused.webhook.pause_reason, paused.version) == (
        True,
        "the receiver answered 410",
        2,
    )
    assert paused.delivered_number == record.delivered_number


async def test_the_backlog_counts_what_is_asked_for(store, outbox, each_database) -> None:
    """By every filter, up to the limit, and not of those that are paused."""
    for name, asked in {
        "all": EventFilter(), "kind": EventFilter(kinds=("dwell",)), "fence": EventFilter(fences=("depot",)), "rule": EventFilter(rules=("r",)),
        "vehicle": EventFilter(vehicles=("v", "w")), "none": EventFilter(vehicles=("nobody",)),
    }.items():  # fmt: skip
        await store.create(replace(HOOK, webhook_id=name, asked=asked), 10)
    await store.create(replace(HOOK, webhook_id="paused", asked=EventFilter(), is_paused=True), 10)
    await store_event(each_database, "dwell", rule="r", vehicle="v", fence="yard")
    await store_event(each_database, "near", rule="q", vehicle="x", other="w", fence=None)
    await store_event(each_database, "enter")
    await store_event(each_database, "enter", fleet="globex")
    found = {}
    for name in ("all", "kind", "fence", "rule", "vehicle", "none", "paused"):
        found[name] = (await outbox.status("acme", name, 100)).backlog
    assert found == {"all": 3, "kind": 1, "fence": 1, "rule": 1, "vehicle": 2, "none": 0, "paused": 3}
    assert await outbox.backlog(100) == 8
    assert await outbox.backlog(2) == 7


async def test_dead_letters_are_forgotten_by_age(store, outbox) -> None:
    """In portions; what waits stays."""
    owner = owner_of(await store.create(HOOK, 10))
    for number in range(1, 6):
        await outbox.failed(owner, Delivery(number, str(number), "{}"), "x", None, number)
    await outbox.failed(owner, Delivery(6, "6", "{}"), "x", 99, 1)
    assert [await outbox.forget_dead(5, 3) for _ in range(3)] == [3, 1, 0]
    assert [letter.number for letter in await outbox.dead("acme", "erp ☂", 0, 9)] == [5]
    assert await outbox.next_due_ms(owner) == 99
