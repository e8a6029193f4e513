"""Each offender does what it is named for, as devices would report it; without a hub."""

from itertools import pairwise

import numpy as np

from haulcast.commands.demo_fences import CORRIDOR, CORRIDOR_WIDTH_M, demo_rules
from haulcast.commands.simulate import make_fleet
from haulcast.simulation import Fleet, bay_roads
from haulcast.simulation.offenders import AHEAD_MS, GPS_ROLLOVER_MS, clock_error_ms

START_MS = 1_790_121_600_000
"""In the evening rush, which no offender waits for."""
ROADS = bay_roads()


def demo_fleet() -> Fleet:
    return make_fleet(60, 1, START_MS, has_offenders=True)


def rows_of(fleet: Fleet, vehicle_id: str) -> list[int]:
    return [row for row, entry in enumerate(fleet.roster) if entry.vehicle_id == vehicle_id]


def reported(fleet: Fleet, row: int, seconds: int) -> dict[str, np.ndarray]:
    """What the device of this row reports in each second."""
    fixes = []
    for _ in range(seconds):
        fleet.advance(1.0)
        fixes.append(fleet.fixes(np.array([row])))
    return {
        name: np.concatenate([getattr(fix, name) for fix in fixes])
        for name in ("time_ms", "lat_deg", "lon_deg", "speed_mps")
    }


def metres_from_corridor(track: dict[str, np.ndarray]) -> np.ndarray:
    """Least distance to the corridor's line (equirectangular)."""
    nodes = ROADS.nodes_of(CORRIDOR)
    scale = np.array([111_195.0 * np.cos(np.radians(37.7)), 111_195.0])
    line = np.column_stack([ROADS.lon_deg[nodes], ROADS.lat_deg[nodes]]) * scale
    points = np.column_stack([track["lon_deg"], track["lat_deg"]]) * scale
    least = np.full(len(points), np.inf)
    for start, end in pairwise(line):
        way = end - start
        share = np.clip((points - start) @ way / (way @ way), 0.0, 1.0)
        least = np.minimum(least, np.linalg.norm(points - (start + share[:, None] * way), axis=1))
    return least


def test_the_speeding_van_is_caught_at_once_on_the_corridor() -> None:
    """Within ten seconds it is faster in the corridor than the rule allows, and nobody else ever is."""
    fleet = demo_fleet()
    (row,) = rows_of(fleet, "van-9001")
    limit_mps = next(rule["limit_mps"] for rule in demo_rules() if rule["kind"] == "overspeed")
    track = reported(fleet, row, 10)
    assert (track["speed_mps"] > limit_mps).all()
    assert metres_from_corridor(track).max() < CORRIDOR_WIDTH_M / 2
    others = [other for other in range(fleet.size) if other != row]
    assert fleet.speed_mps[others].max() < limit_mps


def test_the_straying_truck_leaves_its_corridor_within_half_a_minute() -> None:
    """It starts inside, is outside by 30 s, and comes back later to leave again."""
    fleet = demo_fleet()
    (row,) = rows_of(fleet, "truck-9002")
    is_inside = metres_from_corridor(reported(fleet, row, 3600)) < CORRIDOR_WIDTH_M / 2
    assert is_inside[:3].all()
    assert not is_inside[30]
    assert (is_inside[:-1] & ~is_inside[1:]).sum() >= 2


def test_the_intruding_van_calls_at_the_port_without_a_pass() -> None:
    """A port is on its round, and no pass among its tags."""
    fleet = demo_fleet()
    (row,) = rows_of(fleet, "van-9003")
    assert "port-pass" not in fleet.roster[row].tags
    assert int(ROADS.nodes_of(["port_of_oakland"])[0]) in fleet.roster[row].round


def test_the_clock_jumps_ahead_and_back_and_is_right_between() -> None:
    """In each quarter of a minute some fixes are an hour ahead, some 1024 weeks back, most right; everybody else's clock is right."""
    fleet = demo_fleet()
    (row,) = rows_of(fleet, "truck-9004")
    error_ms = reported(fleet, row, 60)["time_ms"] - (START_MS + 1000 * np.arange(1, 61))
    values, counts = np.unique(error_ms, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
        GPS_ROLLOVER_MS: 8,
        0: 44,
        AHEAD_MS: 8,
    }
    assert clock_error_ms(5.5) == AHEAD_MS
    others = np.array([other for other in range(fleet.size) if other != row])
    assert (fleet.fixes(others).time_ms == START_MS + 60_000).all()


def test_the_clone_reports_for_the_same_vehicle_from_far_away() -> None:
    """Two devices have one vehicle's id, half a turn apart; they are never nearer than 20 km, and the clone reports seldom."""
    fleet = demo_fleet()
    clone, genuine = rows_of(fleet, "reefer-9005")
    assert genuine - clone > 20
    assert fleet.roster[clone].reports_every > fleet.roster[genuine].reports_every == 1
    for _ in range(600):
        fleet.advance(1.0)
        lat, lon, _ = fleet.places(np.array([clone, genuine]))
        assert np.hypot(np.diff(lat) * 111_195, np.diff(lon) * 87_900)[0] > 20_000


def test_without_offenders_all_keep_the_law() -> None:
    """`haulcast simulate` has none: ids are unique, clocks right."""
    fleet = make_fleet(60, 1, START_MS)
    assert len({entry.vehicle_id for entry in fleet.roster}) == fleet.size == 60
    assert not any(entry.has_wrong_clock or "offender" in entry.tags for entry in fleet.roster)
