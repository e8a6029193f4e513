"""A track as CSV (RFC 4180): a fix a line, units in the names of the columns, unknown is empty."""

import csv
import io

import numpy as np

from haulcast.doors.time_fields import iso_texts
from haulcast.reports.report_fields import known_or_none
from haulcast.reports.track_pieces import TrackPiece

COLUMNS = (
    "segment", "time", "time_ms", "seq", "lat_deg", "lon_deg", "altitude_m", "speed_mps", "heading_deg", "accuracy_m",
    "received_ms", "attributes",
)  # fmt: skip
_NUMBERS = ("lat_deg", "lon_deg", "altitude_m", "speed_mps", "heading_deg", "accuracy_m")


class CsvTrack:
    """See `TrackEncoder`. `segment` counts from 0; `attributes` is the JSON object that the device sent."""

    media_type = "text/csv; charset=utf-8; header=present"
    file_ending: str | None = "csv"

    def __init__(self) -> None:
        self._segment = -1

    def head(self) -> bytes:
        """See `TrackEncoder`."""
        return (",".join(COLUMNS) + "\r\n").encode()

    def add(self, piece: TrackPiece) -> bytes:
        """See `TrackEncoder`."""
        fixes = piece.fixes
        segments = self._segment + np.cumsum(piece.begins)
        self._segment = int(segments[-1]) if len(segments) else self._segment
        columns = {
            **{name: known_or_none(getattr(fixes, name)) for name in _NUMBERS},
            "segment": segments.tolist(),
            "time": iso_texts(fixes.time_ms),
            "time_ms": fixes.time_ms.tolist(),
            "seq": [None if seq < 0 else seq for seq in fixes.seq.tolist()],
            "received_ms": fixes.received_ms.tolist(),
            "attributes": [fixes.attributes.get(i, b"").decode() for i in range(len(fixes))],
        }
        text = io.StringIO(newline="")
        rows = zip(*(columns[name] for name in COLUMNS), strict=True)
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        return text.getvalue().encode()

    def tail(self) -> bytes:
        """See `TrackEncoder`."""
        return b""
