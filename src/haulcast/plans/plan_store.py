"""The contract of a plan store: what is kept of a plan, and what a store promises."""

from collections.abc import Sequence
from typing import Protocol

from haulcast.plans.plan import Plan


class PlanStore(Protocol):
    """Plans by (fleet, plan id); ids are in the order of time.

    - A write is durable when it returns.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    async def put(self, plan: Plan) -> None:
        """Write a plan as it is now, over what was there."""

    async def find(self, fleet: str, plan_id: str) -> Plan | None:
        """One plan with its result, or None."""

    async def page(self, fleet: str, before: str, limit: int) -> Sequence[Plan]:
        """Up to `limit` plans of a fleet without their results, newest first, with ids below `before` (empty: from the newest)."""

    async def mark_accepted(self, fleet: str, plan_id: str, time_ms: int) -> None:
        """It is in force since then."""

    async def lose_unfinished(self, reason: str, time_ms: int) -> int:
        """Plans that were waiting or running when the hub ended are lost, with this reason; how many."""

    async def forget(self, fleet: str, before_ms: int) -> None:
        """Delete the fleet's plans that were made before."""
