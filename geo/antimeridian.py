"""Rings over the antimeridian and around a pole, cut so that every longitude lies in [-180, 180].

RFC 7946 (3.1.9) asks for areas that are already cut. Many are not, so two more ways of writing are understood:

- longitudes beyond 180 (up to 360 either way): 170, 190 is 20 degrees wide;
- two consecutive vertices more than 180 degrees apart: the edge goes the short way, over the antimeridian. (Who means the
  long way puts a vertex between.) Exactly from 180 to -180 or back it is left alone, as the edge of an area that spans the world.

A ring that so ends one turn from where it began goes around a pole: the one of the hemisphere that most of its vertices lie in.
"""

from collections.abc import Callable

import numpy as np
import shapely
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""float64[n, 2], longitude and latitude, closed."""

_TURN = 360.0
_WORLD = shapely.box(-180, -90, 180, 90)


def unrolled(ring: Ring) -> Ring:
    """The ring without jumps: each vertex less than half a turn from the one before. Its end may be a turn from its start."""
    step = np.diff(ring[:, 0])
    over = (np.abs(step) > _TURN / 2) & (np.abs(step) < _TURN)
    if not over.any():
        return ring
    turns = np.concatenate([[0], np.cumsum(np.where(over, -np.sign(step), 0))])
    return np.column_stack([ring[:, 0] + _TURN * turns, ring[:, 1]])


def _closed_over_pole(ring: Ring) -> Ring:
    pole = 90.0 if np.median(ring[:, 1]) >= 0 else -90.0
    return np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])


def cut_polygon(
    shell: Ring, holes: list[Ring], checked: Callable[[shapely.Geometry], shapely.Geometry]
) -> list[shapely.Polygon]:
    """A polygon's pieces inside [-180, 180]; when it lies there, the polygon as it is, not checked.

    Args:
        shell: the outer ring.
        holes: the others.
        checked: returns a valid form of a geometry that is to be cut, or raises.
    """
    rings = [unrolled(ring) for ring in (shell, *holes)]
    rings = [ring if ring[0, 0] == ring[-1, 0] else _closed_over_pole(ring) for ring in rings]
    if all(np.abs(ring[:, 0]).max() <= _TURN / 2 for ring in rings):
        return [shapely.Polygon(rings[0], rings[1:])]
    whole, *without = (_everywhere(checked(shapely.Polygon(ring))) for ring in rings)
    for hole in without:
        whole = whole.difference(hole)
    return _parts_within_world(whole)


def cut_area(area: shapely.Geometry) -> list[shapely.Polygon]:
    """A valid area's pieces inside [-180, 180], whatever turn its longitudes are in."""
    west, _, east, _ = area.bounds
    within = west >= -_TURN / 2 and east <= _TURN / 2
    return list(shapely.get_parts(area)) if within else _parts_within_world(_everywhere(area))


def _parts_within_world(area: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(area.intersection(_WORLD)) if part.geom_type == "Polygon"]


def _everywhere(area: shapely.Geometry) -> shapely.Geometry:
    """The area and its copies turns away, as far as the world needs them."""
    west, _, east, _ = area.bounds
    turns = range(int((-_TURN / 2 - east) // _TURN), int((_TURN / 2 - west) // _TURN) + 1)
    return shapely.union_all(
        [shapely.transform(area, lambda xy, t=turn: xy + np.array([_TURN * t, 0.0])) for turn in turns]
    )
