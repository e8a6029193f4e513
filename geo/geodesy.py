"""Distances on the WGS 84 ellipsoid. The face of `geo.kernels.geodesy`."""

from geo.kernels import geodesy as kernel


def geodesic_distance_m(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """Length of the shortest path in metres, to 0.1 mm, for points less than 19,000 km apart (Vincenty 1975)."""
    return float(kernel.geodesic_distance_m(lat1_deg, lon1_deg, lat2_deg, lon2_deg))
