"""A hub without sockets for conversations about rules: fixes go in through the real step, events come out as words."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np

from geo.fence_area import Circle
from geo.fence_events import NONE, Cause, Kind
from geo.fence_set import Fence, build_fence_set
from geo.positions import position_batch
from geo.track_filter import FilterLimits
from haulcast.fences.watch import FenceWatch
from haulcast.rules.rule import Rule, RuleKind, Selection
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_set import build_rule_set
from haulcast.rules.rule_watch import RuleWatch
from haulcast.tracking.step import HubState, step

LIMITS = FilterLimits(60_000, 10**12, 90.0, 1e9, 2_000.0, 1e9, 1e9)
T0_MS = int(datetime(2026, 9, 21, 6, 0, tzinfo=UTC).timestamp() * 1000)  # a Monday
IN, OUT = 50.0, 51.0
DEPOT, YARD = 7, 9  # handles of fences around the same place; the yard is smaller


@cache
def _fence_set(handles):
    areas = {DEPOT: Circle(IN, 10.0, 1_000.0), YARD: Circle(IN, 10.0, 500.0)}
    return build_fence_set([Fence(handle, 0, areas[handle]) for handle in handles], 0)


class Fix(NamedTuple):
    """A fix `s` seconds after T0_MS."""

    s: float
    lat: float
    vehicle: int = 0
    speed_mps: float = float("nan")
    accuracy_m: float = float("nan")


class Said(NamedTuple):
    """An event; `rule` is empty for a fact."""

    kind: str
    rule: str
    cause: str
    s: float
    vehicle: int = 0
    fence: int = DEPOT


class World:
    """Vehicles 0 to 3 of fleet acme (tags by vehicle), two fences, and the rules given."""

    def __init__(self, *rules: Rule, fences=(DEPOT,), first_visit: int = 1, late_fixes: int = 0) -> None:
        self.vehicle_tags = dict.fromkeys(range(4), ())
        self.fence_tags = {DEPOT: (), YARD: ()}
        self.fence_asked = 0
        self.scope = RuleScope(self._fence, lambda row: ("acme", f"v{row}", self.vehicle_tags[row]))
        self.state = HubState(FenceWatch(first_visit, late_fixes), RuleWatch(self.scope))
        self.state.ensure_rows(4, np.zeros(4, np.int32))
        self.seq = count()
        self.versions = count(1)
        self.now_ms = T0_MS
        self.events = None
        self.fences(*fences)
        self.rules(*rules)

    def _fence(self, handle: int):
        self.fence_asked += 1
        return "acme", {DEPOT: "depot", YARD: "yard"}[handle], self.fence_tags[handle]

    def fences(self, *handles: int) -> None:
        self.fence_set = replace(_fence_set(handles), version=next(self.versions))

    def rules(self, *rules: Rule) -> None:
        self.rule_set = build_rule_set(rules, next(self.versions))

    def step(self, *fixes: Fix, now_s: float | None = None) -> list[Said]:
        """What is said to these fixes, received now; without a time now is the newest fix's."""
        newest = max((fix.s for fix in fixes), default=None)
        if now_s is not None or newest is not None:
            now_s = newest if now_s is None else now_s
            self.now_ms = max(self.now_ms, T0_MS + round(now_s * 1000))
        self.events = step(
            self.state, self._batch(fixes), self.fence_set, self.now_ms, LIMITS, self.rule_set
        ).events
        return said(self.events, self.rule_set)

    def told(self, *fixes: Fix, now_s: float | None = None) -> list[Said]:
        """`step`, without the facts."""
        return [event for event in self.step(*fixes, now_s=now_s) if event.rule]

    def _batch(self, fixes):
        batch = position_batch(len(fixes))
        for i, fix in enumerate(fixes):
            batch.row[i], batch.seq[i] = fix.vehicle, next(self.seq)
            batch.time_ms[i], batch.received_ms[i] = T0_MS + round(fix.s * 1000), self.now_ms
            batch.lat_deg[i], batch.lon_deg[i] = fix.lat, 10.0
            batch.speed_mps[i], batch.accuracy_m[i] = fix.speed_mps, fix.accuracy_m
        return batch


def said(events, rule_set) -> list[Said]:
    """Events as words."""
    columns = (events.kind, events.rule, events.cause, events.time_ms, events.row, events.handle)
    return [
        Said(
            Kind(kind).name.lower(),
            "" if rule == NONE else rule_set.rules[rule].rule_id,
            Cause(cause).name.lower(),
            (time_ms - T0_MS) / 1000,
            row,
            handle,
        )
        for kind, rule, cause, time_ms, row, handle in zip(*(c.tolist() for c in columns), strict=True)
    ]


def rule(kind: RuleKind, rule_id: str | None = None, **values) -> Rule:
    """A rule of acme about the depot."""
    defaults = {"fences": Selection(ids=frozenset({"depot"}))}
    return Rule("acme", rule_id or kind.value, kind.value.title(), kind, **{**defaults, **values})
