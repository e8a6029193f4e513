"""A hub's rules over HTTP without the hub: real routes, a real database, tokens that say `fleet/role`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette

from haulcast.database.pool import Database
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.rules.rule_api import routes
from haulcast.rules.rule_book import RuleBook
from haulcast.rules.rule_edits import RuleEdits, rule_edits
from haulcast.rules.rule_store_postgres import PostgresRuleStore

NIGHT = {
    "time_zone": "America/Los_Angeles",
    "weekly": [{"days": ["mon", "fri"], "from": "22:00", "to": "06:00"}],
    "holidays": ["2026-12-25"],
    "on_holidays": "off",
}


def enter(rule_id: str | None = None, **members) -> dict:
    """A document of a rule on entering the yard."""
    named = {} if rule_id is None else {"id": rule_id}
    return {**named, "kind": "enter", "fences": {"ids": ["yard"], "tags": []}, **members}


def verify(token: str) -> Claims:
    """Claims of `fleet/role`."""
    fleet, slash, role = token.partition("/")
    if not slash:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(fleet, role)


@dataclass
class RuleApp:
    """One hub's rules, and clients of its fleets; `fence_tags` are those of acme."""

    edits: RuleEdits
    app: Starlette
    swaps: list[int]
    fence_tags: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def book(self) -> RuleBook:
        return self.edits.book

    def client(self, token: str = "acme/dispatcher") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)

    def ids(self, fleet: str = "acme") -> set[str]:
        """The ids of a fleet's rules in force."""
        return {rule.rule_id for rule in self.book.current.of_fleet(fleet)}


@asynccontextmanager
async def rule_app(database: Database) -> AsyncIterator[RuleApp]:
    """The app on a database; what is stored already is in force at once."""
    swaps: list[int] = []
    book = RuleBook(lambda: swaps.append(book.current.version))
    async with rule_edits(PostgresRuleStore(database), book) as edits:
        found = RuleApp(edits, Starlette(), swaps)

        def fence_tags(fleet: str, fence_id: str) -> tuple[str, ...]:
            return found.fence_tags.get(fence_id, ()) if fleet == "acme" else ()

        new_ids = (f"made-{number}" for number in range(1000))
        found.app = Starlette(
            routes=routes(edits, verify, fence_tags, new_ids.__next__),
            exception_handlers=exception_handlers(),
        )
        yield found
