"""The simulated fleet: how it moves, where it stops, and what its devices report of it."""

import numpy as np
import pytest

from haulcast.simulation import Fleet, bay_places, bay_roads, make_roster
from haulcast.simulation.fleet import BREAK_S, DRIVING_S, GPS_ERRORS_M
from haulcast.simulation.places import SERVICE_S
from haulcast.simulation.traffic import local_hour, traffic_share

ROADS = bay_roads()
PLACES = bay_places(ROADS)
NIGHT_MS, RUSH_MS = 1_790_071_200_000, 1_790_121_600_000
"""3:00 and 17:00 of a Tuesday in California."""


def fleet_of(vehicles: int, seed: int, time_ms: int = NIGHT_MS) -> Fleet:
    return Fleet(ROADS, PLACES, make_roster(ROADS, PLACES, vehicles, seed), seed, time_ms)


def tracks(fleet: Fleet, seconds: int, step_s: float = 1.0) -> dict[str, np.ndarray]:
    """Every vehicle's fix after each step, as arrays of steps x vehicles."""
    everyone = np.arange(fleet.size)
    rows = []
    for _ in range(round(seconds / step_s)):
        fleet.advance(step_s)
        rows.append(fleet.fixes(everyone))
    return {
        name: np.array([getattr(row, name) for row in rows])
        for name in ("time_ms", "lat_deg", "lon_deg", "speed_mps", "heading_deg", "accuracy_m")
    }


def hops_m(track: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """East and north metres between consecutive fixes (equirectangular, good at this size)."""
    north = np.diff(track["lat_deg"], axis=0) * 111_195.0
    east = np.diff(track["lon_deg"], axis=0) * 111_195.0 * np.cos(np.radians(track["lat_deg"][1:]))
    return east, north


def test_the_same_seed_and_times_make_the_same_fixes() -> None:
    """Fixes repeat to the last bit with the seed and the times; with another seed, or at another hour, they differ."""
    first, again, other = (tracks(fleet_of(20, seed), 120) for seed in (5, 5, 6))
    for name, column in first.items():
        assert (column == again[name]).all()
        assert name == "time_ms" or (column != other[name]).any()
    assert (tracks(fleet_of(20, 5, RUSH_MS), 120)["lat_deg"] != first["lat_deg"]).any()


def test_nothing_jumps_or_speeds() -> None:
    """Over an hour no vehicle hops more than 40 m in a second, or reports a speed over 30 m/s."""
    track = tracks(fleet_of(200, 1), 3600)
    assert np.hypot(*hops_m(track)).max() < 40
    assert track["speed_mps"].min() >= 0
    assert track["speed_mps"].max() < 30
    assert np.abs(np.diff(track["speed_mps"], axis=0)).max() <= 3.5  # no harder braking than a truck's


def test_heading_is_where_the_vehicle_goes() -> None:
    """At speed, the reported heading and the course over ground differ by a few degrees only."""
    track = tracks(fleet_of(100, 2), 1200)
    east, north = hops_m(track)
    fast = (track["speed_mps"][1:] > 15) & (track["speed_mps"][:-1] > 15)
    course = np.degrees(np.arctan2(east, north))
    off_deg = np.abs((course - track["heading_deg"][1:] + 180) % 360 - 180)[fast]
    assert np.percentile(off_deg, 90) < 10
    assert ((track["heading_deg"] >= 0) & (track["heading_deg"] < 360)).all()


@pytest.mark.parametrize("time_ms", [NIGHT_MS, RUSH_MS], ids=["night", "rush"])
def test_speeds_keep_below_the_road_the_hour_and_the_driver(time_ms: int) -> None:
    """On each class of road nobody is faster than limit x traffic of the hour x pace, and most who drive are near that."""
    fleet = fleet_of(200, 3, time_ms)
    pace = np.array([entry.pace for entry in fleet.roster])
    shares: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for second in range(300):
        fleet.advance(1.0)
        flow = traffic_share(local_hour(time_ms + 1000 * second))[ROADS.road_class[fleet.edge]]
        allowed = ROADS.limit_mps[fleet.edge] * flow * pace
        assert (fleet.speed_mps <= allowed + 0.5).all()  # the last of the braking for a slower road
        for kind, seen in shares.items():
            is_driving = (ROADS.road_class[fleet.edge] == kind) & (fleet.waits_s == 0)
            seen.extend((fleet.speed_mps / allowed)[is_driving].tolist())
    for kind, seen in shares.items():
        assert np.median(seen) == pytest.approx(1.0, abs=0.02), kind
        assert np.percentile(seen, 98) < 1.02


def test_the_evening_rush_is_slower_than_the_night() -> None:
    """On highways and bridges a fleet that drives goes at about half its speed at 17:00."""
    means = []
    for time_ms in (NIGHT_MS, RUSH_MS):
        fleet = fleet_of(200, 4, time_ms)
        fleet.advance(1.0)
        drives = (fleet.waits_s == 0) & (ROADS.road_class[fleet.edge] < 2)
        means.append(np.median(fleet.speed_mps[drives]))
    assert 0.4 < means[1] / means[0] < 0.65


def test_vehicles_start_in_the_middle_of_it() -> None:
    """Most drive and few of them are near a stop; about a third are being served; none is on another's row."""
    fleet = fleet_of(300, 1)
    drives = fleet.waits_s == 0
    assert 0.6 < drives.mean() < 0.8
    lat, lon, _ = fleet.places(np.flatnonzero(drives))
    assert len(np.unique(np.round([lat, lon], 5), axis=1).T) > 0.95 * drives.sum()
    assert (fleet.speed_mps[drives] > 5).mean() > 0.9


def test_they_serve_their_stops_in_the_order_of_their_rounds() -> None:
    """Each goes to the stops of its round in turn, and stands at each for as long as such a place takes, or for a break."""
    fleet = fleet_of(60, 7)
    bounds = PLACES.service_s(len(ROADS.names))
    assert {tuple(row) for row in bounds.tolist()} == {*SERVICE_S.values(), (0.0, 0.0)}
    was, visits = fleet.destination.copy(), [[] for _ in range(fleet.size)]
    for _ in range(4 * 3600):
        fleet.advance(1.0)
        for row in np.flatnonzero(fleet.destination != was):
            low, high = bounds[was[row]]
            assert low - 1 <= fleet.waits_s[row] <= max(high, BREAK_S)
            visits[row].append(int(was[row]))
        was = fleet.destination.copy()
    assert np.median([len(stops) for stops in visits]) >= 4
    for entry, stops in zip(fleet.roster, visits, strict=True):
        assert stops[0] in entry.round
        first = entry.round.index(stops[0])
        assert stops == [entry.round[(first + i) % len(entry.round)] for i in range(len(stops))]


def test_nobody_drives_longer_than_the_hours_of_service_allow() -> None:
    """With nearly all of it used up, each has a break of half an hour at the next stop, and none ever passes 8 hours."""
    fleet = fleet_of(60, 8)
    fleet.driven_s[:] = DRIVING_S - 2.0 * 3600
    longest, is_rested = np.zeros(fleet.size), np.zeros(fleet.size, bool)
    for _ in range(2 * 3600 + 1800):
        before = fleet.driven_s.copy()
        fleet.advance(1.0)
        longest = np.maximum(longest, fleet.driven_s)
        rests = fleet.driven_s < before
        assert (fleet.waits_s[rests] >= BREAK_S - 1).all()
        is_rested |= rests
    assert longest.max() <= DRIVING_S
    assert is_rested.mean() > 0.9


def test_gps_errors_are_of_their_stated_size() -> None:
    """Along both axes the deviation is the receiver's, 68 % of the fixes lie within `accuracy_m`, and errors wander, they do not jump."""
    fleet = fleet_of(150, 9)
    everyone, errors = np.arange(fleet.size), []
    for _ in range(600):
        for _ in range(5):
            fleet.advance(1.0)
        fixes, (lat, lon, _) = fleet.fixes(everyone), fleet.places(everyone)
        north = (fixes.lat_deg - lat) * 111_195.0
        errors.append([north, (fixes.lon_deg - lon) * 111_195.0 * np.cos(np.radians(lat))])
    error = np.array(errors)  # times, axes, vehicles
    deviation = fixes.accuracy_m / 1.515
    assert (deviation >= GPS_ERRORS_M[0]).all()
    assert (deviation <= GPS_ERRORS_M[1]).all()
    assert np.median(error.std(axis=0) / deviation) == pytest.approx(1.0, abs=0.05)
    assert np.abs(error.mean(axis=0)).max() < 3.0
    within = np.hypot(error[:, 0], error[:, 1]) <= fixes.accuracy_m
    assert within.mean() == pytest.approx(0.68, abs=0.02)
    assert np.median(np.abs(np.diff(error, axis=0)) / deviation) < 0.6


def test_rosters_have_names_classes_and_passes() -> None:
    """Ids are unique, names speak, all classes come, and exactly those with a pass call at a port."""
    roster = make_roster(ROADS, PLACES, 300, 1)
    assert len({entry.vehicle_id for entry in roster}) == 300
    assert {entry.tags[0] for entry in roster} == {"van", "truck", "reefer", "tanker"}
    assert roster[0].name.startswith(f"{roster[0].tags[0].title()} 1, ")
    for entry in roster:
        assert len(entry.round) >= 2
        assert entry.round[0] in PLACES.depots
        assert ("port-pass" in entry.tags) == bool(set(entry.round) & set(PLACES.ports.tolist()))


def test_it_stays_around_the_bay_and_within_its_stops() -> None:
    """All fixes lie around the nodes' box; with a box, rounds have its stops only."""
    track = tracks(fleet_of(100, 4), 1800)
    assert ROADS.lat_deg.min() - 0.01 < track["lat_deg"].min()
    assert track["lat_deg"].max() < ROADS.lat_deg.max() + 0.01
    inside = PLACES.only(ROADS.nodes_in((-122.55, 37.6, -122.35, 37.83)))
    for entry in make_roster(ROADS, inside, 50, 4):
        assert np.isin(entry.round, inside.nodes).all()


def test_fewer_than_two_stops_are_refused() -> None:
    """A trip needs a start and an end."""
    with pytest.raises(ValueError, match="two"):
        make_roster(ROADS, PLACES.only(ROADS.nodes_in((0, 0, 1, 1))), 1, 1)


@pytest.mark.parametrize(
    "names", [["oakland", "fremont"], ["oakland", "berkeley"], ["port_of_oakland", "oakland"]]
)
def test_two_stops_of_any_kind_are_enough(names: list[str]) -> None:
    """Whatever stands at them, everybody drives from one to the other."""
    only = PLACES.only(ROADS.nodes_of(names))
    for entry in make_roster(ROADS, only, 30, 1):
        assert set(entry.round) == set(ROADS.nodes_of(names).tolist())


def test_every_way_of_the_network_ends() -> None:
    """Following the first edges from any node reaches any other in fewer steps than there are nodes, in the time that is stated."""
    size = len(ROADS.names)
    start, to = (grid.ravel() for grid in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    at, took_s = start, np.zeros(size * size)
    for _ in range(size):
        edge = ROADS.next_edge[at, to]
        took_s += np.where(edge < 0, 0.0, ROADS.length_m[edge] / ROADS.limit_mps[edge])
        at = np.where(edge < 0, at, ROADS.end[edge])
    assert (at == to).all()
    assert took_s == pytest.approx(ROADS.time_s[start, to])


def test_the_step_length_hardly_matters() -> None:
    """The mean speed of a fleet is the same at steps of 0.1 s and 1 s, to five percent."""
    fine, coarse = (tracks(fleet_of(100, 9), 600, step)["speed_mps"].mean() for step in (0.1, 1.0))
    assert fine == pytest.approx(coarse, rel=0.05)
