"""`/v1/shares`, `/v1/revocations`, `/v1/audit`: what goes in comes out, who may, what is refused, what is written down."""

import httpx
import jwt
import pytest
from starlette.applications import Starlette

from haulcast import clock
from haulcast.access.gate import open_gate
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook
from haulcast.errors import SettingError
from haulcast.settings import Settings
from haulcast.status_api import routes as status_routes
from haulcast.vehicles import vehicle_api
from haulcast.vehicles.vehicle_edits import VehicleEdits
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore
from haulcast.vehicles.vehicle_tags import VehicleTags

SECRET = "0123456789abcdef0123456789abcdef"
BOOK = TokenBook(SECRET.encode())
SETTINGS = Settings(
    token_secret=SECRET,
    allowed_origins="https://map.example",
    viewer_requests_per_s=0.01,
    viewer_requests_burst=5,
)


def _token(role: str = "admin", fleet: str = "acme", **more) -> str:
    now_ms = clock.epoch_ms()
    claims = {"subject": f"{role} of {fleet}", "issued_ms": now_ms, **more}
    return BOOK.make(Claims(fleet, role, expires_ms=now_ms + 3_600_000, **claims))


@pytest.fixture
async def as_user(database):
    """Makes a client of a token, in front of the guarded routes of a gate."""
    async with open_gate(SETTINGS, [SECRET.encode()], database) as gate:
        vehicles = VehicleEdits(PostgresVehicleStore(database), VehicleTags())
        app = Starlette(
            routes=[
                *gate.routes(),
                *vehicle_api.routes(vehicles, gate.verify, lambda *_: None, lambda *_: None),
                *status_routes(gate.verify, {}, {}, dict),
            ],
            exception_handlers=exception_handlers(),
        )
        transport = httpx.ASGITransport(gate.guard(app), client=("10.1.2.3", 1))

        def make(token: str) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)

        make.gate = gate
        yield make


@pytest.fixture
async def admin(as_user):
    """An admin of acme."""
    async with as_user(_token()) as client:
        yield client


async def test_a_share_lives(as_user, admin) -> None:
    """Made, listed without its token, deleted; the link has its secret behind the #, and its token is a limited viewer's."""
    made = await admin.post(
        "/v1/shares", json={"name": "For Ann", "vehicles": ["b", "a", "b"], "lasts_s": 3600}
    )
    share = made.json()
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert share["link"] == "/#token=" + share["token"]
    claims = jwt.decode(share["token"], SECRET, algorithms=["HS256"])
    assert (claims["role"], claims["vehicles"], claims["jti"]) == ("viewer", ["a", "b"], share["id"])
    assert 3590 < claims["exp"] - clock.epoch_ms() / 1000 <= 3600
    (listed,) = (await admin.get("/v1/shares")).json()["shares"]
    assert listed == {name: value for name, value in share.items() if name not in {"token", "link"}}
    assert (listed["vehicles"], listed["created_by"]) == (["b", "a"], "admin of acme")
    async with as_user(share["token"]) as shared:
        for path in ("/v1/vehicles", "/v1/status", "/v1/shares", "/v1/audit"):
            refused = await shared.get(path)
            assert refused.status_code == 403, path
        assert (await admin.delete(made.headers["location"])).status_code == 204
        gone = await shared.get("/v1/vehicles")
        assert (gone.status_code, gone.json()["code"]) == (401, "revoked_token")
    assert (await admin.get("/v1/shares")).json() == {"shares": []}
    assert (await admin.delete(made.headers["location"])).status_code == 404


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"vehicles": []}, "wrong_type", "vehicles"),
        ({"vehicles": "a"}, "wrong_type", "vehicles"),
        ({"vehicles": [1]}, "bad_id", "vehicles"),
        ({"vehicles": ["a"] * 101}, "wrong_type", "vehicles"),
        ({"vehicles": [f"{n}" * 64 for n in range(10, 60)]}, "out_of_range", "vehicles"),
        ({"lasts_s": 0}, "out_of_range", "lasts_s"),
        ({"lasts_s": None}, "out_of_range", "lasts_s"),
        ({"lasts_s": True}, "out_of_range", "lasts_s"),
        ({"name": 7}, "bad_name", "name"),
        ({"role": "admin"}, "unknown_field", "role"),
    ],
)
async def test_a_wrong_share_is_refused(admin, change, code, field) -> None:
    """Each wrong field is named, and nothing is kept."""
    answer = await admin.post("/v1/shares", json={"vehicles": ["a"], "lasts_s": 3600, **change})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, field)
    assert (await admin.get("/v1/shares")).json() == {"shares": []}


async def test_shares_come_in_pages(admin) -> None:
    """Each page links to the next one."""
    for _ in range(5):
        await admin.post("/v1/shares", json={"vehicles": ["a"], "lasts_s": 60})
    got, place = [], "/v1/shares?limit=2"
    while place:
        page = (await admin.get(place)).json()
        got += [share["id"] for share in page["shares"]]
        place = page.get("next")
    assert len(set(got)) == 5


@pytest.mark.parametrize("role", ["viewer", "dispatcher", "device"])
async def test_roles_and_fleets(as_user, admin, role) -> None:
    """Dispatchers share, admins revoke and read the log, others neither; another fleet's shares are not there."""
    made = await admin.post("/v1/shares", json={"vehicles": ["a"], "lasts_s": 60})
    vehicle = "truck-7" if role == "device" else None
    async with as_user(_token(role, vehicle=vehicle)) as user, as_user(_token(fleet="globex")) as other:
        may_share = role == "dispatcher"
        share = await user.post("/v1/shares", json={"vehicles": ["a"], "lasts_s": 60})
        assert share.status_code == (201 if may_share else 403)
        assert (await user.get("/v1/shares")).status_code == (200 if may_share else 403)
        assert (await user.post("/v1/revocations", json={"everybody": True})).status_code == 403
        assert (await user.get("/v1/audit")).status_code == 403
        assert (await other.get("/v1/shares")).json() == {"shares": []}
        assert (await other.delete(made.headers["location"])).status_code == 404
    async with as_user("") as nobody:
        assert (await nobody.get("/v1/audit")).status_code == 401


async def test_revocations_hold_at_once_and_after_a_restart(as_user, admin, database) -> None:
    """By token id, by vehicle, by fleet: the next request is refused, and so is one to another hub on the same database."""
    one = _token("dispatcher", token_id="one")
    old = _token("dispatcher", issued_ms=clock.epoch_ms() - 60_000)
    unknown_age = _token("viewer", issued_ms=0)
    async with as_user(one) as by_id, as_user(old) as by_age, as_user(unknown_age) as ageless:
        assert (await by_id.get("/v1/shares")).status_code == 200
        made = await admin.post("/v1/revocations", json={"token_id": "one"})
        assert (made.status_code, made.json()["token_id"]) == (201, "one")
        assert (await by_id.get("/v1/shares")).json()["code"] == "revoked_token"
        assert (await by_age.get("/v1/shares")).status_code == 200
        body = {"everybody": True, "before_ms": clock.epoch_ms() - 30_000}
        assert (await admin.post("/v1/revocations", json=body)).status_code == 201
        assert (await by_age.get("/v1/shares")).json()["code"] == "revoked_token"
        assert (await ageless.get("/v1/status")).json()["code"] == "revoked_token"
        assert (await admin.post("/v1/revocations", json={"vehicle": "truck-7"})).status_code == 201
    found = (await admin.get("/v1/revocations")).json()["revocations"]
    assert [set(revocation) - {"before_ms", "revoked_ms"} for revocation in found] == [
        {"everybody"},
        {"vehicle"},
        {"token_id"},
    ]
    pages, path = [], "/v1/revocations?limit=1"
    while path:
        page = (await admin.get(path)).json()
        pages.append(page["revocations"])
        path = page.get("next")
    assert pages == [[revocation] for revocation in found]
    async with open_gate(SETTINGS, [SECRET.encode()], database) as restarted:
        for token in (one, old, unknown_age):
            with pytest.raises(PermissionError, match="revoked"):
                restarted.verify(token)
        assert restarted.verify(_token()).role == "admin"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_revocation"),
        ({"token_id": "a", "vehicle": "b"}, "bad_revocation"),
        ({"token_id": "a", "before_ms": 1}, "bad_revocation"),
        ({"token_id": ""}, "bad_id"),
        ({"vehicle": 7}, "bad_id"),
        ({"everybody": False}, "wrong_type"),
        ({"everybody": True, "before_ms": 2**53}, "out_of_range"),
        ({"everybody": True, "before_ms": 0}, "out_of_range"),
        ({"everybody": True, "before_ms": "now"}, "out_of_range"),
        ({"everybody": True, "before": "9998-01-01T00:00:00Z"}, "out_of_range"),
        ({"everybody": True, "before": "2026-01-01T00:00:00"}, "bad_time"),
        ({"everybody": True, "before": 7}, "bad_time"),
        ({"everybody": True, "before": "2026-01-01T00:00:00Z", "before_ms": 7}, "bad_revocation"),
        ({"token": "eyJ"}, "unknown_field"),
    ],
)
async def test_a_wrong_revocation_is_refused(admin, body, code) -> None:
    """Nothing is revoked by mistake."""
    answer = await admin.post("/v1/revocations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await admin.get("/v1/revocations")).json() == {"revocations": []}


async def test_a_revocation_takes_a_moment_in_either_way(admin) -> None:
    """ISO 8601 and milliseconds since 1970 are the same moment."""
    for moment in ({"before": "2026-01-01T01:00:00+01:00"}, {"before_ms": 1_767_225_600_000}):
        made = await admin.post("/v1/revocations", json={"vehicle": "v", **moment})
        assert (made.status_code, made.json()) == (201, {"vehicle": "v", "before_ms": 1_767_225_600_000})


@pytest.mark.parametrize("after", ["", "x", "token", "fleet.x", "vehicle.%00"])
async def test_a_page_begins_where_a_link_says(admin, after) -> None:
    """Any other place is refused."""
    answer = await admin.get(f"/v1/revocations?after={after}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_place")


async def _records(client) -> list[dict]:
    return (await client.get("/v1/audit")).json()["records"]


async def test_changes_are_written_down(as_user, admin) -> None:
    """Who, what, when and from where, of every change of every route, in order; of what failed, read or belongs to others nothing."""
    share = (await admin.post("/v1/shares", json={"vehicles": ["a"], "lasts_s": 60})).json()
    await admin.put("/v1/vehicles/truck%207", json={})
    await admin.delete("/v1/vehicles/truck%207")
    await admin.delete("/v1/vehicles/nothing")
    await admin.post("/v1/revocations", json={"token_id": "t9"})
    await admin.get("/v1/vehicles")
    async with as_user(_token(fleet="globex")) as other:
        await other.put("/v1/vehicles/theirs", json={})
    records = await _records(admin)
    assert [(record["action"], record["target"], record["status"]) for record in reversed(records)] == [
        ("POST /v1/shares", f"/v1/shares/{share['id']}", 201),
        ("PUT /v1/vehicles/{vehicle_id:path}", "/v1/vehicles/truck%207", 201),
        ("DELETE /v1/vehicles/{vehicle_id:path}", "/v1/vehicles/truck 7", 204),
        ("POST /v1/revocations", "token t9", 201),
    ]
    assert {record["subject"] for record in records} == {"admin of acme"}
    assert {(record["role"], record["address"]) for record in records} == {("admin", "10.1.2.3")}
    assert share["token"] not in str(records)


async def test_refused_access_is_written_down(as_user, admin, wait_until) -> None:
    """With the error's code and how often; the body and the token are not."""
    async with as_user(_token("viewer")) as viewer:
        for _ in range(3):
            await viewer.put("/v1/vehicles/x", json={"name": "hunter2"})

    async def counted() -> bool:
        records = await _records(admin)
        return [(r["code"], r["count"], r["status"], r["role"]) for r in records] == [
            ("wrong_role", 3, 403, "viewer")
        ]

    await wait_until(counted)
    assert "hunter2" not in str(await _records(admin))


async def test_the_log_comes_in_pages(admin) -> None:
    """Newest first, each page links to the next one; a wrong place is refused."""
    for number in range(5):
        await admin.put(f"/v1/vehicles/v{number}", json={})
    got, place = [], "/v1/audit?limit=2"
    while place:
        page = (await admin.get(place)).json()
        got += [record["target"] for record in page["records"]]
        place = page.get("next")
    assert got == [f"/v1/vehicles/v{number}" for number in (4, 3, 2, 1, 0)]
    for wrong in ("x", "-1", "9" * 30):
        assert (await admin.get(f"/v1/audit?after={wrong}")).status_code == 400


async def test_requests_of_a_token_are_limited(as_user) -> None:
    """Beyond the tier's burst there is 429 with Retry-After; another token is not concerned."""
    async with (
        as_user(_token("viewer", token_id="a")) as one,
        as_user(_token("viewer", token_id="b")) as other,
    ):
        assert [(await one.get("/v1/status")).status_code for _ in range(6)] == [200] * 5 + [429]
        late = await one.get("/v1/status")
        assert late.json()["code"] == "too_many_requests"
        assert 0 < int(late.headers["retry-after"]) <= 100
        assert (await other.get("/v1/status")).status_code == 200


async def test_every_answer_has_the_security_headers(as_user, admin) -> None:
    """Whatever its status."""
    answers = [
        await admin.get("/health"),
        await admin.get("/nothing"),
        await admin.get("/v1/audit?limit=x"),
        await admin.delete("/health"),
    ]
    async with as_user("junk") as stranger:
        answers.append(await stranger.get("/v1/audit"))
    assert [answer.status_code for answer in answers] == [200, 404, 400, 405, 401]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "geolocation=()" in answer.headers["permissions-policy"]
        assert "strict-transport-security" not in answer.headers


async def test_cors_is_for_the_origins_that_are_allowed(admin) -> None:
    """A preflight of an allowed origin says yes, of another one nothing; no cookie is ever asked for."""
    ask = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}
    for origin, allowed in (("https://map.example", "https://map.example"), ("https://evil.example", None)):
        flight = await admin.options("/v1/vehicles/a", headers={"Origin": origin, **ask})
        answer = await admin.get("/health", headers={"Origin": origin})
        for response in (flight, answer):
            assert response.headers.get("access-control-allow-origin") == allowed
            assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize("wrong", [{"trusted_proxies": "10.0.0.1/8"}, {"allowed_origins": "map.example"}])
async def test_a_gate_of_wrong_settings_does_not_open(database, wrong) -> None:
    """A proxy or an origin that is none stops the start."""
    with pytest.raises(SettingError, match=next(iter(wrong))):
        async with open_gate(Settings(**wrong), [SECRET.encode()], database):
            pass
