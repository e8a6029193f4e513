"""A hub's rules part by hand: fixes in, what rules say out."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from geo.fence_events import NONE, Cause, FenceEvents, Kind, no_events
from geo.fence_match import match_fences
from geo.fence_set import FenceSet, build_fence_set
from geo.fence_transitions import FenceState, find_transitions, refresh_fences
from geo.positions import PositionBatch, position_batch
from haulcast.positions.last_positions import LastPositions
from haulcast.rules.rule import Rule
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_set import build_rule_set
from haulcast.rules.telling import Telling
from haulcast.rules.turn import Turn

NO_FENCES = build_fence_set([], 1)


class Said(NamedTuple):
    """What an event of a rule says; the fix is the index in its batch."""

    rule: str
    kind: Kind
    row: int
    cause: Cause = Cause.MOVED
    time_ms: int = NONE
    other: int = NONE


class Rows:
    """Vehicles v0, v1 and so on of a fleet, and fences f0, f1; their tags can be changed."""

    def __init__(self) -> None:
        self.fleets: dict[int, str] = {}
        self.tags: dict[str, set[str]] = {}

    def vehicle(self, row: int) -> tuple[str, str, set[str]]:
        return self.fleets.get(row, "acme"), f"v{row}", self.tags.get(f"v{row}", set())

    def fence(self, handle: int) -> tuple[str, str, set[str]]:
        return "acme", f"f{handle}", self.tags.get(f"f{handle}", set())


class Conversation:
    """Steps through batches as the hub does, with one part of the rules.

    Args:
        look: makes the part from a scope; it is looked at once a step.
        fence_set: the fences in force; may be replaced.
        rows: how many vehicles there may be.
    """

    def __init__(
        self,
        look: Callable[[RuleScope], Callable[[Turn, Telling], None]],
        fence_set: FenceSet = NO_FENCES,
        rows: int = 64,
    ) -> None:
        self.rows, self.fence_set, self.state = Rows(), fence_set, FenceState(next_visit=100)
        self.scope = RuleScope(self.rows.fence, self.rows.vehicle)
        self.last = LastPositions()
        self.last.ensure_rows(rows)
        self.state.ensure_rows(rows)
        self.fleet_number = np.zeros(len(self.last.is_known), np.int32)
        self.now_ms = 0
        self._look = look(self.scope)
        self._version = fence_set.version

    def use(self, *rules: Rule) -> None:
        self.scope.use(build_rule_set(rules, self.scope.rules.version + 1))

    def step(
        self, *fixes: tuple[int, int, float, float], accuracy_m: float = np.nan, now_ms: int | None = None
    ) -> FenceEvents:
        """All events of fixes (row, time, lat, lon) in one batch; now is the last fix's time unless said."""
        batch = batch_of(fixes, accuracy_m)
        self.now_ms = now_ms if now_ms is not None else max([self.now_ms, *batch.time_ms.tolist()])
        batch.received_ms[:] = self.now_ms
        facts = no_events()
        if self.fence_set.version != self._version:
            self._version = self.fence_set.version
            known = np.flatnonzero(self.last.is_known).astype(np.int32)
            refresh_fences(self.state, self.fence_set, known, self.fleet_number[known], self.now_ms)
        hits = match_fences(self.fence_set, self.fleet_number[batch.row], batch.lat_deg, batch.lon_deg)
        columns = batch.row, batch.time_ms, batch.lat_deg, batch.lon_deg, hits, batch.accuracy_m
        facts = find_transitions(self.state, self.fence_set, *columns)
        turn = Turn(
            batch, facts, hits, self.fence_set, self.fleet_number, self.last, self.state, 0, self.now_ms
        )
        telling = Telling(facts, self.scope.rules)
        self._look(turn, telling)
        self.last.keep(batch)
        return telling.events()

    def said(
        self, *fixes: tuple[int, int, float, float], accuracy_m: float = np.nan, now_ms: int | None = None
    ) -> list[Said]:
        """What the rules say to fixes."""
        return said_in(self.scope, self.step(*fixes, accuracy_m=accuracy_m, now_ms=now_ms))


def said_in(scope: RuleScope, events: FenceEvents) -> list[Said]:
    """The events of rules."""
    rules = scope.rules.rules
    return [
        Said(
            rules[events.rule[i]].rule_id,
            Kind(events.kind[i]),
            int(events.row[i]),
            Cause(events.cause[i]),
            int(events.time_ms[i]),
            int(events.other[i]),
        )
        for i in np.flatnonzero(events.rule != NONE)
    ]


def batch_of(fixes: Iterable[tuple[int, int, float, float]], accuracy_m: float) -> PositionBatch:
    fixes = list(fixes)
    batch = position_batch(len(fixes))
    for i, (row, time_ms, lat, lon) in enumerate(fixes):
        batch.row[i], batch.time_ms[i], batch.lat_deg[i], batch.lon_deg[i] = row, time_ms, lat, lon
    batch.accuracy_m[:] = accuracy_m
    return batch
