"""Edits of loads and routes on a real PostgreSQL: the store, the book and the fences of stops always say the same."""

import asyncio
from dataclasses import replace

import pytest
from route_world import Fences, active, load, opened_edits, place, route, stops_of
from waiting import wait_until

from haulcast.errors import ConflictError, NotFoundError, PreconditionError, RequestError, StoreError
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.route_store import NEW, Asked, LoadWrite
from haulcast.routes.stop_fences import fence_of
from haulcast.routes.stop_marks import StopMark
from haulcast.routes.vehicle_profile import PLAIN, VehicleProfile

A, B, C = load("a", 1), load("b", 2), load("c", 3)
ARRIVED, DONE, SKIPPED = StopState.ARRIVED, StopState.DONE, StopState.SKIPPED


async def _put(edits: RouteEdits, *loads) -> None:
    for one in loads:
        await edits.put_load(one)


async def _agree(edits: RouteEdits, fleet: str = "acme") -> None:
    """The book holds exactly what the store does."""
    book, store = edits.book, edits.store
    stored = [one async for portion in store.loads(fleet) for one in portion]
    assert sorted(stored, key=lambda one: one.load_id) == list(book.loads(fleet))
    stored = [one async for portion in store.routes(fleet) for one in portion]
    assert sorted(stored, key=lambda one: one.route_id) == list(book.routes(fleet))


def _statuses(edits: RouteEdits) -> dict[str, tuple[str, str]]:
    return {one.load_id: (one.status.value, one.vehicle) for one in edits.book.loads("acme")}


async def test_a_load_follows_its_route(database) -> None:
    """Planned on a route, on board from its pickup, delivered at its delivery; the route is done with its last stop."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B)
        assert _statuses(edits) == {"a": ("open", ""), "b": ("open", "")}
        await edits.put_route(active("r", A))
        assert _statuses(edits)["a"] == ("planned", "van")
        await edits.mark_stops("acme", [StopMark("r", "a-p", ARRIVED, 5), StopMark("r", "a-p", DONE, 9)])
        assert _statuses(edits)["a"] == ("on_board", "van")
        stop = edits.book.route("acme", "r").stops[0]
        assert (stop.state, stop.arrived_ms, stop.left_ms) == (DONE, 5, 9)
        await edits.mark_stops("acme", [StopMark("r", "a-d", DONE, 20)])
        assert edits.book.route("acme", "r") is None
        assert edits.book.active("acme", "van") is None
        assert _statuses(edits) == {"b": ("open", "")}
        assert (await edits.store.find_load("acme", "a")).status is LoadStatus.DELIVERED
        assert (await edits.store.find_route("acme", "r")).status is RouteStatus.DONE
        await _agree(edits)


async def test_marks_never_go_back_and_twice_is_once(database) -> None:
    """Marks that say nothing new, come late, are of nobody, or of a delivery before its pickup change nothing."""
    async with opened_edits(database) as edits:
        await _put(edits, A)
        await edits.put_route(active("r", A))
        await edits.mark_stops("acme", [StopMark("r", "a-d", ARRIVED, 1), StopMark("r", "a-d", DONE, 2)])
        assert {stop.state for stop in edits.book.route("acme", "r").stops} == {StopState.AHEAD}
        marks = [StopMark("r", "a-p", ARRIVED, 5), StopMark("r", "a-p", DONE, 9)]
        await edits.mark_stops("acme", marks)
        before = edits.book.route("acme", "r")
        await edits.mark_stops("acme", [*marks, StopMark("r", "a-p", SKIPPED, 9), StopMark("x", "a-p", DONE, 1), StopMark("r", "x", DONE, 1)])  # fmt: skip
        assert edits.book.route("acme", "r") is before
        await edits.put_route(route("planned", vehicle="other"))
        await edits.mark_stops("acme", [StopMark("planned", "a", ARRIVED, 1)])
        assert edits.book.route("acme", "planned").stops[0].state is StopState.AHEAD


async def test_passing_over_a_pickup_passes_over_its_delivery(database) -> None:
    """The load is open again, may go on another route, and what happens on the first does not change it then."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B)
        await edits.put_route(active("r", A, B))
        await edits.mark_stops("acme", [StopMark("r", "a-p", SKIPPED, 1)])
        states = {stop.stop_id: stop.state for stop in edits.book.route("acme", "r").stops}
        assert states["a-p"] is states["a-d"] is SKIPPED
        assert _statuses(edits)["a"] == ("open", "")
        await edits.put_route(route("s", A, vehicle="truck"))
        await edits.mark_stops("acme", [StopMark("r", "b-p", DONE, 2), StopMark("r", "b-d", DONE, 3)])
        assert _statuses(edits) == {"a": ("planned", "truck")}
        await _agree(edits)


async def test_what_is_over_comes_first(database) -> None:
    """A later stop that is done before an earlier one goes before it, and the earlier one stays ahead."""
    stops = tuple(RouteStop(name, StopKind.STOP, place(i)) for i, name in enumerate("abc"))
    async with opened_edits(database) as edits:
        await edits.put_route(active("r", stops=stops))
        await edits.mark_stops("acme", [StopMark("r", "b", DONE, 1)])
        assert [stop.stop_id for stop in edits.book.route("acme", "r").stops] == ["b", "a", "c"]
        sent = [stops[2], stops[0], RouteStop("n", StopKind.STOP, place(9))]
        after, _ = await edits.put_route(active("r", stops=tuple(sent)))
        assert [(stop.stop_id, stop.state.value) for stop in after.stops] == [("b", "done"), ("c", "ahead"), ("a", "ahead"), ("n", "ahead")]  # fmt: skip


async def test_a_load_is_on_one_route(database) -> None:
    """A second route for it is refused, as are two active routes of a vehicle; nothing is changed then."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B)
        await edits.put_route(active("r", A))
        for wrong, code in (
            (route("s", A, vehicle="truck"), "load_planned"),
            (active("s", B), "vehicle_has_route"),
        ):
            with pytest.raises(ConflictError) as refused:
                await edits.put_route(wrong)
            assert refused.value.code == code
        with pytest.raises(ConflictError):
            await edits.publish("acme", [route("s", B, vehicle="1"), route("t", B, vehicle="2")], {})
        assert _statuses(edits)["b"] == ("open", "")
        assert [one.route_id for one in edits.book.routes("acme")] == ["r"]
        await _agree(edits)


WRONG_STOPS = {
    "after": tuple(reversed(stops_of(A))),
    "no delivery": stops_of(A)[:1],
    "not on board": stops_of(A)[1:],
    "twice": (*stops_of(A), replace(stops_of(A)[1], stop_id="again")),
    "one id": (*stops_of(A), RouteStop("a-p", StopKind.STOP, place(9))),
    "unknown load": stops_of(C),
    "a stop's load": (RouteStop("x", StopKind.STOP, place(9), "a"),),
    "no load": (RouteStop("x", StopKind.PICKUP, place(9)),),
    "no pickup": (RouteStop("x", StopKind.PICKUP, place(9), "n"), RouteStop("y", StopKind.DELIVERY, place(8), "n")),
    "no fence": (RouteStop("x", StopKind.STOP, place(9, fence="none")),),
    "none": (),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_STOPS)
async def test_stops_that_cannot_be_are_refused(database, wrong) -> None:
    """Each with the field that is to blame, and nothing is changed."""
    async with opened_edits(database) as edits:
        await _put(edits, A, load("n", 7, pickup=None))
        with pytest.raises(RequestError) as refused:
            await edits.put_route(Route("acme", "r", "van", WRONG_STOPS[wrong]))
        assert refused.value.field == "stops"
        assert list(edits.book.routes("acme")) == []
        assert _statuses(edits)["a"] == ("open", "")


async def test_publish_is_all_or_nothing(database) -> None:
    """Routes replaced, made and withdrawn with their loads, when all are at the expected editions; else none."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B, C)
        first, _ = await edits.put_route(route("r", A))
        second, _ = await edits.put_route(route("s", B, vehicle="truck"))
        expected = {"r": first.edition, "s": second.edition}
        new = [route("r", C), route("t", A, B, vehicle="truck")]
        for wrong in ({**expected, "s": "9-0"}, {**expected, "r": "9-0"}, {**expected, "t": "1-1"}):
            with pytest.raises(ConflictError):
                await edits.publish("acme", new, wrong, ["s"])
        assert list(edits.book.routes("acme")) == [first, second]
        await _agree(edits)
        published = await edits.publish("acme", new, expected, ["s"])
        assert [one.route_id for one in published] == ["r", "t"]
        assert _statuses(edits) == {
            "a": ("planned", "truck"),
            "b": ("planned", "truck"),
            "c": ("planned", "van"),
        }
        assert (await edits.store.find_route("acme", "s")).status is RouteStatus.CANCELLED
        await _agree(edits)
        with pytest.raises(ConflictError):
            await edits.publish("acme", [route("t", A, vehicle="truck")], {})


async def test_of_two_writers_one_succeeds(database) -> None:
    """Of edits of one edition at once exactly one is done, and the book agrees with the store."""
    async with opened_edits(database) as edits:
        made, _ = await edits.put_load(A, NEW)
        writes = (edits.put_load(replace(A, left_out_cost=float(i)), made.edition) for i in range(5))
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert sum(isinstance(outcome, PreconditionError) for outcome in outcomes) == 4
        driven, _ = await edits.put_route(route("r", A))
        published = (
            edits.publish("acme", [route("r", A, plan=str(i))], {"r": driven.edition}) for i in range(5)
        )
        outcomes = await asyncio.gather(*published, return_exceptions=True)
        assert sum(isinstance(outcome, PreconditionError) for outcome in outcomes) == 4
        await _agree(edits)


async def test_a_cancelled_load_leaves_its_route(database) -> None:
    """Its stops ahead are passed over; a route with nothing else is cancelled; twice is as once, delivered is a conflict."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B)
        await edits.put_route(route("r", A))
        cancelled = await edits.cancel_load("acme", "a")
        assert cancelled.status is LoadStatus.CANCELLED
        assert (await edits.store.find_route("acme", "r")).status is RouteStatus.CANCELLED
        assert await edits.cancel_load("acme", "a") == cancelled
        with pytest.raises(NotFoundError):
            await edits.cancel_load("acme", "none")
        with pytest.raises(ConflictError):
            await edits.put_load(A)
        await edits.put_route(active("s", B))
        await edits.mark_stops("acme", [StopMark("s", "b-p", DONE, 1), StopMark("s", "b-d", DONE, 2)])
        with pytest.raises(ConflictError):
            await edits.cancel_load("acme", "b")
        await _agree(edits)


async def test_a_cancelled_route_opens_its_loads(database) -> None:
    """What is not on board is open; what is on board stays with its vehicle and may be delivered by another route of it only."""
    async with opened_edits(database) as edits:
        await _put(edits, A, B)
        made, _ = await edits.put_route(active("r", A, B))
        await edits.mark_stops("acme", [StopMark("r", "a-p", DONE, 1)])
        with pytest.raises(PreconditionError):
            await edits.cancel_route("acme", "r", made.edition)
        await edits.cancel_route("acme", "r")
        assert _statuses(edits) == {"a": ("on_board", "van"), "b": ("open", "")}
        assert (await edits.cancel_route("acme", "r")).status is RouteStatus.CANCELLED
        delivery = stops_of(A)[1:]
        with pytest.raises(ConflictError):
            await edits.put_route(active("s", vehicle="truck", stops=delivery))
        await edits.put_route(active("s", stops=delivery))
        await edits.mark_stops("acme", [StopMark("s", "a-d", DONE, 5)])
        assert _statuses(edits) == {"b": ("open", "")}
        with pytest.raises(ConflictError):
            await edits.cancel_route("acme", "s")
        with pytest.raises(ConflictError):
            await edits.put_route(active("s", B))


async def test_a_load_without_pickup_is_on_board_while_its_route_is_driven(database) -> None:
    """And one without a delivery is delivered where its route ends."""
    async with opened_edits(database) as edits:
        start, end = load("start", 1, pickup=None), load("end", 2, delivery=None)
        await _put(edits, start, end)
        await edits.put_route(route("r", start, end))
        assert _statuses(edits)["start"] == ("planned", "van")
        await edits.put_route(active("r", start, end))
        assert _statuses(edits)["start"] == ("on_board", "van")
        await edits.mark_stops("acme", [StopMark("r", "end-p", DONE, 1)])
        assert _statuses(edits)["end"] == ("on_board", "van")
        await edits.mark_stops("acme", [StopMark("r", "start-d", SKIPPED, 2)])
        assert _statuses(edits) == {"start": ("open", "")}
        assert (await edits.store.find_load("acme", "end")).status is LoadStatus.DELIVERED


async def test_a_changed_load_changes_its_stops(database) -> None:
    """Stops ahead go where the load goes; what was reached stays; a pickup cannot come or go while it is planned."""
    async with opened_edits(database) as edits:
        await _put(edits, A)
        await edits.put_route(active("r", A))
        await edits.mark_stops("acme", [StopMark("r", "a-p", DONE, 1)])
        moved, is_new = await edits.put_load(replace(A, pickup=place(50), delivery=place(51)))
        assert (is_new, moved.status) == (False, LoadStatus.ON_BOARD)
        assert [stop.place for stop in edits.book.route("acme", "r").stops] == [A.pickup, place(51)]
        with pytest.raises(ConflictError) as refused:
            await edits.put_load(replace(A, pickup=None))
        assert (refused.value.code, refused.value.field) == ("load_planned", "pickup")
        await _agree(edits)


async def test_stops_have_fences_while_a_route_needs_them(database) -> None:
    """One for each place, there before the route is; gone with the last route; a user's stays what it is."""
    fences = Fences()
    async with opened_edits(database, fences) as edits:
        yard, own = place(70, fence="yard"), place(71)
        fences.there["acme", "yard"] = fences.there["acme", fence_of(own)] = None
        stops = [
            RouteStop(str(i), StopKind.STOP, one) for i, one in enumerate((place(1), place(1), yard, own))
        ]
        users = {"yard", fence_of(own)}
        seen = []
        edits.book.listeners.append(lambda *_: seen.append(fences.ids()))
        await edits.put_route(active("r", stops=tuple(stops)))
        assert seen[0] == fences.ids() == users | {fence_of(place(1))}
        await edits.put_route(route("s", stops=(stops[0],), vehicle="truck"))
        await edits.cancel_route("acme", "r")
        await edits.put_route(route("s", stops=(stops[0],), vehicle="truck"))
        assert fences.ids() == users | {fence_of(place(1))}
        await edits.cancel_route("acme", "s")
        await wait_until(lambda: fences.ids() == users)
        await wait_until(lambda: not edits._dropping)
        assert list(await edits.store.stop_fences()) == []


async def test_a_restart_goes_on(database) -> None:
    """Loads, routes, profiles and active routes come back; fences that are missing are made, and orphans go."""
    fences = Fences()
    async with opened_edits(database, fences) as edits:
        await _put(edits, A, B)
        await edits.put_route(active("r", A))
        await edits.put_profile("acme", "van", VehicleProfile({"kg": 5.0}))
        await edits.put_profile("acme", "truck", PLAIN)
        await edits.delete_profile("acme", "truck")
        before = list(edits.book.loads("acme")), list(edits.book.routes("acme"))
        needed = fences.ids()
        await edits.store.add_stop_fences("acme", {"stop-orphan"})
    fences.there.clear()
    fences.there["acme", "stop-orphan"] = fences.there["acme", "stop-users"] = None
    async with opened_edits(database, fences) as edits:
        assert (list(edits.book.loads("acme")), list(edits.book.routes("acme"))) == before
        assert edits.book.active("acme", "van").route_id == "r"
        assert edits.book.profile("acme", "van").capacity == {"kg": 5.0}
        assert fences.ids() == needed | {"stop-users"}
        with pytest.raises(ConflictError):
            await edits.put_route(route("s", A, vehicle="truck"))


async def test_a_store_that_was_lost_is_read_again(database) -> None:
    """When a write fails nobody knows whether it was done; then the book is made what the store holds."""
    fences = Fences()
    async with opened_edits(database, fences) as edits:
        await _put(edits, A)
        other = load("other", 5)
        await edits.put_route(route("gone", vehicle="truck"))
        async with database.connection() as connection:  # what another hub did
            await connection.execute("UPDATE routes SET status = 'cancelled'")
        await edits.store.write("acme", [LoadWrite(other)])
        await edits.store.put_profile("acme", "van", VehicleProfile({"kg": 7.0}))
        fences.trouble = StoreError("database_unreachable", "away")
        with pytest.raises(StoreError):
            await edits.put_route(active("r", A))
        fences.trouble = None
        await wait_until(lambda: edits.book.load("acme", "other") is not None)
        assert [one.route_id for one in edits.book.routes("acme")] == []
        assert edits.book.profile("acme", "van").capacity == {"kg": 7.0}
        await wait_until(lambda: not fences.ids())
        await edits.put_route(active("r", A))
        await _agree(edits)


async def test_many_loads_at_once(database) -> None:
    """A thousand new loads are one write: all are there, or none when one is there already."""
    many = [load(f"l{i:04}", i) for i in range(1000)]
    async with opened_edits(database) as edits:
        assert len(await edits.create_loads("acme", many)) == 1000
        with pytest.raises(ConflictError):
            await edits.create_loads("acme", [load("new"), many[500]])
        assert edits.book.sizes("acme") == (1000, 0)
        assert await edits.store.page_of_loads("acme", Asked("l0999", 10)) == []
