"""Webhooks over HTTP and on their way: a real database, a real receiver, and everything that can happen to it."""

import asyncio
import json
from contextlib import asynccontextmanager
from random import Random

import httpx
import pytest
import structlog
from event_rows import event_document, store_event, verify
from starlette.applications import Starlette
from webhook_receiver import OK, answer, receiver

from haulcast.database.pool import open_database
from haulcast.doors.problems import exception_handlers
from haulcast.settings import Settings
from haulcast.webhooks.retry_times import RetryTimes
from haulcast.webhooks.sending import webhook_sending

HERE = Settings(webhook_private_networks="127.0.0.0/8")
QUICK = {"tries": 4, "first_s": 0.05, "most_s": 0.1, "pause_s": 0.01, "longest_pause_s": 0.05}


@asynccontextmanager
async def sending_hub(database, settings=HERE, *, timeout_s=2.0, **times):
    """All that a hub has of webhooks, and a dispatcher's client."""
    retry_times = RetryTimes(Random(1), **{**QUICK, **times})
    async with webhook_sending(database, settings, retry_times=retry_times, timeout_s=timeout_s) as sending:
        app = Starlette(routes=sending.routes(verify), exception_handlers=exception_handlers())
        sending.app = app
        async with client_of(app) as client:
            yield sending, client


def client_of(app, token="acme/dispatcher"):
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub", headers=headers)


async def make(client, found, **members) -> dict:
    """A webhook to the receiver."""
    answered = await client.post("/v1/webhooks", json={"url": found.url, **members})
    assert answered.status_code == 201, answered.text
    return answered.json()


async def test_stored_events_arrive_once_in_order_and_signed(database, wait_until) -> None:
    """Those stored after the creation, of this fleet, each a CloudEvent with a signature; the place is kept for the next start."""
    async with receiver() as found:
        async with sending_hub(database) as (sending, client):
            await store_event(database)
            hook = await make(client, found)
            ids = []
            for i in range(120):
                ids.append(await store_event(database, vehicle=f"v{i}"))
                await store_event(database, fleet="globex")
                if i % 40 == 0:
                    sending.on_events_stored()
            sending.on_events_stored()
            await wait_until(lambda: len(found.received) >= 120)
            assert found.ids == ids
            assert all(request.is_signed_by(hook["secret"]) for request in found.received)
            request = found.received[7]
            assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
            assert request.event["data"] == event_document(ids[7], vehicle="v7")
            assert request.headers["webhook-id"] == request.event["id"]
            # counted after the answer, which the receiver sends before it is read
            await wait_until(
                lambda: (sending.counters["delivered"], sending.delays.counts.sum()) == (120, 120)
            )

            async def status():
                return (await client.get(f"/v1/webhooks/{hook['id']}/status")).json()

            await wait_until(lambda: _is(status(), backlog=0, waiting=0, dead=0))
        async with sending_hub(database) as (sending, _):
            after = await store_event(database)
            await wait_until(lambda: len(found.received) > 120)
            assert found.ids[120:] == [after]


async def _is(answering, **members) -> bool:
    found = await answering
    return all(found[name] == value for name, value in members.items())


async def test_each_webhook_gets_what_it_asks_for(database, wait_until) -> None:
    """By kind, fence, rule and vehicle; a paused one gets nothing, and all of it once it goes on."""
    async with receiver() as found, sending_hub(database) as (sending, client):
        asked = {"kinds": ["dwell"], "fences": ["yard"], "rules": ["r"], "vehicles": ["v"]}
        for name, texts in asked.items():
            await make(client, found, id=name, url=f"{found.url}&{name}", **{name: texts})
        await make(client, found, id="paused", url=f"{found.url}&paused", paused=True)
        dwell = await store_event(database, "dwell", rule="r", fence="yard", vehicle="v")
        near = await store_event(database, "near", rule="q", fence=None, vehicle="w", other="v")
        enter = await store_event(database, fence="yard")
        sending.on_events_stored()

        def got(name: str) -> list[str]:
            return [request.id for request in found.received if request.target.endswith(f"&{name}")]

        wanted = {"kinds": [dwell], "fences": [dwell, enter], "rules": [dwell], "vehicles": [dwell, near]}
        await wait_until(lambda: {name: got(name) for name in asked} == wanted)
        assert not got("paused")
        assert (await client.patch("/v1/webhooks/paused", json={"paused": False})).status_code == 200
        await wait_until(lambda: got("paused") == [dwell, near, enter])


async def test_a_receiver_that_was_down_gets_everything(database, wait_until) -> None:
    """Refused connections, 500s, cut connections, one after the other; then all arrive, each under its id, none is dead; what waited comes with the first ones."""
    async with receiver() as gone:
        pass
    async with sending_hub(database, tries=1000) as (sending, client):
        hook = await make(client, gone)
        ids = [await store_event(database) for _ in range(60)]
        sending.on_events_stored()
        await wait_until(lambda: sending.counters["failed"] > 5)
        answers = iter([answer(500), None, answer(503), answer(429), answer(408)] * 4)
        async with receiver(port=gone.port, respond=lambda _: next(answers, OK)) as found:
            await wait_until(lambda: set(found.ids) == set(ids))
            await wait_until(lambda: _is(_status(client, hook), backlog=0, waiting=0, dead=0))
            status = await _status(client, hook)
            assert status["last_error"].startswith("answered")
            assert status["last_success_ms"] >= status["last_error_ms"]
        delivered = found.ids[20:]
        assert sorted(delivered) == ids
        assert delivered.index(ids[0]) < 10


async def _status(client, hook) -> dict:
    return (await client.get(f"/v1/webhooks/{hook['id']}/status")).json()


async def test_one_bad_event_holds_up_no_other(database, wait_until) -> None:
    """One that always fails is tried as often as it may and is dead; one that is refused is dead at once; redelivered they arrive."""
    bad: dict[str, bytes] = {}

    async with (
        receiver(respond=lambda request: bad.get(request.id, OK)) as found,
        sending_hub(database) as (sending, client),
    ):
        hook = await make(client, found)
        ids = [await store_event(database) for _ in range(20)]
        bad |= {ids[3]: answer(500), ids[5]: answer(404), ids[6]: answer(302, "Location: /")}
        sending.on_events_stored()
        await wait_until(lambda: _is(_status(client, hook), backlog=0, waiting=0, dead=3))
        assert [event for event in dict.fromkeys(found.ids) if event not in bad] == [
            event for event in ids if event not in bad
        ]
        assert [found.ids.count(event) for event in (ids[3], ids[5], ids[6], ids[7])] == [4, 1, 1, 1]
        path, letters = f"/v1/webhooks/{hook['id']}/dead-letters?limit=2", []
        while path:
            page = (await client.get(path)).json()
            letters += page["dead_letters"]
            path = page.get("next")
        assert [(letter["id"], letter["tries"], letter["error"]) for letter in letters] == [
            (ids[3], 4, "answered 500"), (ids[5], 1, "answered 404"), (ids[6], 1, "answered 302"),
        ]  # fmt: skip
        assert letters[0]["event"] == event_document(ids[3])
        bad.clear()
        found.received.clear()
        for body, count in (({"events": [ids[5]]}, 1), ({"all": True}, 2), ({"all": True}, 0)):
            answered = await client.post(f"/v1/webhooks/{hook['id']}/redeliver", json=body)
            assert (answered.status_code, answered.json()) == (202, {"due": count})
        await wait_until(lambda: sorted(found.ids) == sorted([ids[3], ids[5], ids[6]]))
        await wait_until(lambda: _is(_status(client, hook), dead=0, waiting=0))


async def test_a_receiver_that_is_gone_is_paused(database, wait_until) -> None:
    """410: nothing more is sent; after an edit it goes on with the same event."""
    said = [answer(410)]
    async with receiver(respond=lambda _: said[0]) as found, sending_hub(database) as (sending, client):
        hook = await make(client, found)
        ids = [await store_event(database) for _ in range(3)]
        sending.on_events_stored()

        async def shown():
            return (await client.get(f"/v1/webhooks/{hook['id']}")).json()

        await wait_until(lambda: _is(shown(), paused=True))
        assert "410" in (await shown())["pause_reason"]
        await wait_until(lambda: sending.counters["sending"] == 0)
        assert found.ids == ids[:1]
        said[0] = OK
        patched = await client.patch(f"/v1/webhooks/{hook['id']}", json={"paused": False})
        assert "pause_reason" not in patched.json()
        await wait_until(lambda: found.ids == [ids[0], *ids])


async def test_a_slow_receiver_holds_up_no_other(database, wait_until) -> None:
    """While one never answers, another one gets everything; the slow one's attempts end by their deadline."""
    over = asyncio.Event()

    async def silent(_request):
        await over.wait()

    async with (
        receiver(respond=silent) as slow,
        receiver() as quick,
        sending_hub(database, timeout_s=0.5) as (sending, client),
    ):
        await make(client, slow)
        await make(client, quick)
        ids = [await store_event(database) for _ in range(30)]
        sending.on_events_stored()
        await wait_until(lambda: quick.ids == ids)
        await wait_until(lambda: sending.counters["failed"] >= 2)
        over.set()


async def test_a_secret_changes_with_an_overlap(database, wait_until) -> None:
    """Both sign meanwhile; without an overlap the new one alone; each is shown once and never again."""
    async with receiver() as found, sending_hub(database) as (sending, client):
        hook = await make(client, found)
        path = f"/v1/webhooks/{hook['id']}"

        async def sent():
            found.received.clear()
            await store_event(database)
            sending.on_events_stored()
            await wait_until(lambda: found.received)
            return found.received[0]

        second = (await client.post(f"{path}/secret", json={"overlap_s": 60})).json()
        request = await sent()
        assert request.is_signed_by(hook["secret"])
        assert request.is_signed_by(second["secret"])
        assert "old_secret_until_ms" in second
        third = (await client.post(f"{path}/secret", json={"overlap_s": 0})).json()
        request = await sent()
        assert [request.is_signed_by(one["secret"]) for one in (hook, second, third)] == [False, False, True]
        own = "whsec_" + "QUFB" * 10
        assert "secret" not in (await client.patch(path, json={"secret": own})).json()
        request = await sent()
        assert request.is_signed_by(own)
        assert request.is_signed_by(third["secret"])
        assert (await client.put(path, json={"url": found.url})).status_code == 200
        assert (await sent()).is_signed_by(own)
        for answered in (await client.get(path), await client.get("/v1/webhooks")):
            assert "whsec" not in answered.text
            assert answered.status_code == 200


async def test_a_store_that_goes_away_loses_nothing(system_postgres, wait_until) -> None:
    """Killed in the middle: what was sent and not noted may come twice, under the same id; all comes."""
    async with open_database(Settings(database_url=system_postgres.url)) as database, receiver() as found:
        held = asyncio.Event()

        async def respond(_request):
            if len(found.received) == 5:
                await asyncio.to_thread(system_postgres.kill)
                held.set()
            return OK

        found.respond = respond
        async with sending_hub(database) as (sending, client):
            await make(client, found)
            ids = [await store_event(database) for _ in range(12)]
            sending.on_events_stored()
            await held.wait()
            await asyncio.to_thread(system_postgres.start)
            await wait_until(lambda: set(found.ids) == set(ids), timeout_s=60)
            assert list(dict.fromkeys(found.ids)) == ids


async def test_nothing_private_is_reached_or_logged(database, wait_until) -> None:
    """Without networks of the operator: refused at creation; a webhook stored before the setting changed fails at the connection. Secrets stand in no log line."""
    with structlog.testing.capture_logs() as lines:
        async with receiver() as found:
            async with sending_hub(database) as (_, client):
                hook = await make(client, found)
            async with sending_hub(database, Settings(), tries=2) as (sending, client):
                for url in (
                    found.url,
                    "https://127.0.0.1/",
                    "https://[::ffff:127.0.0.1]/",
                    "https://0x7f.1/",
                    "https://localhost/",
                ):
                    answered = await client.post("/v1/webhooks", json={"url": url})
                    assert (answered.status_code, answered.json()["field"]) == (400, "url")
                await store_event(database)
                sending.on_events_stored()
                await wait_until(lambda: _is(_status(client, hook), dead=1))
                assert (await _status(client, hook))[
                    "last_error"
                ] == "the name leads to no address that is allowed"
            assert found.connections == 0
    assert "webhook_not_delivered" in str(lines)
    assert hook["secret"] not in str(lines)
    assert "key=1" not in str(lines)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"), ({"url": "https://a.com", "secret": "x"}, "secret"), ({"url": "https://a.com", "kinds": ["boom"]}, "kinds"),
        ({"url": "https://a.com", "kinds": []}, "kinds"), ({"url": "https://a.com", "kinds": [[]]}, "kinds"), ({"url": "https://a.com", "fences": "x"}, "fences"),
        ({"url": "https://a.com", "vehicles": [5]}, "vehicles"), ({"url": "https://a.com", "rules": ["a"] * 1001}, "rules"),
        ({"url": "https://a.com", "paused": 1}, "paused"), ({"url": "https://a.com", "id": ".."}, "id"), ({"url": "https://a.com", "x": 1}, "x"),
    ],
)  # fmt: skip
async def test_a_wrong_webhook_is_refused(database, body, field) -> None:
    """With the field that is to blame; nothing is stored."""
    async with sending_hub(database) as (_, client):
        answered = await client.post("/v1/webhooks", json=body)
        assert (answered.status_code, answered.json()["field"]) == (400, field)
        assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}


async def test_webhooks_are_kept_like_everything_else(database) -> None:
    """Ids, editions, pages, merge patches, roles, fleets, the most of them; 404 and 412 where they belong."""
    async with sending_hub(database) as (sending, client):
        made = await client.put(
            "/v1/webhooks/a%2Fb", json={"url": "https://example.com", "kinds": ["exit", "exit"]}
        )
        assert (made.status_code, made.headers["location"], made.headers["cache-control"]) == (
            201,
            "/v1/webhooks/a%2Fb",
            "no-store",
        )
        secret = made.json().pop("secret")
        assert secret.startswith("whsec_")
        read = await client.get("/v1/webhooks/a%2Fb")
        assert read.json() == {name: value for name, value in made.json().items() if name != "secret"}
        assert (read.json()["kinds"], read.json()["paused"], read.headers["etag"]) == (
            ["exit"],
            False,
            made.headers["etag"],
        )
        changed = await client.patch(
            "/v1/webhooks/a%2Fb",
            json={"kinds": None, "fences": ["f"]},
            headers={"If-Match": read.headers["etag"]},
        )
        assert (changed.status_code, changed.json()["version"], "kinds" in changed.json()) == (200, 2, False)
        for method in ("PUT", "PATCH", "DELETE"):
            answered = await client.request(
                method,
                "/v1/webhooks/a%2Fb",
                json={"url": "https://example.com"},
                headers={"If-Match": read.headers["etag"]},
            )
            assert answered.status_code == 412
        assert (
            await client.put("/v1/webhooks/none", json={"url": "https://a.com"}, headers={"If-Match": "*"})
        ).status_code == 412
        put = await client.put("/v1/webhooks/a%2Fb", json=changed.json() | {"url": "https://b.com"})
        assert (put.status_code, put.json()["version"], put.json()["url"]) == (200, 3, "https://b.com")
        for _ in range(9):
            assert (await client.post("/v1/webhooks", json={"url": "https://example.com"})).status_code == 201
        assert (await client.post("/v1/webhooks", json={"url": "https://example.com"})).status_code == 413
        seen, path = [], "/v1/webhooks?limit=4"
        while path:
            page = (await client.get(path)).json()
            seen += [hook["id"] for hook in page["webhooks"]]
            path = page.get("next")
        assert len(set(seen)) == len(seen) == 10
        for path in ("none", "none/status", "none/dead-letters"):
            assert (await client.get(f"/v1/webhooks/{path}")).status_code == 404
        for path, body in {"none/redeliver": {"all": True}, "none/secret": {}}.items():
            assert (await client.post(f"/v1/webhooks/{path}", json=body)).status_code == 404
        for body in ({}, {"all": False}, {"events": [], "all": True}, {"events": []}, {"events": "x"}, [1]):
            assert (await client.post("/v1/webhooks/a%2Fb/redeliver", json=body)).status_code == 400
        for body in (
            {"overlap_s": -1},
            {"overlap_s": True},
            {"overlap_s": 1.5},
            {"secret": "x"},
            {"url": "x"},
        ):
            assert (await client.post("/v1/webhooks/a%2Fb/secret", json=body)).status_code == 400
        for token, status in {
            "acme/viewer": 403,
            "acme/device": 403,
            "acme/viewer/v": 403,
            "globex/admin": 404,
            "acme/admin": 200,
        }.items():
            async with client_of(sending.app, token) as other:
                for path in ("", "/status", "/dead-letters"):
                    assert (await other.get(f"/v1/webhooks/a%2Fb{path}")).status_code == status
        assert (await client.delete("/v1/webhooks/a%2Fb")).status_code == 204
        assert (await client.delete("/v1/webhooks/a%2Fb")).status_code == 404


async def test_an_event_that_cannot_be_read_is_dead(database, wait_until) -> None:
    """A document that somebody broke by hand stops nothing."""
    async with receiver() as found, sending_hub(database) as (sending, client):
        hook = await make(client, found)
        broken = await store_event(database)
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE events SET document = $1 WHERE event_id = $2", json.dumps([1]), broken
            )
        good = await store_event(database)
        sending.on_events_stored()
        await wait_until(lambda: found.ids == [good])
        assert (await _status(client, hook))["dead"] == 1
