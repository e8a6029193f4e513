"""A track as GPX 1.1 (https://www.topografix.com/GPX/1/1/); speed and course in Garmin's TrackPointExtension v2."""

import math
from xml.sax.saxutils import escape

from haulcast.doors.time_fields import iso_texts
from haulcast.reports.track_pieces import TrackPiece

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="Haulcast" xmlns="http://www.topografix.com/GPX/1/1" \
xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.topografix.com/GPX/1/1 http://www.topografix.com/GPX/1/1/gpx.xsd \
http://www.garmin.com/xmlschemas/TrackPointExtension/v2 http://www8.garmin.com/xmlschemas/TrackPointExtensionv2.xsd">
<trk><name>{name}</name>
"""
_EXTENSIONS = "<extensions><gpxtpx:TrackPointExtension>{}</gpxtpx:TrackPointExtension></extensions>"


class GpxTrack:
    """See `TrackEncoder`. One `trk` named by the vehicle, a `trkseg` each segment."""

    media_type = "application/gpx+xml"
    file_ending: str | None = "gpx"

    def __init__(self, vehicle: str) -> None:
        self._vehicle = vehicle
        self._is_open = False

    def head(self) -> bytes:
        """See `TrackEncoder`."""
        return _HEAD.format(name=escape(self._vehicle)).encode()

    def add(self, piece: TrackPiece) -> bytes:
        """See `TrackEncoder`."""
        fixes, lines = piece.fixes, []
        rows = zip(
            piece.begins.tolist(), iso_texts(fixes.time_ms), fixes.lat_deg.tolist(), fixes.lon_deg.tolist(),
            fixes.altitude_m.tolist(), fixes.speed_mps.tolist(), fixes.heading_deg.tolist(), strict=True,
        )  # fmt: skip
        for begins, time, lat, lon, altitude_m, speed_mps, heading_deg in rows:
            if begins:
                lines.append("</trkseg>\n<trkseg>" if self._is_open else "<trkseg>")
                self._is_open = True
            lon = -180.0 if lon == 180.0 else lon  # noqa: PLW2901 - longitudeType ends before 180
            height = f"<ele>{_decimal(altitude_m)}</ele>" if math.isfinite(altitude_m) else ""
            motion = f"<gpxtpx:speed>{_decimal(speed_mps)}</gpxtpx:speed>" if math.isfinite(speed_mps) else ""
            if 0.0 <= heading_deg < 360.0:
                motion += f"<gpxtpx:course>{_decimal(heading_deg)}</gpxtpx:course>"
            more = _EXTENSIONS.format(motion) if motion else ""
            where = f'lat="{_decimal(lat)}" lon="{_decimal(lon)}"'
            lines.append(f"<trkpt {where}>{height}<time>{time}</time>{more}</trkpt>")
        return "".join(f"{line}\n" for line in lines).encode()

    def tail(self) -> bytes:
        """See `TrackEncoder`."""
        return b"</trkseg>\n</trk>\n</gpx>\n" if self._is_open else b"</trk>\n</gpx>\n"


def _decimal(value: float) -> str:
    """Without an exponent, which xsd:decimal has not."""
    text = repr(value)
    return f"{value:.12f}" if "e" in text else text
