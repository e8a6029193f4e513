"""The events of a step in the making: facts and what rules say to them, each vehicle's in their order."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import COLUMNS, NONE, FenceEvents, Kind, fence_events
from haulcast.rules.rule import Rule
from haulcast.rules.rule_set import RuleSet
from haulcast.rules.turn import Place

_RULE_COLUMNS = (
    "row", "rule", "kind", "cause", "handle", "visit", "time_ms", "entered_ms", "left_ms",
    "lat_deg", "lon_deg", "fix_time_ms", "fix", "other", "value",
)  # fmt: skip


class Telling:
    """Takes events in the order of each vehicle; across vehicles any order will do."""

    def __init__(self, facts: FenceEvents, rules: RuleSet) -> None:
        self._facts = facts
        self._rules = rules
        self._told: list[tuple[Any, ...]] = []
        self._told_at: list[int] = []
        self._fact_at = np.zeros(len(facts), np.int64)
        self._turn = itertools.count()

    def fact(self, index: int) -> None:
        """Now comes the fact of this index."""
        self._fact_at[index] = next(self._turn)

    def tell(
        self,
        rule: Rule,
        kind: Kind,
        cause: int,
        row: int,
        handle: int,
        visit: int,
        time_ms: int,
        place: Place,
        *,
        entered_ms: int,
        left_ms: int = NONE,
        fix: int = NONE,
        other: int = NONE,
        value: float = float("nan"),
    ) -> None:
        """Now comes an event of a rule; the arguments are the columns of `FenceEvents`."""
        number = self._rules.number_of(rule)
        self._told.append(
            (row, number, kind, cause, handle, visit, time_ms, entered_ms, left_ms, *place, fix, other, value)
        )
        self._told_at.append(next(self._turn))

    def events(self) -> FenceEvents:
        """All of them; when rules had something to say, vehicle by vehicle."""
        if not self._told:
            return self._facts
        told: dict[str, NDArray[Any]] = {
            name: np.array(column)
            for name, column in zip(_RULE_COLUMNS, zip(*self._told, strict=True), strict=True)
        }
        row = np.concatenate([self._facts.row, told["row"]])
        order = np.lexsort((np.concatenate([self._fact_at, self._told_at]), row))
        return fence_events(
            **{name: np.concatenate([getattr(self._facts, name), told[name]])[order] for name in COLUMNS}
        )
