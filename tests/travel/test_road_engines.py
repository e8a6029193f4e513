"""What becomes of a road engine's faults: each ends in a sentence that says what to do, and soon."""

import asyncio
import socket
import time
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
from road_engines import MadeUpEngine, osrm_answer, valhalla_answer

from haulcast.errors import RoadEngineError, SettingError
from haulcast.settings import read_settings
from haulcast.travel import engine_server
from haulcast.travel.engine_server import TRIES, EngineServer
from haulcast.travel.open_engine import open_engine
from haulcast.travel.road_engine_osrm import OsrmEngine
from haulcast.travel.road_engine_valhalla import ValhallaEngine, ValhallaServer

NOON_MS = 1_760_000_400_000
PLACES = np.array([45.0, 45.01, 45.02]), np.array([9.0, 9.01, 9.0])
KINDS = {"osrm": osrm_answer, "valhalla": valhalla_answer}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def made_up(kind, monkeypatch):
    """An engine whose answers a test replaces."""
    monkeypatch.setattr(engine_server, "FIRST_PAUSE_S", 0.001)
    engine = MadeUpEngine(KINDS[kind])
    yield engine
    engine.stop()


async def ask(kind, url, places=PLACES, **options):
    server = EngineServer(url, 5.0)
    try:
        engine = (
            OsrmEngine(server, **options)
            if kind == "osrm"
            else ValhallaEngine(ValhallaServer(server), **options)
        )
        return await engine.matrix(*places, NOON_MS)
    finally:
        await server.close()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_engine_is_asked_again_a_little(kind, made_up, status):
    """A second answer is as good as a first; one that stays busy is given up after some tries."""
    good, left = made_up.answer, [status]
    made_up.answer = lambda path, body: (left.pop(), b"busy") if left else good(path, body)
    assert np.isfinite((await ask(kind, made_up.url)).time_s).all()
    assert len(made_up.asked) == 2
    made_up.answer = lambda _path, _body: (status, b"busy")
    with pytest.raises(RoadEngineError, match=f"is busy: it answers {status}.*road_engine_url"):
        await ask(kind, made_up.url)
    assert len(made_up.asked) == 2 + TRIES


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>"), "no JSON object.*is road_engine what it is"),
        ((200, b"[]"), "no JSON object"),
        ((302, b""), "answers 302"),
        ((404, b"nothing here"), "answers 404"),
        ((200, {}), "answers"),
        ((200, {"code": "Ok", "sources_to_targets": 7}), "answers no (table|matrix)"),
        ((200, {"code": "Ok", "sources_to_targets": {"durations": [[1]], "distances": [[1]]}}), "answers no (table|matrix)"),
        ((400, {"code": "TooBig", "message": "Too many table coordinates", "error": "Exceeded", "error_code": 150}),
         "--max-table-size 100|max_matrix_location_pairs"),
        ((400, {"code": "X", "message": "Path distance", "error": "Path distance", "error_code": 154}),
         "Path distance|max_matrix_distance"),
    ],
)  # fmt: skip
async def test_answers_that_are_none_are_refused_with_a_sentence(kind, made_up, answer, said):
    """Foreign servers, other versions, redirects, limits: at once, and nothing else is asked."""
    made_up.answer = lambda _path, _body: answer
    with pytest.raises(RoadEngineError, match=said):
        await ask(kind, made_up.url)
    assert not [path for path in made_up.asked if path == "/elsewhere"]


async def test_tables_of_wrong_numbers_are_refused(kind, made_up):
    """Negative, too few, text."""
    good = made_up.answer
    for wrong in (-1.0, "far", [1.0]):

        def spoil(path, body, wrong=wrong):
            status, found = good(path, body)
            tables = found if kind == "osrm" else found["sources_to_targets"]
            tables["durations"][0][1] = wrong
            return status, found

        made_up.answer = spoil
        with pytest.raises(RoadEngineError, match="answers no"):
            await ask(kind, made_up.url)


async def test_too_long_answers_are_cut_off(kind, made_up, monkeypatch):
    """No engine fills our memory."""
    monkeypatch.setattr(engine_server, "MOST_BYTES", 10_000)
    made_up.answer = lambda _path, _body: (200, b" " * 1_000_000)
    with pytest.raises(RoadEngineError, match="more than 10000 bytes"):
        await ask(kind, made_up.url)


async def test_nobody_there_is_said_so(kind, monkeypatch):
    """A port that refuses: after the tries, with the setting's name."""
    monkeypatch.setattr(engine_server, "FIRST_PAUSE_S", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(RoadEngineError, match="cannot be reached: ConnectError; see road_engine_url"):
        await ask(kind, f"http://127.0.0.1:{port}")


async def test_a_matrix_that_is_given_up_asks_no_more(kind, made_up):
    """Who has waited long enough is done at once, and the engine is left alone."""
    good = made_up.answer

    def slow(path, body):
        time.sleep(0.05)
        return good(path, body)

    made_up.answer = slow
    rng = np.random.default_rng(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ask(kind, made_up.url, (45 + rng.random(40) / 100, 9 + rng.random(40) / 100), block=2)
    asked = len(made_up.asked)
    await asyncio.sleep(0.15)
    assert len(made_up.asked) <= asked + 4
    assert asked < 100


async def test_valhalla_is_told_departures_in_the_roads_time(monkeypatch):
    """With a time zone, on both sides of a change of clocks; without one it is told nothing."""
    bodies = []

    def answer(path, body):
        bodies.append(orjson.loads(body))
        return valhalla_answer(path, body)

    engine = MadeUpEngine(answer)
    server = EngineServer(engine.url, 5.0)
    for zone, departs_ms, told in (
        (ZoneInfo("Europe/Rome"), 1_774_743_000_000, "2026-03-29T01:10"),
        (ZoneInfo("Europe/Rome"), 1_774_746_600_000, "2026-03-29T03:10"),
        (None, NOON_MS, None),
    ):
        await ValhallaEngine(ValhallaServer(server), "truck", zone).matrix(*PLACES, departs_ms)
        assert bodies[-1].get("date_time", {}).get("value") == told
        assert bodies[-1]["costing"] == "truck"
    await server.close()
    engine.stop()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"ROAD_ENGINE": "google"}, "road_engine"),
        ({"ROAD_ENGINE": "osrm"}, "road_engine_url"),
        ({"ROAD_ENGINE": "osrm", "ROAD_ENGINE_URL": "http://user:secret@osrm:5000"}, "road_engine_url"),
        ({"ROAD_ENGINE": "osrm", "ROAD_ENGINE_URL": "/tiles/valhalla.json"}, "road_engine_url"),
        ({"ROAD_ENGINE": "valhalla", "ROAD_ENGINE_URL": "valhalla:8002"}, "road_engine_url"),
        ({"ROAD_ENGINE": "osrm", "ROAD_ENGINE_URL": "http://osrm:5000", "ROAD_ENGINE_PROFILE": "../x"}, "road_engine_profile"),
        ({"ROAD_ENGINE": "valhalla", "ROAD_ENGINE_URL": "http://v", "ROAD_ENGINE_TIME_ZONE": "Mars/Base"}, "road_engine_time_zone"),
        ({"ROAD_ENGINE": "valhalla", "ROAD_ENGINE_URL": "http://v", "ROAD_ENGINE_TIME_ZONE": "../etc"}, "road_engine_time_zone"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_stop_the_start(asked, field):
    """With the setting's name, and no password in the sentence."""
    with pytest.raises(SettingError) as caught:
        read_settings(None, {f"HAULCAST_{name}": value for name, value in asked.items()})
    assert caught.value.field == field
    assert "secret" not in caught.value.reason


async def test_the_settings_choose_the_engine(tmp_path):
    """Off is none; a file of Valhalla's is one in process, and where it cannot be the start stops."""
    for words, kind in (
        ({}, type(None)),
        ({"ROAD_ENGINE": "osrm", "ROAD_ENGINE_URL": "http://osrm:5000/"}, OsrmEngine),
        ({"ROAD_ENGINE": "valhalla", "ROAD_ENGINE_URL": "https://v/path", "ROAD_ENGINE_TIME_ZONE": "Europe/Rome"}, ValhallaEngine),
    ):  # fmt: skip
        found = read_settings(None, {f"HAULCAST_{name}": value for name, value in words.items()})
        async with open_engine(found) as engine:
            assert type(engine) is kind
    (tmp_path / "valhalla.json").write_text("{}")
    wrong = {"HAULCAST_ROAD_ENGINE": "valhalla", "HAULCAST_ROAD_ENGINE_URL": str(tmp_path / "valhalla.json")}
    with pytest.raises(SettingError, match="pyvalhalla"):
        async with open_engine(read_settings(None, wrong)):
            pass
