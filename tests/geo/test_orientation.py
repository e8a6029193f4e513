"""Sides of a line against exact rational arithmetic."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from geo.orientation import Point, orientation

degrees = st.floats(-180, 180).map(lambda x: round(x, 12))
points = st.tuples(degrees, degrees)


def exact(a: Point, b: Point, p: Point) -> int:
    (ax, ay), (bx, by), (px, py) = (map(Fraction, xy) for xy in (a, b, p))
    det = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return (det > 0) - (det < 0)


@settings(deadline=None)
@given(points, points, points)
def test_the_side_is_exact(a, b, p):
    """Any three points give the sign of the exact determinant."""
    assert orientation(a, b, p) == exact(a, b, p)


@settings(deadline=None)
@given(points, points, st.integers(0, 2**30).map(lambda i: i / 2**30), st.integers(-2, 2))
def test_the_side_is_exact_next_to_the_line(a, b, t, nudge):
    """Points computed to lie on the line, and a few units beside it, are told apart."""
    p = (a[0] + t * (b[0] - a[0]), (a[1] + t * (b[1] - a[1])) * (1 + nudge * 2.0**-52))
    assert orientation(a, b, p) == exact(a, b, p)
