"""Stored areas read back: a hundred thousand at each start, so all polygons of a portion in one call."""

from collections.abc import Sequence

import numpy as np
import orjson
import shapely
import structlog

from geo.fence_area import Area, AreaError, checked_area
from haulcast.fences.fence_store import StoredArea

_POLYGONAL = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)

_log = structlog.get_logger()


def areas_of(portion: Sequence[StoredArea]) -> list[tuple[StoredArea, Area]]:
    """The area of each stored fence. Blocks: call it in a thread.

    They were checked before they were stored; one that somebody has since broken by hand is left out, and the log says why.
    """
    shapes = shapely.from_geojson([stored.area for stored in portion], on_invalid="ignore")
    west, south, east, north = shapely.bounds(shapes).T
    on_earth = (west >= -180) & (south >= -90) & (east <= 180) & (north <= 90)  # false where empty: NaN
    usable = on_earth & np.isin(shapely.get_type_id(shapes), _POLYGONAL) & shapely.is_valid(shapes)
    areas = []
    for stored, shape, is_usable in zip(portion, shapes, usable, strict=True):
        area = shape if is_usable else _other_area(stored)
        if area is not None:
            areas.append((stored, area))
    return areas


def _other_area(stored: StoredArea) -> Area | None:
    """A circle or a corridor, or nothing."""
    try:
        return checked_area(orjson.loads(stored.area), repair=False)
    except AreaError as error:
        _log.error("stored_fence_unusable", fleet=stored.fleet, fence=stored.fence_id, reason=str(error))
        return None
