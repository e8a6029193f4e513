"""Where a straight way in longitude and latitude meets a fence's boundary."""

import math

from numba import njit

from geo.kernels.fence_blocks import next_block
from geo.kernels.fence_cover import BLOCK, Shapes
from geo.kernels.geodesy import circle_fraction, short_way
from geo.kernels.orientation import orientation
from geo.kernels.rings import ring_at


@njit(cache=True, nogil=True)
def _segment_fraction(
    x0: float, y0: float, x1: float, y1: float, ax: float, ay: float, bx: float, by: float, last: bool
) -> float:
    """Where on the path 0-1 the segment a-b, whose box meets the path's, is met, 0 to 1; -1 when it is not. Of a stretch in common, an end."""
    if orientation(x0, y0, x1, y1, ax, ay) * orientation(x0, y0, x1, y1, bx, by) > 0:
        return -1.0
    side0 = orientation(ax, ay, bx, by, x0, y0)
    side1 = orientation(ax, ay, bx, by, x1, y1)
    if side0 * side1 > 0:
        return -1.0
    dx, dy = x1 - x0, y1 - y0
    if side0 == 0 and side1 == 0:
        long2 = dx * dx + dy * dy
        if long2 == 0.0:
            return 0.0
        at_a = ((ax - x0) * dx + (ay - y0) * dy) / long2
        at_b = ((bx - x0) * dx + (by - y0) * dy) / long2
        met = max(at_a, at_b) if last else min(at_a, at_b)
        return min(1.0, max(0.0, met))
    if side0 == 0 or side1 == 0:
        return 0.0 if side0 == 0 else 1.0
    across0 = (bx - ax) * (y0 - ay) - (by - ay) * (x0 - ax)
    across1 = (bx - ax) * (y1 - ay) - (by - ay) * (x1 - ax)
    if across0 == across1:
        return 0.5  # both too near the segment for plain arithmetic, on opposite sides
    return float(min(1.0, max(0.0, across0 / (across0 - across1))))


@njit(cache=True, nogil=True)
def _polygon_fraction(
    shapes: Shapes, fence: int, x0: float, y0: float, x1: float, y1: float, last: bool, best: float
) -> float:
    """The first (or last) place on the path where a polygon's boundary is met, if it betters `best`; -1 is none yet."""
    rings, vertices = shapes.rings, shapes.vertices
    west, east, south, north = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    first_ring, stop_ring = shapes.first_ring[fence], shapes.first_ring[fence + 1]
    first, stop = rings[first_ring], rings[stop_ring]
    stop_block = (stop - 1) // BLOCK + 1
    block = next_block(shapes, first // BLOCK, stop_block, west, south, east, north)
    while block < stop_block:
        start = max(first, block * BLOCK)
        ring = ring_at(rings, first_ring, stop_ring, start)
        bx, by = vertices[start, 0], vertices[start, 1]
        for i in range(start + 1, min(stop, (block + 1) * BLOCK + 1)):
            ax, ay, bx, by = bx, by, vertices[i, 0], vertices[i, 1]
            if i == rings[ring + 1]:  # the last vertex of a ring begins no segment
                ring += 1
                continue
            beside = (ax < west) & (bx < west) | (ax > east) & (bx > east)
            if beside | (ay < south) & (by < south) | (ay > north) & (by > north):
                continue
            met = _segment_fraction(x0, y0, x1, y1, ax, ay, bx, by, last)
            if met >= 0.0 and (best < 0.0 or (met > best) == last):
                best = met
        block = next_block(shapes, block + 1, stop_block, west, south, east, north)
    return best


@njit(cache=True, nogil=True)
def crossing(shapes: Shapes, fence: int, x0: float, y0: float, x1: float, y1: float, last: bool) -> float:
    """Fraction of the short way from 0 to 1 at which the fence's boundary is met first or last; -1 when it is not."""
    dx = short_way(x1 - x0)
    if shapes.circle[fence] >= 0:
        return circle_fraction(shapes.circles[shapes.circle[fence]], x0, y0, dx, y1 - y0)
    end = x1 if dx == x1 - x0 else x0 + dx
    best = _polygon_fraction(shapes, fence, x0, y0, end, y1, last, -1.0)
    if abs(end) > 180.0:
        turn = math.copysign(360.0, end)
        best = _polygon_fraction(shapes, fence, x0 - turn, y0, x1, y1, last, best)
    return best
