"""Plans in PostgreSQL."""

from dataclasses import replace

from haulcast.plans.plan import Plan, PlanState
from haulcast.plans.plan_store_postgres import PostgresPlanStore

ASK = {"seconds": 1.0, "cause": "asked"}


def _plan(number, **more):
    return Plan("acme", f"{number:012x}-a", ASK, PlanState.WAITING, number, **more)


async def test_what_is_put_is_found(database) -> None:
    """Whole, with its result; a list has the summaries alone, newest first, in pages; other fleets' are theirs."""
    store = PostgresPlanStore(database)
    plans = [_plan(number) for number in range(1, 6)]
    for plan in plans:
        await store.put(plan)
    done = replace(
        plans[2], state=PlanState.FOUND, began_ms=7, ended_ms=8, summary={"cost": 1.5}, result={"routes": []}
    )
    await store.put(done)
    assert await store.find("acme", done.plan_id) == done
    assert await store.find("other", done.plan_id) is None
    page = await store.page("acme", "", 3)
    assert page == [plans[4], plans[3], replace(done, result=None)]
    assert await store.page("acme", page[-1].plan_id, 3) == [plans[1], plans[0]]
    assert await store.page("other", "", 3) == []


async def test_what_was_unfinished_is_lost(database) -> None:
    """What was waiting or running at the end of the last run is, with the reason; the rest stays what it is."""
    store = PostgresPlanStore(database)
    for number, state in enumerate(PlanState):
        await store.put(replace(_plan(number), state=state))
    assert await store.lose_unfinished("it ended", 99) == 2
    states = {
        plan.made_ms: (plan.state, plan.reason, plan.ended_ms) for plan in await store.page("acme", "", 99)
    }
    for number, state in enumerate(PlanState):
        is_lost = state in (PlanState.WAITING, PlanState.RUNNING)
        assert states[number] == ((PlanState.LOST, "it ended", 99) if is_lost else (state, "", None))


async def test_plans_are_accepted_and_forgotten(database) -> None:
    """With the time; and what is too old goes."""
    store = PostgresPlanStore(database)
    for number in (1, 2, 3):
        await store.put(_plan(number))
    await store.mark_accepted("acme", _plan(2).plan_id, 77)
    found = await store.find("acme", _plan(2).plan_id)
    assert (found.state, found.accepted_ms) == (PlanState.ACCEPTED, 77)
    await store.forget("acme", 3)
    assert [plan.made_ms for plan in await store.page("acme", "", 9)] == [3]
