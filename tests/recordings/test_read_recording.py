"""Readers of recorded tracks."""

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from haulcast.errors import RequestError
from haulcast.recordings import concatenate, read_recording

CSV = "time_s,vehicle,lat,lon,occupied\n100,a,37.5,-122.5,0\n101.5,b,37.6,-122.6,1\n102,a,37.7,-122.7,1\n"
GPX = """<?xml version="1.0"?>
<g:gpx xmlns:g="http://www.topografix.com/GPX/1/1" xmlns:t="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" version="1.1">
  <g:metadata><g:name>not a vehicle</g:name><g:time>1999-01-01T00:00:00Z</g:time></g:metadata>
  <g:trk><g:name>van</g:name><g:trkseg>
    <g:trkpt lat="37.5" lon="-122.5"><g:ele>12.5</g:ele><g:time>2020-01-01T00:00:00Z</g:time>
      <g:extensions><t:TrackPointExtension><t:speed>7.5</t:speed><t:course>90</t:course></t:TrackPointExtension></g:extensions></g:trkpt>
  </g:trkseg><g:trkseg>
    <g:trkpt lat="37.6" lon="-122.6"><g:time>2020-01-01T02:00:00.250+01:00</g:time></g:trkpt>
  </g:trkseg></g:trk>
  <g:trk><g:trkseg><g:trkpt lat="1" lon="2"><g:time>2020-01-01T00:00:00</g:time></g:trkpt></g:trkseg></g:trk>
  <g:trk><g:name>van</g:name><g:trkseg><g:trkpt lat="3" lon="4"><g:time>2020-01-01T00:00:00Z</g:time></g:trkpt></g:trkseg></g:trk>
</g:gpx>
"""
GPX_1_0 = """<gpx xmlns="http://www.topografix.com/GPX/1/0" version="1.0"><trk><trkseg>
<trkpt lat="1" lon="2"><time>2020-01-01T00:00:00Z</time><speed>3.5</speed><course>10</course></trkpt></trkseg></trk></gpx>"""


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_csv_gives_its_rows_in_order(tmp_path: Path, ending: str) -> None:
    """Rows, vehicles in order of appearance, and the occupied flag, also compressed."""
    opener = {"": open, ".gz": gzip.open, ".xz": lzma.open}[ending]
    with opener(tmp_path / f"day.csv{ending}", "wt") as out:
        out.write(CSV)
    recording = read_recording(tmp_path / f"day.csv{ending}")
    assert recording.vehicles == ["a", "b"]
    assert recording.vehicle.tolist() == [0, 1, 0]
    assert recording.time_ms.tolist() == [100_000, 101_500, 102_000]
    assert recording.lat_deg.tolist() == [37.5, 37.6, 37.7]
    assert recording.attributes["occupied"].tolist() == [False, True, True]


def test_csv_of_other_column_names_and_order(tmp_path: Path) -> None:
    """`cab,ts,...` are the glitch file's names; a file without vehicles is one vehicle of the file's name."""
    (tmp_path / "glitches.csv").write_text("cab,ts,lat,lon,occ\r\nx,5,1,2,1\r\n")
    (tmp_path / "van-3.csv").write_text("lon,lat,time_ms,speed_mps\n2,1,5,3.5\n3,2,6,\n")
    assert read_recording(tmp_path / "glitches.csv").time_ms.tolist() == [5000]
    van = read_recording(tmp_path / "van-3.csv")
    assert (van.vehicles, van.time_ms.tolist(), van.lon_deg.tolist()) == (["van-3"], [5, 6], [2.0, 3.0])
    assert np.isnan(van.optional["speed_mps"][1])


def test_gpx_tracks_are_vehicles(tmp_path: Path) -> None:
    """Segments of a track belong together, namespaces and versions don't matter, names are made different."""
    (tmp_path / "trip.gpx").write_text(GPX)
    recording = read_recording(tmp_path / "trip.gpx")
    assert recording.vehicles == ["van", "trip", "van-2"]
    assert recording.vehicle.tolist() == [0, 0, 1, 2]
    assert recording.time_ms.tolist() == [1577836800000, 1577840400250, 1577836800000, 1577836800000]
    assert recording.optional["speed_mps"][0] == 7.5
    assert recording.optional["heading_deg"][0] == 90
    assert np.isnan(recording.optional["speed_mps"][1:]).all()
    (tmp_path / "old.gpx").write_text(GPX_1_0)
    assert read_recording(tmp_path / "old.gpx").optional["speed_mps"].tolist() == [3.5]


def test_cab_text_keeps_the_files_order(tmp_path: Path) -> None:
    """Newest first stays newest first; the vehicle is in the file's name."""
    with gzip.open(tmp_path / "new_abboip.txt.gz", "wt") as out:
        out.write("37.75134 -122.39488 0 1213084687\n37.75136 -122.39527 1 1213084659\n")
    recording = read_recording(tmp_path / "new_abboip.txt.gz")
    assert recording.vehicles == ["abboip"]
    assert recording.time_ms.tolist() == [1213084687000, 1213084659000]
    assert recording.attributes["occupied"].tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "time_s,vehicle,lat,lon\n1,a,2,3\n1,a,north,3\n", r"a\.csv:3: lat is 'north'"),
        ("a.csv", "time_s,vehicle,lat,lon\n1,a,2,3\n1,a,2\n", r"a\.csv:3: 3 fields, the header has 4"),
        ("a.csv", "time_s,vehicle,lat,lon\n,a,2,3\n", r"a\.csv:2: the time is missing"),
        ("a.csv", "vehicle,lat,lon,colour\n", r"a\.csv:1: .*missing time_s or time_ms.*unknown colour"),
        ("a.csv", "", r"a\.csv:1: .*missing"),
        ("a.csv", "time_s,vehicle,lat,lon\n", "holds no fix"),
        ("a.gpx", "<gpx><trk>\n<trkseg>", r"a\.gpx:2: not XML"),
        ("a.gpx", "<gpx><trk><trkseg>\n\n<trkpt lat='1' lon='2'></trkpt></trkseg></trk></gpx>", r"a\.gpx:3: .*no <time>"),
        ("a.gpx", "<gpx><trk><trkseg>\n<trkpt lat='1'></trkpt></trkseg></trk></gpx>", r"a\.gpx:2: .*lat and lon"),
        ("a.gpx", "<gpx><trk><trkseg>\n<trkpt lat='1' lon='2'><time>now</time></trkpt></trkseg></trk></gpx>", r":2: time is 'now'"),
        ("new_a.txt", "1 2 0 5\n1 2 0\n", r"new_a\.txt:2: 3 fields"),
        ("new_a.txt", "1 2 0 5\n1 x 0 6\n", r"new_a\.txt:2: lon is 'x'"),
        ("a.kml", "", "known are .csv"),
        ("a.csv.gz", "not gzip", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Every wrong file is a RequestError that a person can act on."""
    (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=says):
        read_recording(tmp_path / name)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """A path that is not there is named."""
    with pytest.raises(RequestError, match=r"nowhere\.csv"):
        read_recording(tmp_path / "nowhere.csv")


def test_concatenated_recordings_share_vehicles(tmp_path: Path) -> None:
    """Same names are the same vehicle; columns that one file lacks are unknown."""
    (tmp_path / "a.csv").write_text("time_s,vehicle,lat,lon,speed_mps\n1,x,1,1,5\n2,y,1,1,6\n")
    (tmp_path / "b.csv").write_text("time_s,vehicle,lat,lon\n3,y,1,1\n4,z,1,1\n")
    both = concatenate([read_recording(tmp_path / "a.csv"), read_recording(tmp_path / "b.csv")])
    assert both.vehicles == ["x", "y", "z"]
    assert both.vehicle.tolist() == [0, 1, 1, 2]
    assert np.isnan(both.optional["speed_mps"]).tolist() == [False, False, True, True]
    only = both.only("[yz]")
    assert (only.vehicles, only.vehicle.tolist(), only.time_ms.tolist()) == (
        ["y", "z"],
        [0, 0, 1],
        [2000, 3000, 4000],
    )


def test_the_real_day_is_read_whole(shared_data: Path) -> None:
    """The counts that its description states."""
    recording = read_recording(shared_data / "tracks" / "sf_cabs_2008-05-30.csv.gz")
    assert (len(recording), len(recording.vehicles)) == (506_190, 489)
    assert (np.diff(recording.time_ms) >= 0).all()


def test_the_real_originals_glitches_and_gpx_are_read(shared_data: Path) -> None:
    """Untouched originals are newest first; the glitch file and a planner's GPX have their points."""
    original = read_recording(shared_data / "tracks" / "original" / "new_upthin.txt.gz")
    assert (len(original), original.vehicles) == (49_367, ["upthin"])
    assert original.time_ms[0] == original.time_ms.max()
    assert len(read_recording(shared_data / "tracks" / "sf_cabs_gps_glitches.csv")) == 122
    assert len(read_recording(shared_data / "roads" / "test1.gpx")) == 264
