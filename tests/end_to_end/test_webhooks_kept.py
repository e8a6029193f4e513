"""Real hubs that are killed between storing and sending: every stored event arrives all the same."""

import asyncio
import os
import signal

from event_rows import store_event
from webhook_receiver import OK, receiver

from benchmarks.processes import FLEET, hub


async def test_killed_hubs_lose_no_event(database, database_url, wait_until) -> None:
    """Two are killed while they send, and events are stored while none runs: each arrives, in the order of storing, at most one twice a kill."""
    settings = {"database_url": database_url, "webhook_private_networks": "127.0.0.0/8"}
    ids: list[str] = []

    async def store(count: int) -> None:
        ids.extend([await store_event(database, fleet=FLEET) for _ in range(count)])

    async with receiver() as found:
        hold_at = 10**9
        held = asyncio.Event()

        async def respond(_request):
            if len(found.received) == hold_at:
                held.set()
                await asyncio.sleep(60)  # it has arrived, and the hub will never know
            return OK

        found.respond = respond
        secret = ""
        for kill in range(2):
            async with hub(**settings) as running:
                if not secret:
                    made = await asyncio.to_thread(running.send, "POST", "/v1/webhooks", {"url": found.url})
                    secret = made["secret"]
                await store(30)
                held.clear()
                hold_at = len(found.received) + 12
                await asyncio.wait_for(held.wait(), 30)
                os.kill(running.process.pid, signal.SIGKILL)
                await running.process.ended(10)
            await store(20)
            assert len(set(found.ids)) < len(ids), kill
        hold_at = 10**9
        async with hub(**settings) as running:
            await wait_until(lambda: set(found.ids) == set(ids), timeout_s=30)
            status = await asyncio.to_thread(running.get, f"/v1/webhooks/{made['id']}/status")
            assert (status["waiting"], status["dead"]) == (0, 0)
            events = await asyncio.to_thread(running.get, f"/v1/events?after={ids[49]}&limit=1000")
            assert [event["id"] for event in events["events"]] == ids[50:]
            metrics = running.counters()["webhooks"]
            assert metrics["delivered"] >= 50
            (record,) = (await asyncio.to_thread(running.get, "/v1/audit"))["records"]
            assert ("webhooks" in record["action"], record["role"], record["status"]) == (True, "admin", 201)
        assert list(dict.fromkeys(found.ids)) == ids
        assert len(found.ids) <= len(ids) + 2
        assert all(request.is_signed_by(secret) for request in found.received)
