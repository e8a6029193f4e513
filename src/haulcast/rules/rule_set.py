"""All rules of all fleets that are enabled, frozen: made beside the set in force, and swapped in whole."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from haulcast.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules by number, which is the index in `rules`; a number has a meaning in this set only.

    Attributes:
        version: grows with each set.
        rules: those that are enabled.
    """

    version: int
    rules: tuple[Rule, ...] = ()
    _number: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by fleet and rule id
    _of_fleet: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    _by_fence: Mapping[tuple[str, str], tuple[int, ...]] = field(
        default_factory=dict
    )  # by fleet and fence id
    _by_tag: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)  # by fleet and fence tag

    @property
    def fleets(self) -> Collection[str]:
        """The fleets that have rules."""
        return self._of_fleet.keys()

    def of_fleet(self, fleet: str) -> tuple[Rule, ...]:
        """A fleet's rules, in order of their numbers."""
        return self._of_fleet.get(fleet, ())

    def of_fence(self, fleet: str, fence_id: str, fence_tags: Iterable[str]) -> tuple[Rule, ...]:
        """The rules about a fence, in order of their numbers."""
        numbers = set(self._by_fence.get((fleet, fence_id), ()))
        for tag in fence_tags:
            numbers.update(self._by_tag.get((fleet, tag), ()))
        return tuple(self.rules[number] for number in sorted(numbers))

    def number_of(self, rule: Rule) -> int:
        """The number of the rule of this fleet and id; -1: there is none."""
        return self._number.get((rule.fleet, rule.rule_id), -1)

    def label(self, number: int) -> tuple[str, str]:
        """Id and name of the rule of this number."""
        rule = self.rules[number]
        return rule.rule_id, rule.name


def build_rule_set(rules: Iterable[Rule], version: int) -> RuleSet:
    """The set of these rules; those that are not enabled are left out.

    Raises:
        ValueError: two rules of a fleet have the same id.
    """
    kept = tuple(rule for rule in rules if rule.enabled)
    number: dict[tuple[str, str], int] = {}
    of_fleet: dict[str, list[Rule]] = {}
    by_fence: dict[tuple[str, str], list[int]] = {}
    by_tag: dict[tuple[str, str], list[int]] = {}
    for index, rule in enumerate(kept):
        if number.setdefault((rule.fleet, rule.rule_id), index) != index:
            raise ValueError(f"rule {rule.rule_id!r} of fleet {rule.fleet!r} occurs twice")
        of_fleet.setdefault(rule.fleet, []).append(rule)
        if rule.fences is None:
            continue
        for fence_id in rule.fences.ids:
            by_fence.setdefault((rule.fleet, fence_id), []).append(index)
        for tag in rule.fences.tags:
            by_tag.setdefault((rule.fleet, tag), []).append(index)
    return RuleSet(
        version,
        kept,
        number,
        {fleet: tuple(own) for fleet, own in of_fleet.items()},
        {key: tuple(numbers) for key, numbers in by_fence.items()},
        {key: tuple(numbers) for key, numbers in by_tag.items()},
    )


NO_RULES = RuleSet(0)
