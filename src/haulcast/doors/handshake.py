"""Who may come in: path, token, role and subprotocol of a handshake, judged without a socket.

The order is 429, 404, 401, 403, so that a wrong path says nothing about tokens and a wrong token nothing about roles.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

import structlog
from starlette.responses import Response

from haulcast.doors.addresses import Proxies
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.origins import Origins
from haulcast.doors.problems import headers_of, problem_response
from haulcast.doors.rate_limits import RateLimits
from haulcast.doors.socket_session import Admission, Claims, Link, SessionFactory, SocketSession
from haulcast.doors.wire import SUBPROTOCOLS, TOKEN_SUBPROTOCOL
from haulcast.errors import ForbiddenError, HaulcastError, KeysError, NotFoundError, RateError, TokenError

Verify = Callable[[str, int], Claims]

POLICY_VIOLATION = 1008  # RFC 6455: any other refusal
INTERNAL_ERROR = 1011
NOBODY = Claims(fleet="", role="")

_log = structlog.get_logger("haulcast.sockets")


@dataclass(frozen=True, slots=True)
class SocketPath:
    """What answers on one path, and for which roles.

    `make_session` is called once the socket is open, `opened` right after it. It may raise: the socket is then
    closed with the code of `close_code_of`.
    """

    roles: frozenset[str]
    make_session: SessionFactory


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a handshake is not let through.

    With a `close_code` the shell lets the handshake through and closes at once (the token came as browsers send it,
    which hide the status of a refused handshake). Without one it answers with `problem()` and the connection ends.
    """

    error: HaulcastError
    close_code: int | None = None
    subprotocol: str | None = None  # a browser gives up on an answer that lacks the one it asked for
    remote: str = ""
    claims: Claims | None = None  # of a good token

    def let_in(self, path: str) -> tuple[Admission, SessionFactory]:
        """How to let the handshake through, for a session that closes at once."""
        code = POLICY_VIOLATION if self.close_code is None else self.close_code
        return Admission(path, NOBODY, self.subprotocol, (), self.remote), partial(
            RefusedSession, code, self.error.code
        )

    def problem(self) -> Response:
        """The HTTP answer."""
        error = self.error
        return problem_response(error.http_status, error.code, error.reason, headers=headers_of(error))


@dataclass(frozen=True, slots=True)
class Door:
    """The paths behind one or more ports, and how their tokens are verified."""

    paths: Mapping[str, SocketPath]
    verify: Verify
    limits: RateLimits | None = None
    origins: Origins = field(default_factory=Origins)
    proxies: Proxies = field(default_factory=Proxies)
    is_revoked: Callable[[Claims], bool] = lambda _claims: False
    on_refused: Callable[[str, str, HaulcastError, Claims | None], None] = lambda *_: None

    def admit(
        self, path: str, query: str, headers: Mapping[str, str], *, remote: str, now_ms: int
    ) -> Admission | Refusal:
        """Judge a handshake.

        Args:
            path: percent-decoded path, without the query.
            query: raw query string, without `?`.
            headers: as `plain_headers` makes them.
            remote: the peer's address and port.
            now_ms: epoch milliseconds.
        """
        peer = remote.rpartition(":")[0]
        address = self.proxies.client_of(peer, headers)
        remote = remote if address == peer else address
        judged = self._judge(path, query, headers, remote, address, now_ms)
        if isinstance(judged, Refusal):
            self.on_refused(path, address, judged.error, judged.claims)
        return judged

    def _judge(
        self, path: str, query: str, headers: Mapping[str, str], remote: str, address: str, now_ms: int
    ) -> Admission | Refusal:
        try:
            if self.limits is not None:
                self.limits.of_address(address)
            self.origins.check(headers)
        except (RateError, ForbiddenError) as error:
            return Refusal(error, remote=remote)
        behind = self.paths.get(path)
        if behind is None:
            return Refusal(
                NotFoundError("not_found", f"no socket answers here; known are {', '.join(self.paths)}"),
                remote=remote,
            )
        chosen, unknown = _subprotocol(headers)
        token, is_browser = _token(query, headers)
        try:
            claims = self.verify(token, now_ms)
        except (TokenError, KeysError) as error:
            return Refusal(error, close_code_of(error) if is_browser else None, chosen, remote)
        if claims.role not in behind.roles:
            allowed = ", ".join(sorted(behind.roles))
            wrong = ForbiddenError(
                "wrong_role", f"role {claims.role} may not use {path}; allowed are {allowed}"
            )
            return Refusal(wrong, close_code_of(wrong) if is_browser else None, chosen, remote, claims)
        try:
            if self.limits is not None:
                self.limits.of_token(claims)
        except RateError as error:
            return Refusal(error, None, chosen, remote, claims)
        return Admission(sys.intern(path), claims, chosen, unknown, remote)  # one text for all connections

    def renewed(self, claims: Claims, token: str, now_ms: int) -> Claims:
        """The claims of a newer token, under which a connection with these claims goes on.

        Raises:
            TokenError: what `verify` says of it.
            KeysError: its key is still to be fetched.
            ForbiddenError: it is of another bearer, who has to connect anew.
            RateError: it comes too often.
        """
        newer = self.verify(token, now_ms)
        if newer.bearer != claims.bearer:
            raise ForbiddenError(
                "other_bearer",
                "the token is of another fleet, role, vehicle or share than the connection; connect anew with it",
                field="token",
            )
        if self.limits is not None:
            self.limits.of_token(newer)
        return newer


def plain_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; values of a repeated one are joined with commas (RFC 9110, 5.2)."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _token(query: str, headers: Mapping[str, str]) -> tuple[str, bool]:
    """The token ("" for none), and whether it came as a browser sends it: with the subprotocols or in the query; the header wins."""
    if "authorization" in headers:
        scheme, _, token = headers["authorization"].partition(" ")
        return (token.strip() if scheme.lower() == "bearer" else ""), False
    for name in _offered(headers):
        if name.startswith(TOKEN_SUBPROTOCOL):
            return name.removeprefix(TOKEN_SUBPROTOCOL), True
    tokens = parse_qs(query, keep_blank_values=True).get("token", [])
    return (tokens[0], True) if tokens else ("", False)


def _offered(headers: Mapping[str, str]) -> list[str]:
    """All subprotocols, among them one with a token after it."""
    names = (name.strip() for name in headers.get("sec-websocket-protocol", "").split(","))
    return [name for name in names if name]


def _subprotocol(headers: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """The first offered one that we speak; and, when there is none, all that were offered."""
    offered = tuple(name for name in _offered(headers) if not name.startswith(TOKEN_SUBPROTOCOL))
    for name in offered:
        if name in SUBPROTOCOLS:
            return name, ()
    return None, offered


def close_code_of(error: HaulcastError) -> int:
    """The close code that says on a socket what the error says over HTTP."""
    match error.http_status:
        case 401:
            return CloseCode.TOKEN
        case 403:
            return CloseCode.FORBIDDEN
        case 429:
            return CloseCode.OVERLOADED
        case status if status < 500:
            return POLICY_VIOLATION
        case _:
            return CloseCode.OVERLOADED


class RefusedSession:
    """Answers an open socket with a close code and nothing else."""

    __slots__ = ("_code", "_reason")

    def __init__(self, code: int, reason: str, _admission: Admission) -> None:
        self._code = code
        self._reason = reason

    def opened(self, link: Link) -> None:
        """Close at once."""
        link.close(self._code, self._reason)

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """Too late."""

    def writable(self) -> None:
        """Nothing waits."""

    def closed(self) -> None:
        """Nothing to end."""


def open_session(make_session: SessionFactory, admission: Admission) -> SocketSession:
    """The session behind an open socket, or one that closes it because there can be none."""
    try:
        return make_session(admission)
    except HaulcastError as error:
        return RefusedSession(close_code_of(error), error.code, admission)
    except Exception:  # noqa: BLE001  logged
        _log.exception("session_not_made", path=admission.path, fleet=admission.claims.fleet)
        return RefusedSession(INTERNAL_ERROR, "internal error", admission)
