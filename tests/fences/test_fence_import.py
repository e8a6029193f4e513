"""Importing many fences: `POST /v1/fences:import`, and `haulcast fences import` against a real server."""

import argparse
import asyncio
import gzip
import json

import numpy as np
import orjson
import pytest
import shapely
import uvicorn
from fence_app import BOW_TIE, SQUARE, feature, fence_app, square

from geo.fence_match import match_fences
from haulcast.commands import fences as command
from haulcast.errors import RequestError
from haulcast.fences import fence_import
from haulcast.fences.feature_files import Naming, fence_features, read_features

IMPORT = "/v1/fences:import"


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


@pytest.fixture
async def served(hub, unused_tcp_port):
    """The hub's URL, on a real socket."""
    server = uvicorn.Server(uvicorn.Config(hub.app, port=unused_tcp_port, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield f"http://127.0.0.1:{unused_tcp_port}"
    server.should_exit = True
    await serving


def _collection(features) -> dict:
    return {"type": "FeatureCollection", "features": features}


async def test_an_import_is_one_change(hub, client) -> None:
    """All fences come into force in one swap; the same import again changes nothing."""
    features = [feature(square(i % 90, i // 90), f"f{i}", name=str(i)) for i in range(300)]
    swaps = len(hub.swaps)
    answer = await client.post(IMPORT, json=_collection(features))
    assert answer.json() == {"created": 300, "changed": 0, "unchanged": 0, "wrong": 0, "errors": []}
    assert len(hub.ids()) == 300
    assert len(hub.swaps) == swaps + 1
    again = await client.post(IMPORT, json=_collection([*features[:299], feature(square(7), "f299")]))
    assert again.json() == {"created": 0, "changed": 1, "unchanged": 299, "wrong": 0, "errors": []}
    assert hub.bounds("f299") == [7, 0, 8, 1]


@pytest.mark.parametrize(
    ("media_type", "mark"),
    [("application/x-ndjson", ""), ("application/geo+json-seq; charset=utf-8", "\x1e")],
)
async def test_lines(hub, client, media_type, mark) -> None:
    """One feature a line, with or without record separators and empty lines."""
    text = "".join(f"{mark}{json.dumps(feature(fence_id=f'f{i}'))}\r\n\n" for i in range(3))
    answer = await client.post(IMPORT, content=text, headers={"Content-Type": media_type})
    assert answer.json() == {"created": 3, "changed": 0, "unchanged": 0, "wrong": 0, "errors": []}
    assert hub.ids() == {"f0", "f1", "f2"}


async def test_one_wrong_feature_stops_all(hub, client) -> None:
    """Every wrong feature is named by its index, with code, reason and field, and none is taken."""
    lines = [
        orjson.dumps(feature(fence_id="a")),
        b"{",
        orjson.dumps(feature(BOW_TIE, "b")),
        orjson.dumps(feature(fence_id="a")),
        orjson.dumps(feature()),
    ]
    answer = await client.post(
        IMPORT, content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["wrong"]) == (400, "bad_features", 4)
    assert [(wrong["index"], wrong["id"], wrong["code"]) for wrong in problem["errors"]] == [
        (1, None, "bad_json"),
        (2, "b", "bad_geometry"),
        (3, "a", "same_id"),
        (4, None, "missing_field"),
    ]
    assert all(wrong["reason"] for wrong in problem["errors"])
    assert hub.ids() == set()
    assert (await client.get("/v1/fences")).json()["features"] == []
    skipping = await client.post(
        f"{IMPORT}?skip_wrong=true",
        content=b"\n".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (skipping.status_code, skipping.json()["created"], skipping.json()["errors"]) == (
        200,
        1,
        problem["errors"],
    )
    assert hub.ids() == {"a"}


async def test_limits(client, monkeypatch) -> None:
    """Too many features or bytes are 413; what is no collection is 400; errors shown are bounded."""
    monkeypatch.setattr(fence_import, "MOST_FEATURES", 150)
    many = [feature(fence_id=f"f{i}") for i in range(151)]
    assert (await client.post(IMPORT, json=_collection(many))).json()["code"] == "too_many_features"
    wrong = (await client.post(IMPORT, json=_collection([1] * 150))).json()
    assert (wrong["wrong"], len(wrong["errors"])) == (150, 100)
    for body in ([], {"type": "FeatureCollection"}, feature(), "x"):
        assert (await client.post(IMPORT, json=body)).status_code == 400


async def test_edits_during_an_import(hub, client) -> None:
    """Edits and imports of the same fences at once: the set in force is what the table holds."""
    imports = [
        client.post(IMPORT, json=_collection([feature(square(lon), f"f{i}") for i in range(40)]))
        for lon in (10, 20, 30)
    ]
    edits = [client.put(f"/v1/fences/f{i}", json=feature(square(50 + i))) for i in range(20)]
    removals = [client.delete(f"/v1/fences/f{i}") for i in range(20, 25)]
    answers = await asyncio.gather(*imports, *edits, *removals)
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 404}
    stored = (await client.get("/v1/fences?limit=1000")).json()["features"]
    assert {f["id"]: f["geometry"]["coordinates"][0][0][0] for f in stored} == {
        i: hub.bounds(i)[0] for i in hub.ids()
    }


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(["import", *given])


async def test_the_command_imports_a_file(hub, served, tmp_path, capsys, monkeypatch) -> None:
    """A gzip file through the command, twice: the same fences, with names, tags and attributes."""
    file = tmp_path / "zones.geojson.gz"
    zones = [
        {"type": "Feature", "geometry": SQUARE, "properties": {"label": name, "pop": 5}}
        for name in ("Old Town", "Old Town", "Ñandú")
    ]
    file.write_bytes(gzip.compress(orjson.dumps(_collection(zones))))
    monkeypatch.setenv("HAULCAST_TOKEN", "acme/admin")
    arguments = _arguments(
        str(file), "--url", served, "--name-property", "label", "--tag", "city", "--tag", "old"
    )
    for expected in ("3 created, 0 changed, 0 unchanged", "0 created, 0 changed, 3 unchanged"):
        assert await asyncio.to_thread(command.run, arguments) == 0
        assert capsys.readouterr().out.strip() == expected
    assert hub.ids() == {"old-town", "old-town-2", "nandu"}
    async with hub.client() as client:
        properties = (await client.get("/v1/fences/nandu")).json()["properties"]
    assert (properties["name"], properties["tags"], properties["attributes"]) == (
        "Ñandú",
        ["city", "old"],
        {"pop": 5},
    )


async def test_the_command_says_what_is_wrong(hub, served, tmp_path, capsys) -> None:
    """Wrong features are listed with their names; with --repair they pass; a wrong token or address is said."""
    file = tmp_path / "zones.geojson"
    file.write_bytes(
        orjson.dumps(_collection([{"type": "Feature", "geometry": BOW_TIE, "properties": {"name": "Bow"}}]))
    )
    given = (str(file), "--url", served, "--token", "acme/admin")
    assert await asyncio.to_thread(command.run, _arguments(*given)) == 1
    assert "feature 0 (Bow):" in capsys.readouterr().err
    assert await asyncio.to_thread(command.run, _arguments(*given, "--repair")) == 0
    assert await asyncio.to_thread(command.run, _arguments(*given[:-1], "acme/viewer")) == 1
    assert "viewer may not do this" in capsys.readouterr().err
    with pytest.raises(RequestError, match="does not answer"):
        await asyncio.to_thread(
            command.run, _arguments(str(file), "--url", "http://127.0.0.1:1", "--token", "x")
        )


def test_files_that_are_none(tmp_path) -> None:
    """Missing, broken and other files are refused by name."""
    for name, content in {
        "a": b"{",
        "b": b"[]",
        "c": b'{"type":"Point"}',
        "d": b"\x1f\x8bxx",
        "e": None,
    }.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match=name):
            read_features(tmp_path / name)


def test_ids_are_unique_and_the_same_each_time() -> None:
    """Own ids stay, made ones avoid them and each other, nameless ones count, long names are cut."""
    names = ["A b", "a-B!", None, "x" * 500, "東京", "\x00"]
    features = [{"type": "Feature", "properties": {"name": name}} for name in names]
    features += [{"type": "Feature", "id": i, "properties": None} for i in ("a-b", 7, 7, "7-2")]
    got = [f["id"] for f in fence_features(features, Naming())]
    assert got == [f["id"] for f in fence_features(features, Naming())]
    assert len(set(got)) == len(got)
    assert got[0] == "a-b-2"
    assert got[2] == "fence-3"
    assert len(got[3]) <= 128
    assert got[4] == "東京"
    assert got[6:8] == ["a-b", "7"]


def test_points_get_a_radius() -> None:
    """`--radius-m` is for points that have none of their own."""
    point = {"type": "Point", "coordinates": [0, 0]}
    features = [feature(point), feature(point, radius_m=3), feature(SQUARE)]
    got = [f["properties"].get("radius_m") for f in fence_features(features, Naming(radius_m=50))]
    assert got == [50, 3, None]


@pytest.mark.parametrize(
    ("name", "count", "skipped", "options"),
    [
        ("san-francisco.geojson", 37, 0, ()),
        ("us_counties_10m.geojson.gz", 3230, 1, ("--skip-wrong",)),
        ("ne_50m_ocean.geojson.gz", 1, 0, ()),
        ("ne_50m_countries.geojson.gz", 241, 0, ("--name-property", "NAME")),
        ("oakland.geojson", 131, 0, ()),
        ("california-counties.geojson", 58, 0, ()),
        ("ne_10m_us_parks.geojson", 61, 0, ()),
        ("ne_10m_airports.geojson", 891, 0, ("--radius-m", "3000")),
        ("ne_10m_ports.geojson", 1081, 0, ("--radius-m", "2000")),
    ],
)
async def test_real_zones(hub, served, shared_data, capsys, name, count, skipped, options) -> None:
    """Real files with invalid rings, holes, the antimeridian and a pole: all with an area are in force, twice the same."""
    file = shared_data / "zones" / name
    arguments = _arguments(str(file), "--repair", "--url", served, "--token", "acme/admin", *options)
    end = f", {skipped} skipped" if skipped else ""
    for expected in (f"{count} created, 0 changed, 0 unchanged", f"0 created, 0 changed, {count} unchanged"):
        status = await asyncio.to_thread(command.run, arguments)
        captured = capsys.readouterr()
        assert (status, captured.err.count("\n"), captured.out.splitlines()[-1]) == (
            0,
            skipped,
            expected + end,
        )
    assert len(hub.ids()) == count
    await _assert_in_force(hub)


async def _assert_in_force(hub) -> None:
    """A place inside each of some fences, as the API gives them, is in that fence for the set in force."""
    async with hub.client() as client:
        features = (await client.get("/v1/fences?limit=100")).json()["features"]
    fences = hub.catalogue.current
    for stored in features[:: max(1, len(features) // 40)]:
        inside = shapely.geometry.shape(stored["geometry"]).representative_point()
        hits = match_fences(fences, np.zeros(1, np.int32), np.array([inside.y]), np.array([inside.x]))
        found = {hub.catalogue.id_of(int(fences.handles[index])) for index in hits.fence}
        assert stored["id"] in found


async def test_narrow_corridors_are_bounded_together(client, monkeypatch) -> None:
    """Short texts of long, narrow corridors cannot keep the hub busy for hours: their outlines are counted over the whole request."""
    monkeypatch.setattr(fence_import, "MOST_OUTLINED", 50_000)
    line = {"type": "LineString", "coordinates": [[0, 40], [20, 40]]}
    narrow = [feature(line, f"narrow-{i}", width_m=10) for i in range(50)]
    answer = await client.post(IMPORT, json=_collection(narrow))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_positions")
    assert (await client.get("/v1/fences")).json()["features"] == []
    assert (await client.post(IMPORT, json=_collection(narrow[:2]))).json()["created"] == 2
