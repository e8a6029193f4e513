"""Which side of a line a point lies on, as GEOS has it. The face of `geo.kernels.orientation`."""

from geo.kernels import orientation as kernel

Point = tuple[float, float]


def orientation(a: Point, b: Point, p: Point) -> int:
    """1 when p lies left of the line from a to b, -1 when right, 0 on it; right also where rounding would mislead."""
    return int(kernel.orientation(*a, *b, *p))
