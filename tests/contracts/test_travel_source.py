"""The contract of whoever knows travel times: what was learned, OSRM and Valhalla, real ones where they are installed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from grid_city import ISLAND, ONE_WAY_ROW, SEA, city_pbf, corner, places
from road_engines import (
    MadeUpEngine,
    in_process_valhalla,
    installed,
    osrm_answer,
    real_osrm,
    real_valhalla,
    valhalla_answer,
    valhalla_config,
)

from geo.travel_time import sphere_points
from haulcast.travel.engine_server import EngineServer
from haulcast.travel.road_engine_osrm import OsrmEngine
from haulcast.travel.road_engine_valhalla import ValhallaEngine, ValhallaInProcess, ValhallaServer
from haulcast.travel.travel_book import TravelBook

NOON_MS = 1_760_000_400_000
MADE_UP = ("osrm made up", "valhalla made up", "valhalla made up, old")
REAL = installed()


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("roads") / "city.osm.pbf"
    file.write_bytes(city_pbf())
    return file


@pytest.fixture(scope="module")
def osrm_url(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_osrm(tmp_path_factory.mktemp("osrm"), roads) as url:
        yield url


@pytest.fixture(scope="module")
def valhalla_url(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_valhalla(tmp_path_factory.mktemp("valhalla"), roads) as url:
        yield url


@pytest.fixture(scope="module")
def valhalla_json(roads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return valhalla_config(tmp_path_factory.mktemp("in_process"), roads, 0)


class Source:
    """Answers matrices; `again(block)` is the same one asked in blocks of another size."""

    def __init__(self, matrix, again=None):
        self.matrix, self.again = matrix, again or (lambda _: matrix)


@asynccontextmanager
async def made_up(kind):
    answer = osrm_answer if "osrm" in kind else partial(valhalla_answer, is_old=kind.endswith("old"))
    engine = MadeUpEngine(answer)
    try:
        async with at_url(kind, engine.url) as source:
            yield source
    finally:
        engine.stop()


@asynccontextmanager
async def at_url(kind, url):
    server = EngineServer(url, 20.0)
    try:
        if "osrm" in kind:
            yield Source(OsrmEngine(server).matrix, lambda b: OsrmEngine(server, block=b).matrix)
        else:
            there = ValhallaServer(server)
            yield Source(
                ValhallaEngine(there).matrix, lambda b: ValhallaEngine(there, "truck", None, b).matrix
            )
    finally:
        await server.close()


@pytest.fixture(params=["learned", *MADE_UP, *REAL])
async def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Source]:
    kind = request.param
    if kind == "learned":
        book = TravelBook(None, now_ms=lambda: NOON_MS, monotonic_s=lambda: 0.0)
        yield Source(partial(book.matrix, "acme"))
    elif kind in MADE_UP:
        async with made_up(kind) as found:
            yield found
    elif kind == "valhalla in process":
        in_process_valhalla(monkeypatch)
        actor = ValhallaInProcess(str(request.getfixturevalue("valhalla_json")))
        yield Source(ValhallaEngine(actor).matrix, lambda b: ValhallaEngine(actor, "truck", None, b).matrix)
        await actor.close()
    else:
        async with at_url(kind, request.getfixturevalue(f"{kind}_url")) as found:
            yield found


def straight_m(lat, lon):
    points = sphere_points(lat, lon)
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def agree(found, expected):
    """Nearly all pairs to a second or metre; Valhalla before version 3.6 finds a longer way now and then, by what else is asked."""
    assert found.shape == expected.shape
    assert np.array_equal(np.isfinite(found), np.isfinite(expected))
    finite = np.isfinite(found)
    assert (np.abs(found[finite] - expected[finite]) < 1.5).mean() > 0.98


async def test_a_matrix_is_whole_and_plausible(source):
    """Seconds and metres of all pairs: 0 to itself, longer than as the crow flies, at speeds that vehicles have."""
    lat, lon = places(30, 1)
    found = await source.matrix(lat, lon, NOON_MS)
    straight = straight_m(lat, lon)
    for table in found:
        assert table.shape == (30, 30)
        assert table.dtype == np.float64
        assert np.isfinite(table).all()
        assert (np.diag(table) == 0).all()
    assert (found.distance_m >= straight - 250).all()  # places are beside the roads
    far = straight > 500
    assert (found.distance_m[far] < 3 * straight[far] + 500).all()
    mps = found.distance_m[far] / found.time_s[far]
    assert ((mps > 1) & (mps < 30)).all()


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_few_places_are_no_special_case(source, count):
    """None, one, two; and the same place twice is no way apart."""
    lat, lon = places(count, 2)
    found = await source.matrix(lat, lon, NOON_MS)
    assert found.time_s.shape == found.distance_m.shape == (count, count)
    twice = await source.matrix(np.tile(lat, 2), np.tile(lon, 2), NOON_MS)
    for i in range(count):
        assert twice.time_s[i, i + count] == twice.distance_m[i, i + count] == 0


async def test_how_it_is_asked_changes_nothing(source):
    """More places than fit into one request, in blocks of any size, in any order: the same times."""
    lat, lon = places(110, 3)
    whole = await source.matrix(lat, lon, NOON_MS)
    order = np.random.default_rng(1).permutation(110)[:23]
    part = await source.again(7)(lat[order], lon[order], NOON_MS)
    for table, expected in zip(part, whole, strict=True):
        agree(table, expected[np.ix_(order, order)])


@pytest.mark.parametrize("source", [*MADE_UP, *REAL], indirect=True)
async def test_where_there_is_no_way_both_are_infinite(source):
    """To an island, and to the sea, and from there; the ways between others are not touched by it."""
    lat, lon = places(6, 4)
    isle_lat, isle_lon = places(3, 5, ISLAND)
    among = await source.matrix(lat, lon, NOON_MS)
    on_isle = await source.matrix(isle_lat, isle_lon, NOON_MS)
    mixed_lat, mixed_lon = np.r_[lat, isle_lat, SEA[0]], np.r_[lon, isle_lon, SEA[1]]
    found = await source.again(4)(mixed_lat, mixed_lon, NOON_MS)
    for table, ours, theirs in zip(found, among, on_isle, strict=True):
        agree(table[:6, :6], ours)
        agree(table[6:9, 6:9], theirs)
        assert np.isinf(table[:6, 6:]).all()
        assert np.isinf(table[6:, :6]).all()
        assert np.isinf(table[9, :9]).all()
        assert table[9, 9] == 0


async def test_matrices_asked_at_once_do_not_mix(source):
    """Each gets its own, also when others are given up in the middle."""
    asked = [places(20 + i, 10 + i) for i in range(5)]
    expected = [await source.matrix(*each, NOON_MS) for each in asked]
    doomed = asyncio.create_task(source.again(3)(*places(60, 9), NOON_MS))
    running = [asyncio.create_task(source.again(9)(*each, NOON_MS)) for each in asked]
    await asyncio.sleep(0)
    doomed.cancel()
    for task, whole in zip(running, expected, strict=True):
        agree((await task).time_s, whole.time_s)
    await asyncio.gather(doomed, return_exceptions=True)


@pytest.mark.parametrize("source", REAL, indirect=True)
async def test_one_way_streets_count(source):
    """Along one it is short, against it a block further: there and back differ."""
    begin, end = corner(ONE_WAY_ROW, 5), corner(ONE_WAY_ROW, 8)
    lat, lon = (np.array(column) for column in zip(begin, end, strict=True))
    lon += np.array([0.0005, -0.0005])  # between crossings, so that only this street is near
    found = await source.matrix(lat, lon, NOON_MS)
    assert found.distance_m[1, 0] > found.distance_m[0, 1] + 300
    assert found.time_s[1, 0] > found.time_s[0, 1]


@pytest.mark.parametrize("source", ["learned"], indirect=True)
async def test_who_leaves_later_never_arrives_earlier(source):
    """Of what was learned; engines keep their own counsel."""
    lat, lon = places(5, 6)
    times = [NOON_MS + 7_000 * i for i in range(0, 2_000, 37)]
    arrivals = [t / 1000 + (await source.matrix(lat, lon, t)).time_s for t in times]
    assert (np.diff(np.array(arrivals), axis=0) >= -1e-6).all()
