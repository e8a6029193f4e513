"""All that decides who comes in, put together from the settings and the database; `app` asks it for each part."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from haulcast import clock
from haulcast.access import audit_api, share_api, token_api
from haulcast.access.access_store import AccessStore
from haulcast.access.access_store_postgres import PostgresAccessStore
from haulcast.access.audit_log import AuditLog, audit_log
from haulcast.access.audit_store import AuditStore
from haulcast.access.audit_store_postgres import PostgresAuditStore
from haulcast.database.pool import Database
from haulcast.doors.addresses import Proxies
from haulcast.doors.audit import Deed
from haulcast.doors.crowd import Crowd
from haulcast.doors.handshake import Door, SocketPath
from haulcast.doors.http_guard import HttpGuard
from haulcast.doors.issuer_keys import IssuerKeys, issuer_keys
from haulcast.doors.open_sockets import OpenSockets
from haulcast.doors.origins import Origins
from haulcast.doors.rate_limits import RateLimits
from haulcast.doors.revocations import Revocation, Revocations
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook
from haulcast.errors import HaulcastError
from haulcast.settings import Settings, listed

EXPOSED_HEADERS = ("ETag", "Location", "Retry-After", "WWW-Authenticate")
ASKED_HEADERS = ("Authorization", "Content-Type", "If-Match", "If-None-Match")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Gate:
    """Tokens, limits, revocations and the audit log of one hub."""

    def __init__(
        self,
        settings: Settings,
        secrets: Sequence[bytes],
        keys: IssuerKeys | None,
        store: AccessStore,
        audit_store: AuditStore,
        audit: AuditLog,
    ) -> None:
        self._settings = settings
        self._store = store
        self._audit_store = audit_store
        self._audit = audit
        self._revocations = Revocations()
        self._limits = RateLimits(settings)
        self._proxies = Proxies(listed(settings.trusted_proxies))
        self._origins = Origins(listed(settings.allowed_origins))
        self._crowds: list[Crowd] = []
        self._sockets: list[OpenSockets] = []
        self._tokens = TokenBook(
            *secrets,
            key_of=None if keys is None else keys.key_of,
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            leeway_s=settings.token_leeway_s,
            is_revoked=self._revocations.is_revoked,
        )

    @property
    def counters(self) -> dict[str, int]:
        """Plain counts since the start, and connections now."""
        return {
            "connections": sum(map(len, self._crowds)),
            "turned_away": sum(crowd.turned_away for crowd in self._crowds),
            "rate_limited": self._limits.refused,
            "audit_dropped": self._audit.dropped,
        }

    def verify(self, token: str) -> Claims:
        """The claims of a request's token.

        Raises:
            TokenError: it is not good.
            KeysError: its key is still to be fetched.
            RateError: it came too often.
        """
        claims = self._tokens.verify(token, clock.epoch_ms())
        self.count(claims)
        return claims

    def count(self, claims: Claims) -> None:
        """Count a request under these claims.

        Raises:
            RateError: it came too often.
        """
        self._limits.of_token(claims)

    async def hub_did(self, fleet: str, action: str, target: str) -> None:
        """Write down what the hub changed by itself, by a setting."""
        claims = Claims(fleet, "hub", subject="hub")
        await self._audit.changed(Deed(clock.epoch_ms(), claims, "", action, target, 200))

    def door(self, paths: Mapping[str, SocketPath]) -> Door:
        """The door of the sockets on these paths."""
        return Door(
            paths, self._tokens.verify, self._limits, self._origins, self._proxies,
            self._revocations.is_revoked, self._on_refused_handshake,
        )  # fmt: skip

    def crowd(self) -> Crowd:
        """Counts the connections of one port."""
        most = self._settings.connections, self._settings.connections_per_address
        self._crowds.append(Crowd(*most, self._proxies))
        return self._crowds[-1]

    def guard(self, app: ASGIApp) -> ASGIApp:
        """The routes with all that surrounds a request."""
        return HttpGuard(
            self._readable(app), self._settings, self._limits, self._proxies, self._audit, self._readable
        )

    def _readable(self, app: ASGIApp) -> ASGIApp:
        """Lets pages of the allowed origins read what it answers."""
        allowed = self._origins.allowed
        if not allowed:
            return app
        return CORSMiddleware(
            app, allow_origins=allowed, allow_methods=METHODS, allow_headers=ASKED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )  # fmt: skip

    def routes(self) -> list[Route]:
        """`/v1/revocations`, `/v1/shares`, `/v1/audit`."""
        return [
            *token_api.routes(self._store, self.verify, self._enforce, clock.epoch_ms),
            *share_api.routes(self._store, self.verify, self._tokens.make, self._enforce, clock.epoch_ms),
            *audit_api.routes(self._audit_store, self.verify),
        ]

    def watch(self, sockets: OpenSockets) -> None:
        """These are searched for revoked tokens too."""
        self._sockets.append(sockets)

    def take(self, revocations: Iterable[Revocation]) -> None:
        """Stored revocations, at the start."""
        for revocation in revocations:
            self._revocations.add(revocation)

    def _enforce(self, revocation: Revocation) -> None:
        self._revocations.add(revocation)
        for sockets in self._sockets:
            sockets.close_revoked(self._revocations.is_revoked)

    def _on_refused_handshake(
        self, path: str, address: str, error: HaulcastError, claims: Claims | None
    ) -> None:
        if error.http_status in {401, 403}:
            self._audit.refused(
                Deed(clock.epoch_ms(), claims, address, "connect", path, error.http_status, error.code)
            )


@contextlib.asynccontextmanager
async def open_gate(settings: Settings, secrets: Sequence[bytes], database: Database) -> AsyncIterator[Gate]:
    """The gate, for the time of the block.

    Raises:
        SettingError: a proxy or an origin is none, or a secret is too short.
        StoreError: the database cannot be reached.
    """
    store, audit_store = PostgresAccessStore(database), PostgresAuditStore(database)
    async with issuer_keys(settings) as keys, audit_log(audit_store, settings.audit_days) as audit:
        gate = Gate(settings, secrets, keys, store, audit_store, audit)
        gate.take(await store.revocations())
        yield gate
