"""Who drives: names, tags, habits, and each vehicle's round of stops, which it drives over and over."""

from dataclasses import dataclass

import numpy as np

from haulcast.simulation.places import Places
from haulcast.simulation.road_network import RoadNetwork

CLASSES = {  # share of the fleet, share of the road's speed that its drivers take
    "truck": (0.40, 0.97),
    "van": (0.35, 1.06),
    "reefer": (0.17, 0.95),
    "tanker": (0.08, 0.90),
}
PACE_SPREAD, PACES = 0.03, (0.8, 1.12)
PORT_PASS = "port-pass"  # noqa: S105 - a tag, no password
PORT_PASS_SHARE = 0.6
"""Of all but vans; who has a pass calls at a port on each round, and nobody else does."""
FEWEST_DOCKS, MOST_DOCKS = 3, 6
DOCKS_NEAR = 14
"""A round goes to docks among so many that are nearest to its depot."""


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One device, and the vehicle that it reports for.

    Attributes:
        vehicle_id: as the hub knows it; two entries with the same one are a device and its clone.
        name: for people.
        tags: class of vehicle, depot, passes.
        round: nodes, driven to one after the other and then from the first again, which is a depot if the law is kept.
        pace: share of the speed that the road and its traffic allow.
        heeds_traffic: False: drives at its pace as if the road were empty.
        service_share: of the usual time at a stop.
        starts_after_s: how far on its way to the round's second stop it starts, in seconds at the limits; None: anywhere on its round.
        has_wrong_clock: its clock jumps (`offenders.clock_error_ms`).
        reports_every: it reports in each so many-th turn only.
    """

    vehicle_id: str
    name: str
    tags: tuple[str, ...]
    round: tuple[int, ...]
    pace: float = 1.0
    heeds_traffic: bool = True
    service_share: float = 1.0
    starts_after_s: float | None = None
    has_wrong_clock: bool = False
    reports_every: int = 1


def make_roster(roads: RoadNetwork, places: Places, vehicles: int, seed: int) -> list[RosterEntry]:
    """So many law-abiding vehicles; the same seed makes the same.

    Raises:
        ValueError: fewer than two places to drive between.
    """
    if len(places.nodes) < 2:
        raise ValueError(f"{len(places.nodes)} stops: a trip needs two")
    random = np.random.default_rng(seed)
    return [_entry(roads, places, number, random) for number in range(1, vehicles + 1)]


def spoken(node: str) -> str:
    """A node's name for people: `sf_downtown` is SF Downtown."""
    return " ".join({"sf": "SF", "of": "of"}.get(word, word.capitalize()) for word in node.split("_"))


def _entry(roads: RoadNetwork, places: Places, number: int, random: np.random.Generator) -> RosterEntry:
    kind = str(random.choice(list(CLASSES), p=[share for share, _ in CLASSES.values()]))
    depot = int(random.choice(places.depots))
    has_pass = kind != "van" and len(places.ports) > 0 and random.random() < PORT_PASS_SHARE
    round_ = _round(roads, places, depot, calls_at_port=has_pass, random=random)
    home = spoken(roads.names[depot])
    tags = (kind, f"home-{roads.names[depot].replace('_', '-')}", *([PORT_PASS] if has_pass else []))
    pace = float(np.clip(random.normal(CLASSES[kind][1], PACE_SPREAD), *PACES))
    return RosterEntry(f"{kind}-{number:04d}", f"{kind.title()} {number}, {home}", tags, round_, pace)


def _round(
    roads: RoadNetwork, places: Places, depot: int, *, calls_at_port: bool, random: np.random.Generator
) -> tuple[int, ...]:
    """Depot, docks, a port at the end for those who may; no place twice in a row, and at least one besides the depot."""
    others = places.docks[places.docks != depot]
    near = others[np.argsort(roads.time_s[depot, others], kind="stable")][:DOCKS_NEAR]
    docks = random.permutation(near)[: random.integers(FEWEST_DOCKS, MOST_DOCKS + 1)]
    ports = places.ports[places.ports != depot]
    last = [int(random.choice(ports))] if len(ports) and (calls_at_port or not len(docks)) else []
    stops = [depot, *docks.tolist(), *[port for port in last if port not in docks]]
    return tuple(stops if len(stops) > 1 else [depot, int(places.nodes[places.nodes != depot][0])])
