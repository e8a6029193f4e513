"""KML (OGC 07-147r2) as GeoJSON features: each Placemark with its name, its geometry and its ExtendedData.

Folders, styles, network links and altitudes are passed over. Nothing is judged here: what a Placemark has wrong (a coordinate
that is no number, a kind of geometry no fence can have) stands in its feature, for the check of all features to name.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # the types only: defusedxml parses

from defusedxml import DefusedXmlException, ElementTree

from haulcast.errors import RequestError

MOST_DOCUMENT_BYTES = 64 * 2**20

_LINEAR = {"LineString": "MultiLineString", "Polygon": "MultiPolygon"}
_GEOMETRIES = frozenset({*_LINEAR, "Point", "LinearRing", "MultiGeometry", "Model", "Track", "MultiTrack"})
_METRES = frozenset({"radius_m", "width_m"})


def kml_features(content: bytes) -> list[Any]:
    """The Placemarks of a KML document, or of a KMZ archive's first one. Blocks.

    Raises:
        RequestError: not KML, or with a document type or entities of its own, which are refused.
    """
    try:
        root = ElementTree.fromstring(_document(content), forbid_dtd=True)
    except DefusedXmlException as error:
        raise RequestError(
            "bad_kml", "the KML declares a document type or entities; allowed is plain KML"
        ) from error
    except (ParseError, LookupError, ValueError) as error:
        raise RequestError("bad_kml", f"not XML: {error}") from error
    if _kind(root) not in {"kml", "Document", "Folder", "Placemark"}:
        raise RequestError("bad_kml", f"not KML: the root element is {_kind(root)[:80]!r}")
    return [_feature(element) for element in root.iter() if _kind(element) == "Placemark"]


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
    name = next((child.text for child in placemark if _kind(child) == "name"), None)
    if name is not None:
        properties["name"] = name
    return {"type": "Feature", "geometry": _geometry(placemark), "properties": properties}


def _extended_data(placemark: Element) -> Iterator[tuple[str, Any]]:
    """Both ways of writing it: Data with a value in it, and SchemaData with SimpleData."""
    for element in placemark.iter():
        name = element.get("name")
        if name is None or _kind(element) not in {"Data", "SimpleData"}:
            continue
        value = element
        if _kind(element) == "Data":
            value = next((child for child in element if _kind(child) == "value"), element)
        text = (value.text or "").strip()
        yield name, _number(text) if name in _METRES else text


def _geometry(placemark: Element) -> dict[str, Any] | None:
    """One kind of geometry, several of one kind as its Multi, else a type that says what there is."""
    parts, waiting = [], list(placemark)
    while waiting:
        element = waiting.pop(0)
        if _kind(element) == "MultiGeometry":
            waiting = [*element, *waiting]
        elif _kind(element) in _GEOMETRIES:
            parts.append((_kind(element), _coordinates(element)))
    if not parts:
        return None
    kinds = sorted({kind for kind, _ in parts})
    if len(parts) == 1:
        return {"type": kinds[0], "coordinates": parts[0][1]}
    if len(kinds) == 1 and kinds[0] in _LINEAR:
        return {"type": _LINEAR[kinds[0]], "coordinates": [coordinates for _, coordinates in parts]}
    return {"type": f"MultiGeometry of {', '.join(kinds)}", "coordinates": []}


def _coordinates(geometry: Element) -> Any:
    if _kind(geometry) == "Polygon":
        outer, inner = (
            [_positions(ring) for boundary in geometry if _kind(boundary) == side for ring in boundary]
            for side in ("outerBoundaryIs", "innerBoundaryIs")
        )
        return [*outer, *inner] if outer else []
    positions = _positions(geometry)
    return (positions[0] if positions else []) if _kind(geometry) == "Point" else positions


def _positions(element: Element) -> list[Any]:
    """The tuples of its coordinates: numbers joined by commas, tuples by white space, which some writers also put after commas."""
    text = next((child.text or "" for child in element if _kind(child) == "coordinates"), "")
    tuples = re.sub(r"\s*,\s*", ",", text).split()
    return [[_number(number) for number in numbers.split(",")] for numbers in tuples]


def _number(text: str) -> Any:
    """The number, or the text as it is."""
    try:
        return float(text)
    except ValueError:
        return text


def _kind(element: Element) -> str:
    """The element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
