"""The contract of what keeps sampled predictions, what came of them, and the alerts."""

from collections.abc import Sequence
from typing import Final, Protocol

from haulcast.availability.alerts import Alert
from haulcast.availability.outcomes import Outcome, Sample

KEPT_MS: Final = 28 * 86_400_000


class OutcomeStore(Protocol):
    """Samples wait here for their moment, also through a restart. Every method raises StoreError when the store cannot be reached."""

    async def add(self, samples: Sequence[tuple[str, Sample]]) -> None:
        """Keep samples of fleets; those of the same vehicle, moment and horizon are there once."""

    async def pending(self) -> dict[str, int]:
        """How many samples of each fleet still wait; of others, none."""

    async def settle(self, fleet: str, before_ms: int, limit: int) -> list[Outcome]:
        """Write down what came of the fleet's samples that wait and whose moment was before, the oldest first; and say it, in the order of moments.

        A driver was on duty, or busy, if a span of it holds the moment, begin included; who has none was off duty.
        """

    async def read(self, fleet: str, from_ms: int, until_ms: int, limit: int) -> list[Outcome]:
        """What came of the moments in [from, until), in their order: the first `limit`, and all others of the last one's moment."""

    async def fleets(self, from_ms: int) -> list[str]:
        """Those with outcomes of this moment or later."""

    async def put_alert(self, fleet: str, alert: Alert) -> None:
        """Keep that it begins, unless one of the same question and horizon lasts already; or, if it has an end, that the one that lasts ended then."""

    async def alerts(self, fleet: str | None, from_ms: int) -> list[tuple[str, Alert]]:
        """Those of a fleet (None: of all) that last or ended later, with their fleets, by begin."""

    async def forget(self, before_ms: int) -> int:
        """Drop samples of moments before, and alerts that ended before; how many."""
