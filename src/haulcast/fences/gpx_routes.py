"""GPX 1.0 and 1.1 (topografix.com/GPX) as GeoJSON features: each route a LineString, each track a MultiLineString of its segments.

Where a route's point holds the way to the next one (Garmin's `rpt`), that is part of the line. Waypoints, times and altitudes are
passed over. Nothing is judged here: what a point has wrong stands in its feature, for the check of all features to name.
"""

from typing import Any
from xml.etree.ElementTree import Element  # the type only: defusedxml parses

from haulcast.errors import RequestError
from haulcast.fences.xml_documents import kind_of, number_or_text, root_of

_ROUTE_POINTS = frozenset({"rtept", "rpt"})
_TEXTS = ("cmt", "desc", "src", "number", "type")


def gpx_features(content: bytes) -> list[Any]:
    """The routes and tracks of a GPX document, in its order. One without a name has the document's. Blocks.

    Raises:
        RequestError: not GPX, without a route or track, or with a document type or entities of its own, which are refused.
    """
    root = root_of(content, "GPX", {"gpx"})
    metadata = next((child for child in root if kind_of(child) == "metadata"), root)
    title = _text(metadata, "name")
    lines = [element for element in root if kind_of(element) in {"rte", "trk"}]
    if not lines:
        waypoints = sum(kind_of(element) == "wpt" for element in root)
        raise RequestError(
            "bad_gpx", f"the GPX has no route (rte) and no track (trk), only {waypoints} waypoints"
        )
    return [_feature(element, title) for element in lines]


def _feature(element: Element, title: str) -> dict[str, Any]:
    texts = {kind: _text(element, kind) for kind in _TEXTS}
    properties = {kind: text for kind, text in texts.items() if text}
    name = _text(element, "name") or title
    if name:
        properties["name"] = name
    return {"type": "Feature", "geometry": _geometry(element), "properties": properties}


def _geometry(element: Element) -> dict[str, Any]:
    if kind_of(element) == "rte":
        points = [_position(point) for point in element.iter() if kind_of(point) in _ROUTE_POINTS]
        return {"type": "LineString", "coordinates": points}
    segments = [
        [_position(point) for point in segment if kind_of(point) == "trkpt"]
        for segment in element
        if kind_of(segment) == "trkseg"
    ]
    return {"type": "MultiLineString", "coordinates": segments}


def _position(point: Element) -> list[Any]:
    texts = (point.get("lon"), point.get("lat"))
    return [None if text is None else number_or_text(text) for text in texts]


def _text(element: Element, kind: str) -> str:
    return next((child.text or "" for child in element if kind_of(child) == kind), "").strip()
