"""Stops and trips as JSON."""

from typing import Any

import numpy as np

from geo.stay_points import STILL
from geo.trips import Part
from haulcast.doors.time_fields import time_member


def part_document(part: Part, *, iso: bool) -> dict[str, Any]:
    """A stop with its place, or a trip with its way; `docs/reading.md` has the members."""
    begin_ms, end_ms = int(part.begin.time_ms[0]), int(part.end.time_ms[0])
    document = {
        **time_member("begin", begin_ms, iso=iso),
        **time_member("end", end_ms, iso=iso),
        "duration_s": (end_ms - begin_ms) / 1000,
        "is_open": part.is_open,
        "fixes": part.legs + 1,
    }
    if part.kind == STILL:
        lat, lon = part.middle
        return {
            **document,
            "lat": round(lat, 7),
            "lon": round(lon, 7),
            "longest_gap_s": part.longest_ms / 1000,
        }
    return {
        **document,
        "from": {"lat": float(part.begin.lat_deg[0]), "lon": float(part.begin.lon_deg[0])},
        "to": {"lat": float(part.end.lat_deg[0]), "lon": float(part.end.lon_deg[0])},
        "distance_km": round(part.length_m / 1000, 3),
        "driving_s": part.driving_ms / 1000,
        "idling_s": part.idling_ms / 1000,
        **({} if np.isnan(part.speed_mps) else {"maximum_speed_mps": part.speed_mps}),
    }
