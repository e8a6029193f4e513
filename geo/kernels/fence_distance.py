"""Whether a point is near a fence's boundary, in metres."""

import math

from numba import njit

from geo.kernels.fence_blocks import next_block
from geo.kernels.fence_cover import BLOCK, Shapes
from geo.kernels.geodesy import A_M, E2, LAT, LON, RADIUS, geodesic_distance_m
from geo.kernels.rings import ring_at


@njit(cache=True, nogil=True)
def metres_per_degree(lat_deg: float) -> tuple[float, float]:
    """Towards the east and the north, from WGS 84's radii of curvature."""
    bend = 1.0 - E2 * math.sin(math.radians(lat_deg)) ** 2
    east = math.radians(A_M) / math.sqrt(bend)
    return east * max(math.cos(math.radians(lat_deg)), 1e-9), east * (1.0 - E2) / bend


@njit(cache=True, nogil=True)
def _reaches(ax: float, ay: float, bx: float, by: float, reach_m: float) -> bool:
    """Whether the segment a-b passes the origin within `reach_m`; all in metres."""
    dx, dy = bx - ax, by - ay
    long2 = dx * dx + dy * dy
    t = 0.0 if long2 == 0.0 else min(1.0, max(0.0, -(ax * dx + ay * dy) / long2))
    return bool(math.hypot(ax + t * dx, ay + t * dy) <= reach_m)


@njit(cache=True, nogil=True)
def _is_ring_within(shapes: Shapes, fence: int, lat: float, lon: float, reach_m: float) -> bool:
    rings, vertices = shapes.rings, shapes.vertices
    east_m, north_m = metres_per_degree(lat)
    wide, high = reach_m / east_m, reach_m / north_m
    first_ring, stop_ring = shapes.first_ring[fence], shapes.first_ring[fence + 1]
    first, stop = rings[first_ring], rings[stop_ring]
    box = lon - wide, lat - high, lon + wide, lat + high
    stop_block = (stop - 1) // BLOCK + 1
    block = next_block(shapes, first // BLOCK, stop_block, *box)
    while block < stop_block:
        start = max(first, block * BLOCK)
        ring = ring_at(rings, first_ring, stop_ring, start)
        for i in range(start, min(stop, (block + 1) * BLOCK)):
            if i + 1 == rings[ring + 1]:  # the last vertex of a ring begins no segment
                ring += 1
                continue
            ax, ay = (vertices[i, 0] - lon) * east_m, (vertices[i, 1] - lat) * north_m
            bx, by = (vertices[i + 1, 0] - lon) * east_m, (vertices[i + 1, 1] - lat) * north_m
            if _reaches(ax, ay, bx, by, reach_m):
                return True
        block = next_block(shapes, block + 1, stop_block, *box)
    return False


@njit(cache=True, nogil=True)
def is_boundary_within(shapes: Shapes, fence: int, lat: float, lon: float, distance_m: float) -> bool:
    """Whether a fence's boundary comes as near to a place as `distance_m`, some kilometres at most.

    Of a circle by geodesics, of rings on the plane that touches WGS 84 at the place. The edge along 180 degrees, where a fence that goes over it is cut, counts:
    being near it decides nothing that is not decided soon after.
    """
    if shapes.circle[fence] >= 0:
        circle = shapes.circles[shapes.circle[fence]]
        apart = geodesic_distance_m(circle[LAT], circle[LON], lat, lon)
        return bool(abs(apart - circle[RADIUS]) <= distance_m)
    if _is_ring_within(shapes, fence, lat, lon, distance_m):
        return True
    turned = lon - math.copysign(360.0, lon)
    near_180 = 180.0 - abs(lon) <= distance_m / metres_per_degree(lat)[0]
    return bool(near_180 and _is_ring_within(shapes, fence, lat, turned, distance_m))
