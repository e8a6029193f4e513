"""KML (OGC 07-147r2) as GeoJSON features: each Placemark with its name, its geometry and its ExtendedData.

Folders, styles, network links and altitudes are passed over. Nothing is judged here: what a Placemark has wrong (a coordinate
that is no number, a kind of geometry no fence can have) stands in its feature, for the check of all features to name.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element  # the type only: defusedxml parses

from haulcast.errors import RequestError
from haulcast.fences.xml_documents import kind_of, number_or_text, root_of

MOST_DOCUMENT_BYTES = 64 * 2**20

_LINEAR = {"LineString": "MultiLineString", "Polygon": "MultiPolygon"}
_GEOMETRIES = frozenset({*_LINEAR, "Point", "LinearRing", "MultiGeometry", "Model", "Track", "MultiTrack"})
_METRES = frozenset({"radius_m", "width_m"})


def kml_features(content: bytes) -> list[Any]:
    """The Placemarks of a KML document, or of a KMZ archive's first one. Blocks.

    Raises:
        RequestError: not KML, or with a document type or entities of its own, which are refused.
    """
    root = root_of(_document(content), "KML", {"kml", "Document", "Folder", "Placemark"})
    return [_feature(element) for element in root.iter() if kind_of(element) == "Placemark"]


def _document(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = next((name for name in archive.namelist() if name.lower().endswith(".kml")), None)
            if name is None:
                raise RequestError("bad_kml", "the KMZ archive holds no .kml")
            with archive.open(name) as file:
                document = file.read(MOST_DOCUMENT_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise RequestError("bad_kml", f"the KMZ archive cannot be read: {error}") from error
    if len(document) > MOST_DOCUMENT_BYTES:
        raise RequestError(
            "bad_kml", f"{name} in the KMZ archive is larger than {MOST_DOCUMENT_BYTES // 2**20} MiB"
        )
    return document


def _feature(placemark: Element) -> dict[str, Any]:
    properties = dict(_extended_data(placemark))
    name = next((child.text for child in placemark if kind_of(child) == "name"), None)
    if name is not None:
        properties["name"] = name
    return {"type": "Feature", "geometry": _geometry(placemark), "properties": properties}


def _extended_data(placemark: Element) -> Iterator[tuple[str, Any]]:
    """Both ways of writing it: Data with a value in it, and SchemaData with SimpleData."""
    for element in placemark.iter():
        name = element.get("name")
        if name is None or kind_of(element) not in {"Data", "SimpleData"}:
            continue
        value = element
        if kind_of(element) == "Data":
            value = next((child for child in element if kind_of(child) == "value"), element)
        text = (value.text or "").strip()
        yield name, number_or_text(text) if name in _METRES else text


def _geometry(placemark: Element) -> dict[str, Any] | None:
    """One kind of geometry, several of one kind as its Multi, else a type that says what there is."""
    parts, waiting = [], list(placemark)
    while waiting:
        element = waiting.pop(0)
        if kind_of(element) == "MultiGeometry":
            waiting = [*element, *waiting]
        elif kind_of(element) in _GEOMETRIES:
            parts.append((kind_of(element), _coordinates(element)))
    if not parts:
        return None
    kinds = sorted({kind for kind, _ in parts})
    if len(parts) == 1:
        return {"type": kinds[0], "coordinates": parts[0][1]}
    if len(kinds) == 1 and kinds[0] in _LINEAR:
        return {"type": _LINEAR[kinds[0]], "coordinates": [coordinates for _, coordinates in parts]}
    return {"type": f"MultiGeometry of {', '.join(kinds)}", "coordinates": []}


def _coordinates(geometry: Element) -> Any:
    if kind_of(geometry) == "Polygon":
        outer, inner = (
            [_positions(ring) for boundary in geometry if kind_of(boundary) == side for ring in boundary]
            for side in ("outerBoundaryIs", "innerBoundaryIs")
        )
        return [*outer, *inner] if outer else []
    positions = _positions(geometry)
    return (positions[0] if positions else []) if kind_of(geometry) == "Point" else positions


def _positions(element: Element) -> list[Any]:
    """The tuples of its coordinates: numbers joined by commas, tuples by white space, which some writers also put after commas."""
    text = next((child.text or "" for child in element if kind_of(child) == "coordinates"), "")
    tuples = re.sub(r"\s*,\s*", ",", text).split()
    return [[number_or_text(number) for number in numbers.split(",")] for numbers in tuples]
