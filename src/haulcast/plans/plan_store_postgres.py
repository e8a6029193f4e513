"""Plans in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from haulcast.database.pool import Database
from haulcast.plans.plan import UNFINISHED, Plan, PlanState

_TIMES = "made_ms, began_ms, ended_ms, accepted_ms"
_COLUMNS = f"fleet, plan_id, ask, state, reason, {_TIMES}, summary"
_PUT = f"""
    INSERT INTO plans ({_COLUMNS}, result) VALUES ($1, $2, $3::json, $4, $5, $6, $7, $8, $9, $10::json, $11::json)
    ON CONFLICT (fleet, plan_id) DO UPDATE SET state = excluded.state, reason = excluded.reason, began_ms = excluded.began_ms,
        ended_ms = excluded.ended_ms, accepted_ms = excluded.accepted_ms, summary = excluded.summary, result = excluded.result
"""  # noqa: S608 - no input in it
_PAGE = f"""
    SELECT {_COLUMNS} FROM plans WHERE fleet = $1 AND ($2 = '' OR plan_id < $2) ORDER BY plan_id DESC LIMIT $3
"""  # noqa: S608 - no input in it
_LOSE = "UPDATE plans SET state = $1, reason = $2, ended_ms = $3 WHERE state = ANY($4) RETURNING 1"
_ACCEPT = "UPDATE plans SET state = $3, accepted_ms = $4 WHERE fleet = $1 AND plan_id = $2"


class PostgresPlanStore:
    """The table `plans`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, plan: Plan) -> None:
        """See `PlanStore`."""
        documents = [
            None if document is None else orjson.dumps(document).decode()
            for document in (plan.summary, plan.result)
        ]
        times = (plan.made_ms, plan.began_ms, plan.ended_ms, plan.accepted_ms)
        ask = orjson.dumps(plan.ask).decode()
        async with self._database.connection() as connection:
            await connection.execute(
                _PUT, plan.fleet, plan.plan_id, ask, plan.state.value, plan.reason, *times, *documents
            )

    async def find(self, fleet: str, plan_id: str) -> Plan | None:
        """See `PlanStore`."""
        query = f"SELECT {_COLUMNS}, result FROM plans WHERE fleet = $1 AND plan_id = $2"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, fleet, plan_id)
        return None if row is None else _plan(row)

    async def page(self, fleet: str, before: str, limit: int) -> Sequence[Plan]:
        """See `PlanStore`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_PAGE, fleet, before, limit)
        return [_plan(row) for row in rows]

    async def mark_accepted(self, fleet: str, plan_id: str, time_ms: int) -> None:
        """See `PlanStore`."""
        async with self._database.connection() as connection:
            await connection.execute(_ACCEPT, fleet, plan_id, PlanState.ACCEPTED.value, time_ms)

    async def lose_unfinished(self, reason: str, time_ms: int) -> int:
        """See `PlanStore`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _LOSE, PlanState.LOST.value, reason, time_ms, [state.value for state in UNFINISHED]
            )
        return len(rows)

    async def forget(self, fleet: str, before_ms: int) -> None:
        """See `PlanStore`."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM plans WHERE fleet = $1 AND made_ms < $2", fleet, before_ms)


def _plan(row: Mapping[str, Any]) -> Plan:
    found = dict(row)
    for name in ("ask", "summary", "result"):
        if found.get(name) is not None:
            found[name] = orjson.loads(found[name])
    return Plan(**{**found, "state": PlanState(found["state"])})
