"""Which rules are about which fence and which vehicle: answers are worked out once and remembered."""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.rule_set import NO_RULES, RuleSet


class Facts(NamedTuple):
    """What rules select a fence or a vehicle by."""

    fleet: str
    thing_id: str
    tags: Collection[str]


FactsOf = Callable[[int], tuple[str, str, Collection[str]]]
"""Fleet, id and tags of a fence by its handle, or of a vehicle by its row."""


class RuleScope:
    """The rules in force, by fence handle and vehicle row.

    Args:
        fence_facts: of a fence by its handle, also of one that was just deleted.
        vehicle_facts: of a vehicle by its row.
    """

    def __init__(self, fence_facts: FactsOf, vehicle_facts: FactsOf) -> None:
        self.rules = NO_RULES
        self._fence_facts = fence_facts
        self._vehicle_facts = vehicle_facts
        self._of_fence: dict[int, tuple[Rule, ...]] = {}
        self._vehicles: dict[int, Facts] = {}

    @classmethod
    def of_nothing(cls) -> "RuleScope":
        """Where nobody ever has rules, so that nobody is asked."""

        def unknown(number: int) -> tuple[str, str, Collection[str]]:
            raise KeyError(number)

        return cls(unknown, unknown)

    def use(self, rules: RuleSet, handles: Iterable[int] = ()) -> set[int]:
        """From now on these rules are in force; returns those of these fences that other rules are about than before."""
        before, self._of_fence = self._of_fence, {}
        self.rules = rules
        return {handle for handle in handles if self.of_fence(handle) != before.get(handle, ())}

    def forget_fence(self, handle: int) -> None:
        """Ask for its facts again."""
        self._of_fence.pop(handle, None)

    def forget_vehicle(self, row: int) -> None:
        """Ask for its facts again."""
        self._vehicles.pop(row, None)

    def vehicle(self, row: int) -> Facts:
        """The vehicle's facts."""
        facts = self._vehicles.get(row)
        if facts is None:
            facts = self._vehicles[row] = Facts(*self._vehicle_facts(row))
        return facts

    def of_fence(self, handle: int) -> tuple[Rule, ...]:
        """The rules about a fence."""
        rules = self._of_fence.get(handle)
        if rules is None:
            rules = self._of_fence[handle] = self.rules.of_fence(*self._fence_facts(handle))
        return rules

    def of_visit(self, handle: int, row: int) -> list[Rule]:
        """The rules about a fence that this vehicle's visit of it may break."""
        rules = self.of_fence(handle)
        if not rules:
            return []
        _, vehicle_id, tags = self.vehicle(row)
        return [rule for rule in rules if is_about(rule, vehicle_id, tags)]


def is_about(rule: Rule, vehicle_id: str, tags: Collection[str]) -> bool:
    """Whether the rule is about the vehicle; of unauthorised: and does not let it be there."""
    if not rule.concerns(vehicle_id, tags):
        return False
    return rule.kind is not RuleKind.UNAUTHORISED or not rule.permits(vehicle_id, tags)
