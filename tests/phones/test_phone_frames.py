"""The decoders: golden frames give their fixes, wrong ones an error that names the field, and nothing else ever comes out."""

import json
from contextlib import suppress
from dataclasses import asdict
from math import isnan

import pytest
from golden_frames import GOLDEN_FRAMES, GoldenFrame
from hypothesis import given
from hypothesis import strategies as st

from haulcast.errors import RequestError
from haulcast.phones.osmand_frames import decode_osmand
from haulcast.phones.overland_frames import decode_overland
from haulcast.phones.owntracks_frames import decode_owntracks
from haulcast.phones.plain_frames import decode_plain
from haulcast.phones.report_fields import time_of_osmand
from haulcast.phones.reported_fix import ReportedFix, batch_of

MOST = 1_000


def decode(frame: GoldenFrame) -> list[ReportedFix]:
    """Whatever protocol the path says."""
    match frame.protocol:
        case "/osmand":
            content_type = frame.headers.get("Content-Type", "")
            reports = decode_osmand(frame.query, content_type, frame.body, MOST, "knots")
            assert reports.device == frame.device
            return list(reports.fixes)
        case "/owntracks":
            named = "truck-7" if "d=truck-7" in frame.query else frame.headers.get("X-Limit-D", "")
            report = decode_owntracks(frame.body, named)
            assert report.devices <= {frame.device}
            return [] if report.fix is None else [report.fix]
        case "/overland":
            batch = decode_overland(frame.body, MOST)
            assert batch.devices <= {frame.device}
            return list(batch.fixes)
        case _:
            return list(decode_plain(frame.body, MOST))


@pytest.mark.parametrize("frame", GOLDEN_FRAMES, ids=lambda frame: frame.name)
def test_a_golden_frame_gives_its_fixes(frame):
    """Every field of every fix, in SI units, and no field more."""
    fixes = decode(frame)
    assert len(fixes) == len(frame.fixes)
    for fix, expected in zip(fixes, frame.fixes, strict=True):
        said = {
            name: value for name, value in asdict(fix).items() if name != "attributes" and not isnan(value)
        }
        if said["seq"] < 0:
            del said["seq"]
        wanted = {name: value for name, value in expected.items() if name != "attributes"}
        assert said == pytest.approx(wanted, rel=1e-6)
        assert fix.attributes == expected["attributes"]


@pytest.mark.parametrize(
    ("value", "time_ms"),
    [
        ("2147483646", 2_147_483_646_000),
        ("2147483647", 2_147_483_647),
        (1_790_000_000, 1_790_000_000_000),
        ("1790000000123", 1_790_000_000_123),
        ("2026-09-21T14:13:20Z", 1_790_000_000_000),
        ("2026-09-21T16:13:20 02:00", 1_790_000_000_000),
        ("2026-09-21 14:13:20", 1_790_000_000_000),
        ("1969-12-31T23:59:59.9Z", -100),
    ],
)
def test_an_osmand_timestamp_in_each_of_its_forms(value, time_ms):
    """Seconds up to January 2038, else milliseconds; ISO with its zone, its plus sign maybe lost; date and time in UTC."""
    assert time_of_osmand(value, "timestamp") == time_ms


def test_without_a_time_arrival_counts():
    """An OsmAnd report may leave its time out; the hub's then stands for it."""
    (fix,) = decode_osmand("id=a&lat=1&lon=2", "", b"", MOST, "knots").fixes
    assert fix.time_ms is None
    assert batch_of([fix], row=3, now_ms=77).time_ms.tolist() == [77]


@pytest.mark.parametrize(
    ("unit", "mps"), [("knots", 18.52 / 3.6), ("kmh", 10 / 3.6), ("mps", 10), ("mph", 4.4704)]
)
def test_the_unit_of_speed(unit, mps):
    """By setting, and by the report itself, which wins."""
    (by_setting,) = decode_osmand("id=a&lat=1&lon=2&speed=10", "", b"", MOST, unit).fixes
    (by_report,) = decode_osmand(f"id=a&lat=1&lon=2&speed=10&speed_unit={unit}", "", b"", MOST, "kmh").fixes
    assert by_setting.speed_mps == by_report.speed_mps == pytest.approx(mps)


GOOD = "id=a&lat=1&lon=2"


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("", "missing_field", "id"),
        ("lat=1&lon=2", "missing_field", "id"),
        ("id=a&lat=1", "missing_field", "lon"),
        ("id=a&lat=x&lon=2", "wrong_type", "lat"),
        ("id=a&lat=nan&lon=2", "wrong_type", "lat"),
        ("id=a&lat=1&lon=1e999", "wrong_type", "lon"),
        ("id=a&lat=1_0&lon=2", "wrong_type", "lat"),
        ("id=a&location=1", "wrong_type", "location"),
        ("id=a&location=1,x", "wrong_type", "location"),
        (f"{GOOD}&timestamp=soon", "bad_time", "timestamp"),
        (f"{GOOD}&timestamp=1.5", "bad_time", "timestamp"),
        (f"{GOOD}&timestamp=2026-09-21T14:13:20", "bad_time", "timestamp"),
        (f"{GOOD}&timestamp=2026-02-30T00:00:00Z", "bad_time", "timestamp"),
        (f"{GOOD}&timestamp=999999999999999999", "out_of_range", "timestamp"),
        (f"{GOOD}&speed=fast", "wrong_type", "speed"),
        (f"{GOOD}&speed_unit=c", "out_of_range", "speed_unit"),
        (f"{GOOD}&bearing=361", "out_of_range", "bearing"),
        (f"{GOOD}&heading=n", "wrong_type", "heading"),
        (f"{GOOD}&altitude=high", "wrong_type", "altitude"),
        (f"{GOOD}&accuracy=x", "wrong_type", "accuracy"),
        (f"{GOOD}&hdop=x", "wrong_type", "hdop"),
        (f"{GOOD}&batt=full", "wrong_type", "batt"),
        (f"{GOOD}&charge=perhaps", "wrong_type", "charge"),
        (f"{GOOD}&valid=2", "wrong_type", "valid"),
        (f"{GOOD}&cell=1,2,3", "wrong_type", "cell"),
        (f"{GOOD}&cell=1,2,3,x", "wrong_type", "cell"),
        (f"{GOOD}&wifi=aa", "wrong_type", "wifi"),
        (GOOD + "&a=1" * 300, "out_of_range", None),
    ],
)
def test_a_wrong_parameter_is_named(query, code, field):
    """In a query and in a form alike."""
    for given_query, body in ((query, b""), ("", query.encode())):
        with pytest.raises(RequestError) as refused:
            decode_osmand(given_query, "", body, MOST, "knots")
        assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("", "bad_json", "body"),
        ("{", "bad_json", "body"),
        ("7", "wrong_type", "body"),
        ("[]", "wrong_type", "body"),
        ("[7]", "wrong_type", "[0]"),
        (json.dumps([{"id": "a"}] * 1_001), "wrong_type", "body"),
        ('[{"id":"a"},{"id":"b"}]', "other_device", "[1].id"),
        ('[{"id":"a"},{"id":"a","lat":true,"lon":1}]', "wrong_type", "[1].lat"),
        ('[{"id":{}}]', "wrong_type", "[0].id"),
        ('{"location":{}}', "missing_field", "device_id"),
        ('{"device_id":[]}', "wrong_type", "device_id"),
        ('{"device_id":"a","location":7}', "wrong_type", "location"),
        ('{"device_id":"a","location":{"coords":[1,2]}}', "wrong_type", "location.coords"),
        ('{"device_id":"a","location":{"coords":{"latitude":1}}}', "missing_field", "location.coords.longitude"),
        ('{"device_id":"a","location":{"coords":{"latitude":"x","longitude":1}}}', "wrong_type", "location.coords.latitude"),
        ('{"device_id":"a","location":{"timestamp":7,"coords":{"latitude":1,"longitude":1}}}', "bad_time", "location.timestamp"),
        ('{"device_id":"a","location":{"is_moving":1,"coords":{"latitude":1,"longitude":1}}}', "wrong_type", "location.is_moving"),
    ],
)  # fmt: skip
def test_a_wrong_member_is_named(body, code, field):
    """Of the JSON forms of the OsmAnd protocol."""
    with pytest.raises(RequestError) as refused:
        decode_osmand("", "application/json", body.encode(), MOST, "knots")
    assert (refused.value.code, refused.value.field) == (code, field)


LOCATION = {"_type": "location", "lat": 1, "lon": 2, "tst": 3, "tid": "aa"}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"lat": None}, "missing_field", "lat"),
        ({"lon": "x"}, "wrong_type", "lon"),
        ({"tst": None}, "missing_field", "tst"),
        ({"tst": "soon"}, "wrong_type", "tst"),
        ({"tst": 1e300}, "out_of_range", "tst"),
        ({"tst": 1e308}, "out_of_range", "tst"),
        ({"tid": ""}, "missing_field", "tid"),
        ({"topic": 7.5}, "wrong_type", "topic"),
        ({"vel": []}, "wrong_type", "vel"),
        ({"cog": 400}, "out_of_range", "cog"),
        ({"batt": {}}, "wrong_type", "batt"),
        ({"bs": "full"}, "wrong_type", "bs"),
    ],
)
def test_a_wrong_owntracks_field_is_named(change, code, field):
    """Missing, of another type, out of range."""
    with pytest.raises(RequestError) as refused:
        decode_owntracks(json.dumps(LOCATION | change).encode(), "")
    assert (refused.value.code, refused.value.field) == (code, field)


PROPERTIES = {"timestamp": "2026-09-21T14:13:39Z"}


@pytest.mark.parametrize(
    ("feature", "code", "field"),
    [
        (7, "wrong_type", "locations[0]"),
        ({"geometry": 7}, "wrong_type", "locations[0].geometry"),
        ({"geometry": {"type": "LineString"}}, "wrong_type", "locations[0].geometry.coordinates"),
        ({"geometry": {"type": "Point", "coordinates": [1]}}, "wrong_type", "locations[0].geometry.coordinates"),
        ({"geometry": {"type": "Point", "coordinates": [1, None]}}, "wrong_type", "locations[0].geometry.coordinates"),
        ({"properties": {}}, "missing_field", "locations[0].properties.timestamp"),
        ({"properties": {"timestamp": 7}}, "bad_time", "locations[0].properties.timestamp"),
        ({"properties": PROPERTIES | {"speed": "x"}}, "wrong_type", "locations[0].properties.speed"),
        ({"properties": PROPERTIES | {"device_id": []}}, "wrong_type", "locations[0].properties.device_id"),
    ],
)  # fmt: skip
def test_a_wrong_overland_field_is_named(feature, code, field):
    """With its place in the batch."""
    good = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [2, 1]}, "properties": PROPERTIES}
    one = feature if feature == 7 else good | feature
    with pytest.raises(RequestError) as refused:
        decode_overland(json.dumps({"locations": [one]}).encode(), MOST)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("[]", "wrong_type", "body"),
        ("{}", "wrong_type", "fixes"),
        ('{"fixes":[]}', "wrong_type", "fixes"),
        ('{"fixes":[{}],"seq":1}', "unknown_field", "seq"),
        (json.dumps({"fixes": [{}] * 1_001}), "too_many_fixes", "fixes"),
        ('{"fixes":[7]}', "wrong_type", "fixes[0]"),
        ('{"fixes":[{"time_ms":1,"lat":1}]}', "missing_field", "fixes[0].lon"),
        ('{"fixes":[{"time_ms":1.5,"lat":1,"lon":1}]}', "wrong_type", "fixes[0].time_ms"),
        ('{"fixes":[{"time_ms":1,"lat":"1","lon":1}]}', "wrong_type", "fixes[0].lat"),
        ('{"fixes":[{"time_ms":1,"lat":1,"lon":1,"seq":-1}]}', "out_of_range", "fixes[0].seq"),
        ('{"fixes":[{"time_ms":1,"lat":1,"lon":1,"speed_mps":-1}]}', "out_of_range", "fixes[0].speed_mps"),
        ('{"fixes":[{"time_ms":1,"lat":1,"lon":1,"heading_deg":361}]}', "out_of_range", "fixes[0].heading_deg"),
        ('{"fixes":[{"time_ms":1,"lat":1,"lon":1,"attributes":[]}]}', "wrong_type", "fixes[0].attributes"),
        ('{"fixes":[{"time_ms":1,"lat":1,"lon":1,"colour":7}]}', "unknown_field", "fixes[0].colour"),
    ],
)  # fmt: skip
def test_a_wrong_plain_field_is_named(body, code, field):
    """As on the device socket, but that the sequence may be left out."""
    with pytest.raises(RequestError) as refused:
        decode_plain(body.encode(), MOST)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_attributes_have_a_limit():
    """As much as a device's frame may carry, and not a byte more."""
    (fix,) = decode_osmand(f"{GOOD}&note={'x' * 9_000}", "", b"", MOST, "knots").fixes
    with pytest.raises(RequestError, match="8192"):
        batch_of([fix], 0, 0)


NAMES = st.sampled_from(
    [
        "id",
        "device_id",
        "location",
        "lat",
        "lon",
        "tst",
        "_type",
        "timestamp",
        "coords",
        "latitude",
        "longitude",
        "locations",
        "geometry",
        "properties",
        "type",
        "coordinates",
        "fixes",
        "time_ms",
        "seq",
        "attributes",
        "speed",
        "battery",
        "level",
        "extras",
        "cell",
        "wifi",
        "topic",
        "tid",
        "bs",
        "vel",
        "batt",
        "valid",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["location", "Point", "2026-09-21T14:13:39Z", "a/b/c", "1,2", "1,2,3,4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=20,
)  # fmt: skip


def _is_sound(fixes) -> bool:
    batch = batch_of(fixes, 0, 1) if fixes else ()
    return not len(batch) or not (
        (batch.speed_mps < 0).any() or ((batch.heading_deg < 0) | (batch.heading_deg >= 360)).any()
        or any(isnan(one) for one in batch.lat_deg)
    )  # fmt: skip


@given(st.dictionaries(NAMES, VALUES, max_size=10) | VALUES)
def test_any_json_gives_sound_fixes_or_a_clear_error(value):
    """No decoder raises anything but its own error, and what it gives fits the columns."""
    body = json.dumps(value).encode()
    for read in (
        lambda: decode_osmand("", "application/json", body, MOST, "knots").fixes,
        lambda: [fix for fix in [decode_owntracks(body, "").fix] if fix],
        lambda: decode_overland(body, MOST).fixes,
        lambda: decode_plain(body, MOST),
    ):
        with suppress(RequestError):
            assert _is_sound(read())


@given(
    st.lists(st.tuples(NAMES, st.text(max_size=20) | st.floats().map(str)), max_size=10),
    st.binary(max_size=40),
)
def test_any_query_gives_sound_fixes_or_a_clear_error(pairs, noise):
    """The same of parameters, and of bytes that are none."""
    query = "&".join(f"{name}={value}" for name, value in pairs)
    for given_query, body in ((query, b""), ("", query.encode("utf-8", "replace")), ("", noise)):
        with suppress(RequestError):
            assert _is_sound(decode_osmand(given_query, "", body, MOST, "knots").fixes)
