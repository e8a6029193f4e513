"""Those of the demo's vehicles that do wrong, each in one way, so that what the hub says about it can be seen.

| vehicle | does | what tells of it |
|---|---|---|
| van-9001 | drives 136 km/h on the I-880, whatever the traffic | rule `fast-880`: overspeed |
| truck-9002 | is bonded to the I-880 corridor and leaves it for Dublin | rule `left-880`: exit |
| van-9003 | enters the Port of Oakland without a pass | rule `port-pass`: unauthorised |
| truck-9004 | its clock jumps: an hour ahead, or 1024 weeks back | fixes refused as `future` and `stale` |
| reefer-9005 | its device is cloned: another one reports for it from elsewhere | fixes refused as `impossible_jump`; the two push each other off |

The first three start where they will be caught within half a minute, and stop for seconds only, so that they soon are again.
"""

from collections.abc import Sequence
from dataclasses import replace

from haulcast.simulation.road_network import RoadNetwork
from haulcast.simulation.roster import RosterEntry

OFFENDER, BONDED = "offender", "bonded-880"
"""Tags."""
HURRIED = 0.04
"""Offenders' share of the usual time at a stop."""
CLONE_REPORTS_EVERY = 12
"""Seldom, or else the map would not know which of both to believe."""
CLOCK_TURN_S, CLOCK_OFF_S = 15.0, 2.0
AHEAD_MS = 3_600_000
GPS_ROLLOVER_MS = -1024 * 7 * 86_400_000
"""GPS counts weeks in 10 bits; receivers with old firmware fall back by so much (IS-GPS-200, 20.3.3.3.1.1)."""


def with_offenders(roster: Sequence[RosterEntry], roads: RoadNetwork) -> list[RosterEntry]:
    """A roster with these in it; the clone is an entry of its own, with the id of what it was cloned from.

    It stands half a turn from that one, so that the two report at different times.
    """
    *offending, clone = _offenders(roads)
    half = len(roster) // 2
    return [*roster[:half], clone, *roster[half:], *offending]


def _offenders(roads: RoadNetwork) -> list[RosterEntry]:

    def stops(names: str) -> tuple[int, ...]:
        return tuple(roads.nodes_of(names.split()).tolist())

    def way_s(start: str, end: str) -> float:
        return float(roads.time_s[*stops(f"{start} {end}")])

    speeding = RosterEntry(
        "van-9001", "Van 9001, speeds", ("van", OFFENDER), stops("oakland fremont"),
        pace=1.45, heeds_traffic=False, service_share=HURRIED, starts_after_s=30.0,
    )  # fmt: skip
    straying = RosterEntry(
        "truck-9002", "Truck 9002, leaves its corridor", ("truck", OFFENDER, BONDED), stops("oakland dublin"),
        heeds_traffic=False, service_share=HURRIED, starts_after_s=way_s("oakland", "san_leandro") + 4.0,
    )  # fmt: skip
    intruding = RosterEntry(
        "van-9003", "Van 9003, has no port pass", ("van", OFFENDER), stops("berkeley port_of_oakland"),
        heeds_traffic=False, service_share=HURRIED, starts_after_s=way_s("berkeley", "maze") + 125.0,
    )  # fmt: skip
    jumping = RosterEntry(
        "truck-9004", "Truck 9004, its clock jumps", ("truck", OFFENDER), stops("concord walnut_creek dublin"),
        starts_after_s=60.0, has_wrong_clock=True,
    )  # fmt: skip
    cloned = RosterEntry(
        "reefer-9005", "Reefer 9005, its device is cloned", ("reefer", OFFENDER), stops("vallejo richmond berkeley"),
        starts_after_s=60.0,
    )  # fmt: skip
    clone = replace(cloned, round=stops("san_jose sunnyvale palo_alto"), reports_every=CLONE_REPORTS_EVERY)
    return [speeding, straying, intruding, jumping, cloned, clone]


def clock_error_ms(at_s: float) -> int:
    """How far the jumping clock is off, `at_s` after the start: right, ahead, right, back, of each for seconds."""
    phase_s = at_s % CLOCK_TURN_S
    if CLOCK_TURN_S / 3 <= phase_s < CLOCK_TURN_S / 3 + CLOCK_OFF_S:
        return AHEAD_MS
    return GPS_ROLLOVER_MS if phase_s >= CLOCK_TURN_S - CLOCK_OFF_S else 0
