"""Well-known text (OGC 06-103r4, 7), one geometry a line, as GeoJSON features.

A line may begin with a name and a tab; `SRID=4326;` may stand before the geometry. The text is put into GeoJSON's lists as it
is, so that the check of all features names what is wrong in it, with the place, and repairs what can be repaired.
"""

import re
from typing import Any

import orjson

from haulcast.errors import RequestError

_LINE = re.compile(
    r"(?:SRID\s*=\s*(?P<srid>\d+)\s*;)?\s*(?P<kind>[A-Z]+)(?:\s*\b(?:ZM|Z|M)\b)?\s*(?P<rest>\(.*\)|EMPTY)",
    re.IGNORECASE,
)
_KINDS = {
    kind.upper(): kind for kind in ("Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
}


def wkt_features(content: bytes) -> list[Any]:
    """The geometries of a text's lines; empty lines and those that begin with `#` are passed over. Blocks.

    Raises:
        RequestError: not UTF-8, or a line that is no WKT or in other coordinates than WGS 84; it names the line.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RequestError("bad_wkt", f"not UTF-8: {error.reason} at byte {error.start}") from error
    return [
        _feature(line, number)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]


def _feature(line: str, number: int) -> dict[str, Any]:
    name, tab, text = line.rpartition("\t")
    place = f"line {number} ({name.strip()[:80]})" if tab and name.strip() else f"line {number}"
    read = _LINE.fullmatch(text.strip())
    if read is None:
        raise RequestError("bad_wkt", f"{place} is no WKT: {text.strip()[:80]!r}")
    if read["srid"] not in {None, "4326"}:
        raise RequestError("bad_wkt", f"{place}: SRID is {read['srid'][:20]}; allowed is 4326")
    properties = {"name": name.strip()} if tab and name.strip() else {}
    kind = _KINDS.get(read["kind"].upper(), read["kind"].upper())
    geometry: dict[str, Any] = {"type": kind, "coordinates": []}
    if kind in _KINDS.values() and read["rest"].upper() != "EMPTY":
        geometry["coordinates"] = _coordinates(read["rest"], kind, place)
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _coordinates(text: str, kind: str, place: str) -> Any:
    listed = re.sub(r"[^(),]+", _position, text).replace("(", "[").replace(")", "]")
    try:
        coordinates = orjson.loads(listed)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "bad_wkt", f"{place} is no WKT: its parentheses and commas do not match: {text[:80]!r}"
        ) from error
    return coordinates[0] if kind == "Point" and coordinates else coordinates


def _position(found: re.Match[str]) -> str:
    numbers = found[0].split()
    return orjson.dumps([_number(text) for text in numbers]).decode() if numbers else ""


def _number(text: str) -> Any:
    """The number, or the text as it is."""
    try:
        return float(text)
    except ValueError:
        return text
