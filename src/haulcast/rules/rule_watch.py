"""The stage of the step that knows the rules: facts come in, facts and what rules say to them come out."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents
from geo.fence_match import FenceHits
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState
from geo.positions import PositionBatch
from haulcast.rules.cross_watch import CrossWatch
from haulcast.rules.near_watch import NearWatch, OpenPair
from haulcast.rules.overspeed_watch import OverspeedWatch
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_set import RuleSet
from haulcast.rules.rule_visits import RuleVisits
from haulcast.rules.telling import Telling
from haulcast.rules.turn import NewestFixes, OpenVisit, Turn


class RuleWatch:
    """What rules wait for, of every vehicle. Who has no rules pays nothing.

    Args:
        scope: which rules are about which fence and vehicle; without one there never are any.
    """

    def __init__(self, scope: RuleScope | None = None) -> None:
        self._scope = scope = scope or RuleScope.of_nothing()
        self._crosses = CrossWatch(scope)
        self._visits = RuleVisits(scope, self._crosses.has_told)
        self._speeds = OverspeedWatch(scope, self._visits)
        self._near = NearWatch(scope)
        self._started_ms = -1
        self._stale_handles: set[int] = set()
        self._stale_rows: set[int] = set()

    def label(self, number: int) -> tuple[str, str]:
        """Id and name of the rule that has this number in the events of the newest step."""
        return self._scope.rules.label(number)

    @property
    def is_waiting(self) -> bool:
        """Whether time alone can make a rule fire, so that a step is wanted when no fix comes."""
        is_stale = bool(self._stale_handles or self._stale_rows)
        return self._visits.is_waiting or self._near.is_waiting or is_stale

    @property
    def told_ms(self) -> NDArray[np.int64]:
        """int64 by row: the time of the newest event that came without a fix; for checkpoints."""
        return self._visits.told_ms

    def restore(self, rows: NDArray[np.int32], told_ms: NDArray[np.int64]) -> None:
        """Continue where an earlier run was: `told_ms` of fresh rows."""
        self._visits.told_ms[rows] = told_ms

    def pairs_of(self, row: int) -> list[OpenPair]:
        """The pairs of vehicles near each other of which this is the first; for checkpoints."""
        return self._near.pairs_of(row)

    def take_changed_pairs(self) -> list[int]:
        """The rows whose `pairs_of` has changed since this was asked last; for checkpoints."""
        return self._near.take_changed()

    def restore_pairs(self, pairs: Iterable[OpenPair]) -> None:
        """Before the first step: these were near each other."""
        self._near.restore(pairs)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        self._visits.ensure_rows(rows)

    def forget(self, row: int) -> None:
        """The vehicle is gone, and its visits with it."""
        self._scope.forget_vehicle(row)
        self._visits.forget(row)
        self._speeds.forget(row)
        self._crosses.forget(row)
        self._near.forget(row)

    def touch_vehicle(self, row: int) -> None:
        """A vehicle's tags have changed: the next step looks at its visits again."""
        self._scope.forget_vehicle(row)
        self._near.reconsider(row)
        if self._scope.rules.rules:
            self._stale_rows.add(row)

    def touch_fence(self, handle: int) -> None:
        """A fence's tags have changed: the next step looks at the visits of it again."""
        self._scope.forget_fence(handle)
        if self._scope.rules.rules:
            self._stale_handles.add(handle)

    def watch(
        self,
        rule_set: RuleSet,
        facts: FenceEvents,
        hits: FenceHits,
        batch: PositionBatch,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        last: NewestFixes,
        fence_state: FenceState,
        now_ms: int,
    ) -> FenceEvents:
        """The facts, and among them what the rules say, each vehicle's in order of time.

        The rules in force are `rule_set`; of a changed one the visits that it may be about are looked at again first. A rule fires
        by its vehicle's clock, see `Turn`, where the arguments are named too.
        """
        is_first = self._started_ms < 0
        if is_first:
            self._started_ms = now_ms
        if not rule_set.rules and not self._scope.rules.rules:
            self._near.drop_restored()
            return facts
        turn = Turn(
            batch, facts, hits, fence_set, fleet_number, last, fence_state, self._started_ms, now_ms
        )  # fmt: skip
        telling = Telling(facts, rule_set)
        self._look_again(rule_set, turn, telling, is_first=is_first)
        handles = [handle for handle in np.unique(facts.handle).tolist() if self._scope.of_fence(handle)]
        for fact in np.flatnonzero(np.isin(facts.handle, handles)).tolist() if handles else ():
            self._visits.take_fact(turn, fact, telling)
        rows, clocks_ms = self._visits.due_rows(turn)
        for row, clock_ms in zip(rows.tolist(), clocks_ms.tolist(), strict=True):
            self._visits.fire_until(turn, row, clock_ms, telling)
        for kind in (self._speeds, self._crosses, self._near):
            kind.look(turn, telling)
        return telling.events()

    def _look_again(self, rule_set: RuleSet, turn: Turn, telling: Telling, *, is_first: bool) -> None:
        """Look at the open visits that other rules may be about than at the last step."""
        is_new = rule_set is not self._scope.rules
        if not (is_new or self._stale_handles or self._stale_rows):
            return
        opened = turn.visits_before()
        handles = self._stale_handles
        if is_new:
            handles = handles | self._scope.use(rule_set, np.unique(opened.handle).tolist())
        is_stale = np.isin(opened.handle, list(handles)) | np.isin(opened.row, list(self._stale_rows))
        columns = (column[is_stale].tolist() for column in opened)
        stale = [OpenVisit(*values) for values in zip(*columns, strict=True)]
        if is_first:
            self._visits.restore(stale, turn.last.time_ms)
        else:
            for visit in stale:
                self._visits.look_again(turn, visit, telling)
        self._speeds.use()
        self._stale_handles, self._stale_rows = set(), set()
