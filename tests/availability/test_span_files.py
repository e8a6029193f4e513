"""CSV files of times on duty and trips are read as they stand, and what is wrong in one is said with its line."""

import gzip
import lzma
import math

import pytest
from small_models import habits, write_span_files

from haulcast.availability.span_files import read_span_files
from haulcast.availability.span_store import BUSY, DUTY
from haulcast.errors import RequestError

SESSIONS = "vehicle,on_ts,off_ts\n"
TRIPS = "vehicle,start_ts,end_ts,start_lat,start_lon,end_lat,end_lon\n"


def read(folder, sessions, trips=TRIPS):
    for name, text in (("sessions", sessions), ("trips", trips)):
        (folder / name).write_text(text)
    return read_span_files(folder / "sessions", folder / "trips")


def test_what_was_written_is_read(tmp_path):
    """Every span to the millisecond with its places, plain and compressed."""
    spans = habits(drivers=3, days=2)
    files = write_span_files(tmp_path, spans)
    assert sorted(read_span_files(*files)) == sorted(spans)
    packed = tmp_path / "sessions.csv.gz", tmp_path / "trips.csv.xz"
    packed[0].write_bytes(gzip.compress(files[0].read_bytes()))
    packed[1].write_bytes(lzma.compress(files[1].read_bytes()))
    assert sorted(read_span_files(*packed)) == sorted(spans)


def test_places_may_be_unknown_and_strangers_have_no_trips(tmp_path):
    """Columns that are absent, fields that are empty, a byte order mark, trips of a vehicle without sessions."""
    duty, busy = read(
        tmp_path, "\ufeff" + SESSIONS + "a,100,200.5\n", TRIPS + "a,110,120,,,37.5,\nb,1,2,1,1,1,1\n"
    )
    assert (duty[:4], busy[:4]) == (("a", DUTY, 100_000, 200_500), ("a", BUSY, 110_000, 120_000))
    assert [math.isnan(value) for value in (*duty[4:8], *busy[4:8])] == [True] * 6 + [False, True]


@pytest.mark.parametrize(
    ("sessions", "trips", "said"),
    [
        (SESSIONS, TRIPS, "sessions has no sessions"),
        ("", TRIPS, "has no column vehicle; needed are vehicle, on_ts, off_ts"),
        ("vehicle,on_ts\n", TRIPS, "has no column off_ts"),
        (SESSIONS + "a,1,2\n,1,2\n", TRIPS, "sessions, line 3: vehicle is empty"),
        (SESSIONS + "a,1,x\n", TRIPS, "sessions, line 2: off_ts is 'x'; allowed are Unix seconds"),
        (SESSIONS + "a,1\n", TRIPS, "sessions, line 2: off_ts is ''"),
        (SESSIONS + "a,1,inf\n", TRIPS, "off_ts is 'inf'"),
        (SESSIONS + "a,1,1e30\n", TRIPS, "off_ts is '1e30'"),
        (SESSIONS + "a,1,nan\n", TRIPS, "off_ts is 'nan'"),
        (SESSIONS + "a,2,1\n", TRIPS, "sessions, line 2: off_ts is before on_ts"),
        (
            SESSIONS + "a,1,2\n",
            TRIPS + "a,1,2,91,0,0,0\n",
            "trips, line 2: start_lat is '91'; allowed are -90 to 90",
        ),
        (SESSIONS + "a,1,2\n", TRIPS + "a,1,2,1,east,0,0\n", "trips, line 2: start_lon is 'east'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, sessions, trips, said):
    """The file, the line, what stands there and what is allowed."""
    with pytest.raises(RequestError, match=said):
        read(tmp_path, sessions, trips)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    """Absent, cut short, not compressed, not text."""
    with pytest.raises(RequestError, match="absent cannot be read: No such file"):
        read_span_files(tmp_path / "absent", tmp_path / "absent")
    packed = gzip.compress((SESSIONS + "a,1,2\n" * 10_000).encode())
    harmed = packed[:30] + b"harm" + packed[34:]
    for name, data in (
        ("a.gz", packed[:-20]), ("b.gz", b"plain"), ("c.xz", b"plain"), ("d", b"\xff\xfe\x00"), ("e.gz", harmed),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RequestError, match="cannot be read"):
            read_span_files(tmp_path / name, tmp_path / name)
