"""A track in every format: whole, in order, cut at its gaps, readable by others, and never whole in memory."""

import csv
import io
import xml.etree.ElementTree as ET
from datetime import datetime
from itertools import pairwise

import numpy as np
import orjson
import pytest
from report_hub import NOW_MS, FailingStore, ReportHub, drive

from haulcast.errors import StoreError
from haulcast.recordings.gpx import read_gpx
from haulcast.reports.history_reader import PORTION

START_MS = NOW_MS - 3_600_000
SPAN = f"from={START_MS}&to={NOW_MS * 2}"
GPX = "{http://www.topografix.com/GPX/1/1}"
ORDER = ["ele", "time", "extensions"]


async def fetched(viewer, query: str, vehicle: str = "v0", **headers: str):
    answer = await viewer.get(f"/v1/vehicles/{vehicle}/track?{SPAN}&{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.fixture
async def long_track(reports):
    """4,500 fixes a second apart, with an hour's gap at 2,500 and a lone fix an hour after the last."""
    seconds = np.arange(4500) + np.where(np.arange(4500) >= 2500, 3600, 0)
    fixes = drive(
        np.append(seconds, seconds[-1] + 3600), np.append(np.arange(4500) * 10.0, 0.0), speed_mps=10.0, altitude_m=500.25,
    )  # fmt: skip
    await reports.store.write(fixes)
    return fixes


async def test_geojson_has_every_fix_and_joins_its_features(viewer, long_track):
    """Lines of at most a portion; a segment goes on with the fix it ended with; a fix alone is a point."""
    answer = await fetched(viewer, "format=geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    features = answer.json()["features"]
    shapes = [(one["properties"]["segment"], one["geometry"]["type"]) for one in features]
    assert shapes == [(0, "LineString")] * 3 + [(1, "LineString")] * 3 + [(2, "Point")]
    times = [one["properties"]["time_ms"] for one in features]
    joined = times[0]
    for (before, after), (line, following) in zip(pairwise(shapes), pairwise(times), strict=True):
        assert (following[0] == line[-1]) == (before == after)
        joined = joined + (following[1:] if before == after else following)
    assert joined == long_track.time_ms.tolist()
    first = features[0]
    assert len(first["geometry"]["coordinates"]) == len(first["properties"]["speed_mps"]) == PORTION
    assert first["geometry"]["coordinates"][1] == [long_track.lon_deg[1], long_track.lat_deg[1], 500.25]


async def test_lines_end_at_the_antimeridian(reports, viewer):
    """No line jumps around the world, and no fix is lost."""
    await reports.store.write(drive(np.arange(6), np.arange(6) * 100.0, lon=179.9965))
    features = (await fetched(viewer, "format=geojson")).json()["features"]
    lons = [[lon for lon, _ in one["geometry"]["coordinates"]] for one in features]
    assert [len(line) for line in lons] == [3, 3]
    assert all(np.ptp(line) < 1 for line in lons)
    assert {one["properties"]["segment"] for one in features} == {0}


async def test_moving_features_have_strictly_increasing_datetimes(reports, viewer):
    """A datetime a position (OGC 19-045r3), even where a device sent two fixes of one time."""
    await reports.store.write(drive([0, 1, 1, 2, 2, 9000], np.arange(6) * 10.0))
    answer = await fetched(viewer, "format=mf-json")
    line, point = answer.json()["features"]
    times = [datetime.fromisoformat(text) for text in line["properties"]["datetimes"]]
    assert len(times) == len(line["geometry"]["coordinates"]) == 3
    assert sorted(set(times)) == times
    assert (line["geometry"]["type"], point["properties"]["datetimes"][0][-5:]) == ("LineString", ".000Z")


async def test_gpx_has_the_order_of_its_schema_and_reads_back(viewer, reports, long_track):
    """Elements and bounds as GPX 1.1 has them; our own reader finds the same fixes."""
    answer = await fetched(viewer, "format=gpx")
    assert answer.headers["content-type"] == "application/gpx+xml"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''v0.gpx"
    root = ET.fromstring(answer.content)
    assert (root.tag, root.get("version")) == (f"{GPX}gpx", "1.1")
    segments = root.findall(f"{GPX}trk/{GPX}trkseg")
    assert [len(segment) for segment in segments] == [2500, 2000, 1]
    for point in segments[0]:
        assert [child.tag.removeprefix(GPX) for child in point] == ORDER
    found = read_gpx(io.StringIO(answer.text), "file", "here")
    assert found.vehicles == ["v0"]
    for name in ("time_ms", "lat_deg", "lon_deg"):
        assert getattr(found, name).tolist() == getattr(long_track, name).tolist()
    assert found.optional["speed_mps"].tolist() == long_track.speed_mps.tolist()


async def test_gpx_of_odd_values(reports, viewer):
    """Names are escaped, tiny numbers have no exponent, 180 east is 180 west, unknown is absent, nothing is a track too."""
    odd = drive([0, 1], [0, 1], heading_deg=[np.nan, 359.5], speed_mps=[1e-7, np.inf], accuracy_m=[0, 2.1e7])
    odd.lat_deg[:], odd.lon_deg[:] = [-1e-9, 90.0], [180.0, 1e-12]
    await reports.store.write(odd)
    points = list(ET.fromstring((await fetched(viewer, "format=gpx")).content).iter(f"{GPX}trkpt"))
    assert [(point.get("lat"), point.get("lon")) for point in points] == [
        ("-0.000000001000", "-180.0"), ("90.0", "0.000000000001"),
    ]  # fmt: skip
    texts = ["".join(point.itertext()) for point in points]
    assert ["0.0000001" in texts[0], "359.5" in texts[1], "inf" in texts[1]] == [True, True, False]
    empty = ET.fromstring((await fetched(viewer, "format=gpx", "a%2Fb%20%C3%A4")).content)
    assert [name.text for name in empty.iter(f"{GPX}name")] == ["a/b ä"]


async def test_csv_is_one_line_a_fix(reports, viewer):
    """RFC 4180: a header with units, CRLF, quotes where needed; unknown is empty; segments are counted on."""
    texts = {0: b'{"note":"a,\\"b\\""}'}
    await reports.store.write(drive([0, 1, 9000], np.arange(3), speed_mps=[np.nan, 2.5, 3], attributes=texts))
    answer = await fetched(viewer, "format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.text.count("\r\n") == answer.text.count("\n") == 4
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["segment"] for row in rows] == ["0", "0", "1"]
    assert [row["speed_mps"] for row in rows] == ["", "2.5", "3.0"]
    assert orjson.loads(rows[0]["attributes"]) == {"note": 'a,"b"'}
    assert [int(row["time_ms"]) for row in rows] == [START_MS, START_MS + 1000, START_MS + 9_000_000]


async def test_a_thinned_track_keeps_its_segments(viewer, long_track):
    """Of straight lines their ends stay, and the ends of what was read at once; gaps stay gaps."""
    features = (await fetched(viewer, "format=geojson&thin=5")).json()["features"]
    assert [one["properties"]["segment"] for one in features] == [0, 0, 0, 1, 1, 1, 2]
    times = {time for one in features for time in np.atleast_1d(one["properties"]["time_ms"]).tolist()}
    ends_of_portions = [PORTION - 1, 2 * PORTION - 1, 3 * PORTION - 1, 4 * PORTION - 1]
    wanted = [0, *ends_of_portions, 2499, 2500, 4499, 4500]
    assert times == {int(long_track.time_ms[i]) for i in wanted}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/html,application/gpx+xml;q=0.9,*/*;q=0.8", "application/gpx+xml"),
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("text/csv;q=0.1, application/json", "application/geo+json"),
        ("*/*", "application/geo+json"),
        ("image/png", None),
        ("text/csv;q=0", None),
    ],
)
async def test_accept_chooses_the_format(reports, viewer, accept, media_type):
    """By weight and order; what is not there is a 406 that says what is. A format in the query wins."""
    await reports.store.write(drive([0], [0]))
    answer = await viewer.get("/v1/vehicles/v0/track", headers={"Accept": accept})
    if media_type is None:
        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    else:
        assert (answer.headers["content-type"], answer.headers["vary"]) == (media_type, "Accept")
    assert (await fetched(viewer, "format=csv", Accept=accept)).headers["content-type"].startswith("text/csv")


async def test_head_has_the_headers_and_reads_nothing(reports, viewer, long_track):
    """What GET would say, without the track; of an unknown vehicle 404."""
    answer = await viewer.head("/v1/vehicles/v0/track?format=gpx")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        200,
        "application/gpx+xml",
        b"",
    )
    assert (await viewer.head("/v1/vehicles/no/track")).status_code == 404


async def test_a_store_that_fails_in_the_middle_breaks_the_track_off(reports, viewer, long_track):
    """Half a track never ends like a whole one."""
    reports.store.reads = 2
    with pytest.raises((StoreError, RuntimeError)):
        await viewer.get(f"/v1/vehicles/v0/track?{SPAN}&format=csv")


async def test_a_long_track_is_never_whole_in_memory(long_track, reports):
    """The first bytes come before the last fixes are read, and a reader that stops makes the reading stop."""

    class CountingStore(FailingStore):
        portions = 0

        async def read(self, *arguments):
            self.portions += 1
            return await super().read(*arguments)

    hub = ReportHub(store=CountingStore(ReportHub.name_of))
    await hub.store.write(long_track)
    parts = []

    async def send(message):
        if message.get("body"):
            parts.append(len(message["body"]))
            assert hub.store.portions <= len(parts)
            if len(parts) == 3:
                raise OSError("the reader has gone")

    scope = {
        "type": "http", "method": "GET", "path": "/v1/vehicles/v0/track", "headers": [(b"authorization", b"Bearer acme/viewer")],
        "query_string": f"{SPAN}&format=csv".encode(), "asgi": {"spec_version": "2.4"},
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="already started"):
        await hub.app(scope, None, send)
    assert hub.store.portions == 2
