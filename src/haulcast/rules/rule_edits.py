"""Every change of a rule: first into the store, then into the book, and done when steps go by it.

The order is `haulcast.database.write_order`'s: the book sees a fleet's changes in the order the store did.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from haulcast.database.write_order import WriteOrder
from haulcast.errors import RequestError, TooLargeError
from haulcast.rules.rule import Rule
from haulcast.rules.rule_book import RuleBook
from haulcast.rules.rule_documents import document_of_rule, rule_of_document
from haulcast.rules.rule_store import RuleRecord, RuleStore, StoredRule

MOST_RULES = 10_000  # of a fleet

_log = structlog.get_logger()


class RuleEdits:
    """The only writer of the book.

    Attributes:
        on_edit: called with the fleet whose rules were edited, once steps go by them.
    """

    def __init__(self, store: RuleStore, book: RuleBook) -> None:
        self.on_edit: Callable[[str], None] = lambda _fleet: None
        self.store = store
        self.book = book
        self._order = WriteOrder(self._read, "rules")

    async def create(self, rule: Rule) -> RuleRecord:
        """A new rule, in force. See `RuleStore.create`.

        Raises:
            TooLargeError: the fleet has as many rules as it may.
        """
        async with self._order.of(rule.fleet):
            self._check_room(rule)
            record = await self.store.create(rule.fleet, document_of_rule(rule))
            self.book.put(rule)
        await self._in_force(rule.fleet)
        return record

    async def put(self, rule: Rule, expected: str | None = None) -> tuple[RuleRecord, bool]:
        """A rule created or changed, in force. See `RuleStore.put`, and `replace` when an edition is expected.

        Raises:
            TooLargeError: it would be created, and the fleet has as many rules as it may.
        """
        document = document_of_rule(rule)
        async with self._order.of(rule.fleet):
            if expected is None:
                self._check_room(rule)
                record, is_new = await self.store.put(rule.fleet, document)
            else:
                record, is_new = await self.store.replace(rule.fleet, document, expected), False
            self.book.put(rule)
        await self._in_force(rule.fleet)
        return record, is_new

    async def delete(self, fleet: str, rule_id: str, expected: str = "*") -> None:
        """A rule removed, in force. See `RuleStore.delete`."""
        async with self._order.of(fleet):
            await self.store.delete(fleet, rule_id, expected)
            self.book.remove(fleet, rule_id)
        await self._in_force(fleet)

    async def read_all(self) -> None:
        """Every rule of the store into the book, at the start."""
        async for portion in self.store.rules():
            for rule in await asyncio.to_thread(_usable, portion):
                self.book.put(rule)
        await self.book.settled()

    async def stop(self) -> None:
        """Give up reading again."""
        await self._order.stop()

    async def _in_force(self, fleet: str) -> None:
        await self.book.settled()
        self.on_edit(fleet)

    async def _read(self, fleet: str) -> None:
        portions = [portion async for portion in self.store.rules(fleet)]
        rules = [rule for portion in portions for rule in await asyncio.to_thread(_usable, portion)]
        for rule in rules:
            self.book.put(rule)
        self.book.keep_only(fleet, {rule.rule_id for rule in rules})
        await self._in_force(fleet)

    def _check_room(self, rule: Rule) -> None:
        known = self.book.of_fleet(rule.fleet)
        if rule.rule_id not in known and len(known) >= MOST_RULES:
            raise TooLargeError(
                "too_many_rules", f"the fleet has {len(known)} rules; allowed are {MOST_RULES}"
            )


def _usable(portion: Sequence[StoredRule]) -> list[Rule]:
    """The rules of stored documents. Blocks: call it in a thread.

    They were checked before they were stored; one that somebody has since broken by hand, or whose time zone this machine does
    not know, is left out, and the log says why.
    """
    rules = []
    for fleet, rule_id, document in portion:
        try:
            rules.append(rule_of_document(document, fleet, rule_id))
        except RequestError as error:
            _log.error("stored_rule_unusable", fleet=fleet, rule=rule_id, reason=error.reason)
    return rules


@asynccontextmanager
async def rule_edits(store: RuleStore, book: RuleBook) -> AsyncIterator[RuleEdits]:
    """Every stored rule in force, and edits of them for the time of the block.

    Raises:
        StoreError: the store cannot be reached.
    """
    edits = RuleEdits(store, book)
    await edits.read_all()
    try:
        yield edits
    finally:
        await edits.stop()
