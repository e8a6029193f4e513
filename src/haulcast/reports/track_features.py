"""A track as GeoJSON (RFC 7946), and as trajectory of OGC Moving Features JSON (OGC 19-045r3), which is GeoJSON with times.

A feature is a line of at most a portion of fixes, so that no reader or writer needs the whole; a segment that is longer goes on in
the next feature with the fix that the one before ended with. A line also ends where it would cross the antimeridian (RFC 7946,
3.1.9). What is left alone is a point.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from geo.positions import COLUMNS, PositionBatch, concatenate, from_columns, position_batch
from haulcast.doors.time_fields import iso_texts
from haulcast.reports.track_pieces import TrackPiece

_MOTION = ("speed_mps", "heading_deg", "accuracy_m")


class GeojsonTrack:
    """See `TrackEncoder`. Times and motion stand in `properties`, beside the coordinates."""

    media_type = "application/geo+json"
    file_ending: str | None = None

    def __init__(self, vehicle: str, *, iso: bool) -> None:
        self._vehicle = vehicle
        self._iso = iso
        self._held = position_batch(0)  # the last fix
        self._is_shown = False  # in a line
        self._segment = -1
        self._features = 0

    def head(self) -> bytes:
        """See `TrackEncoder`."""
        return b'{"type":"FeatureCollection","features":['

    def add(self, piece: TrackPiece) -> bytes:
        """See `TrackEncoder`."""
        fixes, begins = self._told_apart(piece)
        if not len(fixes):
            return b""
        held = len(self._held)
        whole = concatenate([part for part in (self._held, fixes) if len(part)])
        starts = np.concatenate([np.zeros(held, np.bool_), begins])
        segment = self._segment + np.cumsum(starts)
        dlon = np.abs(np.diff(whole.lon_deg))
        starts[1:] |= dlon > 180.0
        bounds = [0, *(np.flatnonzero(starts[1:]) + 1).tolist(), len(whole)]
        features = []
        for start, stop in pairwise(bounds):
            is_last, is_single = stop == len(whole), stop - start == 1
            if not is_single or not (is_last or (start == 0 and self._is_shown)):
                features.append(self._feature(whole.take(np.arange(start, stop)), int(segment[start])))
        self._is_shown = bounds[-1] - bounds[-2] > 1
        self._held = whole.take(np.array([len(whole) - 1]))
        self._segment = int(segment[-1])
        return self._joined(features)

    def tail(self) -> bytes:
        """See `TrackEncoder`."""
        alone = len(self._held) and not self._is_shown
        return self._joined([self._feature(self._held, self._segment)] if alone else []) + b"]}\n"

    def _told_apart(self, piece: TrackPiece) -> TrackPiece:
        """The piece without what this format cannot say; its attributes are among that."""
        return TrackPiece(from_columns(getattr(piece.fixes, name) for name in COLUMNS), piece.begins)

    def _joined(self, features: list[dict[str, Any]]) -> bytes:
        lead = b"," if self._features else b""
        self._features += len(features)
        return lead * bool(features) + b",".join(
            orjson.dumps(feature, option=orjson.OPT_SERIALIZE_NUMPY) for feature in features
        )

    def _feature(self, fixes: PositionBatch, segment: int) -> dict[str, Any]:
        has_height = bool(np.isfinite(fixes.altitude_m).all())
        names = ("lon_deg", "lat_deg", "altitude_m") if has_height else ("lon_deg", "lat_deg")
        coordinates = np.column_stack([getattr(fixes, name) for name in names])
        geometry: dict[str, Any] = {"type": "LineString", "coordinates": coordinates}
        if len(fixes) == 1:
            geometry = {"type": "Point", "coordinates": coordinates[0]}
        return {"type": "Feature", "geometry": geometry, "properties": self._properties(fixes, segment)}

    def _properties(self, fixes: PositionBatch, segment: int) -> dict[str, Any]:
        times = {"time": iso_texts(fixes.time_ms)} if self._iso else {"time_ms": fixes.time_ms}
        motion = {name: getattr(fixes, name) for name in _MOTION if np.isfinite(getattr(fixes, name)).any()}
        return {"vehicle": self._vehicle, "segment": segment, **times, **motion}


class MovingFeaturesTrack(GeojsonTrack):
    """See `TrackEncoder`. A trajectory of OGC 19-045r3: `datetimes`, strictly increasing, beside the coordinates.

    Of fixes with the same time the first one is taken.
    """

    def __init__(self, vehicle: str) -> None:
        super().__init__(vehicle, iso=True)

    def _told_apart(self, piece: TrackPiece) -> TrackPiece:
        piece = super()._told_apart(piece)
        time_ms = np.concatenate([self._held.time_ms, piece.fixes.time_ms])
        is_new = np.ones(len(time_ms), np.bool_)
        is_new[1:] = np.diff(time_ms) > 0
        index = np.flatnonzero(is_new[len(self._held) :])
        return TrackPiece(piece.fixes.take(index), piece.begins[index])

    def _properties(self, fixes: PositionBatch, segment: int) -> dict[str, Any]:
        found = super()._properties(fixes, segment)
        return {"datetimes": found.pop("time"), "name": self._vehicle, **found}
