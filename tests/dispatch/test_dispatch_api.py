"""`/v1/dispatch` over HTTP, on a real PostgreSQL: what is asked wrongly, what is committed, and what others do meanwhile."""

import asyncio
from dataclasses import replace

import pytest
from dispatch_world import NOW_MS, DispatchApp, dispatch_app, load, place, stops_of

from haulcast.dispatch import dispatch_api
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus

PLACE = {"lat": 45.1, "lon": 9.0}
DOCUMENT = {"pickup": PLACE, "delivery": {"lat": 45.2, "lon": 9.0}, "size": {"kg": 100}}


@pytest.fixture
async def found(database):
    async with dispatch_app(database) as app:
        yield app


async def ask(found: DispatchApp, what: str, body, token: str = "acme/dispatcher"):
    async with found.client(token) as client:
        return await client.post(f"/v1/dispatch/{what}", json=body)


def some_loads(count: int) -> list[Load]:
    return [load(f"l{i}", place(45.1 + i / 100, 9.0), place(45.2, 9.0 + i / 100)) for i in range(count)]


async def vehicles(found: DispatchApp, count: int) -> None:
    for i in range(count):
        found.world.vehicle(f"van {i}", 45.0, 9.0 + i / 10)


async def open_loads(found: DispatchApp, count: int) -> list[Load]:
    return [(await found.edits.put_load(one))[0] for one in some_loads(count)]


async def test_a_load_by_id_and_a_whole_one_are_answered_alike(found):
    """Both have the same drivers; nothing is written."""
    await vehicles(found, 3)
    (stored,) = await open_loads(found, 1)
    by_id = (await ask(found, "recommend", {"load": "l0", "k": 2})).json()
    document = DOCUMENT | {"delivery": {"lat": 45.2, "lon": 9.0}}
    whole = (await ask(found, "recommend", {"load": document, "k": 2})).json()
    assert by_id | {"load": "new"} == whole
    assert [driver["vehicle"] for driver in whole["drivers"]] == ["van 0", "van 1"]
    assert whole["asked"] == 3
    assert whole["drivers"][0]["why"].startswith(f"{round((whole['drivers'][0]['pickup']['eta'] - NOW_MS) / 60_000)} min to the pickup, ")  # fmt: skip
    assert found.edits.book.load("acme", "l0") == stored
    assert (await ask(found, "recommend", {"load": "l0"}, "acme/viewer")).status_code == 200


@pytest.mark.parametrize(
    ("what", "body", "status", "code"),
    [
        ("recommend", {}, 400, "missing_field"),
        ("recommend", [], 400, "wrong_type"),
        ("recommend", {"load": 3}, 400, "bad_id"),
        ("recommend", {"load": "none"}, 404, "no_such_load"),
        ("recommend", {"load": DOCUMENT, "k": 0}, 400, "out_of_range"),
        ("recommend", {"load": DOCUMENT, "k": 51}, 400, "out_of_range"),
        ("recommend", {"load": DOCUMENT, "k": True}, 400, "wrong_type"),
        ("recommend", {"load": DOCUMENT, "drivers": 3}, 400, "unknown_field"),
        ("recommend", {"load": {"pickup": PLACE}}, 409, "one_ended_load"),
        ("recommend", {"load": DOCUMENT, "vehicles": {}}, 400, "missing_field"),
        ("recommend", {"load": DOCUMENT, "vehicles": {"ids": ["none"]}}, 404, "no_such_vehicle"),
        ("recommend", {"load": DOCUMENT, "vehicles": {"ids": ["x"] * 1001}}, 400, "bad_ids"),
        ("assign", {}, 400, "missing_field"),
        ("assign", {"loads": "all"}, 400, "bad_ids"),
        ("assign", {"loads": []}, 400, "bad_ids"),
        ("assign", {"loads": ["x"] * 5001}, 400, "bad_ids"),
        ("assign", {"loads": ["none"]}, 404, "no_such_load"),
        ("assign", {"loads": "open", "commit": 1}, 400, "wrong_type"),
    ],
)
async def test_what_is_wrong_is_named(found, what, body, status, code):
    """Each has its code, also where there is no vehicle at all."""
    answer = await ask(found, what, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_who_may(found):
    """Nobody without a token; a viewer asks but does not assign; another fleet has other loads."""
    assert (await ask(found, "recommend", {"load": DOCUMENT}, "")).status_code == 401
    assert (await ask(found, "assign", {"loads": "open"}, "acme/viewer")).status_code == 403
    await vehicles(found, 1)
    await open_loads(found, 1)
    assert (await ask(found, "recommend", {"load": "l0"}, "other/admin")).status_code == 404
    other = (await ask(found, "assign", {"loads": "open"}, "other/admin")).json()
    assert (other["assigned"], other["unassigned"], other["asked"]) == ([], [], 0)


async def test_a_vehicle_on_record_that_was_never_seen_is_not_asked(found):
    """It is known, and nobody knows where it is."""
    found.on_record.add("parked")
    answer = await ask(found, "recommend", {"load": DOCUMENT, "vehicles": {"ids": ["parked"]}})
    assert answer.json() | {"at": 0} == {
        "load": "new", "at": 0, "asked": 0, "not_asked": {}, "drivers": [], "refused": {}, "nearest": [],
    }  # fmt: skip


async def test_a_commit_is_in_the_store_and_a_question_is_not(found):
    """Routes of idle vehicles are new and active; the loads are planned; a second time there is nothing left to assign."""
    await vehicles(found, 2)
    await open_loads(found, 5)
    await found.edits.put_load(replace(some_loads(1)[0], load_id="half", delivery=None))
    asked = (await ask(found, "assign", {"loads": "open"})).json()
    assert not asked["committed"]
    assert list(found.edits.book.routes("acme")) == []
    done = (await ask(found, "assign", {"loads": "open", "commit": True})).json()
    assert [(one["load"], one["vehicle"]) for one in done["assigned"]] == [(one["load"], one["vehicle"]) for one in asked["assigned"]]  # fmt: skip
    assert done["unassigned"] == [
        {"load": "half", "why": "the load has no delivery; only loads with both ends are given away", "refused": {}}
    ]  # fmt: skip
    for one in done["assigned"]:
        stored = await found.edits.store.find_route("acme", one["route"])
        assert (stored.vehicle, stored.status) == (one["vehicle"], RouteStatus.ACTIVE)
        assert found.edits.book.load("acme", one["load"]).vehicle == one["vehicle"]
    again = await ask(found, "assign", {"loads": ["l0"], "commit": True})
    assert (again.status_code, again.json()["code"]) == (409, "load_not_open")
    rest = (await ask(found, "assign", {"loads": "open", "commit": True})).json()
    assert (rest["assigned"], rest["routes"]) == ([], [])
    # what comes later goes between, and nothing that is planned moves to another vehicle
    await found.edits.put_load(load("late", place(45.12, 9.0), place(45.15, 9.0)))
    whose = {one.load_id: one.vehicle for one in found.edits.book.loads("acme")}
    later = (await ask(found, "assign", {"loads": "open", "commit": True})).json()
    assert [one["load"] for one in later["assigned"]] == ["late"]
    now = {one.load_id: one.vehicle for one in found.edits.book.loads("acme")}
    assert whose | {"late": later["assigned"][0]["vehicle"]} == now


async def _meanwhile(found: DispatchApp, monkeypatch, deed) -> dict:
    """The answer to a commit, when something is done between the search and the write."""
    real = dispatch_api.assignment

    def then(*arguments, **options):
        answer = real(*arguments, **options)
        asyncio.run_coroutine_threadsafe(deed(), loop).result(30)
        return answer

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(dispatch_api, "assignment", then)
    before = [route.route_id for route in found.edits.book.routes("acme")]
    answer = await ask(found, "assign", {"loads": "open", "commit": True})
    assert answer.status_code == 409
    assert "nothing was assigned" in answer.json()["detail"] or answer.json()["code"] == "vehicle_has_route"
    new = [route for route in found.edits.book.routes("acme") if route.route_id not in before]
    assert not any(route.route_id.startswith("new-") for route in new)
    return answer.json()


async def test_an_edit_meanwhile_is_a_conflict_that_says_which(found, monkeypatch):
    """A load that was changed or cancelled, a route that was edited, a vehicle that got one: nothing at all is written."""
    await vehicles(found, 2)
    loads = await open_loads(found, 4)

    async def change() -> None:
        await found.edits.put_load(replace(loads[0], size={"kg": 900.0}))

    assert "'l0'" in (await _meanwhile(found, monkeypatch, change))["detail"]
    monkeypatch.undo()

    async def take() -> None:
        await found.edits.put_route(_own_route("van 0", found.edits.book.load("acme", "l1")))

    assert "'l1'" in (await _meanwhile(found, monkeypatch, take))["detail"]
    monkeypatch.undo()

    async def edit() -> None:
        route = found.edits.book.route("acme", "own")
        await found.edits.put_route(replace(route, line=((9.0, 45.0), (9.0, 45.1))))

    answer = await _meanwhile(found, monkeypatch, edit)
    assert (answer["code"], "'own'" in answer["detail"]) == ("route_changed", True)
    monkeypatch.undo()

    async def cancel() -> None:
        await found.edits.cancel_load("acme", "l2")

    assert "'l2'" in (await _meanwhile(found, monkeypatch, cancel))["detail"]
    monkeypatch.undo()
    done = (await ask(found, "assign", {"loads": "open", "commit": True})).json()
    assert {one["load"] for one in done["assigned"]} == {"l0", "l3"}


def _own_route(vehicle: str, one: Load) -> Route:
    return Route("acme", "own", vehicle, tuple(stops_of(one)), RouteStatus.ACTIVE)


async def test_two_at_once_assign_each_load_once(found):
    """Commits of the same loads at the same time: each load has one vehicle, and who came second is told."""
    await vehicles(found, 3)
    await open_loads(found, 6)
    answers = await asyncio.gather(
        *(ask(found, "assign", {"loads": "open", "commit": True}) for _ in range(3))
    )
    assigned = [one["load"] for answer in answers if answer.status_code == 200 for one in answer.json()["assigned"]]  # fmt: skip
    assert sorted(assigned) == [f"l{i}" for i in range(6)]
    assert {answer.status_code for answer in answers} <= {200, 409}


async def test_too_many_open_loads_are_refused(found, monkeypatch):
    """With how many there are, and how many may be."""
    monkeypatch.setattr(dispatch_api, "MOST_ASSIGNED", 2)
    await open_loads(found, 3)
    answer = await ask(found, "assign", {"loads": "open"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_loads")
