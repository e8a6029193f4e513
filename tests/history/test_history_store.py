"""The contract of a history store, on memory, on each PostgreSQL there is, and on InfluxDB 1.x."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest
from history_fixes import DAY_MS, EVER, NOON_MS, contents, fixes_of, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.positions import position_batch
from haulcast.database.pool import Database, open_database
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history import history_store_postgres
from haulcast.history.history_days import HistoryDays, day_table
from haulcast.history.history_store import FleetFixes, HistoryStore
from haulcast.history.history_store_influx import InfluxHistoryStore, influx_history
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.history.influx_lines import LEAST_MS, MOST_MS
from haulcast.history.influx_server import InfluxPlace
from haulcast.settings import Settings

_examples = itertools.count()


class Names:
    """Fleets and vehicles by row; another fleet for each example of a property."""

    fleet = "acme"

    def __call__(self, row: int) -> tuple[str, str]:
        return (self.fleet if row < 100 else "globex", f"v{row % 100}")


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(params=["memory", "embedded", "system", "influx"])
def place(request: pytest.FixtureRequest, new_database_url) -> str | InfluxPlace | None:
    """A database of the test's own on each server, None for memory."""
    if request.param == "memory":
        return None
    if request.param == "influx":
        return request.getfixturevalue("influx_place")
    return new_database_url(request.getfixturevalue(f"{request.param}_server_url"))


@pytest.fixture
async def store(place: str | InfluxPlace | None, names: Names) -> AsyncIterator[HistoryStore]:
    """An empty store of each kind."""
    if place is None:
        yield MemoryHistoryStore(names)
    elif isinstance(place, InfluxPlace):
        async with influx_history(place, names) as influx:
            yield influx
    else:
        async with open_database(Settings(database_url=place)) as database:
            yield PostgresHistoryStore(database, names)


def known(store: HistoryStore, fresh: int, written: int) -> int:
    """What a write says of so many new fixes of so many: InfluxDB cannot tell them apart."""
    return written if isinstance(store, InfluxHistoryStore) else fresh


@pytest.fixture
def postgres(each_database: Database, names: Names) -> PostgresHistoryStore:
    return PostgresHistoryStore(each_database, names)


async def test_what_is_written_comes_back_bit_for_bit_in_order(store):
    """Extreme numbers, NaN and attributes of any JSON; of each vehicle its own; nothing of others."""
    batch = fixes_of(
        (0, 2**53, NOON_MS), (1, 0, NOON_MS), (0, -1, NOON_MS - 1), (0, 7, NOON_MS), (100, 7, NOON_MS),
        attributes={0: b'{"z":1,"a":"\\u0000 \xe2\x98\x82","n":1e300}', 3: b"{}"},
    )  # fmt: skip
    batch.altitude_m[:4] = [np.inf, -0.0, 5e-324, np.nan]
    batch.received_ms[0] = -(2**63)
    assert await store.write(batch) == 5
    shown = contents(batch)
    assert await stored(store, "acme", "v0") == [shown[2], shown[3], shown[0]]
    assert await stored(store, "acme", "v1") == [shown[1]]
    assert await stored(store, "globex", "v0") == [shown[4]]
    assert await stored(store, "globex", "v1") == await stored(store, "nobody", "v0") == []


async def test_nothing_is_a_write_too(store):
    """An empty batch stores nothing and fails nothing."""
    assert await store.write(position_batch(0)) == 0


async def test_the_last_of_a_span_are_read_in_order(store):
    """The last so many before `end_ms` and not before `begin_ms`, by time and sequence, across days; fewer if there are."""
    keys = [(0, seq, NOON_MS + (seq // 3) * DAY_MS) for seq in (5, 0, 8, 3, 4, 1, 2, 7, 6)] + [
        (1, 99, NOON_MS)
    ]
    await store.write(fixes_of(*keys, attributes={0: b'{"a":1}'}))
    end_ms = NOON_MS + 2 * DAY_MS

    async def last(begin_ms: int, count: int, vehicle: str = "v0") -> list[int]:
        return (await store.last("acme", vehicle, begin_ms, end_ms, count)).seq.tolist()

    assert await last(0, 4) == [2, 3, 4, 5]
    assert await last(NOON_MS + 1, 4) == [3, 4, 5]
    assert await last(0, 100) == [0, 1, 2, 3, 4, 5]
    assert await last(end_ms, 4) == await last(0, 4, "nobody") == []
    assert dict((await store.last("acme", "v0", 0, end_ms, 2)).attributes) == {1: b'{"a":1}'}


async def test_a_span_is_read_page_by_page(store):
    """From `begin_ms` up to `end_ms`, across days; any size of page gives the same; the last page says that it is the last."""
    keys = [(0, seq, NOON_MS + seq * DAY_MS // 7) for seq in range(40)]
    keys += [(0, 100 + seq, NOON_MS) for seq in range(5)]
    batch = fixes_of(*keys)
    await store.write(batch)
    order = sorted(range(len(keys)), key=lambda i: (keys[i][2], keys[i][1]))
    span = (NOON_MS, keys[30][2])
    wanted = [contents(batch)[i] for i in order if span[0] <= keys[i][2] < span[1]]
    assert len(wanted) == 35
    for limit in (1, 5, 34, 35, 36):
        assert await stored(store, "acme", "v0", span, limit) == wanted
    assert (await store.read("acme", "v0", *span, None, 35)).last_key is None
    assert await stored(store, "acme", "v0", (NOON_MS + 1, NOON_MS + 1)) == []


async def test_a_fix_is_kept_once(store):
    """Again in the same write, in another one, mixed with new ones, without a sequence: it is there once, and counted so."""
    a, b, c = (0, 1, NOON_MS), (0, 2, NOON_MS + 1), (0, -1, NOON_MS)
    assert await store.write(fixes_of(a, b, a)) == known(store, 2, 3)
    assert await store.write(fixes_of(b, c, c, (0, 3, NOON_MS + 3 * DAY_MS))) == known(store, 2, 4)
    assert await store.write(fixes_of(a, b, c)) == known(store, 0, 3)
    found = await stored(store, "acme", "v0")
    assert found == contents(fixes_of(c, a, b, (0, 3, NOON_MS + 3 * DAY_MS)))


KEYS = st.tuples(
    st.integers(0, 2), st.integers(-1, 4), st.integers(-3, 3).map(lambda n: NOON_MS + n * DAY_MS // 3)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.lists(KEYS, max_size=8), max_size=5), order=st.randoms(use_true_random=False))
async def test_any_order_and_repetition_gives_the_same_history(store, names, writes, order):
    """Fixes of three vehicles over some days, cut into writes, shuffled and repeated: each is there once."""
    names.fleet = f"fleet {next(_examples)}"
    if hasattr(store, "_number"):
        store._number[:] = 0  # the rows mean other vehicles now
    if hasattr(store, "_heads"):
        store._heads.clear()
    keys = [key for write in writes for key in write]
    for write in writes:
        await store.write(fixes_of(*write))
    order.shuffle(keys)
    assert await store.write(fixes_of(*keys)) == known(store, 0, len(keys))
    for row in range(3):
        mine = sorted({key for key in keys if key[0] == row}, key=lambda key: (key[2], key[1]))
        assert await stored(store, names.fleet, f"v{row}") == contents(fixes_of(*mine))


async def test_writers_at_once_store_each_fix_once(store):
    """Of overlapping writes at the same time, over days, each fix is there once, and the counts of the new ones add up."""
    keys = [(row, seq, NOON_MS + seq * DAY_MS // 4) for row in (0, 1, 101) for seq in range(12)]
    random = np.random.default_rng(5)
    writes = [[keys[i] for i in random.permutation(len(keys))[:24]] for _ in range(6)]

    async def write_all(write) -> int:
        while True:
            try:
                return await store.write(fixes_of(*write))
            except StoreError as error:  # two that waited for each other: done again, as the contract allows
                assert error.code == "history_conflict"  # noqa: PT017

    counts = await asyncio.gather(*map(write_all, writes))
    distinct = {key for write in writes for key in write}
    assert sum(counts) == known(store, len(distinct), sum(map(len, writes)))
    found = [await stored(store, *name) for name in (("acme", "v0"), ("acme", "v1"), ("globex", "v1"))]
    assert sum(map(len, found)) == len(distinct)


def fleet_contents(found: FleetFixes) -> list[tuple]:
    """Each fix with its vehicle, in the order given."""
    named = [found.vehicles[row] for row in found.fixes.row.tolist()]
    assert len(set(found.vehicles)) == len(found.vehicles) == len(set(named))
    return list(zip(named, contents(found.fixes), strict=True))


def wanted_of(keys: list[tuple[int, int, int]], vehicles: set[str] | None = None) -> list[tuple]:
    """What a store has to give of acme's fixes with these keys, in order of time and each vehicle's sequence."""
    mine = [key for key in keys if key[0] < 100 and (vehicles is None or f"v{key[0]}" in vehicles)]
    ordered = sorted(set(mine), key=lambda key: (key[2], key[1], key[0]))
    return [(f"v{key[0]}", contents(fixes_of(key))[0]) for key in ordered]


def by_vehicle(found: list[tuple]) -> dict[str, list[tuple]]:
    """The fixes of each vehicle, in the order given."""
    return {name: [fix for owner, fix in found if owner == name] for name, _ in found}


FLEET_KEYS = [
    (row, seq, NOON_MS + seq * DAY_MS // 9 - row * 1000) for row in (0, 1, 2, 100, 101) for seq in range(20)
] + [(row, 90 + seq, NOON_MS + 5) for row in (0, 1) for seq in range(3)]  # fmt: skip


@pytest.mark.parametrize("vehicles", [None, {"v0"}, {"v2", "v1", "nobody", "a\x00"}, set()])
async def test_a_span_of_a_fleet_is_all_of_its_fixes_in_order_of_time(store, vehicles):
    """Across days, of the vehicles that are asked for, none of another fleet's; from `begin_ms` up to `end_ms`, excluded."""
    await store.write(fixes_of(*FLEET_KEYS, attributes={3: b"{}"}))
    begin_ms, end_ms = NOON_MS - 1000, FLEET_KEYS[13][2]
    found = await store.read_span("acme", vehicles, begin_ms, end_ms, 1_000)
    keys = [key for key in FLEET_KEYS if begin_ms <= key[2] < end_ms]
    assert found.end_ms == end_ms
    assert not found.fixes.attributes
    assert (np.diff(found.fixes.time_ms) >= 0).all()
    assert by_vehicle(fleet_contents(found)) == by_vehicle(wanted_of(keys, vehicles))
    for nothing in (("acme", None, end_ms, end_ms), ("nobody", None, begin_ms, end_ms)):
        assert len((await store.read_span(*nothing, 10)).fixes) == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 65, 66, 67])
async def test_a_span_that_is_cut_goes_on_where_it_was_cut(store, limit):
    """Answer after answer gives every fix once, whatever the limit; fixes of one millisecond stay together."""
    await store.write(fixes_of(*FLEET_KEYS))
    begin_ms, end_ms = EVER
    seen: list[tuple] = []
    while begin_ms < end_ms:
        found = await store.read_span("acme", None, begin_ms, end_ms, limit)
        assert begin_ms < found.end_ms <= end_ms
        assert found.end_ms == end_ms or len(found.fixes) >= limit
        assert len(found.fixes) <= limit + 6  # six share a moment
        seen += fleet_contents(found)
        begin_ms = found.end_ms
    assert by_vehicle(seen) == by_vehicle(wanted_of(FLEET_KEYS))


async def test_the_newest_of_each_vehicle_in_a_span(store):
    """For each end that makes a difference: by time, then sequence; vehicles without a fix in the span are left out."""
    await store.write(fixes_of(*FLEET_KEYS))
    for end_ms in sorted({key[2] + more for key in FLEET_KEYS[::5] + FLEET_KEYS[-2:] for more in (0, 1)}):
        begin_ms = end_ms - DAY_MS // 10
        for vehicles in (None, {"v0", "v1"}):
            keys = [key for key in FLEET_KEYS if begin_ms <= key[2] < end_ms]
            newest = {name: fixes[-1:] for name, fixes in by_vehicle(wanted_of(keys, vehicles)).items()}
            found = await store.latest_before("acme", vehicles, begin_ms, end_ms)
            assert by_vehicle(fleet_contents(found)) == newest
            assert (np.diff(found.fixes.time_ms) >= 0).all()
            assert found.end_ms == end_ms


async def test_the_newest_few_of_each_vehicle_in_a_span(store):
    """The last ones by time, then sequence; of a vehicle with fewer all."""
    await store.write(fixes_of(*FLEET_KEYS))
    span = min(key[2] for key in FLEET_KEYS), max(key[2] for key in FLEET_KEYS)
    keys = [key for key in FLEET_KEYS if span[0] <= key[2] < span[1]]
    for count in (2, 8, 1_000):
        found = await store.latest_before("acme", None, *span, count)
        newest = {name: fixes[-count:] for name, fixes in by_vehicle(wanted_of(keys, None)).items()}
        assert by_vehicle(fleet_contents(found)) == newest
        assert (np.diff(found.fixes.time_ms) >= 0).all()


async def test_days_are_dropped_whole(store):
    """Days that were over are gone, for all fleets; today stays, and a day that was dropped can be written again."""
    keys = [(0, day, NOON_MS + day * DAY_MS) for day in range(5)] + [(100, 0, NOON_MS)]
    await store.write(fixes_of(*keys))
    assert await store.drop_before(NOON_MS + 3 * DAY_MS) == 3
    assert await stored(store, "acme", "v0") == contents(fixes_of(*keys[3:5]))
    assert await stored(store, "globex", "v0") == []
    assert await store.drop_before(NOON_MS + 3 * DAY_MS) == 0
    assert await store.write(fixes_of(keys[0])) == 1
    assert len(await stored(store, "acme", "v0")) == 3


async def test_a_purge_takes_one_vehicle(store):
    """All of its days; the same id in another fleet stays; it can go on afterwards."""
    keys = [(row, seq, NOON_MS + seq * DAY_MS) for row in (0, 1, 100) for seq in range(3)]
    await store.write(fixes_of(*keys))
    assert await store.purge("acme", "v0") == 3
    assert await store.purge("acme", "nobody") == 0
    lengths = [len(await stored(store, *name)) for name in (("acme", "v0"), ("acme", "v1"), ("globex", "v0"))]
    assert lengths == [0, 3, 3]
    assert await store.write(fixes_of(keys[0])) == 1


async def test_days_of_all_years_can_be_written(store):
    """From year 1 to 9999, for InfluxDB as far as its time goes; days before 1970 and the border between two days too."""
    first_ms, last_ms = -62_135_596_800_000, 253_402_300_799_999
    if isinstance(store, InfluxHistoryStore):
        first_ms, last_ms = LEAST_MS, MOST_MS
    keys = [(0, i, time_ms) for i, time_ms in enumerate((first_ms, -1, 0, DAY_MS - 1, DAY_MS, last_ms))]
    assert await store.write(fixes_of(*keys)) == 6
    assert await stored(store, "acme", "v0", (first_ms, last_ms + 1)) == contents(fixes_of(*keys))
    assert await store.drop_before(0) == 2
    assert await stored(store, "acme", "v0", (first_ms, last_ms + 1)) == contents(fixes_of(*keys[2:]))


@pytest.mark.parametrize(
    "keys",
    [
        [(0, 0, NOON_MS), (0, 1, 10**16)],
        [(0, 0, -(10**15))],
        [(0, i, NOON_MS + i * DAY_MS) for i in range(401)],
    ],
    ids=["after year 9999", "before year 1", "too many days"],
)
async def test_a_fix_that_cannot_be_stored_is_refused_and_nothing_is_stored(postgres, keys):
    """The error says so, and the others of its write are not there either."""
    with pytest.raises(RefusedFixesError):
        await postgres.write(fixes_of(*keys))
    assert await stored(postgres, "acme", "v0") == []


async def test_what_the_database_refuses_is_the_same_error(postgres, names):
    """A name that is no text of PostgreSQL's, attributes that are no JSON."""
    names.fleet = "a\x00"
    with pytest.raises(RefusedFixesError):
        await postgres.write(fixes_of((0, 0, NOON_MS)))
    names.fleet = "acme"
    with pytest.raises(RefusedFixesError):
        await postgres.write(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS), attributes={1: b"{"}))
    assert await stored(postgres, "acme", "v0") == []


async def test_a_write_over_days_is_done_whole_or_not_at_all(postgres, each_database):
    """The second day's table refuses: the first one's fixes are not there."""
    await postgres.prepare(NOON_MS)
    await postgres.prepare(NOON_MS + DAY_MS)
    async with each_database.connection() as connection:
        table = day_table(NOON_MS // DAY_MS + 1)
        await connection.execute(f"ALTER TABLE {table} ADD CHECK (lat_deg > 100)")
    with pytest.raises(RefusedFixesError):
        await postgres.write(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS + DAY_MS)))
    assert await stored(postgres, "acme", "v0") == []


async def test_a_day_that_another_hub_dropped_is_made_again(postgres, each_database, names):
    """The first try says that it can be repeated, the second stores."""
    await postgres.write(fixes_of((0, 0, NOON_MS)))
    await PostgresHistoryStore(each_database, names).drop_before(NOON_MS + DAY_MS)
    with pytest.raises(StoreError):
        await postgres.write(fixes_of((0, 1, NOON_MS)))
    assert await postgres.write(fixes_of((0, 1, NOON_MS))) == 1


async def test_a_day_that_another_hub_dropped_costs_no_fix_of_a_merge(postgres, each_database, names):
    """Fixes of which one is there already, and the day of another one is gone: nothing is refused, and the next try stores."""
    yesterday, today = (0, 0, NOON_MS), (0, 1, NOON_MS + DAY_MS)
    await postgres.write(fixes_of(yesterday, today))
    table = day_table(NOON_MS // DAY_MS)

    async def drop_between(connection, *arguments) -> int:
        await connection.execute(f"DROP TABLE {table}")
        return await merge(connection, *arguments)

    merge = history_store_postgres._merge
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(history_store_postgres, "_merge", drop_between)
        with pytest.raises(StoreError) as raised:
            await postgres.write(fixes_of(yesterday, today, (0, 2, NOON_MS + DAY_MS)))
    assert raised.value.code == "history_day_gone"
    assert await postgres.write(fixes_of(yesterday, today, (0, 2, NOON_MS + DAY_MS))) == 2
    assert len(await stored(postgres, "acme", "v0")) == 3


async def test_hubs_that_make_the_same_days_at_once_make_each_once(each_database):
    """Nobody fails, and each day has one table."""
    days = range(20_780, 20_790)
    await asyncio.gather(*(HistoryDays(each_database).ensure(days) for _ in range(4)))
    async with each_database.connection() as connection:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_inherits") == 10 * 2
        )  # a table and its index


async def test_a_drop_does_not_wait_for_a_long_read(postgres, each_database, monkeypatch):
    """A day that is being read stays until the next time, and writers go on meanwhile."""
    monkeypatch.setattr("haulcast.history.history_days.DROP_WAIT_MS", 50)
    await postgres.write(fixes_of((0, 0, NOON_MS)))
    async with each_database.connection() as reading, reading.transaction():
        await reading.fetch("SELECT * FROM fixes")
        assert await postgres.drop_before(NOON_MS + DAY_MS) == 0
        assert await postgres.write(fixes_of((0, 1, NOON_MS))) == 1
    assert await postgres.drop_before(NOON_MS + DAY_MS) == 1


async def test_a_vehicle_made_anew_goes_on_and_numbers_outlive_the_store(postgres, each_database, names):
    """A second store, as after a restart, writes to the same history."""
    await postgres.write(fixes_of((0, 0, NOON_MS)))
    again = PostgresHistoryStore(each_database, names)
    assert await again.write(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS), (5, 0, NOON_MS))) == 2
    assert len(await stored(postgres, "acme", "v0")) == 2


async def test_a_database_that_is_gone_is_a_store_error(system_postgres, names):
    """Every method says so, and works again when it is back."""
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        store = PostgresHistoryStore(database, names)
        await store.write(fixes_of((0, 0, NOON_MS)))
        await asyncio.to_thread(system_postgres.kill)
        calls = [
            lambda: store.write(fixes_of((0, 1, NOON_MS))),
            lambda: store.read("acme", "v0", *EVER, None, 10),
            lambda: store.prepare(NOON_MS + DAY_MS),
            lambda: store.drop_before(NOON_MS),
            lambda: store.purge("acme", "v0"),
            lambda: store.read_span("acme", None, *EVER, 10),
            lambda: store.latest_before("acme", None, *EVER),
        ]
        for call in calls:
            with pytest.raises(StoreError):
                await call()
        await asyncio.to_thread(system_postgres.start)
        assert await store.write(fixes_of((0, 0, NOON_MS), (0, 1, NOON_MS))) == 1


async def test_fixes_fill_their_table_as_if_inserted_one_by_one(postgres, each_database):
    """The binary records mean what an INSERT of the same values means."""
    batch = fixes_of(*((0, seq, NOON_MS + seq) for seq in range(50)), attributes={7: b'{"a": 1}'})
    await postgres.write(batch)
    async with each_database.connection() as connection:
        rows = await connection.fetch("SELECT seq, lat_deg, altitude_m, attributes FROM fixes ORDER BY seq")
    assert [row["seq"] for row in rows] == batch.seq.tolist()
    assert [row["lat_deg"] for row in rows] == batch.lat_deg.tolist()
    np.testing.assert_array_equal([row["altitude_m"] for row in rows], batch.altitude_m)
    assert [row["attributes"] for row in rows] == [None] * 7 + ['{"a": 1}'] + [None] * 42
