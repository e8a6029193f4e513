"""Where fuzzing begins: good input of each decoder, from the tests' frames and from the documents."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
import numpy as np
import orjson

from fuzz.decoders import SECRET
from haulcast.doors import wire

REPOSITORY = Path(__file__).parents[1]
FRAMES = REPOSITORY / "tests" / "frames"
FOUND = REPOSITORY / "tests" / "fuzz" / "found"

_FIX: dict[str, Any] = {
    "seq": 7, "time_ms": 1_790_000_000_000, "lat": 37.7749, "lon": -122.4194, "speed_mps": 13.4, "heading_deg": 360,
    "accuracy_m": 4.5, "altitude_m": -3.25, "attributes": {"ignition": True, "tags": ["a", {"b": None}]},
}  # fmt: skip
_RING = [[-122.4, 37.7], [-122.3, 37.7], [-122.3, 37.8], [-122.4, 37.8], [-122.4, 37.7]]
_BOW_TIE = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
_CLAIMS = {
    "fleet": "acme",
    "role": "device",
    "vehicle": "truck-7",
    "exp": 1_790_000_060,
    "iat": 1_789_999_000,
    "jti": "t1",
}
_VIEWER = {
    "fleet": "acme",
    "role": "viewer",
    "exp": 1_790_000_060,
    "vehicles": ["truck-7", "b"],
    "sub": "Ann",
    "nbf": 0,
}
_HOURS = {
    "time_zone": "America/Los_Angeles",
    "weekly": [{"days": ["mon", "fri"], "from": "22:00", "to": "06:00"}, {"days": ["sun"], "from": "00:00", "to": "24:00"}],
    "holidays": ["2026-12-25"],
    "on_holidays": "off",
}  # fmt: skip
_RULES: Sequence[dict[str, Any]] = (
    {"id": "gate", "kind": "enter", "fences": {"ids": ["yard"]}, "vehicles": {"tags": ["van"]}, "schedule": _HOURS},
    {"id": "dock", "name": "Dock", "kind": "dwell", "fences": {"tags": ["dock"]}, "dwell_s": 7200},
    {"id": "slow", "kind": "overspeed", "fences": {"ids": ["yard"]}, "limit_mps": 5.6, "after_s": 3, "enabled": False},
    {"id": "fuel", "kind": "unauthorised", "fences": {"ids": ["fuel"]}, "allow": {}, "version": 3},
    {"id": "convoy", "kind": "proximity", "others": {"tags": ["escort"]}, "distance_m": 500, "when": "apart"},
)  # fmt: skip
_KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder><Placemark><name>Yard 1</name>
<ExtendedData><Data name="a"><value>1</value></Data><SchemaData><SimpleData name="radius_m">5</SimpleData></SchemaData></ExtendedData>
<MultiGeometry><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0,0 1,0 1,1 0,1 0,0</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>.2,.2 .4,.2 .4,.4 .2,.2</coordinates></LinearRing></innerBoundaryIs></Polygon></MultiGeometry>
</Placemark><Placemark><name>Gate</name><Point><coordinates>1,2</coordinates></Point></Placemark>
<Placemark><LineString><coordinates>1,2 3,4</coordinates></LineString></Placemark></Folder></Document></kml>"""
_GPX = """<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x"><metadata><name>Week 12</name>
</metadata><wpt lat="0" lon="0"/><rte><name>Oakland</name><desc>by the pass</desc><rtept lat="37.8" lon="-122.3"><extensions>
<x:r><x:rpt lat="38.5" lon="-121.5"/></x:r></extensions></rtept><rtept lat="39.5" lon="-119.8"/></rte>
<trk><trkseg><trkpt lat="1" lon="2"/><trkpt lat="3" lon="4"/></trkseg></trk></gpx>"""
_WKT = b"""Yard 1\tSRID=4326;POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 1 1, 0 0 1), (.2 .2 1, .4 .2 1, .4 .4 1, .2 .2 1))
# a remark
MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))
Gate\tPOINT (1 2)
LINESTRING (179.5 1e0, -179.5 2)
MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))
POLYGON EMPTY
"""


def _feature(fence_id: str | None, geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": fence_id, "geometry": geometry, "properties": properties}


_FEATURES = (
    _feature("yard", {"type": "Polygon", "coordinates": [_RING]}, name="Yard", tags=["a"], attributes={"b": [1]}),
    _feature("bow", {"type": "MultiPolygon", "coordinates": [[_BOW_TIE], [_RING]]}),
    _feature("gate", {"type": "Point", "coordinates": [179.9, -89.5]}, radius_m=250.5),
    _feature("road", {"type": "LineString", "coordinates": [[179, 1], [-179, 2, 3]]}, width_m=30),
    _feature("trip", None, polyline="_p~iF~ps|U_ulLnnqC_mqNvxq`@", polyline_precision=5, width_m=500),
    _feature("roads", {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]}),
)  # fmt: skip


def _frames(path: str, media_type: str) -> list[bytes]:
    """The bodies (or the queries, where there are none) of the tests' frames for a path."""
    found = []
    for file in sorted(FRAMES.glob("*.json")):
        frame = json.loads(file.read_text())
        at, _, query = frame["path"].partition("?")
        if (
            at == path
            and frame["headers"].get("Content-Type", "").startswith(media_type)
            and bool(media_type) != bool(query)
        ):
            body = frame.get("body", "")
            found.append((query or (body if isinstance(body, str) else json.dumps(body))).encode())
    return found


def _device_records() -> bytes:
    records = np.zeros(2, wire.DEVICE_RECORD)
    records[0] = (7, 1_790_000_000_000, 37.5, -122.5, 13.4, 360, 4.5, np.nan)
    records[1] = (8, 1_790_000_001_000, 91, np.nan, np.inf, 0, 0, -1)
    return records.tobytes()


def _map_frame(kind: int, columns: Mapping[str, np.dtype[Any]]) -> bytes:
    header = np.array([(kind, 1, 5, 2, 1, 1, 1.79e12, 7, 0)], wire.LIVE_HEADER)
    parts = [header.tobytes()]
    parts += [np.zeros(2, dtype).tobytes() for dtype in columns.values()]
    parts += [
        np.array([3], "<u4").tobytes(),
        np.array([1], "<u4").tobytes(),
        np.array([7], "<u4").tobytes(),
        b"truck 1",
    ]
    return b"".join(part.ljust(wire.padded_bytes(len(part)), b"\0") for part in parts)


def _made() -> Mapping[str, Sequence[bytes]]:
    commands = (
        {"type": "subscribe", "bbox": [170, -10, -170, 10], "zoom": 12, "rate_hz": 10, "vehicles": ["a"], "events": True},
        {"type": "move", "bbox": [0, 0, 1, 1], "zoom": 11},
        {"type": "resume", "epoch": "k3x", "offset": 118},
        {"type": "unsubscribe"},
        {"type": "token", "token": "eyJ"},
    )  # fmt: skip
    plain = {name: value for name, value in _FIX.items() if name != "seq"}
    collection = {"type": "FeatureCollection", "features": _FEATURES}
    return {
        "device_text": [
            *map(
                orjson.dumps, (_FIX, {"fixes": [_FIX, plain | {"seq": 8}]}, {"type": "token", "token": "eyJ"})
            )
        ],
        "device_binary": [_device_records()],
        "live_command": [*map(orjson.dumps, commands)],
        "map_frame": [
            _map_frame(wire.KIND_POSITIONS, wire.POSITION_COLUMNS),
            _map_frame(wire.KIND_CLUSTERS, wire.CLUSTER_COLUMNS),
        ],
        "osmand_query": _frames("/osmand", ""),
        "osmand_form": [*_frames("/osmand", ""), *_frames("/osmand", "application/x-www")],
        "osmand_json": _frames("/osmand", "application/json"),
        "owntracks": _frames("/owntracks", "application/json"),
        "overland": _frames("/overland", "application/json"),
        "plain_fixes": [*_frames("/v1/fixes", "application/json"), orjson.dumps({"fixes": [_FIX]})],
        "gzip_body": [gzip.compress(b"x" * size, mtime=0) for size in (0, 10, 100_000)],
        "geojson": [orjson.dumps(collection)],
        "geojson_lines": [b"\n".join(map(orjson.dumps, _FEATURES)), b"\x1e" + orjson.dumps(_FEATURES[2])],
        "kml": [_KML.encode()],
        "gpx": [_GPX.encode()],
        "wkt": [_WKT],
        "polyline": [b"5_p~iF~ps|U_ulLnnqC_mqNvxq`@", b"~_p~iF~ps|U", b"5"],
        "token": [jwt.encode(claims, SECRET, algorithm="HS256").encode() for claims in (_CLAIMS, _VIEWER)],
        "claims": [*map(orjson.dumps, (_CLAIMS, _VIEWER))],
        "rule": [*map(orjson.dumps, _RULES)],
        "schedule": [orjson.dumps(_HOURS)],
        "attributes": [orjson.dumps(_FIX["attributes"])],
    }


def seeds() -> Mapping[str, Sequence[bytes]]:
    """By the names of `DECODERS`: good input, and what was once found (`tests/fuzz/found/<decoder>/`)."""
    return {
        name: [*made, *(file.read_bytes() for file in sorted((FOUND / name).glob("*")))]
        for name, made in _made().items()
    }
