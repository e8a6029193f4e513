"""The events of a step in the making: facts and what rules say to them, each vehicle's in their order."""

from bisect import bisect_right
from typing import Any

import numpy as np

from geo.fence_events import COLUMNS, NONE, Cause, FenceEvents, Kind, fence_events
from haulcast.rules.rule import Rule
from haulcast.rules.rule_set import RuleSet
from haulcast.rules.turn import Place

_RULE_COLUMNS = (
    "row", "rule", "kind", "cause", "handle", "visit", "time_ms", "entered_ms", "left_ms",
    "lat_deg", "lon_deg", "fix_time_ms", "fix", "other", "value",
)  # fmt: skip
_BEFORE_ALL = -(2**62)


class Telling:
    """Takes what rules say, in any order, and puts each event among the facts of its vehicle where its time is.

    Facts keep their order. An event about a visit comes after the fact that begins it and before the one that ends it.
    """

    def __init__(self, facts: FenceEvents, rules: RuleSet) -> None:
        self._facts = facts
        self._rules = rules
        self._told: list[tuple[Any, ...]] = []
        self._with_fact: list[int] = []

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
        with_fact: int = NONE,
    ) -> None:
        """An event of a rule; the arguments are the columns of `FenceEvents`. `with_fact`: it comes right after that fact.

        A rule that is not in force any more says nothing.
        """
        number = self._rules.number_of(rule)
        if number == NONE:
            return
        self._told.append(
            (row, number, kind, cause, handle, visit, time_ms, entered_ms, left_ms, *place, fix, other, value)
        )
        self._with_fact.append(with_fact)

    def events(self) -> FenceEvents:
        """All of them; when rules had something to say, vehicle by vehicle."""
        if not self._told:
            return self._facts
        facts, slots = self._facts, _Slots(self._facts)
        told_columns = zip(*self._told, strict=True)
        told = fence_events(
            **{name: np.array(column) for name, column in zip(_RULE_COLUMNS, told_columns, strict=True)}
        )
        names = ("row", "time_ms", "handle", "visit")
        whole = zip(*(getattr(told, name).tolist() for name in names), self._with_fact, strict=True)
        slot = np.concatenate([slots.of_fact, [slots.of_told(*values) for values in whole]])
        is_fact = np.arange(len(slot)) < len(facts)
        columns = {name: np.concatenate([getattr(part, name) for part in (facts, told)]) for name in COLUMNS}
        ties = columns["rule"], columns["visit"], columns["handle"]  # so that no order of telling shows
        order = np.lexsort((*ties, columns["time_ms"], is_fact, slot, columns["row"]))
        return fence_events(**{name: column[order] for name, column in columns.items()})


class _Slots:
    """Facts in order of vehicles; slot s is that of fact s, and of what is told right before it.

    Attributes:
        of_fact: int64[facts], the slot of each.
    """

    def __init__(self, facts: FenceEvents) -> None:
        order = np.argsort(facts.row, kind="stable")
        self.of_fact = np.empty(len(order), np.int64)
        self.of_fact[order] = np.arange(len(order))
        self._time_ms: list[int] = []
        self._begin: dict[int, int] = {}  # by visit, the first slot after the fact that begins it
        self._end: dict[int, int] = {}  # by visit, the slot of the fact that ends it
        # A fact that no fix in order proved has no place in time among the others: it stays where it is.
        is_in_time = (facts.fix[order] != NONE) & (facts.cause[order] != Cause.LATE)
        time_ms = np.where(is_in_time, facts.time_ms[order], _BEFORE_ALL).tolist()
        self._span: dict[int, tuple[int, int]] = {}  # by row
        columns = (facts.row[order], facts.kind[order], facts.visit[order], facts.left_ms[order])
        for slot, (row, kind, visit, left_ms) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            first, last = self._span.get(row, (slot, slot))
            self._span[row] = first, slot + 1
            self._time_ms.append(max(time_ms[slot], self._time_ms[-1] if first < last else _BEFORE_ALL))
            if kind in {Kind.EXIT, Kind.WITHDRAWN} or (kind == Kind.CORRECTED and left_ms != NONE):
                self._end.setdefault(visit, slot)
            else:
                self._begin[visit] = slot + 1

    def of_told(self, row: int, time_ms: int, handle: int, visit: int, with_fact: int) -> int:
        """The slot of an event of a rule."""
        if with_fact != NONE:
            return int(self.of_fact[with_fact]) + 1
        slot = bisect_right(self._time_ms, time_ms, *self._span.get(row, (0, 0)))
        if handle == NONE:
            return slot
        return min(max(slot, self._begin.get(visit, slot)), self._end.get(visit, slot))
