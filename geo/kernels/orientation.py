"""On which side of a directed line a point lies, decided as GEOS decides it, so that answers equal shapely's bit for bit.

A filter with an error bound first, then double-double arithmetic: `CGAlgorithmsDD::orientationIndex` of GEOS. Filter: Ozaki, Bünger,
Ogita, Oishi, Rump (2016), doi 10.1007/s10543-015-0574-9. Arithmetic: Dekker (1971), doi 10.1007/BF01397083; Knuth, TAOCP 2, 4.2.2.
"""

from numba import njit

_SAFE_EPSILON = 1e-15
_SPLIT = 134217729.0  # 2^27 + 1, Dekker's constant for 53 bits


@njit(cache=True, nogil=True)
def _sign(value: float) -> int:
    return (1 if value > 0.0 else 0) - (1 if value < 0.0 else 0)


@njit(cache=True, nogil=True)
def _difference(a: float, b: float) -> tuple[float, float]:
    """A - b as high + low, exactly (Knuth's two-sum of a and -b)."""
    high = a - b
    e = high - a
    return high, (-b - e) + (a - (high - e))


@njit(cache=True, nogil=True)
def _product(ahi: float, alo: float, bhi: float, blo: float) -> tuple[float, float]:
    """Double-double product (Dekker's split)."""
    c = _SPLIT * ahi
    hx = c - (c - ahi)
    tx = ahi - hx
    c = _SPLIT * bhi
    hy = c - (c - bhi)
    ty = bhi - hy
    high = ahi * bhi
    low = ((((hx * hy - high) + hx * ty) + tx * hy) + tx * ty) + (ahi * blo + alo * bhi)
    total = high + low
    return total, low + (high - total)


@njit(cache=True, nogil=True)
def _sign_of_difference(ahi: float, alo: float, bhi: float, blo: float) -> int:
    """Sign of the double-double difference a - b."""
    s_high = ahi - bhi
    s_low = alo - blo
    e = s_high - ahi
    f = s_low - alo
    s = (-bhi - e) + (ahi - (s_high - e))
    t = (-blo - f) + (alo - (s_low - f))
    e = s + s_low
    high = s_high + e
    e = t + (e + (s_high - high))
    total = high + e
    low = e + (high - total)
    return _sign(total) if total != 0.0 else _sign(low)


@njit(cache=True, nogil=True)
def _exact_orientation(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    dx1, dx1_low = _difference(bx, ax)
    dy1, dy1_low = _difference(by, ay)
    dx2, dx2_low = _difference(px, bx)
    dy2, dy2_low = _difference(py, by)
    left, left_low = _product(dx1, dx1_low, dy2, dy2_low)
    right, right_low = _product(dy1, dy1_low, dx2, dx2_low)
    return _sign_of_difference(left, left_low, right, right_low)


@njit(cache=True, nogil=True)
def _orientation_step_by_step(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """As GEOS goes about it."""
    left = (ax - px) * (by - py)
    right = (ay - py) * (bx - px)
    det = left - right
    if left > 0.0:
        if right <= 0.0:
            return _sign(det)
        bound = left + right
    elif left < 0.0:
        if right >= 0.0:
            return _sign(det)
        bound = -left - right
    else:
        return _sign(det)
    if abs(det) >= _SAFE_EPSILON * bound:
        return _sign(det)
    return _exact_orientation(ax, ay, bx, by, px, py)


@njit(cache=True, nogil=True)
def orientation(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """1 when p lies left of the line from a to b, -1 when right, 0 on it.

    GEOS's filter in one comparison, which nearly always decides and so is predicted well; branches by sign would not be.
    """
    left = (ax - px) * (by - py)
    right = (ay - py) * (bx - px)
    det = left - right
    if abs(det) > _SAFE_EPSILON * (abs(left) + abs(right)):
        return 1 if det > 0.0 else -1
    return _orientation_step_by_step(ax, ay, bx, by, px, py)
