"""`/v1/fences`: what goes in comes out and is in force; who may; what is refused, and how it is said."""

import asyncio
import functools

import orjson
import pytest
from fence_app import BOW_TIE, SQUARE, feature, fence_app, square

from haulcast.errors import StoreError
from haulcast.fences import fence_api, fence_features


@pytest.fixture
async def hub(database):
    """A hub without fences."""
    async with fence_app(database) as app:
        yield app


@pytest.fixture
async def client(hub):
    """A dispatcher of acme."""
    async with hub.client() as opened:
        yield opened


async def test_a_fence_lives(hub, client) -> None:
    """Created, read, replaced, deleted; each write is in force when it is answered, with its place and its ETag."""
    made = await client.post(
        "/v1/fences", json=feature(fence_id="depot/ä 1", name="Depot", tags=["a"], attributes={"gate": 1})
    )
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/fences/depot%2F%C3%A4%201"
    assert made.headers["content-type"] == "application/geo+json"
    assert hub.ids() == {"depot/ä 1"}
    place = made.headers["location"]

    read = await client.get(place)
    assert read.json() == made.json()
    assert read.headers["etag"] == made.headers["etag"]
    properties = read.json()["properties"]
    assert {key: properties[key] for key in ("name", "tags", "attributes", "version")} == {
        "name": "Depot",
        "tags": ["a"],
        "attributes": {"gate": 1},
        "version": 1,
    }

    changed = await client.put(place, json={**read.json(), "geometry": square(5)})
    assert (changed.status_code, changed.json()["properties"]["version"]) == (200, 2)
    assert hub.bounds("depot/ä 1") == [5, 0, 6, 1]

    assert (await client.delete(place)).status_code == 204
    assert hub.ids() == set()
    for gone in (await client.get(place), await client.delete(place), await client.patch(place, json={})):
        assert (gone.status_code, gone.json()["code"]) == (404, "no_such_fence")


async def test_put_creates(hub, client) -> None:
    """PUT of an unknown id creates it; with If-Match it does not."""
    assert (await client.put("/v1/fences/a", json=feature())).status_code == 201
    assert hub.catalogue.name_of(0) == "a"
    refused = await client.put("/v1/fences/b", json=feature(), headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (412, "other_edition")
    assert hub.ids() == {"a"}


async def test_a_fence_without_an_id_gets_one(client) -> None:
    """POST names what has no name; numbers become text; a taken id is a conflict."""
    assert (await client.post("/v1/fences", json=feature())).json()["id"] == "made-0"
    assert (await client.post("/v1/fences", json=feature(fence_id=7))).json()["id"] == "7"
    again = await client.post("/v1/fences", json=feature(fence_id="7"))
    assert (again.status_code, again.json()["code"], again.json()["field"]) == (409, "fence_exists", "id")


async def test_a_circle_is_a_point_with_a_radius(hub, client) -> None:
    """`radius_m` makes a circle, and comes back where it was."""
    point = {"type": "Point", "coordinates": [10.0, 50.0]}
    made = await client.post("/v1/fences", json=feature(point, "c", radius_m=250))
    assert made.json()["geometry"] == point
    assert made.json()["properties"]["radius_m"] == 250
    assert (await client.put("/v1/fences/c", json=made.json())).status_code == 200
    bigger = await client.patch("/v1/fences/c", json={"properties": {"radius_m": 1000}})
    assert bigger.json()["properties"]["radius_m"] == 1000
    west, south, east, north = hub.bounds("c")
    assert west < 10 < east
    assert south < 50 < north
    for wrong in (
        feature(point),
        feature(point, radius_m=0),
        feature(point, radius_m="9"),
        feature(SQUARE, radius_m=5),
    ):
        answer = await client.post("/v1/fences", json=wrong)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
            400,
            "bad_geometry",
            "radius_m",
        )


async def test_patch_changes_what_it_names(hub, client) -> None:
    """A merge patch keeps the rest; null removes; a rename needs no new set."""
    await client.put("/v1/fences/a", json=feature(name="A", tags=["x"], attributes={"k": 1, "l": 2}))
    before, swaps = hub.catalogue.current, len(hub.swaps)
    answer = await client.patch(
        "/v1/fences/a", json={"properties": {"name": "B", "attributes": {"k": None, "m": 3}}}
    )
    properties = answer.json()["properties"]
    assert (properties["name"], properties["tags"], properties["attributes"]) == (
        "B",
        ["x"],
        {"l": 2, "m": 3},
    )
    assert hub.catalogue.name_of(0) == "B"
    assert (hub.catalogue.current, len(hub.swaps)) == (before, swaps)
    await client.patch("/v1/fences/a", json={"geometry": square(3)})
    assert hub.bounds("a") == [3, 0, 4, 1]


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
async def test_patches_at_once_all_count(client, headers) -> None:
    """Patches of different members at the same time lose nothing, also when each takes whichever edition there is."""
    await client.put("/v1/fences/a", json=feature())
    documents = [{"properties": {"attributes": {f"k{i}": i}}} for i in range(4)]
    patches = [client.patch("/v1/fences/a", json=document, headers=headers) for document in documents]
    assert [answer.status_code for answer in await asyncio.gather(*patches)] == [200] * 4
    read = (await client.get("/v1/fences/a")).json()
    assert read["properties"]["attributes"] == {f"k{i}": i for i in range(4)}


async def test_tags_follow_every_edit(hub, client) -> None:
    """Created, imported, patched, replaced, and read at the next start: memory has the stored tags."""
    await client.post("/v1/fences", json=feature(fence_id="a", tags=["x", "y"]))
    imported = [feature(fence_id="b", tags=["z"]), feature(fence_id="c")]
    await client.post("/v1/fences:import", json={"type": "FeatureCollection", "features": imported})
    tags_of = functools.partial(hub.catalogue.find_tags, "acme")
    assert [tags_of(fence_id) for fence_id in "abc"] == [("x", "y"), ("z",), ()]
    await client.patch("/v1/fences/a", json={"properties": {"tags": ["y"]}})
    await client.put("/v1/fences/b", json=feature())
    assert [tags_of(fence_id) for fence_id in "abc"] == [("y",), (), ()]
    async with fence_app(hub.database) as next_hub:
        assert [next_hub.catalogue.find_tags("acme", fence_id) for fence_id in "abc"] == [("y",), (), ()]


async def test_of_two_edits_of_one_edition_one_is_done(hub, client) -> None:
    """Two PUTs with the same If-Match: 200 and 412, and what is in force is what is stored."""
    made = await client.put("/v1/fences/a", json=feature())
    headers = {"If-Match": made.headers["etag"]}
    answers = await asyncio.gather(
        *(client.put("/v1/fences/a", json=feature(square(lon)), headers=headers) for lon in (10, 20))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    stored = (await client.get("/v1/fences/a")).json()["geometry"]
    assert hub.bounds("a")[0] == stored["coordinates"][0][0][0]
    for tag, status in (("3", 400), ('"1", "2"', 400), ('"3"', 412)):
        assert (await client.delete("/v1/fences/a", headers={"If-Match": tag})).status_code == status
    assert (await client.delete("/v1/fences/a", headers={"If-Match": "*"})).status_code == 204


async def test_edits_at_once_end_alike_in_store_and_memory(hub, client) -> None:
    """Many writers of the same few fences, deletions among them: the set in force is what the table holds."""
    jobs = []
    for i in range(60):
        place = f"/v1/fences/f{i % 5}"
        jobs.append(client.delete(place) if i % 7 == 0 else client.put(place, json=feature(square(i))))
    await asyncio.gather(*jobs)
    stored = {
        f["id"]: f["geometry"]["coordinates"][0][0][0]
        for f in (await client.get("/v1/fences")).json()["features"]
    }
    assert {fence_id: hub.bounds(fence_id)[0] for fence_id in hub.ids()} == stored


async def test_pages(client) -> None:
    """The list comes in pages that link to the next one; wrong limits are refused."""
    for i in range(5):
        await client.put(f"/v1/fences/f{i}&=", json=feature())
    got, place, pages = [], "/v1/fences?limit=2", 0
    while place:
        page = (await client.get(place)).json()
        assert page["type"] == "FeatureCollection"
        got += [f["id"] for f in page["features"]]
        place, pages = page.get("next"), pages + 1
    assert (got, pages) == ([f"f{i}&=" for i in range(5)], 3)
    for limit in ("0", "1001", "-1", "x", "", "9" * 30):
        answer = await client.get("/v1/fences", params={"limit": limit})
        assert (answer.status_code, answer.json()["field"]) == (400, "limit")


@pytest.mark.parametrize("limit", [1, 31, 32, 33, 70])
async def test_a_page_of_large_fences_is_shorter(client, monkeypatch, limit) -> None:
    """A page ends when it has grown large, and with one fence at the least; together they are all fences, each once and as it is read alone."""
    corridor = {"type": "LineString", "coordinates": [[0, 0], [1, 1], [2, 0.5]]}
    features = [
        feature(corridor, "f00", width_m=200.5),
        feature({"type": "Point", "coordinates": [1, 2]}, "f01", radius_m=9),
    ]
    features += [feature(square(i % 7), f"f{i:02}", tags=["x"], attributes={"i": i}) for i in range(2, 70)]
    await client.post("/v1/fences:import", json={"type": "FeatureCollection", "features": features})
    alone = [(await client.get(f"/v1/fences/f{i:02}")).json() for i in range(70)]
    one_bytes = len(orjson.dumps(alone[5]["geometry"]))
    for most_bytes, fits in ((1, 1), (8 * one_bytes, 8), (10**9, 70)):
        monkeypatch.setattr(fence_api, "PAGE_BYTES", most_bytes)
        place, got, longest = f"/v1/fences?limit={limit}", [], 0
        while place:
            page = (await client.get(place)).json()
            got += page["features"]
            longest, place = max(longest, len(page["features"])), page.get("next")
        assert got == alone
        assert longest <= min(limit, fits + 1)


async def test_roles(hub) -> None:
    """Viewers read, dispatchers and admins write, devices do neither, and no token is 401."""
    asked = {
        "GET": "/v1/fences",
        "PUT": "/v1/fences/a",
        "PATCH": "/v1/fences/a",
        "DELETE": "/v1/fences/a",
        "POST": "/v1/fences:import",
    }
    expected = {"viewer": (200, 403), "dispatcher": (200, 200), "admin": (200, 200), "device": (403, 403)}
    for role, (reads, writes) in expected.items():
        async with hub.client(f"acme/{role}") as client:
            for method, place in asked.items():
                answer = await client.request(method, place, json=feature())
                wanted = reads if method == "GET" else writes
                assert (answer.status_code == 403) == (wanted == 403), (role, method)
    for token in ("", "junk"):
        async with hub.client(token) as client:
            answer = await client.get("/v1/fences")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["content-type"] == "application/problem+json"


async def test_another_fleets_fences_are_not_there(hub, client) -> None:
    """Reading, changing or deleting another fleet's fence is 404 or touches one's own only."""
    await client.put("/v1/fences/a", json=feature(name="ours"))
    async with hub.client("globex/admin") as other:
        assert (await other.get("/v1/fences/a")).status_code == 404
        assert (await other.delete("/v1/fences/a")).status_code == 404
        assert (await other.patch("/v1/fences/a", json={})).status_code == 404
        assert (await other.get("/v1/fences")).json()["features"] == []
        assert (await other.put("/v1/fences/a", json=feature(name="theirs"))).status_code == 201
    assert (await client.get("/v1/fences/a")).json()["properties"]["name"] == "ours"
    assert (hub.ids("acme"), hub.ids("globex")) == ({"a"}, {"a"})


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("{", "bad_json", None),
        ([], "wrong_type", "feature"),
        ({"type": "Polygon"}, "wrong_type", "type"),
        ({**feature(), "colour": "red"}, "unknown_field", "colour"),
        (feature(nmae="x"), "unknown_field", "nmae"),
        (feature(name=3), "bad_name", "name"),
        (feature(name="a\nb"), "bad_name", "name"),
        (feature(tags="x"), "bad_tags", "tags"),
        (feature(tags=[""]), "bad_tags", "tags"),
        (feature(attributes=[1]), "wrong_type", "attributes"),
        (feature(attributes={"k": ["a\0b"]}), "bad_text", "attributes"),
        (feature(fence_id="a\x07"), "bad_id", "id"),
        (feature(fence_id=""), "bad_id", "id"),
        (feature(fence_id="x" * 129), "bad_id", "id"),
        (feature(fence_id=".."), "bad_id", "id"),
        ({"type": "Feature", "geometry": None}, "wrong_type", "geometry"),
        (feature({"type": "MultiPoint", "coordinates": [[0, 0], [1, 1]]}), "bad_geometry", "geometry"),
        (feature({"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1]]]}), "bad_geometry", "geometry"),
        (
            feature({"type": "Polygon", "coordinates": [[[0, 0], [0, 91], [1, 1], [0, 0]]]}),
            "bad_geometry",
            "geometry",
        ),
        (feature(BOW_TIE), "bad_geometry", "geometry"),
    ],
)
async def test_what_is_wrong_is_named(hub, client, body, code, field) -> None:
    """A wrong body is a 400 with code, field and reason, and changes nothing."""
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    answer = await client.post("/v1/fences", content=content)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"], problem.get("field")) == (
        400,
        400,
        code,
        field,
    )
    assert problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert hub.ids() == set()


async def test_invalid_rings_are_repaired_when_asked(hub, client) -> None:
    """A crossing is refused with its place; with `?repair=true` it becomes what it covers."""
    refused = await client.post("/v1/fences", json=feature(BOW_TIE, "b"))
    assert "0.5" in refused.json()["detail"]
    made = await client.post("/v1/fences?repair=true", json=feature(BOW_TIE, "b"))
    assert made.status_code == 201
    assert made.json()["geometry"]["type"] == "MultiPolygon"
    assert hub.ids() == {"b"}
    assert (await client.post("/v1/fences?repair=1", json=feature())).json()["field"] == "repair"


async def test_too_much_is_413(client, monkeypatch) -> None:
    """Bodies, vertices and attributes over their limit are named with it; chunked bodies too."""
    monkeypatch.setattr(fence_api, "MOST_FENCE_BYTES", 1000)
    monkeypatch.setattr(fence_features, "MOST_VERTICES", 4)

    async def chunks():
        for _ in range(20):
            yield b" " * 100

    for content in (b" " * 1001, chunks()):
        answer = await client.post("/v1/fences", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert "1000 bytes" in answer.json()["detail"]
    assert (await client.post("/v1/fences", json=feature())).json()["code"] == "too_many_vertices"
    monkeypatch.setattr(fence_api, "MOST_FENCE_BYTES", 100_000)
    monkeypatch.setattr(fence_features, "MOST_VERTICES", 40)
    answer = await client.post("/v1/fences", json=feature(attributes={"k": "x" * 20_000}))
    assert (answer.status_code, answer.json()["code"]) == (413, "attributes_too_large")


async def test_ids_must_agree(client) -> None:
    """A body may not name another fence than its path."""
    answer = await client.put("/v1/fences/a", json=feature(fence_id="b"))
    assert (answer.status_code, answer.json()["code"]) == (400, "other_id")


async def test_other_methods_and_paths(client) -> None:
    """405 says what is allowed, 404 that there is nothing; both are problem documents."""
    answer = await client.put("/v1/fences", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    assert (await client.get("/v1/nothing")).json()["code"] == "not_found"
    assert (await client.head("/v1/fences")).status_code == 200


async def test_stored_fences_are_in_force_at_the_next_start(database) -> None:
    """A hub that starts has every fleet's fences in force, but for one that somebody broke by hand."""
    async with fence_app(database) as first, first.client() as client, first.client("globex/admin") as other:
        await client.put("/v1/fences/a", json=feature())
        await client.put("/v1/fences/c", json=feature({"type": "Point", "coordinates": [1, 2]}, radius_m=9.5))
        await other.put("/v1/fences/b", json=feature(square(170)))
        await other.put("/v1/fences/broken", json=feature())
    async with database.connection() as connection:
        await connection.execute(
            """UPDATE fences SET area = '{"type": "Polygon"}' WHERE fence_id = 'broken'"""
        )
    async with fence_app(database) as second:
        assert (second.ids("acme"), second.ids("globex")) == ({"a", "c"}, {"b"})
        assert second.bounds("b") == [170, 0, 171, 1]


async def test_a_store_that_is_away_is_503_and_leaks_nothing(hub, client, monkeypatch, wait_until) -> None:
    """A lost store is said without its address; a write of unknown outcome is read again when the store is back."""
    store = hub.edits.store
    put = store.put

    async def done_but_unheard(*arguments):
        await put(*arguments)
        raise StoreError("database_unreachable", "database 'fleet' on secret.example cannot be reached")

    monkeypatch.setattr(store, "put", done_but_unheard)
    answer = await client.put("/v1/fences/a", json=feature())
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
        503,
        "database_unreachable",
        "2",
    )
    assert "secret" not in answer.text
    await wait_until(lambda: hub.ids() == {"a"})
    monkeypatch.undo()
    await client.put("/v1/fences/b", json=feature())
    assert hub.ids() == {"a", "b"}


async def test_a_mistake_of_ours_leaks_nothing(hub, client, monkeypatch) -> None:
    """An unexpected error is a bare 500."""

    async def broken(*_arguments):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(hub.edits.store, "find", broken)
    answer = await client.get("/v1/fences/a")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
