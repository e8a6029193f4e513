"""The contracts of the access and audit stores, on each PostgreSQL there is, and a log that outlives its store."""

from datetime import UTC, datetime, timedelta

import pytest

from haulcast.access import audit_log as audit_module
from haulcast.access.access_store import Share
from haulcast.access.access_store_postgres import PostgresAccessStore
from haulcast.access.audit_log import audit_log
from haulcast.access.audit_store import AuditRecord
from haulcast.access.audit_store_postgres import PostgresAuditStore
from haulcast.database.pool import open_database
from haulcast.doors.audit import Deed
from haulcast.doors.revocations import Revocation
from haulcast.doors.socket_session import Claims
from haulcast.errors import NotFoundError, StoreError
from haulcast.settings import Settings

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def _share(share_id: str = "s1", fleet: str = "acme") -> Share:
    return Share(fleet, share_id, "Für Ann", ("a", "b☂"), "dora", NOW, NOW + timedelta(days=1))


def _record(number: int, fleet: str = "acme", time: datetime = NOW) -> AuditRecord:
    return AuditRecord(time, fleet, "dora", "admin", "::1", "PUT /x", f"/x/{number}", 200, "")


def _deed(target: str = "/x/1", status: int = 200, code: str = "", address: str = "1.2.3.4") -> Deed:
    return Deed(NOW_MS, Claims("acme", "admin", subject="dora"), address, "PUT /x", target, status, code)


async def test_revocations_are_kept(each_database) -> None:
    """By fleet; twice is once, and of one vehicle the latest counts."""
    store = PostgresAccessStore(each_database)
    one, vehicle = Revocation("acme", "t1", "", 5), Revocation("acme", "", "truck-7", 9)
    for revocation in (
        one,
        one,
        vehicle,
        Revocation("acme", "", "truck-7", 7),
        Revocation("globex", "", "", 1),
    ):
        await store.revoke(revocation)
    assert await store.revocation_page("acme", None, 10) == [vehicle, one]
    assert await store.revocation_page("acme", None, 1) == [vehicle]
    assert await store.revocation_page("acme", ("", "truck-7"), 10) == [one]
    assert await store.revocation_page("acme", ("", ""), 10) == [vehicle, one]
    assert await store.revocation_page("acme", ("t1", ""), 10) == []
    assert len(await store.revocations()) == 3


async def test_shares_are_kept_and_their_end_revokes(each_database) -> None:
    """What goes in comes out; a deleted share is gone and its token is revoked; another fleet's is not there."""
    store = PostgresAccessStore(each_database)
    for share in (_share(), _share("s2"), _share("s3", "globex")):
        await store.add_share(share)
    assert await store.shares("acme", "", 10) == [_share(), _share("s2")]
    assert await store.shares("acme", "s1", 1) == [_share("s2")]
    revocation = await store.delete_share("acme", "s1", NOW_MS)
    assert revocation == Revocation("acme", "s1", "", NOW_MS)
    assert await store.revocations() == [revocation]
    for fleet, share_id in (("acme", "s1"), ("acme", "s3")):
        with pytest.raises(NotFoundError):
            await store.delete_share(fleet, share_id, NOW_MS)
    assert await store.shares("acme", "", 10) == [_share("s2")]
    assert len(await store.revocations()) == 1


async def test_the_audit_log_reads_backwards(each_database) -> None:
    """Newest first in pages, a fleet its own only; age takes records away."""
    store = PostgresAuditStore(each_database)
    await store.add([_record(number, time=NOW - timedelta(days=2 * (number == 0))) for number in range(5)])
    await store.add([_record(9, "globex")])
    first = await store.page("acme", None, 3)
    assert [record.target for _, record in first] == ["/x/4", "/x/3", "/x/2"]
    rest = await store.page("acme", first[-1][0], 3)
    assert [record for _, record in rest] == [_record(1), _record(0, time=NOW - timedelta(days=2))]
    assert await store.forget(NOW - timedelta(days=1)) == 1
    assert len(await store.page("acme", None, 10)) == 4


async def test_equal_refusals_are_one_record(database, wait_until) -> None:
    """With their count; a flood of different ones is counted together; a change is there at once."""
    store = PostgresAuditStore(database)
    async with audit_log(store, days=36_500) as audit:
        await audit.changed(_deed("/x/\0" + "y" * 1000))
        ((_, change),) = await store.page("acme", None, 10)
        assert (len(change.target), change.count, change.subject) == (256, 1, "dora")
        for number in range(1_000):
            audit.refused(_deed("/v1/live", 401, "bad_token"))
            audit.refused(_deed("/v1/live", 401, "bad_token", address=f"10.0.0.{number}"))
    _, *refused = [record for _, record in reversed(await store.page("acme", None, 1_000))]
    assert refused[0].count == 1_000
    assert len(refused) == audit_module.MOST_KINDS
    ((_, others),) = await store.page("", None, 10)
    assert (others.action, others.count) == ("others", 1_000 - (audit_module.MOST_KINDS - 1))


async def test_the_log_outlives_its_store(system_postgres, monkeypatch, wait_until) -> None:
    """While the store is away changes wait, as many as there is room for, and are stored when it is back."""
    monkeypatch.setattr(audit_module, "FLUSH_S", 0.05)
    monkeypatch.setattr(audit_module, "MOST_WAITING", 5)
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        store = PostgresAuditStore(database)
        async with audit_log(store, days=36_500) as audit:
            await audit.changed(_deed("before"))
            system_postgres.kill()
            for number in range(7):
                await audit.changed(_deed(f"meanwhile {number}"))
            await wait_until(lambda: audit.dropped == 2)
            system_postgres.start()

            async def targets() -> set[str]:
                try:
                    return {record.target for _, record in await store.page("acme", None, 100)}
                except StoreError:
                    return set()

            expected = {"before", *(f"meanwhile {number}" for number in range(2, 7))}

            async def all_there() -> bool:
                return await targets() == expected

            await wait_until(all_there, timeout_s=30)
