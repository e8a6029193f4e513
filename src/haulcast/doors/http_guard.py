"""What surrounds every HTTP request: limits before it, headers on its answer, and a note of what it changed.

A plain ASGI application around the routes, so that no route can be forgotten. It knows who asked because `admitted` leaves the
claims in the request's state; a route may leave there, as `changed`, what it changed, where the answer's Location does not say it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haulcast import clock
from haulcast.doors.addresses import Proxies
from haulcast.doors.audit import Deed, NoAudit, Recorder
from haulcast.doors.handshake import plain_headers
from haulcast.doors.problems import headers_of, problem_response
from haulcast.doors.rate_limits import RateLimits
from haulcast.doors.security_headers import security_headers
from haulcast.errors import HeadTooLargeError, RateError, TooSlowError
from haulcast.settings import Settings

LEAST_BODY_BYTES_PER_S: Final = 8_192
HEAD_BYTES: Final = 16_384
"""Most bytes of a request's line and headers; picows has the same limit."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})


@dataclass(slots=True)
class HttpGuard:
    """The routes with their guard.

    Args:
        app: the routes.
        settings: limits.
        limits: are counted in; None: nobody is limited.
        proxies: whose word is taken for a client's address.
        audit: hears of changes and of refused access.
        readable: lets pages of other origins read an answer that the guard gives itself.
    """

    app: ASGIApp
    settings: Settings
    limits: RateLimits | None = None
    proxies: Proxies = field(default_factory=Proxies)
    audit: Recorder = field(default_factory=NoAudit)
    readable: Callable[[ASGIApp], ASGIApp] = lambda app: app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one handshake, whose limits are the door's business."""
        guarded = self._with_headers(send)
        if scope["type"] != "http":
            await self.app(scope, receive, guarded)
            return
        state = scope.setdefault("state", {})
        headers = plain_headers(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        peer = scope["client"][0] if scope.get("client") else ""
        state["address"] = self.proxies.client_of(peer, headers)
        try:
            if self.limits is not None:
                self.limits.of_address(state["address"])
            _check_head(scope)
        except (RateError, HeadTooLargeError) as error:
            answer = problem_response(error.http_status, error.code, error.reason, headers=headers_of(error))
            await self.readable(answer)(scope, receive, guarded)
            return
        await self.app(
            scope, _paced(receive, self.settings.handshake_timeout_s), self._audited(scope, guarded)
        )

    def _with_headers(self, send: Send) -> Send:
        ours = [
            (name.encode(), value.encode()) for name, value in security_headers(self.settings.hsts_s).items()
        ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                message["headers"] = own + [pair for pair in ours if pair[0] not in named]
            await send(message)

        return send_with_headers

    def _audited(self, scope: Scope, send: Send) -> Send:
        async def send_audited(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._note(scope, message)
            await send(message)

        return send_audited

    async def _note(self, scope: Scope, start: Message) -> None:
        status, claims = start["status"], scope["state"].get("claims")
        is_change = (
            scope["method"] not in SAFE_METHODS and status < 400 and claims and claims.role != "device"
        )
        if not is_change and status not in {401, 403}:
            return
        named = dict(start.get("headers", ()))
        target = (
            scope["state"].get("changed") or named.get(b"location", b"").decode("latin-1") or scope["path"]
        )
        deed = Deed(
            time_ms=clock.epoch_ms(),
            claims=claims,
            address=scope["state"]["address"],
            action=scope["method"] + " " + _route_of(scope),
            target=str(target),
            status=status,
            code=scope["state"].get("code", ""),
        )
        if is_change:
            await self.audit.changed(deed)
        else:
            self.audit.refused(deed)


def _check_head(scope: Scope) -> None:
    size = len(scope.get("raw_path", b"")) + len(scope["query_string"])
    size += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > HEAD_BYTES:
        raise HeadTooLargeError(
            "head_too_large", f"the request's head has {size} bytes; allowed are {HEAD_BYTES}"
        )


def _route_of(scope: Scope) -> str:
    """The path as the route has it, with names for ids; of one that no route took, the path."""
    return str(getattr(scope.get("route"), "path", scope["path"]))


def _paced(receive: Receive, grace_s: float) -> Receive:
    """A body has to come at a least rate, after a grace; whoever waits for the end of the connection may wait."""
    due_s = clock.monotonic_s() + grace_s
    is_whole = False

    async def receive_in_time() -> Message:
        nonlocal due_s, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, due_s - clock.monotonic_s())):
                message = await receive()
        except TimeoutError as error:
            raise TooSlowError("slow_body", "the request's body comes too slowly") from error
        due_s += len(message.get("body", b"")) / LEAST_BODY_BYTES_PER_S
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time
