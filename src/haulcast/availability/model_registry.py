"""The contract of what knows the models of all fleets: which there are, which are in force, and which were before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from haulcast.errors import ConflictError, NotFoundError


class ModelStatus(StrEnum):
    """What a model is to its fleet."""

    STAGED = "staged"  # learned, and never in force
    LIVE = "live"  # in force; one a fleet at most
    RETIRED = "retired"  # was in force


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that was learned for a fleet.

    Attributes:
        version: of no other model of the fleet.
        made_ms: when it was learned, UTC epoch.
        file: its name in the folder of models.
        checksum: SHA-256 of the file.
        card: what it was learned from and how good it was (`model_card.py`).
        status: what it is now.
        live_ms: when it last went live, later than of any that did before; None: never, or it was rolled back.
    """

    fleet: str
    version: str
    made_ms: int
    file: str
    checksum: str
    card: Mapping[str, Any]
    status: ModelStatus = ModelStatus.STAGED
    live_ms: int | None = None


def entry_of(entries: Sequence[ModelEntry], fleet: str, version: str) -> ModelEntry:
    """That version of a fleet's models.

    Raises:
        NotFoundError: there is none; says which there are.
    """
    for entry in entries:
        if entry.version == version:
            return entry
    known = ", ".join(entry.version for entry in entries) or "none"
    raise NotFoundError(
        "no_such_model", f"fleet {fleet!r} has no model {version!r}; it has {known}", field="version"
    )


def live_entry(entries: Sequence[ModelEntry]) -> ModelEntry | None:
    """The one of a fleet's models that is in force."""
    return next((entry for entry in entries if entry.status is ModelStatus.LIVE), None)


def live_and_before(entries: Sequence[ModelEntry], fleet: str) -> tuple[ModelEntry, ModelEntry]:
    """The one of a fleet's models that is in force, and the one that was before it; of those that were rolled back none.

    Raises:
        ConflictError: no model is in force, or none was before.
    """
    now = live_entry(entries)
    if now is None:
        raise ConflictError("no_live_model", f"fleet {fleet!r} has no live model to roll back")
    before = [entry for entry in entries if entry.live_ms is not None and entry is not now]
    if not before:
        reason = f"no model of fleet {fleet!r} was live before {now.version}; promote another"
        raise ConflictError("no_model_before", reason)
    return now, max(before, key=lambda entry: entry.live_ms or 0)


class ModelRegistry(Protocol):
    """Models by (fleet, version).

    - A write is durable when it returns, and is done whole or not at all; promotions and rollbacks of one fleet happen one after the other.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    async def add(self, entry: ModelEntry) -> None:
        """Write down a staged model.

        Raises:
            ConflictError: there is one of this version.
        """

    async def entries(self, fleet: str | None = None) -> Sequence[ModelEntry]:
        """All models of a fleet, or of all fleets, by fleet, the newest first."""

    async def live(self) -> Mapping[str, ModelEntry]:
        """The model in force of each fleet that has one."""

    async def promote(self, fleet: str, version: str, now_ms: int) -> ModelEntry | None:
        """This model is in force from now on; the one that was before, or None. Promoting the one in force changes nothing.

        Raises:
            NotFoundError: the fleet has no such model.
        """

    async def rollback(self, fleet: str) -> tuple[ModelEntry, ModelEntry]:
        """The model in force is retired, and the one before it in force again: both, in this order.

        Raises:
            ConflictError: no model is in force, or none was before.
        """
