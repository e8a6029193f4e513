"""Writes down which vehicles have ever connected, behind the devices' backs: they never wait for the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

import structlog

from haulcast.doors.request_fields import checked_id
from haulcast.errors import RequestError, StoreError
from haulcast.vehicles.vehicle_store import VehicleStore

MOST_AT_ONCE = 5_000
RETRY_S = 1.0
LAST_TRY_S = 2.0  # at the stop; what is lost then comes back when the device connects again

log = structlog.get_logger()


class VehicleRegistry:
    """Remembers vehicles until the store has them. Memory is bounded by the number of vehicles there are."""

    def __init__(self, store: VehicleStore) -> None:
        self._store = store
        self._waiting: dict[tuple[str, str], object] = {}  # with a token, new each time it is seen
        self._something_waits = asyncio.Event()
        self._at_once = MOST_AT_ONCE

    def __len__(self) -> int:
        return len(self._waiting)

    def seen(self, fleet: str, vehicle: str) -> None:
        """A vehicle has connected. Returns at once."""
        try:
            checked_id(vehicle)
            checked_id(fleet)
        except RequestError:
            log.warning(
                "vehicle_not_registered", fleet=fleet, vehicle=vehicle, reason="its name is not printable"
            )
            return
        self._waiting[fleet, vehicle] = object()
        self._something_waits.set()

    def forget(self, fleet: str, vehicle: str) -> None:
        """Do not write this one down any more, unless it connects again."""
        self._waiting.pop((fleet, vehicle), None)

    async def run(self) -> None:
        """Write down what is seen, for ever."""
        while True:
            await self._something_waits.wait()
            try:
                await self._write_some()
            except StoreError as error:
                log.warning("vehicles_not_registered_yet", waiting=len(self._waiting), reason=error.reason)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("vehicles_not_registered", at_once=self._at_once)
                self._suspect()
                await asyncio.sleep(RETRY_S)
            else:
                self._at_once = min(MOST_AT_ONCE, 2 * self._at_once)

    def _suspect(self) -> None:
        """One of those written last may be to blame: fewer at once, and one alone goes to the end of the queue."""
        if self._at_once == 1 and self._waiting:
            first = next(iter(self._waiting))
            self._waiting[first] = self._waiting.pop(first)
        self._at_once = max(1, self._at_once // 2)

    async def write_rest(self) -> None:
        """Write down all that waits.

        Raises:
            StoreError: the store cannot be reached.
        """
        while self._waiting:
            await self._write_some()

    async def _write_some(self) -> None:
        some = dict(islice(self._waiting.items(), self._at_once))
        await self._store.add_missing(some.keys())
        for vehicle, token in some.items():
            if (
                self._waiting.get(vehicle) is token
            ):  # else it was seen again meanwhile, maybe after a deletion
                del self._waiting[vehicle]
        if not self._waiting:
            self._something_waits.clear()


@asynccontextmanager
async def vehicle_registry(store: VehicleStore) -> AsyncIterator[VehicleRegistry]:
    """A registry that writes in the background for the time of the block, and what is left at its end."""
    registry = VehicleRegistry(store)
    writing = asyncio.create_task(registry.run())
    try:
        yield registry
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await registry.write_rest()
        except (StoreError, TimeoutError):
            log.warning("vehicles_not_registered", waiting=len(registry))
        except Exception:
            log.exception("vehicles_not_registered", waiting=len(registry))
