"""A rule: what of a fleet's visits and drives is to be reported, of whom, where and when."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from haulcast.rules.schedule import Schedule


class RuleKind(StrEnum):
    """What a rule waits for; what each needs is in `haulcast.rules.rule_documents`."""

    ENTER = "enter"  # a vehicle comes in
    EXIT = "exit"  # a vehicle goes out
    DWELL = "dwell"  # a vehicle has been in for `dwell_s`
    CROSS = "cross"  # a vehicle drives through, in and out between two fixes or in a visit
    OVERSPEED = "overspeed"  # a vehicle inside is faster than `limit_mps` for `after_s`
    UNAUTHORISED = "unauthorised"  # a vehicle is in that may not be there: not in `allow`, or in `deny`
    PROXIMITY = "proximity"  # two vehicles come nearer than `distance_m`, or further apart


class Distance(StrEnum):
    """Which change of the distance of two vehicles a proximity rule reports."""

    NEAR = "near"  # it falls below `distance_m`
    APART = "apart"  # it grows above it


@dataclass(frozen=True, slots=True)
class Selection:
    """Some fences or vehicles of a fleet: those of these ids, and those with any of these tags."""

    ids: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def holds(self, thing_id: str, thing_tags: Collection[str]) -> bool:
        """Whether the thing is one of them."""
        return thing_id in self.ids or not self.tags.isdisjoint(thing_tags)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one fleet. What its kind has no use for has the default."""

    fleet: str
    rule_id: str
    name: str
    kind: RuleKind
    enabled: bool = True
    fences: Selection | None = None  # None: of proximity, which is about no fence
    vehicles: Selection | None = None  # None: all of the fleet
    dwell_s: float = 0.0
    limit_mps: float = 0.0
    after_s: float = 0.0
    allow: Selection | None = None  # of unauthorised: exactly one of `allow` and `deny`
    deny: Selection | None = None
    others: Selection | None = None
    distance_m: float = 0.0
    when: Distance | None = None
    schedule: Schedule | None = None  # None: always on

    def is_of_fence(self, fence_id: str, fence_tags: Collection[str]) -> bool:
        """Whether the rule is about this fence of its fleet."""
        return self.fences is not None and self.fences.holds(fence_id, fence_tags)

    def concerns(self, vehicle_id: str, vehicle_tags: Collection[str]) -> bool:
        """Whether the rule is about this vehicle of its fleet."""
        return self.vehicles is None or self.vehicles.holds(vehicle_id, vehicle_tags)

    def permits(self, vehicle_id: str, vehicle_tags: Collection[str]) -> bool:
        """Whether an unauthorised rule lets this vehicle be there; all other kinds permit everyone."""
        if self.allow is not None:
            return self.allow.holds(vehicle_id, vehicle_tags)
        return self.deny is None or not self.deny.holds(vehicle_id, vehicle_tags)

    def is_on(self, time_ms: int) -> bool:
        """Whether the rule counts at this moment, as far as its schedule goes; `enabled` is another matter."""
        return self.schedule is None or self.schedule.is_on(time_ms)
