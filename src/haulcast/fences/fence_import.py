"""Many features in one request: a FeatureCollection, one feature a line (newline-delimited GeoJSON), KML, GPX, or WKT lines.

Parsing a large JSON text holds Python's interpreter lock, and with it every tick, from its first byte to its last. So a
collection has to be smaller than lines, which are parsed one by one in a thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import shapely

from geo.corridor import Corridor
from geo.fence_area import Area
from haulcast.doors.request_fields import MOST_ID_CHARACTERS, checked_object
from haulcast.errors import ClientError, RequestError, TooLargeError
from haulcast.fences.feature_files import Naming, fence_features
from haulcast.fences.fence_features import NO_SIZES, fence_of_feature
from haulcast.fences.fence_store import FenceDraft
from haulcast.fences.gpx_routes import gpx_features
from haulcast.fences.kml_documents import kml_features
from haulcast.fences.wkt_lines import wkt_features

MOST_COLLECTION_BYTES = 16 * 2**20  # about 0.1 s to parse
MOST_LINES_BYTES = 256 * 2**20
MOST_FEATURES = 100_000
MOST_OUTLINED = 5_000_000  # positions in the outlines of all corridors: a long, narrow one is some bytes and a second of work
MOST_ERRORS_SHOWN = 100
GPX_MEDIA_TYPE = "application/gpx+xml"
KML_MEDIA_TYPE = "application/vnd.google-earth.kml+xml"
WKT_MEDIA_TYPE = "text/plain"
LINES_MEDIA_TYPES = ("application/geo+json-seq", "application/x-ndjson")  # the first is RFC 8142


@dataclass(slots=True)
class ImportedFences:
    """What could be read, and what was wrong with the rest."""

    fences: list[tuple[FenceDraft, Area]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Of the first hundred wrong features: index, id (where there is one), code, reason, field."""
    wrong: int = 0


def read_collection(body: bytes, *, repair: bool, sizes: Mapping[str, float] = NO_SIZES) -> ImportedFences:
    """The fences of a FeatureCollection. Blocks: call it in a thread.

    Raises:
        RequestError: not a FeatureCollection.
        TooLargeError: too many features, or corridors of too many positions.
    """
    collection = checked_object(_parsed(body), "body")
    features = collection.get("features")
    if collection.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise RequestError(
            "wrong_type", "the body has to be a FeatureCollection with a list of features", field="features"
        )
    return _read(features, repair=repair, sizes=sizes)


def read_kml(body: bytes, *, repair: bool, sizes: Mapping[str, float] = NO_SIZES) -> ImportedFences:
    """The fences of a KML document's Placemarks, with ids made of their names. Blocks.

    Raises:
        RequestError: not KML, or with entities of its own.
        TooLargeError: too many features, or corridors of too many positions.
    """
    return _read(list(fence_features(kml_features(body), Naming())), repair=repair, sizes=sizes)


def read_gpx(body: bytes, *, repair: bool, sizes: Mapping[str, float] = NO_SIZES) -> ImportedFences:
    """The corridors of a GPX document's routes and tracks, with ids made of their names. Blocks.

    Raises:
        RequestError: not GPX, with entities of its own, or without a route or track.
        TooLargeError: too many features, or corridors of too many positions.
    """
    return _read(list(fence_features(gpx_features(body), Naming())), repair=repair, sizes=sizes)


def read_wkt(body: bytes, *, repair: bool, sizes: Mapping[str, float] = NO_SIZES) -> ImportedFences:
    """The fences of lines of WKT, with ids made of their names or places. Blocks.

    Raises:
        RequestError: a line is no WKT, or not in WGS 84.
        TooLargeError: too many features, or corridors of too many positions.
    """
    return _read(list(fence_features(wkt_features(body), Naming())), repair=repair, sizes=sizes)


def read_lines(body: bytes, *, repair: bool, sizes: Mapping[str, float] = NO_SIZES) -> ImportedFences:
    """The fences of lines of one feature each; a record separator may precede each (RFC 8142). Blocks.

    Raises:
        TooLargeError: too many features, or corridors of too many positions.
    """
    lines = [text for line in body.split(b"\n") if (text := line.strip(b"\x1e \t\r"))]
    return _read(lines, repair=repair, sizes=sizes)


def _read(features: list[Any], *, repair: bool, sizes: Mapping[str, float]) -> ImportedFences:
    if len(features) > MOST_FEATURES:
        raise TooLargeError(
            "too_many_features",
            f"these are {len(features)} features; allowed are {MOST_FEATURES} in one request",
        )
    read = ImportedFences()
    outlined = 0
    seen: dict[str, int] = {}
    for index, given in enumerate(features):
        feature: Any = None
        try:
            feature = _parsed(given) if isinstance(given, bytes) else given
            draft, area = fence_of_feature(feature, repair=repair, sizes=sizes)
            if draft.fence_id in seen:
                raise RequestError("same_id", f"feature {seen[draft.fence_id]} has the same id", field="id")
        except ClientError as error:
            read.wrong += 1
            if read.wrong <= MOST_ERRORS_SHOWN:
                stated = feature.get("id") if isinstance(feature, dict) else None
                fence_id = None if stated is None else str(stated)[:MOST_ID_CHARACTERS]
                read.errors.append({"index": index, "id": fence_id, **error.as_fields()})
        else:
            seen[draft.fence_id] = index
            read.fences.append((draft, area))
            outlined += shapely.get_num_coordinates(area.polygon) if isinstance(area, Corridor) else 0
            if outlined > MOST_OUTLINED:
                reason = f"the corridors up to feature {index} have {outlined} positions in their outlines; allowed are {MOST_OUTLINED}"
                raise TooLargeError("too_many_positions", f"{reason} in one request", field="width_m")
    return read


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"not JSON: {error}") from error


def reader_of(media_type: str) -> tuple[Callable[..., ImportedFences], int]:
    """What reads a body of this media type, and how many bytes it may have; what is unknown is read as a FeatureCollection."""
    if media_type in LINES_MEDIA_TYPES:
        return read_lines, MOST_LINES_BYTES
    readers = {GPX_MEDIA_TYPE: read_gpx, KML_MEDIA_TYPE: read_kml, WKT_MEDIA_TYPE: read_wkt}
    return readers.get(media_type, read_collection), MOST_COLLECTION_BYTES
