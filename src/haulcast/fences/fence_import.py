"""Many features in one request: as a FeatureCollection, or one feature a line (newline-delimited GeoJSON).

Parsing a large JSON text holds Python's interpreter lock, and with it every tick, from its first byte to its last. So a
collection has to be smaller than lines, which are parsed one by one in a thread.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from geo.fence_area import Area
from haulcast.doors.request_fields import MOST_ID_CHARACTERS, checked_object
from haulcast.errors import ClientError, RequestError, TooLargeError
from haulcast.fences.fence_features import fence_of_feature
from haulcast.fences.fence_store import FenceDraft

MOST_COLLECTION_BYTES = 16 * 2**20  # about 0.1 s to parse
MOST_LINES_BYTES = 256 * 2**20
MOST_FEATURES = 100_000
MOST_ERRORS_SHOWN = 100
LINES_MEDIA_TYPES = ("application/geo+json-seq", "application/x-ndjson")  # the first is RFC 8142


@dataclass(slots=True)
class ImportedFences:
    """What could be read, and what was wrong with the rest."""

    fences: list[tuple[FenceDraft, Area]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Of the first hundred wrong features: index, id (where there is one), code, reason, field."""
    wrong: int = 0


def read_collection(body: bytes, *, repair: bool) -> ImportedFences:
    """The fences of a FeatureCollection. Blocks: call it in a thread.

    Raises:
        RequestError: not a FeatureCollection.
        TooLargeError: too many features.
    """
    collection = checked_object(_parsed(body), "body")
    features = collection.get("features")
    if collection.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise RequestError(
            "wrong_type", "the body has to be a FeatureCollection with a list of features", field="features"
        )
    return _read(features, repair=repair)


def read_lines(body: bytes, *, repair: bool) -> ImportedFences:
    """The fences of lines of one feature each; a record separator may precede each (RFC 8142). Blocks.

    Raises:
        TooLargeError: too many features.
    """
    lines = [text for line in body.split(b"\n") if (text := line.strip(b"\x1e \t\r"))]
    return _read(lines, repair=repair)


def _read(features: list[Any], *, repair: bool) -> ImportedFences:
    if len(features) > MOST_FEATURES:
        raise TooLargeError(
            "too_many_features",
            f"these are {len(features)} features; allowed are {MOST_FEATURES} in one request",
        )
    read = ImportedFences()
    seen: dict[str, int] = {}
    for index, given in enumerate(features):
        feature: Any = None
        try:
            feature = _parsed(given) if isinstance(given, bytes) else given
            draft, area = fence_of_feature(feature, repair=repair)
            if draft.fence_id in seen:
                raise RequestError("same_id", f"feature {seen[draft.fence_id]} has the same id", field="id")
        except ClientError as error:
            read.wrong += 1
            if read.wrong <= MOST_ERRORS_SHOWN:
                fence_id = str(feature.get("id"))[:MOST_ID_CHARACTERS] if isinstance(feature, dict) else None
                read.errors.append({"index": index, "id": fence_id, **error.as_fields()})
        else:
            seen[draft.fence_id] = index
            read.fences.append((draft, area))
    return read


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"not JSON: {error}") from error
