"""Aggregates: every vehicle is counted once, in a cell that the view shows."""

import h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_client import WORLD, MapHub, holds

from haulcast.live_map.clusters import grown_box, resolution_at


def test_the_sum_is_the_number_of_vehicles():
    """Over the world the counts add up to the vehicles, at every zoom, while they move."""
    hub = MapHub()
    rng = np.random.default_rng(0)
    clients = [hub.client(is_binary=bool(zoom % 2)) for zoom in range(7)]
    for zoom, client in enumerate(clients):
        client.subscribe(WORLD, zoom=zoom)
    for _ in range(5):
        lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), rng.uniform(-180, 180, 300)
        hub.place({("acme", f"acme_{i}"): (lat[i], lon[i], 10.0, 0.0) for i in range(300)})
        hub.settle(*clients)
        for zoom, client in enumerate(clients):
            assert sum(row["count"] for row in client.held.values()) == 300
            assert client.resolution == resolution_at(zoom)
            assert all(row["speed_mps"] == 10 for row in client.held.values())


@settings(max_examples=300, deadline=None)
@given(
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 179.999),
    west=st.floats(-180, 180),
    east=st.floats(-180, 180),
    south_north=st.tuples(st.floats(-90, 90), st.floats(-90, 90)).map(sorted),
    resolution=st.integers(0, 5),
)
def test_a_vehicle_in_the_view_is_in_a_cell_that_is_shown(lat, lon, west, east, south_north, resolution):
    """The grown box holds the centre of the cell of every point in the box, at the poles and the antimeridian too."""
    box = (west, south_north[0], east, south_north[1])
    lat = min(max(lat, box[1]), box[3])
    if not holds(box, lat, lon):
        lon = west
    centre = h3.cell_to_latlng(h3.latlng_to_cell(lat, lon, resolution))
    assert holds(grown_box(box, resolution), *centre, slack=1e-9)


def test_resolution_grows_with_the_zoom():
    """Finer cells the closer one looks, never finer than their number needs room for."""
    resolutions = [resolution_at(zoom / 10) for zoom in range(241)]
    assert resolutions == sorted(resolutions)
    assert (resolutions[0], resolutions[60], resolutions[240]) == (0, 3, 15)


def test_an_empty_cell_disappears():
    """When the last vehicle leaves a cell the cell is gone; mean speed leaves unknown speeds out."""
    hub = MapHub()
    client = hub.client()
    client.subscribe(WORLD, zoom=6)
    hub.place(
        {
            ("acme", "a"): (10, 10, 4.0, 0.0),
            ("acme", "b"): (10, 10, np.nan, 0.0),
            ("acme", "c"): (10, 10, 7.0, 0.0),
        }
    )
    hub.settle(client)
    assert [(row["count"], row["speed_mps"]) for row in client.held.values()] == [(3, 5.5)]
    hub.place({("acme", name): (50, 10, np.nan, 0.0) for name in "abc"})
    hub.settle(client)
    assert [(row["count"], row["speed_mps"]) for row in client.held.values()] == [(3, None)]
    assert len(client.frames[-1].gone) == 1


@pytest.mark.parametrize("rate_hz", [2.0, 10.0])
def test_aggregates_come_at_their_own_rate(rate_hz):
    """However fast vehicles move, clusters are counted at most `cluster_rate_hz` times a second, and the last change comes."""
    hub = MapHub(cluster_rate_hz=rate_hz)
    client = hub.client()
    client.subscribe(WORLD, zoom=2)
    for tick in range(500):
        hub.clock.advance(20)
        hub.place({("acme", "a"): (tick % 50, tick % 70, 1.0 + tick, 0.0)})
        client.read()
    assert 8 * rate_hz <= len(client.frames) <= 10 * rate_hz + 2
    hub.settle(client)
    assert client.held.keys() == {h3.latlng_to_cell(499 % 50, 499 % 70, client.resolution)}


def test_unseen_clusters_are_not_counted():
    """When the last one who looks leaves or zooms in, the resolution's picture goes."""
    hub = MapHub()
    client = hub.client()
    client.subscribe(WORLD, zoom=2)
    hub.put(acme_a=(1, 1))
    hub.settle(client)
    fleet_map = hub.fan_out._maps[0]
    assert list(fleet_map._clusters) == [resolution_at(2)]
    client.move(WORLD, zoom=12)
    assert not fleet_map._clusters
    hub.settle(client)
    assert client.held.keys() == {"acme_a"}
