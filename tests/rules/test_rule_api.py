"""`/v1/rules`: what goes in comes out and is in force; who may; what is refused, and how it is said."""

import asyncio

import orjson
import pytest
from rule_app import NIGHT, enter, rule_app

from haulcast.errors import StoreError
from haulcast.rules import rule_api, rule_edits


@pytest.fixture
async def hub(database):
    """A hub without rules."""
    async with rule_app(database) as app:
        yield app


@pytest.fixture
async def client(hub):
    """A dispatcher of acme."""
    async with hub.client() as opened:
        yield opened


async def test_a_rule_lives(hub, client) -> None:
    """Created, read, replaced, deleted; each write is in force when it is answered, with its place and its ETag."""
    given = enter("night/ä 1", name="Night", enabled=True, schedule=NIGHT)
    made = await client.post("/v1/rules", json=given)
    assert (made.status_code, made.json()["version"]) == (201, 1)
    assert made.headers["location"] == "/v1/rules/night%2F%C3%A4%201"
    assert {**made.json(), **given} == made.json()
    assert hub.ids() == {"night/ä 1"}
    place = made.headers["location"]

    read = await client.get(place)
    assert (read.json(), read.headers["etag"]) == (made.json(), made.headers["etag"])
    changed = await client.put(place, json={**read.json(), "kind": "dwell", "dwell_s": 600})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert [rule.dwell_s for rule in hub.book.current.rules] == [600.0]

    assert (await client.delete(place)).status_code == 204
    assert hub.ids() == set()
    for gone in (await client.get(place), await client.delete(place), await client.patch(place, json={})):
        assert (gone.status_code, gone.json()["code"]) == (404, "no_such_rule")


async def test_put_creates(hub, client) -> None:
    """PUT of an unknown id creates it; with If-Match it does not."""
    assert (await client.put("/v1/rules/a", json=enter())).status_code == 201
    refused = await client.put("/v1/rules/b", json=enter(), headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (412, "other_edition")
    assert hub.ids() == {"a"}


async def test_names(client) -> None:
    """A rule without an id gets one; a taken one is a conflict; a body may not name another rule than its path."""
    assert (await client.post("/v1/rules", json=enter())).json()["id"] == "made-0"
    again = await client.post("/v1/rules", json=enter("made-0"))
    assert (again.status_code, again.json()["code"], again.json()["field"]) == (409, "rule_exists", "id")
    other = await client.put("/v1/rules/a", json=enter("b"))
    assert (other.status_code, other.json()["code"]) == (400, "other_id")


async def test_patch_changes_what_it_names(hub, client) -> None:
    """A merge patch keeps the rest, null removes; a patch that leaves no rule is refused; a rule is switched off and on."""
    await client.put("/v1/rules/a", json=enter(name="A", schedule=NIGHT, vehicles={"tags": ["van"]}))
    patched = await client.patch(
        "/v1/rules/a", json={"name": "B", "vehicles": None, "schedule": {"time_zone": "UTC"}}
    )
    document = patched.json()
    assert (document["name"], "vehicles" in document) == ("B", False)
    assert document["schedule"] == {**NIGHT, "time_zone": "UTC"}
    for enabled, ids in ((False, set()), (True, {"a"})):
        assert (await client.patch("/v1/rules/a", json={"enabled": enabled})).status_code == 200
        assert hub.ids() == ids
    for patch, field in (({"kind": "dwell"}, "dwell_s"), ({"fences": None}, "fences"), (["x"], "rule")):
        refused = await client.patch("/v1/rules/a", json=patch)
        assert (refused.status_code, refused.json()["field"]) == (400, field)
    became = await client.patch("/v1/rules/a", json={"kind": "dwell", "dwell_s": 60, "schedule": None})
    assert (became.json()["kind"], became.json()["version"]) == ("dwell", 5)


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
async def test_patches_at_once_all_count(client, headers) -> None:
    """Patches of different members at the same time lose nothing, also when each takes whichever edition there is."""
    await client.put("/v1/rules/a", json=enter(kind="overspeed", limit_mps=10))
    patches = ({"name": "N"}, {"limit_mps": 20}, {"after_s": 5}, {"enabled": False})
    answers = await asyncio.gather(
        *(client.patch("/v1/rules/a", json=patch, headers=headers) for patch in patches)
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    read = (await client.get("/v1/rules/a")).json()
    assert all(patch.items() <= read.items() for patch in patches)


async def test_of_two_edits_of_one_edition_one_is_done(hub, client) -> None:
    """Two PUTs with the same If-Match: 200 and 412, and what is in force is what is stored."""
    made = await client.put("/v1/rules/a", json=enter())
    headers = {"If-Match": made.headers["etag"]}
    answers = await asyncio.gather(
        *(client.put("/v1/rules/a", json=enter(name=name), headers=headers) for name in "xy")
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    stored = (await client.get("/v1/rules/a")).json()["name"]
    assert [rule.name for rule in hub.book.current.rules] == [stored]
    for tag, status in (("3", 400), ('"1", "2"', 400), ('"3"', 412)):
        assert (await client.delete("/v1/rules/a", headers={"If-Match": tag})).status_code == status
        assert (await client.patch("/v1/rules/a", json={}, headers={"If-Match": tag})).status_code == status
    assert (await client.delete("/v1/rules/a", headers={"If-Match": "*"})).status_code == 204


async def test_pages(client) -> None:
    """The list comes in pages that link to the next one; wrong limits are refused."""
    assert (await client.get("/v1/rules")).json() == {"rules": []}
    for i in range(5):
        await client.put(f"/v1/rules/r{i}&=", json=enter())
    got, place = [], "/v1/rules?limit=2"
    while place:
        page = (await client.get(place)).json()
        got.append([rule["id"] for rule in page["rules"]])
        place = page.get("next")
    assert got == [["r0&=", "r1&="], ["r2&=", "r3&="], ["r4&="]]
    for limit in ("0", "1001", "-1", "x"):
        answer = await client.get("/v1/rules", params={"limit": limit})
        assert (answer.status_code, answer.json()["field"]) == (400, "limit")


async def test_rules_about_a_fence(hub, client) -> None:
    """`?fence=` lists the rules that name the fence or a tag it has now, in pages; also for a fence that is not there yet."""
    hub.fence_tags["yard & co"] = ("depot", "north")
    about = {
        "a": {"ids": ["yard & co"]},
        "b": {"tags": ["north"]},
        "c": {"ids": ["gate"], "tags": ["south"]},
        "d": {"ids": ["yard & co"], "tags": ["north"]},
    }
    for rule_id, fences in about.items():
        await client.put(f"/v1/rules/{rule_id}", json=enter(fences=fences, enabled=rule_id != "d"))
    got, place = [], "/v1/rules?limit=1&fence=yard+%26+co"
    while place:
        page = (await client.get(place)).json()
        got += [rule["id"] for rule in page["rules"]]
        place = page.get("next")
    assert got == ["a", "b", "d"]
    assert [rule["id"] for rule in (await client.get("/v1/rules?fence=gate")).json()["rules"]] == ["c"]
    assert (await client.get("/v1/rules?fence=none")).json() == {"rules": []}
    async with hub.client("globex/viewer") as other:
        assert (await other.get("/v1/rules?fence=gate")).json() == {"rules": []}
    for wrong in ("", "a%00b", "x" * 129):
        answer = await client.get(f"/v1/rules?fence={wrong}")
        assert (answer.status_code, answer.json()["field"]) == (400, "fence")


async def test_roles(hub) -> None:
    """Viewers read, dispatchers and admins write, devices do neither, and no token is 401."""
    asked = dict.fromkeys(("PUT", "PATCH", "DELETE"), "/v1/rules/a")
    asked |= {"GET": "/v1/rules", "POST": "/v1/rules"}
    expected = {"viewer": (200, 403), "dispatcher": (200, 200), "admin": (200, 200), "device": (403, 403)}
    for role, (reads, writes) in expected.items():
        async with hub.client(f"acme/{role}") as client:
            for method, place in asked.items():
                answer = await client.request(method, place, json=enter())
                wanted = reads if method == "GET" else writes
                assert (answer.status_code == 403) == (wanted == 403), (role, method)
    for token in ("", "junk"):
        async with hub.client(token) as client:
            answer = await client.get("/v1/rules")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["content-type"] == "application/problem+json"


async def test_another_fleets_rules_are_not_there(hub, client) -> None:
    """Reading, changing or deleting another fleet's rule is 404 or touches one's own only."""
    await client.put("/v1/rules/a", json=enter(name="ours"))
    async with hub.client("globex/admin") as other:
        assert (await other.get("/v1/rules/a")).status_code == 404
        assert (await other.delete("/v1/rules/a")).status_code == 404
        assert (await other.patch("/v1/rules/a", json={})).status_code == 404
        assert (await other.get("/v1/rules")).json() == {"rules": []}
        assert (await other.put("/v1/rules/a", json=enter(name="theirs"))).status_code == 201
    assert (await client.get("/v1/rules/a")).json()["name"] == "ours"
    assert (hub.ids("acme"), hub.ids("globex")) == ({"a"}, {"a"})


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("{", "bad_json", None),
        ("[" * 5000, "bad_json", None),
        ([], "wrong_type", "rule"),
        ({}, "missing_field", "kind"),
        (enter(nmae="x"), "unknown_field", "nmae"),
        (enter(dwell_s=60), "unused_field", "dwell_s"),
        (enter(fences={"tags": ["a\0"]}), "bad_tags", "fences.tags"),
        (enter(schedule={**NIGHT, "time_zone": "PST8"}), "out_of_range", "schedule.time_zone"),
    ],
)
async def test_what_is_wrong_is_named(hub, client, body, code, field) -> None:
    """A wrong body is a 400 with code, field and reason, and changes nothing."""
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    answer = await client.post("/v1/rules", content=content)
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


async def test_too_much_is_413(client, monkeypatch) -> None:
    """A body and a number of rules over their limits are named with them."""
    monkeypatch.setattr(rule_api, "MOST_RULE_BYTES", 1000)
    answer = await client.post("/v1/rules", content=b" " * 1001)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    monkeypatch.setattr(rule_edits, "MOST_RULES", 0)
    answer = await client.post("/v1/rules", json=enter())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rules")
    assert "allowed are 0" in answer.json()["detail"]


async def test_the_largest_rule(hub, client) -> None:
    """A rule that is at every limit is taken."""
    full = {
        "ids": [f"{i:04}" + "ä" * 124 for i in range(1000)],
        "tags": [f"{i:02}" + "x" * 62 for i in range(100)],
    }
    schedule = {
        "time_zone": "UTC",
        "weekly": NIGHT["weekly"] * 50,
        "holidays": [f"{2000 + i}-12-25" for i in range(500)],
        "on_holidays": "on",
    }
    document = enter("r", kind="unauthorised", fences=full, vehicles=full, allow=full, schedule=schedule)
    made = await client.post("/v1/rules", json=document)
    assert made.status_code == 201
    assert made.json()["allow"] == full
    assert hub.ids() == {"r"}


async def test_other_methods(client) -> None:
    """405 says what is allowed; HEAD is answered where GET is."""
    answer = await client.put("/v1/rules", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    assert (await client.head("/v1/rules")).status_code == 200


async def test_stored_rules_are_in_force_at_the_next_start(database, hub, client) -> None:
    """A hub that starts has every fleet's rules in force, but for one that somebody broke by hand; a PUT mends that one."""
    await client.put("/v1/rules/a", json=enter(schedule=NIGHT))
    await client.put("/v1/rules/broken", json=enter())
    async with hub.client("globex/admin") as other:
        await other.put("/v1/rules/b", json=enter())
    before = {rule.rule_id: rule for rule in hub.book.current.rules}
    async with database.connection() as connection:
        await connection.execute("""UPDATE rules SET document = '{"kind": 7}' WHERE rule_id = 'broken'""")
    async with rule_app(database) as second, second.client() as later:
        assert (second.ids("acme"), second.ids("globex")) == ({"a"}, {"b"})
        assert {rule.rule_id: rule for rule in second.book.current.rules}.items() <= before.items()
        assert (await later.get("/v1/rules/broken")).json()["kind"] == 7
        assert (await later.patch("/v1/rules/broken", json={})).json()["field"] == "kind"
        assert (await later.put("/v1/rules/broken", json=enter())).status_code == 200
        assert second.ids() == {"a", "broken"}


async def test_a_store_that_is_away_is_503_and_leaks_nothing(hub, client, monkeypatch, wait_until) -> None:
    """A lost store is said without its address; a write of unknown outcome is in force when the store is back."""
    put = hub.edits.store.put

    async def done_but_unheard(*arguments):
        await put(*arguments)
        raise StoreError("database_unreachable", "database 'fleet' on secret.example cannot be reached")

    monkeypatch.setattr(hub.edits.store, "put", done_but_unheard)
    answer = await client.put("/v1/rules/a", json=enter())
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
    assert "secret" not in answer.text
    await wait_until(lambda: hub.ids() == {"a"})
