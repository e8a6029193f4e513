"""One turn of the hub, pure: state + batch + now -> result. The list of stages is `step`, below.

Nothing here reads a clock, a socket or a store. The state is arrays with a row per vehicle, which the stages bring up
to date in place; whoever listens to the result gets columns, never an object per fix.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents, join_events
from geo.fence_set import FenceSet
from geo.positions import PositionBatch
from geo.track_filter import FilterLimits, Refusals, TrackState, filter_track
from haulcast.fences.watch import FenceWatch
from haulcast.positions.last_positions import LastPositions
from haulcast.routes.route_set import NO_ROUTES, RouteSet
from haulcast.routes.route_watch import RouteWatch
from haulcast.rules.rule_set import NO_RULES, RuleSet
from haulcast.rules.rule_watch import RuleWatch


@dataclass(slots=True)
class HubState:
    """Everything that lasts from one step to the next; index = row."""

    fences: FenceWatch
    rules: RuleWatch = field(default_factory=RuleWatch)
    routes: RouteWatch = field(default_factory=RouteWatch)
    track: TrackState = field(default_factory=TrackState)
    last: LastPositions = field(default_factory=LastPositions)
    fleet_number: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    tick: int = 0

    def ensure_rows(self, rows: int, fleet_number: NDArray[np.int32]) -> None:
        """Make room for `rows` vehicles; `fleet_number` names the fleet of each row."""
        self.fleet_number = fleet_number
        self.track.ensure_rows(rows)
        self.last.ensure_rows(rows)
        self.fences.ensure_rows(rows)
        self.rules.ensure_rows(rows)
        self.routes.ensure_rows(rows)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step found.

    Attributes:
        tick: number of the step, growing by one.
        now_ms: the time that the step was given.
        accepted: the fixes taken, in the order of each track.
        is_late: bool beside `accepted`: older than the vehicle's newest; history wants it, no marker moves.
        moved_rows: int32, the rows whose newest fix changed, each once, ascending.
        refused: the fixes refused, with all reasons.
        kept: what history wants, the accepted ones and those that are refused for a jump alone (see `geo.track_filter.FilterResult`).
        events: of fences and rules, each vehicle's in order, then of routes.
    """

    tick: int
    now_ms: int
    accepted: PositionBatch
    is_late: NDArray[np.bool_]
    moved_rows: NDArray[np.int32]
    refused: Refusals
    kept: PositionBatch
    events: FenceEvents


def step(
    state: HubState, batch: PositionBatch, fence_set: FenceSet, now_ms: int, limits: FilterLimits,
    rule_set: RuleSet = NO_RULES, route_set: RouteSet = NO_ROUTES,
) -> StepResult:  # fmt: skip
    """Take a batch of fixes in order of arrival through all stages.

    Args:
        state: brought up to date in place; has room for every row of the batch.
        batch: may be empty, when only the fences or rules have changed, or time has passed.
        fence_set: the fences in force; a new version re-evaluates every vehicle where it is.
        now_ms: the time of the step.
        limits: what the filter refuses.
        rule_set: the rules in force; what an edit changes of open visits is said at once.
        route_set: the routes that are driven now.
    """
    state.tick += 1
    filtered = filter_track(state.track, batch, now_ms, limits)
    in_order = filtered.in_order
    facts, hits = state.fences.watch(
        fence_set, state.fleet_number, state.last.is_known, in_order, now_ms, limits, filtered.out_of_turn, state.track.track
    )  # fmt: skip
    events = state.rules.watch(
        rule_set, facts, hits, in_order, fence_set, state.fleet_number, state.last, state.fences.state, now_ms
    )
    moved_rows = state.last.keep(in_order)
    told = state.routes.watch(route_set, in_order, facts, state.fences.state, state.last, now_ms)
    return StepResult(
        state.tick, now_ms, filtered.accepted, filtered.is_late, moved_rows, filtered.refused, filtered.kept, join_events([events, told])
    )  # fmt: skip
