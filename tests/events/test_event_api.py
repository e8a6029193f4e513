"""Events and visits over HTTP."""

import pytest
from event_rows import NOW_MS, EventApp, all_of, event_document, store_event, store_visit

from haulcast.database.pool import open_database
from haulcast.settings import Settings

HOUR_MS = 3_600_000


@pytest.fixture
async def viewer(database):
    """A viewer of acme."""
    async with EventApp(database).client() as client:
        yield client


async def test_a_client_goes_on_from_the_last_event_that_it_saw(viewer, database) -> None:
    """Pages from an id give all that was stored since, once and in order, while more is stored; also from an id that never was stored."""
    ids = [await store_event(database) for _ in range(7)]
    seen, path = [], f"/v1/events?after={ids[1]}&limit=2"
    while path:
        answer = (await viewer.get(path)).json()
        seen += [event["id"] for event in answer["events"]]
        path = answer.get("next")
        if len(ids) < 10:
            ids.append(await store_event(database))
    assert seen == ids[2:]
    unstored = ids[4] + "0"  # sorts just behind it
    answer = (await viewer.get("/v1/events", params={"after": unstored})).json()
    assert [event["id"] for event in answer["events"]] == ids[5:]
    assert (await viewer.get("/v1/events", params={"after": ids[-1]})).json() == {"events": []}


async def test_the_newest_come_first_when_asked_for(viewer, database) -> None:
    """`order=newest`, over pages, with every filter kept in the links."""
    ids = [
        await store_event(database, "exit" if i % 2 else "enter", vehicle=f"v{i % 3}", time_ms=i)
        for i in range(12)
    ]
    await store_event(database, fleet="globex")
    assert [
        event["id"] for event in await all_of(viewer, "/v1/events?order=newest&limit=5", "events")
    ] == ids[::-1]
    path = "/v1/events?order=newest&limit=1&vehicle=v0&vehicle=v2&kind=exit&kind=dwell&from=1970-01-01T00:00:00Z&to=12"
    assert [event["id"] for event in await all_of(viewer, path, "events")] == [ids[i] for i in (11, 9, 5, 3)]


async def test_an_event_is_told_as_on_the_live_socket(viewer, database) -> None:
    """The document and its id, nothing else."""
    event_id = await store_event(database, rule="gate", rule_name="Gate ☂")
    (event,) = (await viewer.get("/v1/events?rule=gate")).json()["events"]
    assert event == event_document(event_id, rule="gate", rule_name="Gate ☂")


async def test_visits_and_times_are_told_in_ms_or_iso(viewer, database) -> None:
    """Of the fleet, a vehicle, a fence; one that lasts counts until now; overlapping ones once; links lead on."""
    closed = await store_visit(database, NOW_MS - 3 * HOUR_MS, NOW_MS - 2 * HOUR_MS)
    lasting = await store_visit(database, NOW_MS - 30_000, None, fence="port", name="Port")
    await store_visit(database, NOW_MS - 4 * HOUR_MS, NOW_MS - 2 * HOUR_MS - 1_800_000, name="Old depot")
    other = await store_visit(database, NOW_MS - 60_000, NOW_MS - 30_000, vehicle="a/b ä")
    visits = (await viewer.get("/v1/visits")).json()["visits"]
    assert [visit["visit"] for visit in visits[1:]] == [closed, other, lasting]
    assert visits[1] == {
        "visit": closed, "vehicle": "truck-7", "fence": "depot", "name": "Depot", "entered_ms": NOW_MS - 3 * HOUR_MS,
        "entered_lat": 52.1, "entered_lon": 5.1, "is_open": False, "left_ms": NOW_MS - 2 * HOUR_MS, "duration_s": 3600.0,
    }  # fmt: skip
    (shown,) = (await viewer.get("/v1/visits?open=true&times=iso")).json()["visits"]
    assert (shown["visit"], shown["is_open"], shown["entered"][:4]) == (lasting, True, "2026")
    assert "left" not in shown
    assert await all_of(viewer, "/v1/visits?limit=1", "visits") == visits
    for path, expected in {
        "/v1/vehicles/truck-7/visits?fence=port": [lasting],
        "/v1/vehicles/a%2Fb%20%C3%A4/visits": [other],
        "/v1/fences/depot/visits?vehicle=a/b ä&limit=1": [other],
        f"/v1/fences/depot/visits?from={NOW_MS - 60_000}": [other],
        "/v1/vehicles/parked/visits": [],
        "/v1/fences/empty/visits": [],
    }.items():
        assert [visit["visit"] for visit in (await viewer.get(path)).json()["visits"]] == expected
    times = (await viewer.get("/v1/vehicles/truck-7/time-in-zones")).json()
    assert times["to_ms"] - times["from_ms"] == 24 * HOUR_MS
    assert times["fences"] == [
        {"fence": "depot", "name": "Depot", "inside_s": 7200.0, "visits": 2, "is_open": False},
        {"fence": "port", "name": "Port", "inside_s": 30.0, "visits": 1, "is_open": True},
    ]
    assert await all_of(viewer, "/v1/vehicles/truck-7/time-in-zones?limit=1", "fences") == times["fences"]
    future = f"/v1/vehicles/truck-7/time-in-zones?from={NOW_MS + 5}&to={NOW_MS + HOUR_MS}"
    assert (await viewer.get(future)).json()["fences"] == [{**times["fences"][1], "inside_s": 0.0}]
    vehicles = (await viewer.get("/v1/fences/depot/time-of-vehicles")).json()["vehicles"]
    assert [(row["vehicle"], row["inside_s"]) for row in vehicles] == [("a/b ä", 30.0), ("truck-7", 7200.0)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("events?kind=explode", "out_of_range"),
        ("events?order=up", "wrong_type"),
        ("events?limit=0", "out_of_range"),
        ("events?limit=1001", "out_of_range"),
        ("events?from=yesterday", "bad_time"),
        ("events?from=5&to=4", "bad_span"),
        ("events?after=", "bad_id"),
        ("events?after=a%00b", "bad_id"),
        ("events?vehicle=" + "x" * 129, "bad_id"),
        ("visits?open=yes", "wrong_type"),
        ("visits?after=1", "bad_place"),
        ("visits?after=1.99999999999999999999", "bad_place"),
        ("visits?after=-999999999999999999.1", "bad_place"),
        ("visits?from=99999999999999999", "bad_time"),
        ("visits?times=utc", "wrong_type"),
        ("vehicles/parked/time-in-zones?from=3&to=2", "bad_span"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_allowed(viewer, query, code) -> None:
    """A problem document that names the field."""
    answer = await viewer.get(f"/v1/{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["field"] in query


async def test_roles_fleets_and_shared_views(database) -> None:
    """Readers of the fleet only; another fleet's vehicles and fences are not there; a shared view reads nothing over HTTP."""
    await store_event(database)
    await store_visit(database, NOW_MS - 5, NOW_MS)
    app = EventApp(database)
    paths = ("/v1/events", "/v1/visits", "/v1/vehicles/truck-7/visits", "/v1/fences/depot/visits",
             "/v1/vehicles/truck-7/time-in-zones", "/v1/fences/depot/time-of-vehicles")  # fmt: skip
    for token, statuses in {
        "": {401},
        "acme/device": {403},
        "acme/viewer/truck-7": {403},
        "acme/viewer": {200},
        "acme/dispatcher": {200},
        "acme/admin": {200},
    }.items():
        async with app.client(token) as client:
            assert {(await client.get(path)).status_code for path in paths} == statuses
    async with app.client("globex/admin") as client:
        found = [await client.get(path) for path in paths]
        assert [answer.status_code for answer in found] == [200, 200, 404, 404, 404, 404]
        assert [answer.json() for answer in found[:2]] == [{"events": []}, {"visits": []}]


async def test_a_database_that_is_away_is_a_503(system_postgres) -> None:
    """A problem document with Retry-After."""
    async with (
        open_database(Settings(database_url=system_postgres.url)) as database,
        EventApp(database).client() as client,
    ):
        system_postgres.kill()
        for path in ("/v1/events", "/v1/visits", "/v1/vehicles/truck-7/time-in-zones"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
