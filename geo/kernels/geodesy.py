"""Distances on the WGS 84 ellipsoid, and circles on it.

A path's length on the ellipsoid over its length in angle on the sphere of the same latitudes lies between the least and the greatest
radius of curvature: b^2/a (meridian at the equator) and a^2/b (at the poles). So the angle alone decides all but the band of
1 % around a circle's edge, and only there Vincenty's formula is needed.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

A_M = 6378137.0
F = 1.0 / 298.257223563
B_M = A_M * (1.0 - F)
E2 = F * (2.0 - F)
LEAST_RADIUS_M = B_M * B_M / A_M
GREATEST_RADIUS_M = A_M * A_M / B_M

RAD = math.pi / 180.0
_ITERATIONS = 100
_CONVERGED = 1e-13
_FALSI_STEPS = 60
_NEWTON_STEPS = 4
_CLOSE_M = 1e-3

# columns of a circle's row: unit vector, squared chords below/above which the angle decides, centre in degrees, radius in metres
CHORD2_IN = 3
CHORD2_OUT = 4
LAT = 5
LON = 6
RADIUS = 7
CIRCLE_COLUMNS = 8


@njit(cache=True, nogil=True)
def unit_vector(lat_deg: float, lon_deg: float) -> tuple[float, float, float]:
    """x, y, z on the sphere."""
    lat = lat_deg * RAD
    lon = lon_deg * RAD
    c = math.cos(lat)
    return c * math.cos(lon), c * math.sin(lon), math.sin(lat)


@njit(cache=True, nogil=True)
def turned(sine: float, cosine: float, by_rad: float) -> tuple[float, float]:
    """Sine and cosine of an angle that is further by up to 1e-3, by five terms of their series: the sixth is below 1e-20."""
    square = by_rad * by_rad
    sine_by = by_rad * (1.0 - square / 6.0 * (1.0 - square / 20.0))
    cosine_by = 1.0 - square / 2.0 * (1.0 - square / 12.0)
    return sine * cosine_by + cosine * sine_by, cosine * cosine_by - sine * sine_by


@njit(cache=True, nogil=True)
def short_way(difference_deg: float) -> float:
    """A difference of two longitudes in [-180, 180] as the shorter turn."""
    if difference_deg > 180.0:
        return difference_deg - 360.0
    return difference_deg + 360.0 if difference_deg < -180.0 else difference_deg


@njit(cache=True, nogil=True)
def geodesic_distance_m(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Length of the shortest path on WGS 84 in metres; for points less than 19,000 km apart.

    Vincenty (1975), "Direct and inverse solutions of geodesics on the ellipsoid", Survey Review 23 (176), equations 13 to 18 and
    3, 4, 6, 10, 19; doi 10.1179/sre.1975.23.176.88. Error below 0.1 mm. It does not converge near the antipode.
    """
    if lat1_deg == lat2_deg and lon1_deg == lon2_deg:
        return 0.0
    u1 = math.atan((1.0 - F) * math.tan(lat1_deg * RAD))
    u2 = math.atan((1.0 - F) * math.tan(lat2_deg * RAD))
    su1, cu1, su2, cu2 = math.sin(u1), math.cos(u1), math.sin(u2), math.cos(u2)
    difference = short_way(lon2_deg - lon1_deg) * RAD
    lon = difference
    sin_s = cos_s = s = cos2_alpha = cos_2m = 0.0
    for _ in range(_ITERATIONS):
        sin_l, cos_l = math.sin(lon), math.cos(lon)
        sin_s = math.hypot(cu2 * sin_l, cu1 * su2 - su1 * cu2 * cos_l)
        if sin_s == 0.0:
            return 0.0
        cos_s = su1 * su2 + cu1 * cu2 * cos_l
        s = math.atan2(sin_s, cos_s)
        sin_alpha = cu1 * cu2 * sin_l / sin_s
        cos2_alpha = 1.0 - sin_alpha * sin_alpha
        cos_2m = cos_s - 2.0 * su1 * su2 / cos2_alpha if cos2_alpha > 0.0 else 0.0
        c = F / 16.0 * cos2_alpha * (4.0 + F * (4.0 - 3.0 * cos2_alpha))
        turn = s + c * sin_s * (cos_2m + c * cos_s * (2.0 * cos_2m * cos_2m - 1.0))
        before = lon
        lon = difference + (1.0 - c) * F * sin_alpha * turn
        if abs(lon - before) < _CONVERGED:
            break
    k2 = cos2_alpha * (A_M * A_M - B_M * B_M) / (B_M * B_M)
    a = 1.0 + k2 / 16384.0 * (4096.0 + k2 * (-768.0 + k2 * (320.0 - 175.0 * k2)))
    b = k2 / 1024.0 * (256.0 + k2 * (-128.0 + k2 * (74.0 - 47.0 * k2)))
    inner = cos_s * (2.0 * cos_2m * cos_2m - 1.0)
    inner -= b / 6.0 * cos_2m * (4.0 * sin_s * sin_s - 3.0) * (4.0 * cos_2m * cos_2m - 3.0)
    return B_M * a * (s - b * sin_s * (cos_2m + b / 4.0 * inner))


NEAR_M = 20_000.0
"""Up to here `near_distance_m` is exact to 0.1 mm."""

_MIDDLE_RADIUS_M = 0.5 * (LEAST_RADIUS_M + GREATEST_RADIUS_M)


@njit(cache=True, nogil=True)
def surface_point(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Geocentric coordinates in metres of the point on WGS 84 whose normal is the unit vector x, y, z."""
    n = A_M / math.sqrt(1.0 - E2 * z * z)
    return n * x, n * y, n * (1.0 - E2) * z


@njit(cache=True, nogil=True)
def near_distance_m(x0: float, y0: float, z0: float, x1: float, y1: float, z1: float) -> float:
    """Geodesic distance of two surface points by their chord c: c + c^3 / 24 R^2, for points up to `NEAR_M` apart.

    The radius of curvature R differs by at most 0.5 % from the one used here, so the error is below 1 % of the second term.
    """
    chord = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2 + (z1 - z0) ** 2)
    return chord + chord * chord * chord / (24.0 * _MIDDLE_RADIUS_M * _MIDDLE_RADIUS_M)


@njit(cache=True, nogil=True)
def describe_circle(lat_deg: float, lon_deg: float, radius_m: float, row: NDArray[np.float64]) -> None:
    """Fills a circle's row, float64[CIRCLE_COLUMNS]; the chords keep a margin for rounding."""
    row[0], row[1], row[2] = unit_vector(lat_deg, lon_deg)
    chord_in = 2.0 * math.sin(min(math.pi, radius_m / GREATEST_RADIUS_M) / 2.0)
    chord_out = 2.0 * math.sin(min(math.pi, radius_m / LEAST_RADIUS_M) / 2.0)
    row[CHORD2_IN] = max(0.0, chord_in * (1.0 - 1e-6) - 1e-14) ** 2
    row[CHORD2_OUT] = (chord_out * (1.0 + 1e-6) + 1e-14) ** 2
    row[LAT] = lat_deg
    row[LON] = lon_deg
    row[RADIUS] = radius_m


@njit(cache=True, nogil=True)
def in_circle(
    circles: NDArray[np.float64], row: int, lat_deg: float, lon_deg: float, x: float, y: float, z: float
) -> bool:
    """Whether a position, given also as its unit vector, is at most the radius of a circle away from its centre."""
    chord2 = (x - circles[row, 0]) ** 2 + (y - circles[row, 1]) ** 2 + (z - circles[row, 2]) ** 2
    if chord2 <= circles[row, CHORD2_IN]:
        return True
    if chord2 > circles[row, CHORD2_OUT]:
        return False
    return bool(
        geodesic_distance_m(circles[row, LAT], circles[row, LON], lat_deg, lon_deg) <= circles[row, RADIUS]
    )


@njit(cache=True, nogil=True)
def circle_hold(circles: NDArray[np.float64], row: int, x: float, y: float, z: float) -> float:
    """How far, in radians, a position, given as its unit vector, may move without `in_circle` becoming another; 0 in the band of 1 %.

    The chord between two positions is no longer than the arc; 1e-12 (6 um) is for rounding.
    """
    chord2 = (x - circles[row, 0]) ** 2 + (y - circles[row, 1]) ** 2 + (z - circles[row, 2]) ** 2
    if chord2 <= circles[row, CHORD2_IN]:
        return math.sqrt(circles[row, CHORD2_IN]) - math.sqrt(chord2) - 1e-12
    if chord2 > circles[row, CHORD2_OUT]:
        return math.sqrt(chord2) - math.sqrt(circles[row, CHORD2_OUT]) - 1e-12
    return 0.0


@njit(cache=True, nogil=True)
def beyond_m(circle: NDArray[np.float64], x0: float, y0: float, dx: float, dy: float, t: float) -> float:
    """How far outside a circle the path is at t; negative inside. The sign is exact, small values to 0.1 mm."""
    lat, lon = y0 + t * dy, short_way(x0 + t * dx)
    radius = float(circle[RADIUS])
    if radius <= NEAR_M:
        px, py, pz = unit_vector(lat, lon)
        px, py, pz = surface_point(px, py, pz)
        cx, cy, cz = surface_point(circle[0], circle[1], circle[2])
        beyond = near_distance_m(cx, cy, cz, px, py, pz) - radius
        if abs(beyond) > _CLOSE_M or 0.0 < t < 1.0:
            return beyond
    return geodesic_distance_m(circle[LAT], circle[LON], lat, lon) - radius


@njit(cache=True, nogil=True)
def _flat_start(
    circle: NDArray[np.float64], x0: float, y0: float, dx: float, dy: float, leaves: bool
) -> tuple[float, float]:
    """Where a path would meet the circle, and how many metres it would gain on it per unit there, were the ellipsoid flat around the centre."""
    cos_lat = math.hypot(circle[0], circle[1])
    bend = 1.0 - E2 * circle[2] * circle[2]
    north = math.radians(A_M / math.sqrt(bend))
    east, north = north * cos_lat, north * (1.0 - E2) / bend
    px, py, vx, vy = east * short_way(x0 - circle[LON]), north * (y0 - circle[LAT]), east * dx, north * dy
    a, b, c = vx * vx + vy * vy, px * vx + py * vy, px * px + py * py - circle[RADIUS] ** 2
    root = math.sqrt(max(0.0, b * b - a * c))
    if a == 0.0 or root == 0.0:
        return -1.0, 1.0
    return (root - b if leaves else -root - b) / a, (root if leaves else -root) / circle[RADIUS]


@njit(cache=True, nogil=True)
def circle_fraction(circle: NDArray[np.float64], x0: float, y0: float, dx: float, dy: float) -> float:
    """Where a path with one end outside and one inside meets a circle; -1 when both ends are on one side.

    To 1 mm. Of small circles by Newton steps from the flat solution; else, and where these lead astray, by regula falsi, Illinois variant: Dowell
    and Jarratt (1971), doi 10.1007/BF01934364.
    """
    t0, t1 = 0.0, 1.0
    f0, f1 = beyond_m(circle, x0, y0, dx, dy, t0), beyond_m(circle, x0, y0, dx, dy, t1)
    if (f0 > 0.0) == (f1 > 0.0):
        return -1.0
    if circle[RADIUS] <= NEAR_M:
        t, gain = _flat_start(circle, x0, y0, dx, dy, f1 > 0.0)
        for _ in range(_NEWTON_STEPS):
            if not 0.0 <= t <= 1.0:
                break
            f = beyond_m(circle, x0, y0, dx, dy, t)
            if abs(f) < _CLOSE_M:
                return t
            t -= f / gain
    t = t1
    for _ in range(_FALSI_STEPS):
        t = t1 - f1 * (t1 - t0) / (f1 - f0)
        f = beyond_m(circle, x0, y0, dx, dy, t)
        if abs(f) < _CLOSE_M:
            break
        if (f > 0.0) != (f1 > 0.0):
            t0, f0 = t1, f1
        else:
            f0 *= 0.5
        t1, f1 = t, f
    return t
