"""What is InfluxDB's own of its history store, on real servers: names, numbers, order within a millisecond, limits, logins, kills."""

import asyncio
import itertools
import json
from urllib.parse import quote

import numpy as np
import pytest
from history_fixes import EVER, NOON_MS, contents, fixes_of, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influx_fixture import PASSWORD, USER

from geo.positions import position_batch
from geo.track_filter import TrackState
from haulcast.clock import epoch_ms
from haulcast.doors.tokens import is_name
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history import history_store_influx
from haulcast.history.history_store import DAY_MS
from haulcast.history.history_store_influx import influx_history
from haulcast.history.history_writer import HistoryWriter, writing
from haulcast.history.influx_lines import LEAST_MS, MOST_MS, NUMBERS, SEQ_PLACES
from haulcast.history.influx_server import InfluxPlace

MODEST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_examples = itertools.count()


def name_of(row: int) -> tuple[str, str]:
    return "acme", f"v{row}"


@pytest.fixture
async def store(influx_place):
    async with influx_history(influx_place, name_of) as opened:
        yield opened


NAMES = st.text(st.sampled_from("a\\,= '\"%5C☂é;/*-") | st.characters(), min_size=1, max_size=12).filter(
    is_name
)


@MODEST
@given(fleet=NAMES, vehicles=st.lists(NAMES, min_size=1, max_size=4, unique=True))
async def test_a_vehicle_of_any_name_has_its_own_fixes(influx_place, fleet, vehicles):
    """Whatever the protocol or the query language would read into a name; and a purge takes no other one's."""
    fleet = f"{next(_examples)}{fleet}"
    async with influx_history(influx_place, lambda row: (fleet, vehicles[row])) as store:
        batch = fixes_of(*((row, 10 + row, NOON_MS) for row in range(len(vehicles))))
        await store.write(batch)
        for row, vehicle in enumerate(vehicles):
            assert await stored(store, fleet, vehicle) == [contents(batch)[row]]
        assert await store.purge(fleet, vehicles[0]) == 1
        for row, vehicle in enumerate(vehicles):
            assert len(await stored(store, fleet, vehicle)) == (row > 0)


@MODEST
@given(
    bits=st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6),
    plain=st.lists(st.floats() | st.decimals(-999, 999, places=3).map(float), min_size=6, max_size=6),
)
async def test_any_number_comes_back_bit_for_bit(store, bits, plain):
    """Of all bit patterns, but for which NaN it is."""
    batch = fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS))
    for place, name in enumerate(NUMBERS):
        getattr(batch, name)[:] = np.array([bits[place]], np.uint64).view(np.float64)[0], plain[place]
    await store.write(batch)
    assert await stored(store, "acme", "v0") == contents(batch)


@MODEST
@given(
    attributes=st.dictionaries(
        st.text(), st.text() | st.integers() | st.lists(st.text(), max_size=2), max_size=3
    ),
    style=st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 2}]),
)
async def test_attributes_come_back_as_the_text_they_were(store, attributes, style):
    """Quotes, backslashes, lines and whatever else stands in JSON."""
    text = json.dumps(attributes, **style).encode(errors="replace")
    batch = fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS + 1), attributes={0: text})
    await store.write(batch)
    assert await stored(store, "acme", "v0") == contents(batch)


async def test_huge_attributes_and_many_fixes_go_in_parts(store, monkeypatch):
    """A write larger than a request is some requests; one fix larger than it is one."""
    monkeypatch.setattr(history_store_influx, "REQUEST_BYTES", 20_000)
    huge = json.dumps({"a": "x" * 200_000}).encode()
    batch = fixes_of(
        *((0, seq, NOON_MS + seq) for seq in range(500)), attributes={0: huge, 7: huge, 499: huge}
    )
    assert await store.write(batch) == 500
    assert await stored(store, "acme", "v0") == contents(batch)


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 50])
async def test_within_a_millisecond_the_order_is_the_sequences(store, limit):
    """Also where Influx has another one, because their places in it have begun anew; pages of any size."""
    seqs = [SEQ_PLACES + shift for shift in (-3, -2, 0, 1, 2)] + [2**53, -1]
    keys = [(0, seq, NOON_MS + later) for later in (0, 2) for seq in seqs] + [(0, 5, NOON_MS + 1)]
    batch = fixes_of(*keys)
    await store.write(batch)
    order = sorted(range(len(keys)), key=lambda i: (keys[i][2], keys[i][1]))
    assert await stored(store, "acme", "v0", limit=limit) == [contents(batch)[i] for i in order]
    span = (NOON_MS, NOON_MS + 1)
    wanted = [contents(batch)[i] for i in order if keys[i][2] == NOON_MS]
    assert await stored(store, "acme", "v0", span, limit=limit) == wanted


async def test_a_fleet_is_read_in_parts_and_by_sequence_within_a_millisecond(store, monkeypatch):
    """Parts of any size give the same, ids of any letters too; the newest fix is that of the greatest sequence, where Influx has another."""
    names = ("plain", "50% = a, b\\", "%5C")
    monkeypatch.setattr(store, "_name_of", lambda row: ("acme", names[row]))
    seqs = [SEQ_PLACES + shift for shift in (-3, -2, 0, 1)]
    keys = [(row, seq, NOON_MS + later) for row in range(3) for later in (0, 3, 9) for seq in seqs]
    await store.write(fixes_of(*keys))
    wanted = sorted((names[row], time_ms, seq) for row, seq, time_ms in keys)
    for size in (1, 5, 12, 40):
        monkeypatch.setattr(history_store_influx, "PAGE_FIXES", size)
        found = await store.read_span("acme", None, *EVER, 1_000)
        fixes = found.fixes
        shown = [found.vehicles[row] for row in fixes.row.tolist()]
        assert (np.diff(fixes.time_ms) >= 0).all()
        assert (
            sorted(
                zip(shown, fixes.time_ms.tolist(), fixes.seq.tolist(), strict=True), key=lambda key: key[:2]
            )
            == wanted
        )
        assert found.end_ms == EVER[1]
    newest = await store.latest_before("acme", {*names, "a\x00"}, *EVER)
    assert sorted(newest.vehicles) == sorted(names)
    assert newest.fixes.seq.tolist() == [seqs[-1]] * 3
    assert newest.fixes.time_ms.tolist() == [NOON_MS + 9] * 3


async def test_a_device_whose_clock_stands_still_is_read_too(store):
    """More fixes of one millisecond than a server has in one piece of an answer; a large page comes in parts."""
    batch = fixes_of(*((0, seq, NOON_MS) for seq in range(10_500)))
    await store.write(batch)
    found, after = [], None
    while not found or after is not None:
        page = await store.read("acme", "v0", *EVER, after, 10**6)
        found += contents(page.fixes)
        after = page.last_key
    assert found == contents(batch)


async def test_sequences_that_share_a_nanosecond_are_one_point(store):
    """The price of keeping sequences out of the tags: of one millisecond, and a multiple of a large prime apart, the last is kept."""
    keys = [(0, seq, NOON_MS) for seq in (7, 7 + SEQ_PLACES, 7 + 10**6)]
    await store.write(fixes_of(*keys))
    assert await stored(store, "acme", "v0") == contents(fixes_of(*keys[1:]))


async def test_of_two_fixes_with_one_key_the_last_is_kept_and_nothing_of_the_other(store):
    """What only the first one had is not mixed into the second."""
    first = fixes_of((0, -1, NOON_MS), attributes={0: b'{"a":1}'})
    for name in NUMBERS:
        getattr(first, name)[:] = 1.5
    second = position_batch(1)
    second.time_ms[:], second.lat_deg[:], second.lon_deg[:] = NOON_MS, 2.0, 3.0
    await store.write(first)
    await store.write(second)
    assert await stored(store, "acme", "v0") == contents(second)
    await store.write(first)
    assert await stored(store, "acme", "v0") == contents(first)


@pytest.mark.parametrize("time_ms", [LEAST_MS - 1, MOST_MS + 1])
async def test_a_time_that_influx_has_not_is_refused_and_nothing_is_stored(store, time_ms):
    """Its nanoseconds would be another time's."""
    with pytest.raises(RefusedFixesError) as raised:
        await store.write(fixes_of((0, 0, NOON_MS), (0, 1, time_ms)))
    assert raised.value.field == "time_ms"
    assert await stored(store, "acme", "v0") == []


async def test_a_fix_older_than_the_retention_is_refused(influx1, influx_place):
    """With the others of its write; those are stored when they are written without it."""
    influx1.ask(
        "/query", q=f'CREATE RETENTION POLICY "day" ON "{influx_place.bucket}" DURATION 1d REPLICATION 1'
    )
    place = influx_place._replace(bucket=f"{influx_place.bucket}/day")
    old, new = (0, 0, epoch_ms() - 3 * DAY_MS), (0, 1, epoch_ms())
    async with influx_history(place, name_of) as store:
        for keys in ([old], [old, new]):
            with pytest.raises(RefusedFixesError, match="retention policy"):
                await store.write(fixes_of(*keys))
        assert await store.write(fixes_of(new)) == 1
        assert await stored(store, "acme", "v0") == contents(fixes_of(new))
    async with influx_history(influx_place, name_of) as elsewhere:
        assert await stored(elsewhere, "acme", "v0") == []


async def test_a_device_hears_of_just_those_fixes_that_are_too_old(influx1, influx_place):
    """The writer finds them among the others, which are stored, each once."""
    influx1.ask(
        "/query", q=f'CREATE RETENTION POLICY "day" ON "{influx_place.bucket}" DURATION 1d REPLICATION 1'
    )
    now_ms, old = epoch_ms(), {3, 4, 17}
    batch = fixes_of(*((0, seq, now_ms + seq - (3 * DAY_MS if seq in old else 0)) for seq in range(20)))
    track, refused = TrackState(), []
    track.ensure_rows(1)
    async with influx_history(influx_place._replace(bucket=f"{influx_place.bucket}/day"), name_of) as store:
        writer = HistoryWriter(store, track, buffer_bytes=10**9, commit_s=0.0, now_ms=lambda: now_ms)
        writer.listen(
            on_stored=lambda _rows: None, on_refused=refused.append, on_resend=lambda _rows, _seqs: None
        )
        async with writing(writer):
            writer.add(batch, np.zeros(1, np.int32))
            await writer.settled()
        assert {int(each.seq[0]) for each in refused} == old
        assert (writer.unstorable, writer.stored, writer.errors) == (3, 17, 0)
        wanted = batch.take(np.array([i for i in range(20) if i not in old]))
        assert await stored(store, "acme", "v0") == contents(wanted)


async def test_what_is_too_much_at_once_is_written_in_halves(own_influx1):
    """The server's own limit of a request; a fix that is beyond it alone is refused."""
    server = own_influx1(body_bytes=6_000)
    place = InfluxPlace(server.url, server.make_database("small"), api="v1")
    huge = np.random.default_rng(1).bytes(20_000).hex().encode()
    batch = fixes_of(*((0, seq, NOON_MS + seq) for seq in range(500)))
    async with influx_history(place, name_of) as store:
        assert await store.write(batch) == 500
        assert await stored(store, "acme", "v0") == contents(batch)
        with pytest.raises(RefusedFixesError, match="413"):
            await store.write(fixes_of((0, 0, NOON_MS), attributes={0: b'{"a":"%b"}' % huge}))


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"token": ""}, "influx_token"),
        ({"token": f"{USER}:another"}, "influx_token"),
        ({"bucket": "nobody's"}, "influx_bucket"),
        ({"bucket": "fleet/nobody's"}, "retention policy not found"),
        ({"api": "v2"}, "influx_api has to be v1"),
    ],
)
async def test_a_wrong_setting_is_named_and_costs_no_fix(own_influx1, changed, hint):
    """A server with logins takes what comes with the right one; what comes otherwise is an error that can be repeated, without the password."""
    server = own_influx1(has_auth=True)
    server.ask("/query", q=f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")
    server.make_database("fleet", login=(USER, PASSWORD))
    place = InfluxPlace(server.url, "fleet", f"{USER}:{PASSWORD}", api="v1")
    batch = fixes_of((0, 0, NOON_MS))
    async with influx_history(place._replace(**changed), name_of) as wrong:
        with pytest.raises(StoreError, match=hint) as raised:
            await wrong.write(batch)
        assert PASSWORD not in str(raised.value)
        assert quote(PASSWORD) not in str(raised.value)
    async with influx_history(place, name_of) as right:
        await right.write(batch)
        assert await stored(right, "acme", "v0") == contents(batch)


async def test_another_programs_points_are_an_error_and_refuse_no_fix(influx1, influx_place, store):
    """Of the same measurement with other types, or without what a fix has."""
    await store.write(fixes_of((0, 0, NOON_MS)))
    other = InfluxPlace(influx1.url, influx1.make_database(f"other {next(_examples)}"), api="v1")
    async with influx_history(other, name_of) as crowded:
        crowded._server.write(b'fixes,fleet=acme,vehicle=v0 seq="text"\n')
        with pytest.raises(StoreError, match="a bucket of its own"):
            await crowded.write(fixes_of((0, 0, NOON_MS)))
        with pytest.raises(StoreError, match="none of ours"):
            await crowded.read("acme", "v0", *EVER, None, 10)


async def test_a_server_that_is_gone_is_a_store_error(own_influx1):
    """Everything that asks it says so, and works again when it is back."""
    server = own_influx1()
    place = InfluxPlace(server.url, server.make_database("fleet"), api="v1")
    async with influx_history(place, name_of) as store:
        await store.write(fixes_of((0, 0, NOON_MS)))
        server.kill()
        calls = [
            lambda: store.write(fixes_of((0, 1, NOON_MS))),
            lambda: store.read("acme", "v0", *EVER, None, 10),
            lambda: store.drop_before(NOON_MS),
            lambda: store.purge("acme", "v0"),
        ]
        for call in calls:
            with pytest.raises(StoreError, match="cannot be reached"):
                await call()
        await asyncio.to_thread(server.start)
        await store.write(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS)))
        assert await stored(store, "acme", "v0") == contents(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS)))


async def test_what_was_written_outlives_kills_of_the_server(own_influx1):
    """Killed in mid-write, again and again: what a write said is there, and the others are there once they are repeated."""
    server = own_influx1()
    place = InfluxPlace(server.url, server.make_database("fleet"), api="v1")
    done: set[int] = set()
    async with influx_history(place, name_of) as store:

        async def write(first: int) -> None:
            while True:
                try:
                    await store.write(
                        fixes_of(*((0, seq, NOON_MS + seq) for seq in range(first, first + 200)))
                    )
                except StoreError:
                    await asyncio.sleep(0.02)
                else:
                    done.update(range(first, first + 200))
                    return

        for life in range(3):
            writes = [asyncio.create_task(write(2_000 * life + 200 * part)) for part in range(10)]
            await asyncio.wait(writes, return_when=asyncio.FIRST_COMPLETED)
            server.kill()
            said = set(done)
            await asyncio.to_thread(server.start)
            found = {eval(fix[0]) for fix in await stored(store, "acme", "v0")}
            assert said <= found
            await asyncio.gather(*writes)
        wanted = fixes_of(*((0, seq, NOON_MS + seq) for seq in range(6_000)))
        assert await stored(store, "acme", "v0") == contents(wanted)


async def test_the_v2_wire_arrives(victoria_metrics, wait_until):
    """`/api/v2/write` of a real server: names and numbers are there, to the server's own precision."""
    now_ms = epoch_ms()
    batch = fixes_of((0, 5, now_ms), (0, 6, now_ms + 1), attributes={0: b'{"a":"\\""}'})
    place = InfluxPlace(victoria_metrics.url, "bucket", "token", "organisation")
    async with influx_history(place, lambda _row: ("ac me", "v=0,\\")) as store:
        await store.write(batch)

    async def series_of() -> list[dict] | None:
        await asyncio.to_thread(victoria_metrics.ask, "/internal/force_flush")
        wanted = {"match[]": '{__name__=~"fixes_(seq|lat_deg|received_ms)"}'}
        found = (await asyncio.to_thread(victoria_metrics.ask, "/api/v1/export", **wanted)).splitlines()
        return [json.loads(line) for line in found] if len(found) == 3 else None

    series = await wait_until(series_of, timeout_s=60)
    values = {each["metric"]["__name__"]: each["values"] for each in series}
    assert values["fixes_seq"] == [5, 6]
    assert values["fixes_received_ms"] == batch.received_ms.tolist()
    assert values["fixes_lat_deg"] == pytest.approx(batch.lat_deg.tolist(), rel=1e-9)
    for each in series:
        assert each["timestamps"] == [now_ms, now_ms + 1]
        assert (each["metric"]["fleet"], each["metric"]["vehicle"]) == ("ac me", "v=0,%5C")
