"""The contract of a route store: what is kept of loads, routes and vehicle profiles, and what a store promises."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from haulcast.database.editions import other_edition
from haulcast.errors import ConflictError
from haulcast.routes.load import Load
from haulcast.routes.route import Route
from haulcast.routes.vehicle_profile import VehicleProfile

NEW = ""
"""In place of an expected edition: there must be none yet."""
ANY = "*"
"""In place of an expected edition: there must be one, whichever."""


def check_edition(what: str, key: str, expected: str, found: str | None) -> None:
    """Look whether a load, route or profile is at the edition that is expected; `found` is None when there is none.

    Raises:
        ConflictError: it has to be new, and is there.
        PreconditionError: it has another edition, or is not there.
    """
    if expected == NEW and found is not None:
        raise exists(what, key)
    if expected != NEW and (found is None or expected not in {ANY, found}):
        raise other_edition(f"{what} {key!r}", found)


def exists(what: str, key: str) -> ConflictError:
    """A thing that has to be new is there."""
    reason = f"there is a {what} {key!r} already; PUT /v1/{what}s/<id> replaces it"
    return ConflictError(f"{what}_exists", reason, field="id")


@dataclass(frozen=True, slots=True)
class LoadWrite:
    """A load as it shall be.

    Attributes:
        expected: the edition that it replaces, or NEW, or ANY; None: whatever is there, if anything.
    """

    load: Load
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class RouteWrite:
    """A route as it shall be.

    Attributes:
        expected: as of `LoadWrite`.
        keeps_line: its line is the one that is stored, and need not be sent again.
    """

    route: Route
    expected: str | None = None
    keeps_line: bool = False


class Asked(NamedTuple):
    """Which part of a fleet's loads or routes a page is of; an empty filter lets everything pass.

    Attributes:
        after: the last id of the page before; empty: from the first.
        limit: at most so many.
        vehicles: of one of these only; None: of all.
    """

    after: str
    limit: int
    status: str = ""
    vehicle: str = ""
    vehicles: Collection[str] | None = None


class StoredProfile(NamedTuple):
    """A vehicle's profile as it is stored."""

    fleet: str
    vehicle: str
    profile: VehicleProfile
    edition: str


class RouteStore(Protocol):
    """Loads by (fleet, load id), routes by (fleet, route id), profiles by (fleet, vehicle).

    - A write is durable when it returns, and is done whole or not at all.
    - Writes of one thing happen one after the other: of two that expect the same edition, one succeeds.
    - What is read has its edition, which names this state of it and no other.
    - A vehicle never has two active routes.
    - Ids are ordered by their UTF-8 bytes.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    def loads(self, fleet: str | None = None) -> AsyncIterator[Sequence[Load]]:
        """All loads that are not over, of one fleet or of all, in portions: the state at one moment."""

    def routes(self, fleet: str | None = None) -> AsyncIterator[Sequence[Route]]:
        """All routes that are not over, as `loads`."""

    def profiles(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredProfile]]:
        """All profiles, as `loads`."""

    async def page_of_loads(self, fleet: str, asked: Asked) -> Sequence[Load]:
        """Loads in order of id, also those that are over."""

    async def page_of_routes(self, fleet: str, asked: Asked) -> Sequence[Route]:
        """Routes in order of id, also those that are over."""

    async def find_load(self, fleet: str, load_id: str) -> Load | None:
        """One load, or None."""

    async def find_route(self, fleet: str, route_id: str) -> Route | None:
        """One route, or None."""

    async def find_profile(self, fleet: str, vehicle: str) -> StoredProfile | None:
        """One profile, or None."""

    async def write(
        self, fleet: str, loads: Sequence[LoadWrite] = (), routes: Sequence[RouteWrite] = ()
    ) -> tuple[Sequence[Load], Sequence[Route]]:
        """Create or change all of them or, when one cannot be, none; no id stands there twice.

        Returns:
            The same in the same order, with their new editions.

        Raises:
            ConflictError: one that has to be new is there already, or a vehicle would have two active routes.
            PreconditionError: one has another edition than is expected, or there is none.
        """

    async def put_profile(
        self, fleet: str, vehicle: str, profile: VehicleProfile, expected: str | None = None
    ) -> tuple[str, bool]:
        """Create or change a profile: its new edition, and whether it is new. `expected` as of `LoadWrite`.

        Raises:
            PreconditionError: it has another edition, or there is none.
        """

    async def delete_profile(self, fleet: str, vehicle: str, expected: str = ANY) -> None:
        """Remove a profile.

        Raises:
            NotFoundError: there is none.
            PreconditionError: it has another edition.
        """

    async def forget(self, before_ms: int, most: int) -> int:
        """Delete what has been over since before this time, of all fleets, up to so many loads and routes each; how many that were."""

    async def stop_fences(self, fleet: str | None = None) -> Sequence[tuple[str, str]]:
        """(fleet, fence id) of the fences that the hub made for stops, or was about to make."""

    async def add_stop_fences(self, fleet: str, fence_ids: Collection[str]) -> None:
        """From now on these are ours; some may be so already."""

    async def remove_stop_fences(self, fleet: str, fence_ids: Collection[str]) -> None:
        """These are not ours any more; some may be so already."""
