"""The simulated fleet."""

import numpy as np
import pytest

from haulcast.simulation import Fleet, bay_roads

ROADS = bay_roads()


def tracks(fleet: Fleet, seconds: int, step_s: float = 1.0) -> dict[str, np.ndarray]:
    """Every vehicle's fix after each step, as arrays of steps x vehicles."""
    everyone = np.arange(fleet.size)
    rows = []
    for _ in range(round(seconds / step_s)):
        fleet.advance(step_s)
        rows.append(fleet.fixes(everyone))
    return {
        name: np.array([getattr(row, name) for row in rows])
        for name in ("lat_deg", "lon_deg", "speed_mps", "heading_deg")
    }


def hops_m(track: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """East and north metres between consecutive fixes (equirectangular, good at this size)."""
    north = np.diff(track["lat_deg"], axis=0) * 111_195.0
    east = np.diff(track["lon_deg"], axis=0) * 111_195.0 * np.cos(np.radians(track["lat_deg"][1:]))
    return east, north


def test_the_same_seed_drives_the_same_trips() -> None:
    """Fixes repeat to the last bit with the seed and differ with another."""
    first, again, other = (tracks(Fleet(ROADS, 20, seed), 120) for seed in (5, 5, 6))
    for name, column in first.items():
        assert (column == again[name]).all()
        assert (column != other[name]).any()


def test_nothing_jumps_or_speeds() -> None:
    """Over an hour no vehicle hops more than 40 m in a second, or reports a speed over 30 m/s."""
    track = tracks(Fleet(ROADS, 200, 1), 3600)
    assert np.hypot(*hops_m(track)).max() < 40
    assert track["speed_mps"].min() >= 0
    assert track["speed_mps"].max() < 30
    assert np.abs(np.diff(track["speed_mps"], axis=0)).max() <= 3.5  # no harder braking than a truck's


def test_heading_is_where_the_vehicle_goes() -> None:
    """At speed, the reported heading and the course over ground differ by a few degrees only."""
    track = tracks(Fleet(ROADS, 100, 2), 1200)
    east, north = hops_m(track)
    fast = (track["speed_mps"][1:] > 15) & (track["speed_mps"][:-1] > 15)
    course = np.degrees(np.arctan2(east, north))
    off_deg = np.abs((course - track["heading_deg"][1:] + 180) % 360 - 180)[fast]
    assert np.percentile(off_deg, 90) < 10
    assert ((track["heading_deg"] >= 0) & (track["heading_deg"] < 360)).all()


def test_vehicles_stop_and_go_on_to_the_next_stop() -> None:
    """In two hours most vehicles stand still for a while and drive again, somewhere else."""
    track = tracks(Fleet(ROADS, 100, 3), 7200)
    stands = track["speed_mps"] == 0
    starts_again = (stands[:-1] & ~stands[1:]).sum(axis=0)
    assert np.median(starts_again) >= 2
    assert 0.02 < stands.mean() < 0.4


def test_it_stays_around_the_bay_and_within_its_stops() -> None:
    """All fixes lie around the nodes' box; with a box, trips end at its stops only."""
    track = tracks(Fleet(ROADS, 100, 4), 1800)
    assert ROADS.lat_deg.min() - 0.01 < track["lat_deg"].min()
    assert track["lat_deg"].max() < ROADS.lat_deg.max() + 0.01
    stops = ROADS.nodes_in((-122.55, 37.6, -122.35, 37.83))
    fleet = Fleet(ROADS, 50, 4, stops)
    tracks(fleet, 1800)
    assert np.isin(fleet.destination, stops).all()


def test_fewer_than_two_stops_are_refused() -> None:
    """A trip needs a start and an end."""
    with pytest.raises(ValueError, match="two"):
        Fleet(ROADS, 1, 1, ROADS.nodes_in((0, 0, 1, 1)))


def test_every_way_of_the_network_ends() -> None:
    """Following the first edges from any node reaches any other in fewer steps than there are nodes."""
    size = len(ROADS.names)
    at, to = (grid.ravel() for grid in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    for _ in range(size):
        edge = ROADS.next_edge[at, to]
        at = np.where(edge < 0, at, ROADS.end[edge])
    assert (at == to).all()


def test_the_step_length_hardly_matters() -> None:
    """The mean speed of a fleet is the same at steps of 0.1 s and 1 s, to five percent."""
    fine, coarse = (tracks(Fleet(ROADS, 100, 9), 600, step)["speed_mps"].mean() for step in (0.1, 1.0))
    assert fine == pytest.approx(coarse, rel=0.05)
