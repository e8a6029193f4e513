"""Loads, routes and vehicle profiles in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import asyncpg

from haulcast.database.editions import edition_of
from haulcast.database.pool import Database
from haulcast.errors import ConflictError, NotFoundError
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.route_store import (
    ANY,
    NEW,
    Asked,
    LoadWrite,
    RouteWrite,
    StoredProfile,
    check_edition,
    exists,
)
from haulcast.routes.stored_rows import (
    edition_of_row,
    load_of_row,
    profile_of_row,
    route_of_row,
    row_of_load,
    row_of_route,
    text_of_profile,
)
from haulcast.routes.vehicle_profile import VehicleProfile

PORTION = 200  # rows fetched at a time; a route can have a line of thousands of points
AT_ONCE = 50  # things that are turned into rows on the loop; more are in a thread


class _Table(NamedTuple):
    """What the tables of loads and routes have in common."""

    name: str
    what: str
    key: str
    over: str
    write: str
    of_row: Callable[[Any], Any]


_AGAIN = "version = {0}.version + 1, updated = greatest(now(), {0}.updated)"
_LOADS = _Table(
    "loads",
    "load",
    "load_id",
    "status IN ('delivered', 'cancelled')",
    f"""
        INSERT INTO loads (fleet, load_id, status, vehicle, pickup, delivery, size, needs, left_out_cost)
        SELECT $1, load_id, status, vehicle, pickup::jsonb, delivery::jsonb, size::jsonb,
            ARRAY(SELECT jsonb_array_elements_text(needs::jsonb)), left_out_cost
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::float8[])
            AS incoming (load_id, status, vehicle, pickup, delivery, size, needs, left_out_cost)
        ORDER BY load_id COLLATE "C"
        ON CONFLICT (fleet, load_id) DO UPDATE SET
            status = excluded.status, vehicle = excluded.vehicle, pickup = excluded.pickup, delivery = excluded.delivery,
            size = excluded.size, needs = excluded.needs, left_out_cost = excluded.left_out_cost,
            {_AGAIN.format("loads")}
        RETURNING load_id AS id, version, created
    """,  # noqa: S608 - no input in it
    load_of_row,
)
# Those that are not active first: of two that change places at a vehicle one has to go before the other comes.
_ROUTES = _Table(
    "routes",
    "route",
    "route_id",
    "status IN ('done', 'cancelled')",
    f"""
        INSERT INTO routes (fleet, route_id, vehicle, status, stops, line, plan)
        SELECT $1, route_id, vehicle, status, stops::jsonb, line::jsonb, plan
        FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS incoming (route_id, vehicle, status, stops, line, plan)
        ORDER BY status = 'active', route_id COLLATE "C"
        ON CONFLICT (fleet, route_id) DO UPDATE SET
            vehicle = excluded.vehicle, status = excluded.status, stops = excluded.stops, plan = excluded.plan,
            line = CASE WHEN excluded.line IS NULL THEN routes.line ELSE excluded.line END, {_AGAIN.format("routes")}
        RETURNING route_id AS id, version, created
    """,  # noqa: S608 - no input in it
    route_of_row,
)


class PostgresRouteStore:
    """The tables `loads`, `routes`, `vehicle_profiles` and `stop_fences`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def loads(self, fleet: str | None = None) -> AsyncIterator[Sequence[Load]]:
        """See `RouteStore`."""
        async for rows in self._portions("loads", f"NOT {_LOADS.over}", fleet):
            yield [load_of_row(row) for row in rows]

    async def routes(self, fleet: str | None = None) -> AsyncIterator[Sequence[Route]]:
        """See `RouteStore`."""
        async for rows in self._portions("routes", f"NOT {_ROUTES.over}", fleet):
            yield [route_of_row(row) for row in rows]

    async def profiles(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredProfile]]:
        """See `RouteStore`."""
        async for rows in self._portions("vehicle_profiles", "true", fleet):
            yield [profile_of_row(row) for row in rows]

    async def _portions(self, table: str, which: str, fleet: str | None) -> AsyncIterator[Sequence[Any]]:
        query = f"SELECT * FROM {table} WHERE {which} AND ($1::text IS NULL OR fleet = $1)"  # noqa: S608 - no input in it
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(query, fleet)
            while rows := await cursor.fetch(PORTION):
                yield rows

    async def page_of_loads(self, fleet: str, asked: Asked) -> Sequence[Load]:
        """See `RouteStore`."""
        return await self._page(_LOADS, fleet, asked)

    async def page_of_routes(self, fleet: str, asked: Asked) -> Sequence[Route]:
        """See `RouteStore`."""
        return await self._page(_ROUTES, fleet, asked)

    async def _page(self, table: _Table, fleet: str, asked: Asked) -> list[Any]:
        values: list[Any] = [fleet, asked.after]
        conditions = [
            "fleet = $1",
            f"{table.key} > $2",
        ]  # and only what is asked, or no index would serve all of it
        for name, value in (("status", asked.status), ("vehicle", asked.vehicle)):
            if value:
                values.append(value)
                conditions.append(f"{name} = ${len(values)}")
        if asked.vehicles is not None:
            values.append(list(asked.vehicles))
            conditions.append(f"vehicle = ANY (${len(values)}::text[])")
        where = " AND ".join(conditions)
        query = f"SELECT * FROM {table.name} WHERE {where} ORDER BY {table.key} LIMIT {asked.limit:d}"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            rows = await connection.fetch(query, *values)
        return [table.of_row(row) for row in rows]

    async def find_load(self, fleet: str, load_id: str) -> Load | None:
        """See `RouteStore`."""
        found: Load | None = await self._find(_LOADS, fleet, load_id)
        return found

    async def find_route(self, fleet: str, route_id: str) -> Route | None:
        """See `RouteStore`."""
        found: Route | None = await self._find(_ROUTES, fleet, route_id)
        return found

    async def _find(self, table: _Table, fleet: str, key: str) -> Any:
        query = f"SELECT * FROM {table.name} WHERE fleet = $1 AND {table.key} = $2"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, fleet, key)
        return None if row is None else table.of_row(row)

    async def find_profile(self, fleet: str, vehicle: str) -> StoredProfile | None:
        """See `RouteStore`."""
        async with self._database.connection() as connection:
            row = await _profile_row(connection, fleet, vehicle)
        return None if row is None else profile_of_row(row)

    async def write(
        self, fleet: str, loads: Sequence[LoadWrite] = (), routes: Sequence[RouteWrite] = ()
    ) -> tuple[Sequence[Load], Sequence[Route]]:
        """See `RouteStore`."""
        if len(loads) + len(routes) > AT_ONCE:
            load_rows, route_rows = await asyncio.to_thread(_rows, loads, routes)
        else:
            load_rows, route_rows = _rows(loads, routes)
        async with self._changing() as connection:
            expected = {one.load.load_id: one.expected for one in loads}
            of_loads = await _write(connection, _LOADS, fleet, load_rows, expected)
            await _make_way(connection, fleet, routes)
            expected = {one.route.route_id: one.expected for one in routes}
            of_routes = await _write(connection, _ROUTES, fleet, route_rows, expected)
        return (
            [replace(one.load, edition=of_loads[one.load.load_id]) for one in loads],
            [replace(one.route, edition=of_routes[one.route.route_id]) for one in routes],
        )

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[Any]:
        """A transaction, in which a second active route of a vehicle is a conflict."""
        try:
            async with self._database.connection() as connection, connection.transaction():
                yield connection
        except asyncpg.UniqueViolationError as error:
            detail = error.detail or ""
            reason = f"a vehicle can have one active route, and this one has another already: {detail}"
            raise ConflictError("vehicle_has_route", reason, field="vehicle") from error

    async def put_profile(
        self, fleet: str, vehicle: str, profile: VehicleProfile, expected: str | None = None
    ) -> tuple[str, bool]:
        """See `RouteStore`."""
        query = f"""
            INSERT INTO vehicle_profiles (fleet, vehicle_id, profile) VALUES ($1, $2, $3::jsonb)
            ON CONFLICT (fleet, vehicle_id) DO UPDATE
            SET profile = excluded.profile, {_AGAIN.format("vehicle_profiles")} RETURNING version, created
        """  # noqa: S608 - no input in it
        async with self._database.connection() as connection, connection.transaction():
            if expected is not None:
                found = await _profile_row(connection, fleet, vehicle, lock=True)
                check_edition("profile", vehicle, expected, None if found is None else edition_of_row(found))
            row = await connection.fetchrow(query, fleet, vehicle, text_of_profile(profile))
        return edition_of_row(row), row["version"] == 1  # a changed one has at least 2

    async def delete_profile(self, fleet: str, vehicle: str, expected: str = ANY) -> None:
        """See `RouteStore`."""
        query = "DELETE FROM vehicle_profiles WHERE fleet = $1 AND vehicle_id = $2"
        async with self._database.connection() as connection, connection.transaction():
            found = await _profile_row(connection, fleet, vehicle, lock=True)
            if found is None:
                raise NotFoundError("no_such_profile", f"there is no profile of vehicle {vehicle!r}")
            check_edition("profile", vehicle, expected, edition_of_row(found))
            await connection.execute(query, fleet, vehicle)

    async def forget(self, before_ms: int, most: int) -> int:
        """See `RouteStore`."""
        forgotten = 0
        async with self._database.connection() as connection, connection.transaction():
            for table in (_LOADS, _ROUTES):
                query = f"""
                    DELETE FROM {table.name} WHERE ctid IN (
                        SELECT ctid FROM {table.name} WHERE {table.over} AND updated < to_timestamp($1::float8) LIMIT $2
                    )
                """  # noqa: S608 - no input in it
                forgotten += int((await connection.execute(query, before_ms / 1000, most)).split()[-1])
        return forgotten

    async def stop_fences(self, fleet: str | None = None) -> Sequence[tuple[str, str]]:
        """See `RouteStore`."""
        query = "SELECT fleet, fence_id FROM stop_fences WHERE $1::text IS NULL OR fleet = $1"
        async with self._database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, fleet)]

    async def add_stop_fences(self, fleet: str, fence_ids: Collection[str]) -> None:
        """See `RouteStore`."""
        query = "INSERT INTO stop_fences SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
        async with self._database.connection() as connection:
            await connection.execute(query, fleet, sorted(fence_ids))

    async def remove_stop_fences(self, fleet: str, fence_ids: Collection[str]) -> None:
        """See `RouteStore`."""
        query = "DELETE FROM stop_fences WHERE fleet = $1 AND fence_id = ANY ($2::text[])"
        async with self._database.connection() as connection:
            await connection.execute(query, fleet, list(fence_ids))


def _rows(
    loads: Sequence[LoadWrite], routes: Sequence[RouteWrite]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    return (
        [row_of_load(one.load) for one in loads],
        [row_of_route(one.route, keeps_line=one.keeps_line) for one in routes],
    )


async def _write(
    connection: Any,
    table: _Table,
    fleet: str,
    rows: Sequence[tuple[Any, ...]],
    expected: Mapping[str, str | None],
) -> Mapping[str, str]:
    """The new editions by id."""
    if not rows:
        return {}
    asked = {key: edition for key, edition in expected.items() if edition is not None}
    found = await _editions(connection, table, fleet, asked)
    for key, edition in asked.items():
        check_edition(table.what, key, edition, found.get(key))
    written = await connection.fetch(
        table.write, fleet, *(list(column) for column in zip(*rows, strict=True))
    )
    for row in written:
        if asked.get(row["id"]) == NEW and row["version"] > 1:  # somebody else made it since the look
            raise exists(table.what, row["id"])
    return {row["id"]: edition_of(row["version"], row["created"]) for row in written}


async def _editions(connection: Any, table: _Table, fleet: str, keys: Iterable[str]) -> Mapping[str, str]:
    query = f"""
        SELECT {table.key} AS id, version, created FROM {table.name} WHERE fleet = $1 AND {table.key} = ANY ($2::text[])
        ORDER BY {table.key} FOR UPDATE
    """  # noqa: S608 - no input in it
    return {row["id"]: edition_of_row(row) for row in await connection.fetch(query, fleet, list(keys))}


async def _make_way(connection: Any, fleet: str, writes: Sequence[RouteWrite]) -> None:
    """Let active routes that go to another vehicle leave theirs first, or two could not change places."""
    active = [one.route for one in writes if one.route.status is RouteStatus.ACTIVE]
    query = """
        UPDATE routes SET status = 'planned' FROM unnest($2::text[], $3::text[]) AS incoming (id, whose)
        WHERE fleet = $1 AND route_id = id AND vehicle <> whose AND status = 'active'
    """
    if len(active) > 1:
        ids, vehicles = [route.route_id for route in active], [route.vehicle for route in active]
        await connection.execute(query, fleet, ids, vehicles)


async def _profile_row(connection: Any, fleet: str, vehicle: str, *, lock: bool = False) -> Any:
    query = "SELECT * FROM vehicle_profiles WHERE fleet = $1 AND vehicle_id = $2"
    return await connection.fetchrow(query + " FOR UPDATE" if lock else query, fleet, vehicle)
