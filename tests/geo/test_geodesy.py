"""Distances against geographiclib, which computes them another way."""

from geographiclib.geodesic import Geodesic
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from geo.geodesy import geodesic_distance_m

lats, lons = st.floats(-90, 90), st.floats(-180, 180)


@settings(deadline=None)
@given(lats, lons, lats, lons)
def test_distance_is_that_of_the_ellipsoid(lat1, lon1, lat2, lon2):
    """Distances up to 19,000 km agree to a tenth of a millimetre, poles and antimeridian included."""
    expected = Geodesic.WGS84.Inverse(lat1, lon1, lat2, lon2)["s12"]
    assume(expected < 19_000_000)
    assert abs(geodesic_distance_m(lat1, lon1, lat2, lon2) - expected) < 1e-4


@settings(deadline=None)
@given(lats, lons, st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3))
def test_short_distances_keep_their_precision(lat, lon, north, east):
    """Neighbours within 150 m agree to a micrometre."""
    assume(abs(lat + north) <= 90)
    expected = Geodesic.WGS84.Inverse(lat, lon, lat + north, lon + east)["s12"]
    assert abs(geodesic_distance_m(lat, lon, lat + north, lon + east) - expected) < 1e-6
