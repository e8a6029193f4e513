"""The endpoints: who may report, what each app hears, and that success means decided and stored."""

import asyncio
import base64
import gzip
import json
import zlib

import numpy as np
import pytest
import structlog
from golden_frames import GOLDEN_FRAMES
from phone_app import MemoryPhoneIds, phone_app, verify
from waiting import wait_until

from geo import fence_match, fence_transitions, track_filter
from haulcast.clock import epoch_ms
from haulcast.doors import problems
from haulcast.doors.rate_limits import RateLimits
from haulcast.errors import RateError, StoreError
from haulcast.phones import submissions
from haulcast.phones.phone_id_store import digest_of, new_phone_id
from haulcast.phones.reporters import Reporters
from haulcast.settings import Settings

DEVICE = "acme/device/truck-7"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """No request waits for a compiler."""
    for module in (track_filter, fence_match, fence_transitions):
        module.warm_up()


@pytest.fixture
async def hub():
    async with phone_app() as made:
        yield made


@pytest.fixture
async def phone(hub):
    """Truck 7's phone, with a token."""
    async with hub.client() as opened:
        yield opened


def plain(*times_ms: int, **more) -> dict:
    return {"fixes": [{"time_ms": time_ms, "lat": 37.7, "lon": -122.4, **more} for time_ms in times_ms]}


def overland(*times_s: int, lat: float = 37.7, **more) -> dict:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-122.4, lat]},
            "properties": {"timestamp": f"2026-09-21T14:13:{time_s:02d}Z", **more},
        }
        for time_s in times_s
    ]
    return {"locations": features}


@pytest.mark.parametrize("frame", GOLDEN_FRAMES, ids=lambda frame: frame.name)
async def test_every_app_hears_what_it_waits_for(hub, phone, frame):
    """A golden frame is answered as its app expects it, and its fixes are taken, with their attributes."""
    answer = await phone.request(frame.method, frame.path, headers=frame.headers, content=frame.body)
    assert (answer.status_code, answer.text) == (200, frame.answer)
    assert hub.accepted == [("truck-7", fix["time_ms"]) for fix in frame.fixes]
    kept = [json.loads(text) for result in hub.results for text in result.accepted.attributes.values()]
    assert kept == [fix["attributes"] for fix in frame.fixes if fix["attributes"]]


@pytest.mark.parametrize("frame", [f for f in GOLDEN_FRAMES if f.fixes], ids=lambda frame: frame.name)
async def test_twice_the_same_is_success_twice(hub, phone, frame):
    """A repeated request is answered as the first, so that the app forgets it; the map does not move again."""
    for _ in range(2):
        answer = await phone.request(frame.method, frame.path, headers=frame.headers, content=frame.body)
        assert answer.status_code == 200
    assert hub.state.last.time_ms[0] == frame.fixes[-1]["time_ms"]
    assert sum(len(result.moved_rows) for result in hub.results) == 1
    assert hub.loop.counters.refused_by_reason[4] >= 1  # duplicate


@pytest.mark.parametrize("path", ["/osmand?id=truck-7", "/owntracks", "/overland", "/v1/fixes"])
@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Bearer nonsense", 401, "bad_token"),
        ("Bearer ph-nonsense", 401, "bad_token"),
        ("Basic " + base64.b64encode(b"truck-7:nonsense").decode(), 401, "bad_token"),
        ("Basic not base64", 401, "no_token"),
        ("Digest x", 401, "no_token"),
        ("Bearer acme/viewer", 403, "wrong_role"),
    ],
)
async def test_who_may_not_report(hub, path, header, status, code):
    """Wrong tokens, wrong phone ids and other roles, on every path, before the body is looked at."""
    async with hub.client("") as nobody:
        answer = await nobody.post(path, headers={"Authorization": header}, content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert not hub.results


@pytest.mark.parametrize("path", ["/owntracks", "/overland", "/v1/fixes"])
async def test_nobody_at_all(hub, path):
    """Without a header there is no way in but OsmAnd's id."""
    async with hub.client("") as nobody:
        answer = await nobody.post(path, json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "no_token")


async def test_a_phone_id_opens_every_door(hub):
    """As the OsmAnd id, as a bearer token, as a Basic password; a newer one ends the older; taken away, it opens nothing."""
    async with hub.client("acme/dispatcher") as user, hub.client("") as app:
        made = await user.post("/v1/phone-ids/truck-7")
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        phone_id = made.json()["phone_id"]
        basic = "Basic " + base64.b64encode(f"driver:{phone_id}".encode()).decode()
        first = f"/osmand?lat=37.7&lon=-122.4&timestamp=1790000000&id={phone_id.upper()}"
        assert (await app.get(first)).status_code == 200
        bearer = {"Authorization": f"Bearer {phone_id}"}
        assert (await app.post("/overland", json=overland(30), headers=bearer)).status_code == 200
        body = {"_type": "location", "lat": 37.7, "lon": -122.4, "tst": 1_790_000_020, "tid": "aa"}
        assert (await app.post("/owntracks", json=body, headers={"Authorization": basic})).json() == []
        assert hub.accepted == [("truck-7", 1_790_000_000_000 + 10_000 * i) for i in range(3)]

        newer = (await user.post("/v1/phone-ids/truck-7")).json()["phone_id"]
        assert (await app.get(first)).status_code == 400
        assert (await user.delete("/v1/phone-ids/truck-7")).status_code == 204
        for gone in (await user.delete("/v1/phone-ids/truck-7"), await user.post("/v1/phone-ids/other")):
            assert gone.status_code == 404
        answer = await app.post("/overland", json=overland(40), headers={"Authorization": f"Bearer {newer}"})
        assert answer.status_code == 401


async def test_only_dispatchers_make_phone_ids(hub):
    """Neither a device nor a viewer, and not in another fleet."""
    for token, status in ((DEVICE, 403), ("acme/viewer", 403), ("globex/admin", 404)):
        async with hub.client(token) as client:
            assert (await client.post("/v1/phone-ids/truck-7")).status_code == status


async def test_a_phone_id_cannot_be_guessed_and_is_not_kept():
    """128 bits of it, and only a digest in the store."""
    assert len({new_phone_id() for _ in range(100)}) == 100
    assert len(new_phone_id()) == 29
    assert len(digest_of(new_phone_id())) == 32


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/osmand?id=truck-8&lat=1&lon=1", b"", 400),
        ("/osmand?id=ph-aaaa&lat=1&lon=1", b"", 400),
        ("/osmand", b'{"device_id":"truck-8","location":{}}', 404),
        ("/owntracks?d=truck-8", b'{"_type":"location","lat":1,"lon":1,"tst":1}', 404),
        ("/owntracks", b'{"_type":"location","lat":1,"lon":1,"tst":1,"topic":"owntracks/u/truck-8"}', 404),
        ("/overland", json.dumps(overland(1, device_id="truck-8")).encode(), 404),
    ],
)
async def test_a_device_reports_for_its_own_vehicle_alone(hub, phone, path, body, status):
    """Another's name gets the answer that its app knows; the name itself is not repeated."""
    answer = await phone.post(path, content=body, headers=JSON if path == "/osmand" else {})
    assert (answer.status_code, answer.json()["code"]) == (status, "unknown_device")
    assert "truck-8" not in answer.text
    assert "ph-aaaa" not in answer.text
    assert not hub.results


@pytest.mark.parametrize("path", ["/osmand", "/owntracks", "/overland", "/v1/fixes"])
async def test_bodies_that_are_none(phone, path):
    """Not JSON, not compressed as they say, of an unknown compression: 400 and why."""
    for content, headers, code in (
        (b'{"a":', JSON, "bad_json"),
        (b"\xff\xfe", JSON, "bad_json"),
        (b"plain", JSON | {"Content-Encoding": "gzip"}, "bad_encoding"),
        (gzip.compress(b"{}" * 100)[:-8], JSON | {"Content-Encoding": "gzip"}, "bad_encoding"),
        (b"plain", JSON | {"Content-Encoding": "br"}, "unknown_encoding"),
    ):
        answer = await phone.post(path, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("path", ["/osmand", "/owntracks", "/overland", "/v1/fixes"])
async def test_bodies_over_the_limit(phone, path):
    """413 for what is too large, compressed or not."""
    large = b'{"a":"' + b"x" * 1_100_000 + b'"}'
    for content, headers in ((large, {}), (gzip.compress(large), {"Content-Encoding": "gzip"})):
        answer = await phone.post(path, content=content, headers=JSON | headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_compressed_bodies(hub, phone, encoding, compress):
    """Are read as what they were before."""
    body = compress(json.dumps(overland(30, 40)).encode())
    answer = await phone.post("/overland", content=body, headers=JSON | {"Content-Encoding": encoding})
    assert answer.json() == {"result": "ok"}
    assert len(hub.accepted) == 2


async def test_refused_fixes_are_success_and_counted(hub, phone):
    """A fix at null island would be sent again for ever, so the app hears success, and the counters the reason."""
    answer = await phone.get("/osmand?id=truck-7&lat=0&lon=0")
    assert (answer.status_code, answer.text) == (200, "")
    assert hub.loop.counters.refused_by_reason.tolist()[1] == 1
    assert hub.submissions.counters == {
        "requests": 1,
        "fixes": 1,
        "refused": 1,
        "held": 0,
        "overloaded": 0,
        "unanswered": 0,
    }


async def test_a_program_hears_of_each_fix(hub, phone):
    """Taken, held back, and refused with all reasons, by its place in the batch; by sequence too where it counts."""
    now_ms = epoch_ms()
    body = {
        "fixes": [
            {"time_ms": now_ms - 9_000, "lat": 37.7, "lon": -122.4, "seq": 7},
            {"time_ms": now_ms - 8_000, "lat": 37.7, "lon": -122.4, "seq": 7},
            {"time_ms": now_ms - 7_000, "lat": 0, "lon": 0, "accuracy_m": 5_000},
            {"time_ms": now_ms - 6_000, "lat": 47.7, "lon": -122.4},
        ]
    }
    answer = await phone.post("/v1/fixes", json=body)
    assert answer.json() == {
        "accepted": 1,
        "held": [3],
        "rejects": [
            {"fix": 1, "reasons": ["duplicate"]},
            {"fix": 2, "reasons": ["null_island", "poor_accuracy"]},
        ],
    }
    agreeing = {"fixes": [{"time_ms": now_ms - 5_000, "lat": 47.7, "lon": -122.4}]}
    assert (await phone.post("/v1/fixes", json=agreeing)).json()["accepted"] == 1
    assert [time_ms - now_ms for _, time_ms in hub.accepted] == [-9_000, -6_000, -5_000]


async def test_a_jump_that_nothing_bears_out(hub, phone):
    """Within one batch the next fix decides at once; of an earlier request's it says nothing to this one."""
    now_ms = epoch_ms()
    fixes = [{"time_ms": now_ms - 9_000 + i, "lat": 37.7 + 10 * (i % 2), "lon": -122.4} for i in range(4)]
    answer = (await phone.post("/v1/fixes", json={"fixes": fixes})).json()
    assert answer == {"accepted": 2, "held": [3], "rejects": [{"fix": 1, "reasons": ["impossible_jump"]}]}
    answer = (await phone.post("/v1/fixes", json=plain(now_ms - 1_000))).json()
    assert answer == {"accepted": 1, "held": [], "rejects": []}
    assert hub.loop.counters.refused_by_reason.tolist()[6] == 2


async def test_a_jump_is_success_at_once(hub, phone):
    """An app that sends one fix at a time would never send the one that bears a jump out, if it had to wait for it."""
    for lat, second in ((37.7, 10), (47.7, 11), (47.7, 12)):
        assert (await phone.post("/overland", json=overland(second, lat=lat))).status_code == 200
    assert len(hub.accepted) == 3


async def test_what_is_late_is_taken_and_moves_nothing(hub, phone):
    """A batch in any order ends with the newest on the map."""
    assert (await phone.post("/overland", json=overland(30, 10, 20))).json() == {"result": "ok"}
    assert len(hub.accepted) == 3
    assert hub.state.last.time_ms[0] == 1_790_000_010_000


async def test_many_phones_at_once_hear_of_their_own(hub):
    """Requests of one step are kept apart: each hears of its own fixes."""
    hub.ids.digests.clear()

    async def send(number: int) -> dict:
        async with hub.client(f"acme/device/v{number}") as client:
            batch = plain(*range(1_000, 1_000 + number + 1))
            batch["fixes"][number // 2]["lat"] = 0
            batch["fixes"][number // 2]["lon"] = 0
            return (await client.post("/v1/fixes", json=batch)).json()

    answers = await asyncio.gather(*(send(number) for number in range(30)))
    for number, answer in enumerate(answers):
        assert answer["accepted"] == number
        assert answer["rejects"] == [{"fix": number // 2, "reasons": ["null_island"]}]
    assert len(hub.results) < 30


async def test_an_overloaded_hub_takes_nothing_and_says_when_to_come_back():
    """A full inbox is 503 with Retry-After on every path, and nothing of the request stays."""
    async with phone_app(inbox_bytes=2**20) as hub, hub.client() as phone:
        hub.is_ticking = False
        hub.inbox.put(0, b"x" * 2**20)
        for path, body in (
            ("/osmand", [{"id": "truck-7", "lat": 1, "lon": 1}]),
            ("/owntracks", {"_type": "location", "lat": 1, "lon": 1, "tst": 1, "tid": "a"}),
            ("/overland", overland(1)),
            ("/v1/fixes", plain(1)),
        ):
            answer = await phone.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert int(answer.headers["Retry-After"]) > 0
            assert "later" in answer.json()["detail"]
        assert (len(hub.inbox), hub.submissions._waiting) == (1, {})
        assert hub.submissions.counters["overloaded"] == 4


async def test_a_store_that_is_down_is_no_success(hub, phone):
    """What was taken but not stored is 503, so that the app keeps it."""
    hub.stored_error = StoreError("database_unreachable", "gone")
    answer = await phone.post("/overland", json=overland(30))
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
    assert "Retry-After" in answer.headers
    hub.stored_error = None
    assert (await phone.post("/overland", json=overland(30))).json() == {"result": "ok"}


async def test_phone_ids_that_cannot_be_looked_up_are_no_fault_of_the_app(hub, monkeypatch):
    """Without the database nobody can say whose id it is: 503, and not 400 or 401, on which an app may give up."""

    async def find(_digest: bytes) -> None:
        raise StoreError("database_unreachable", "gone")

    monkeypatch.setattr(hub.ids, "find", find)
    async with hub.client("ph-aaaa") as app:
        assert (await app.post("/overland", json=overland(30))).status_code == 503
        del app.headers["Authorization"]
        assert (await app.get("/osmand?id=ph-aaaa&lat=1&lon=1")).status_code == 503


async def test_a_hub_that_says_nothing_is_no_success(hub, phone, monkeypatch):
    """No step in time is 503; and when the step comes after all, it harms nobody."""
    monkeypatch.setattr(submissions, "ANSWER_WITHIN_S", 0.05)
    hub.is_ticking = False
    answer = await phone.post("/overland", json=overland(30))
    assert (answer.status_code, answer.json()["code"]) == (503, "too_slow")
    assert hub.submissions.counters["unanswered"] == 1
    hub.loop.tick()
    assert (len(hub.accepted), hub.submissions._waiting) == (1, {})


async def test_over_the_rate_the_app_keeps_its_fixes():
    """Beyond the token bucket it is 503 and not success: nothing is wrong with these fixes."""
    async with phone_app(device_burst=2.0, device_rate_per_s=0.1) as hub, hub.client() as phone:
        assert (await phone.post("/overland", json=overland(10, 20))).status_code == 200
        answer = await phone.post("/overland", json=overland(30))
        assert (answer.status_code, answer.json()["code"]) == (503, "rate_limited")
        told = (await phone.post("/v1/fixes", json=plain(1_790_000_030_000))).json()
        assert told["rejects"] == [{"fix": 0, "reasons": ["rate_limited"]}]


async def test_a_phone_id_is_limited_as_a_token_is():
    """The rate of requests of one device holds whichever way it says who it is."""
    ids, phone_id = MemoryPhoneIds(("acme", "truck-7")), new_phone_id()
    await ids.put("acme", "truck-7", digest_of(phone_id))
    limits = RateLimits(Settings(device_requests_burst=2, device_requests_per_s=0.01))
    reporters = Reporters(verify, ids, limits.of_token)
    for _ in range(2):
        claims = await reporters.of_phone_id(phone_id)
        assert claims is not None
        assert claims.vehicle == "truck-7"
    with pytest.raises(RateError):
        await reporters.of_phone_id(phone_id)


async def test_attributes_nested_too_deeply_are_named(hub, phone):
    """400, and nothing is taken: no writer of JSON could give them out again."""
    deep = '{"a":' * 400 + "1" + "}" * 400
    body = f'{{"fixes":[{{"time_ms":1790000000000,"lat":1,"lon":1,"attributes":{deep}}}]}}'
    answer = await phone.post("/v1/fixes", content=body.encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "out_of_range")
    assert not hub.results


async def test_phone_and_socket_share_a_vehicle(hub, phone):
    """Fixes without a sequence stand between those with one, and neither disturbs the other's."""
    row = hub._row_of("acme", "truck-7")

    def frame(seq: int, second: int) -> bytes:
        fix = {"seq": seq, "time_ms": 1_790_000_000_000 + 1_000 * second, "lat": 37.7, "lon": -122.4}
        return json.dumps(fix).encode()

    hub.inbox.put(row, frame(5, 1))
    await phone.post(
        "/osmand", json=[{"id": "truck-7", "lat": 37.7, "lon": -122.4, "timestamp": 1_790_000_002}]
    )
    hub.inbox.put(row, frame(6, 3))
    hub.inbox.put(row, frame(5, 4))
    await phone.post(
        "/osmand", json=[{"id": "truck-7", "lat": 37.7, "lon": -122.4, "timestamp": 1_790_000_005}]
    )
    assert [time_ms - 1_790_000_000_000 for _, time_ms in hub.accepted] == [1_000, 2_000, 3_000, 5_000]
    assert hub.state.track.handled_seq(np.array([row])).tolist() == [6]
    assert "seq" not in hub.state.last.of(row)


async def test_a_store_that_is_away_is_logged_once_and_not_for_each_phone(hub, phone, monkeypatch):
    """The first request says it; the next line, after a while, says how many there were."""
    hub.stored_error = StoreError("database_unreachable", "gone")
    with structlog.testing.capture_logs() as lines:
        for second in range(5):
            assert (await phone.post("/overland", json=overland(30 + second))).status_code == 503
        monkeypatch.setattr(problems, "SAY_AGAIN_S", 0.0)
        assert (await phone.post("/overland", json=overland(50))).status_code == 503
    said = [(line["code"], line["others_before"]) for line in lines if line["event"] == "request_failed"]
    assert said == [("database_unreachable", 0), ("database_unreachable", 4)]


async def test_requests_that_cannot_be_joined_lose_no_frames(hub, phone, monkeypatch):
    """The frames' fixes of the same tick go on; the request is no success, and what it sends again is taken."""
    monkeypatch.setattr(submissions, "ANSWER_WITHIN_S", 0.05)
    hub.is_ticking = False

    def broken(_batches):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(submissions, "concatenate", broken)
        hub.inbox.put(hub._row_of("acme", "truck-1"), b'{"seq":1,"time_ms":1790000000000,"lat":1,"lon":1}')
        asking = asyncio.create_task(phone.post("/overland", json=overland(30)))
        await wait_until(lambda: hub.submissions._waiting)
        hub.loop.tick()
        answer = await asking
    assert (answer.status_code, hub.accepted) == (503, [("truck-1", 1_790_000_000_000)])
    hub.is_ticking = True
    hub.loop.wake()
    assert (await phone.post("/overland", json=overland(30))).status_code == 200
