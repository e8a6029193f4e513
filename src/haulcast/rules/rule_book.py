"""All rules of all fleets in memory, and the frozen set of them that steps go by.

After a change a new set is made in a thread beside the one in force, and swapped in whole; changes made meanwhile share the
next. Every method is called from the event loop's thread.
"""

import asyncio
from collections.abc import Callable, Collection

from haulcast.rules.rule import Rule
from haulcast.rules.rule_set import NO_RULES, RuleSet, build_rule_set


class RuleBook:
    """What the rules are. `current` is the set in force; it is never changed, only replaced by a newer one.

    Args:
        on_change: called when `current` is another set.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.current: RuleSet = NO_RULES
        self._on_change = on_change
        self._of_fleet: dict[str, dict[str, Rule]] = {}
        self._changes = 0
        self._built = 0
        self._build: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._of_fleet.values()))

    def of_fleet(self, fleet: str) -> Collection[str]:
        """The ids of a fleet's rules, also of those that are not enabled."""
        return self._of_fleet.get(fleet, {}).keys()

    def put(self, rule: Rule) -> None:
        """Add a rule, or change the one of this id. In force only after `settled`."""
        rules = self._of_fleet.setdefault(rule.fleet, {})
        if rules.get(rule.rule_id) != rule:
            rules[rule.rule_id] = rule
            self._changes += 1

    def remove(self, fleet: str, rule_id: str) -> None:
        """Forget a rule, if it is there. In force only after `settled`."""
        rules = self._of_fleet.get(fleet, {})
        if rules.pop(rule_id, None) is not None:
            self._changes += 1
        if not rules:
            self._of_fleet.pop(fleet, None)

    def keep_only(self, fleet: str, rule_ids: Collection[str]) -> None:
        """Remove a fleet's other rules."""
        for rule_id in set(self.of_fleet(fleet)).difference(rule_ids):
            self.remove(fleet, rule_id)

    async def settled(self) -> None:
        """Return when `current` holds every change made before this call."""
        wanted = self._changes
        while self._built < wanted:
            if self._build is None:
                self._build = asyncio.create_task(self._build_once())
            await asyncio.shield(self._build)  # others wait for it too

    async def _build_once(self) -> None:
        try:
            changes = self._changes
            rules = [rule for own in self._of_fleet.values() for rule in own.values()]
            self.current = await asyncio.to_thread(_built, rules, changes)
            self._built = changes
        finally:
            self._build = None
        self._on_change()


def _built(rules: list[Rule], version: int) -> RuleSet:
    """In order of fleets and ids, so that rules that fire at the same moment do so in the same order in every run."""
    return build_rule_set(sorted(rules, key=lambda rule: (rule.fleet, rule.rule_id)), version)
