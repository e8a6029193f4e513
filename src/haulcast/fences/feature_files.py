"""GeoJSON, KML, GPX and WKT files of anybody's making, as the features that `/v1/fences:import` takes."""

import gzip
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from haulcast.doors.request_fields import MOST_ID_CHARACTERS, MOST_NAME_CHARACTERS
from haulcast.errors import RequestError
from haulcast.fences.fence_features import METRES, POLYLINE
from haulcast.fences.gpx_routes import gpx_features
from haulcast.fences.kml_documents import kml_features
from haulcast.fences.wkt_lines import wkt_features


@dataclass(frozen=True, slots=True)
class Naming:
    """How fences get their names and what they share."""

    name_property: str = "name"
    tags: tuple[str, ...] = ()
    radius_m: float | None = None  # of points that say none
    width_m: float | None = None  # of lines that say none


_OTHER_KINDS = {".gpx": gpx_features, ".kml": kml_features, ".kmz": kml_features, ".wkt": wkt_features}


def read_features(file: Path) -> list[Any]:
    """The features of a file, plain or gzip: KML (`.kml`, `.kmz`), GPX (`.gpx`), WKT lines (`.wkt`), else GeoJSON.

    Raises:
        RequestError: it cannot be read, or is not what its name says.
    """
    try:
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        suffix = Path(file.name.lower().removesuffix(".gz")).suffix
        if suffix in _OTHER_KINDS:
            return _OTHER_KINDS[suffix](content)
        document = orjson.loads(content)
    except (OSError, EOFError) as error:
        raise RequestError("bad_file", f"{file} cannot be read: {error}") from error
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_file", f"{file} is not JSON: {error}") from error
    except RequestError as error:
        raise RequestError(error.code, f"{file}: {error}") from error
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "Feature":
        return [document]
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        return list(document["features"])
    raise RequestError("bad_file", f"{file} is neither a GeoJSON FeatureCollection nor a Feature")


def fence_features(features: Sequence[Any], naming: Naming) -> Iterator[Any]:
    """Each feature with an id of its own, a name, and its other properties as attributes.

    The id is the feature's own, else made of its name, else of its place; a second one of the same id gets `-2`, and so on.
    The same features give the same ids. What is no feature passes as it is, for the hub to name the fault.
    """
    unclaimed = {str(f["id"]) for f in features if isinstance(f, dict) and f.get("id") is not None}
    taken, counts = set(unclaimed), dict[str, int]()
    for index, feature in enumerate(features):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties") or {}, dict):
            yield feature
            continue
        properties = dict(feature.get("properties") or {})
        name = _plain(properties.pop(naming.name_property, None))
        stated = feature.get("id")
        wanted = str(stated) if stated is not None else _slug(name) or f"fence-{index + 1}"
        if stated is not None and wanted in unclaimed:  # the first feature that states an id has it
            fence_id = wanted
            unclaimed.remove(wanted)
        else:
            fence_id = _unique(wanted, taken, counts)
        yield {
            "type": "Feature",
            "id": fence_id,
            "geometry": feature.get("geometry"),
            "properties": _properties(properties, name or fence_id, feature.get("geometry"), naming),
        }


def _properties(properties: dict[str, Any], name: str, geometry: Any, naming: Naming) -> Mapping[str, Any]:
    metres = {measure: properties.pop(measure, None) for measure in METRES}
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    kept = {}
    if geometry is None:
        kept = {member: properties.pop(member) for member in POLYLINE if member in properties}
        kind = "LineString" if kept else None
    for measure, (_, kinds) in METRES.items():
        if metres[measure] is None and kind in kinds:
            metres[measure] = getattr(naming, measure)
    return {
        "name": name[:MOST_NAME_CHARACTERS],
        "tags": list(naming.tags),
        "attributes": properties,
        **kept,
        **{measure: value for measure, value in metres.items() if value is not None},
    }


def _unique(wanted: str, taken: set[str], counts: dict[str, int]) -> str:
    """The wanted id, or with the next number behind it; `taken` grows, `counts` says where the numbers stand."""
    fence_id = wanted
    while fence_id in taken:
        counts[wanted] = counts.get(wanted, 1) + 1
        fence_id = f"{wanted}-{counts[wanted]}"
    taken.add(fence_id)
    return fence_id


def _plain(name: Any) -> str:
    """A name without control characters and doubled spaces."""
    return "" if name is None else " ".join("".join(c if c.isprintable() else " " for c in str(name)).split())


def _slug(name: str) -> str:
    """Small letters and digits of any script, joined by single hyphens."""
    letters = (c for c in unicodedata.normalize("NFKD", name).lower() if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() else " " for c in letters).split()
    return "-".join(words)[: MOST_ID_CHARACTERS - 10].strip("-")
