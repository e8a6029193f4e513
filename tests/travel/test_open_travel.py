"""The travel times of a hub, put together: over a real database, with its own tasks."""

import asyncio

import numpy as np
from fleet_drives import fixes, step_of

from haulcast import clock
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.travel import open_travel as station
from haulcast.travel import teaching
from haulcast.travel.open_travel import open_travel


async def test_a_hub_learns_what_it_is_asked_for_and_has_it_after_a_restart(
    each_database, wait_until, monkeypatch
):
    """From the first question to the stored table; at once in the next run, without a history; live traffic on top; and nothing is left running."""
    monkeypatch.setattr(teaching, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(station, "TRAFFIC_EVERY_S", 0.01)
    rows, settings, now_ms = VehicleRows(), Settings(travel_days=1), clock.epoch_ms()
    for i in range(10):
        rows.row_of("acme", f"v{i}")
    history = MemoryHistoryStore(lambda row: ("acme", f"v{row}"))
    await history.write(fixes(now_ms - 3 * 3_600_000, 60, mps=20.0))
    async with open_travel(settings, each_database, history, rows) as book:
        untaught = book.times("acme")
        await wait_until(lambda: book.times("acme") is not untaught)
        taught = book.times("acme")
    tasks = {task.get_name() for task in asyncio.all_tasks()}
    assert not tasks & {"travel times", "traffic"}
    async with open_travel(settings, each_database, None, rows) as book:
        assert np.array_equal(book.times("acme").speed_mps, taught.speed_mps)
        learned = book.paces("acme", now_ms)
        assert np.array_equal(learned, taught.paces())
        book.on_step(step_of(fixes(now_ms - 600_000, 10, mps=10.0), now_ms))
        await wait_until(lambda: book.paces("acme", now_ms) is not learned)
        assert book.paces("acme", now_ms).max() > 1.5 * learned.max()
