"""Learns the travel times of fleets that somebody asks for, once a day, and keeps them for the next start."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from haulcast.errors import StoreError
from haulcast.history.history_store import DAY_MS, HistoryStore
from haulcast.travel.learning import HOUR_MS, learn
from haulcast.travel.travel_book import TravelBook, fleet_times
from haulcast.travel.travel_store import StoredTravel, TravelStore
from haulcast.travel.travel_tables import TravelTableError, read_table, table_bytes

LOOK_EVERY_S: Final = 10.0
READ_EVERY_MS: Final = 10 * 60_000
"""So often the store is asked whether somebody else has learned: another hub, or `haulcast travel learn`."""
AGAIN_MS: Final = DAY_MS
TRY_AGAIN_MS: Final = HOUR_MS
"""After a look at a history that has too little in it, or at a store that is away."""

log = structlog.get_logger("haulcast.travel")


async def learn_and_keep(
    history: HistoryStore, store: TravelStore, fleet: str, begin_ms: int, end_ms: int, made_ms: int
) -> StoredTravel | None:
    """Learn a fleet's travel times and store them; None: its history has too few legs.

    Raises:
        StoreError: one of the stores cannot be reached.
    """
    learned = await learn(history, fleet, begin_ms, end_ms)
    if learned is None:
        return None
    table = await asyncio.to_thread(table_bytes, learned.times)
    stored = StoredTravel(fleet, made_ms, begin_ms, end_ms, learned.legs, table)
    await store.put(stored)
    log.info(
        "travel_times_learned", fleet=fleet, legs=learned.legs, cells=len(learned.times.cells),
        mps=round(float(learned.times.speed_mps[0].mean()), 1), circuity=round(learned.times.circuity, 2),
    )  # fmt: skip
    return stored


class Teaching:
    """What keeps a book taught.

    Args:
        history: None: there is none, so only what is stored is taught.
        days: of history to learn from; 0: likewise.
    """

    def __init__(
        self,
        book: TravelBook,
        store: TravelStore,
        history: HistoryStore | None,
        days: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._book = book
        self._store = store
        self._history = history if days else None
        self._days = days
        self._now_ms = now_ms
        self._made: dict[str, int] = {}
        self._tried: dict[str, int] = {}
        self._read_ms = 0

    async def read(self) -> None:
        """Teach what is stored and was not taught yet.

        Raises:
            StoreError: the store cannot be reached.
        """
        self._read_ms = self._now_ms()
        for fleet, made_ms in (await self._store.made()).items():
            if made_ms > self._made.get(fleet, -1):
                await self._read(fleet)

    async def _read(self, fleet: str) -> None:
        stored = await self._store.find(fleet)
        if stored is not None:
            await self._teach(stored)

    async def _teach(self, stored: StoredTravel) -> None:
        self._made[stored.fleet] = stored.made_ms
        try:
            times = await asyncio.to_thread(lambda: fleet_times(read_table(stored.table)))
        except TravelTableError as error:  # it is learned anew
            log.warning("travel_times_unreadable", fleet=stored.fleet, reason=str(error))
            self._made[stored.fleet] = 0
        else:
            self._book.teach(stored.fleet, times)

    async def look(self) -> None:
        """Read what others have learned, and learn what is due, one fleet after the other.

        Raises:
            StoreError: a store cannot be reached.
        """
        if self._now_ms() - self._read_ms >= READ_EVERY_MS:
            await self.read()
        for fleet in sorted(self._book.asked):
            if self._history is not None and self._is_due(fleet):
                self._tried[fleet] = self._now_ms()
                await self._learn(self._history, fleet)

    def _is_due(self, fleet: str) -> bool:
        now_ms = self._now_ms()
        is_old = now_ms - self._made.get(fleet, -AGAIN_MS) >= AGAIN_MS
        return is_old and now_ms - self._tried.get(fleet, -TRY_AGAIN_MS) >= TRY_AGAIN_MS

    async def _learn(self, history: HistoryStore, fleet: str) -> None:
        made_ms = self._now_ms()
        end_ms = made_ms // HOUR_MS * HOUR_MS
        stored = await learn_and_keep(
            history, self._store, fleet, end_ms - self._days * DAY_MS, end_ms, made_ms
        )
        if stored is not None:
            await self._teach(stored)

    async def run(self) -> None:
        """Look for ever."""
        is_away = False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
                is_away = False
            except StoreError as error:
                if not is_away:
                    log.warning("travel_times_not_learned", reason=error.reason)
                is_away = True
            except Exception:
                log.exception("travel_times_not_learned")
