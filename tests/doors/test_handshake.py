"""The handshake's judgement: order of refusals, where a token may come from, which subprotocol is spoken."""

import pytest

from haulcast.doors.close_codes import CloseCode
from haulcast.doors.handshake import (
    Door,
    Refusal,
    RefusedSession,
    SocketPath,
    close_code_of,
    open_session,
    plain_headers,
)
from haulcast.doors.socket_session import Admission, Claims
from haulcast.doors.wire import BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL, TOKEN_SUBPROTOCOL
from haulcast.errors import ClientError, ConflictError, ForbiddenError, NotFoundError, StoreError, TokenError

CLAIMS = {"d": Claims("acme", "device", "truck-7"), "v": Claims("acme", "viewer")}


def _verify(token: str, _now_ms: int) -> Claims:
    if token not in CLAIMS:
        raise TokenError("bad_token" if token else "no_token", "no")
    return CLAIMS[token]


def _never(_admission):
    raise NotImplementedError


DOOR = Door(
    {
        "/v1/device": SocketPath(frozenset({"device"}), _never),
        "/v1/live": SocketPath(frozenset({"viewer"}), _never),
    },
    _verify,
)


def _admit(path="/v1/device", query="", headers=None) -> Admission | Refusal:
    return DOOR.admit(path, query, plain_headers((headers or {}).items()), remote="peer", now_ms=0)


@pytest.mark.parametrize(
    ("path", "query", "headers", "status", "code", "close_code"),
    [
        ("/", "", {}, 404, "not_found", None),
        ("/v1/device/", "token=d", {}, 404, "not_found", None),
        ("/v1/device", "", {}, 401, "no_token", None),
        ("/v1/device", "", {"Authorization": "Basic d"}, 401, "no_token", None),
        ("/v1/device", "", {"Authorization": "Bearer"}, 401, "no_token", None),
        ("/v1/device", "", {"Authorization": "Bearer x"}, 401, "bad_token", None),
        ("/v1/device", "token=d", {"Authorization": "Bearer x"}, 401, "bad_token", None),
        ("/v1/device", "token=x", {}, 401, "bad_token", 4401),
        ("/v1/device", "token=", {}, 401, "no_token", 4401),
        ("/v1/device", "", {"Authorization": "Bearer v"}, 403, "wrong_role", None),
        ("/v1/device", "token=v", {}, 403, "wrong_role", 4503),
        ("/v1/live", "a=b&token=d&c", {}, 403, "wrong_role", 4503),
        ("/v1/live", "", {"Sec-WebSocket-Protocol": f"x, {TOKEN_SUBPROTOCOL}d"}, 403, "wrong_role", 4503),
        ("/v1/live", "token=v", {"Sec-WebSocket-Protocol": TOKEN_SUBPROTOCOL}, 401, "no_token", 4401),
    ],
)
def test_refusals(path, query, headers, status, code, close_code):
    """404 before 401 before 403; what came as browsers send it is answered on the socket."""
    refusal = _admit(path, query, headers)
    assert isinstance(refusal, Refusal)
    assert (refusal.problem().status_code, refusal.error.code, refusal.close_code) == (
        status,
        code,
        close_code,
    )
    assert ("www-authenticate" in refusal.problem().headers) == (status == 401)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("token=d", {}),
        ("x=1&token=d", {}),
        ("", {"authorization": "Bearer d"}),
        ("token=v", {"AUTHORIZATION": "bearer  d "}),
        ("token=v", {"Sec-WebSocket-Protocol": f"{TOKEN_SUBPROTOCOL}d"}),
        ("", {"authorization": "Bearer d", "Sec-WebSocket-Protocol": f"{TOKEN_SUBPROTOCOL}v"}),
    ],
)
def test_a_token_comes_in_the_header_with_the_subprotocols_or_in_the_query(query, headers):
    """Each will do, and the one that is named first here wins."""
    assert _admit(query=query, headers=headers) == Admission("/v1/device", CLAIMS["d"], None, (), "peer")


@pytest.mark.parametrize(
    ("offered", "chosen", "unknown"),
    [
        ("", None, ()),
        (JSON_SUBPROTOCOL, JSON_SUBPROTOCOL, ()),
        (f"graphql-ws , {BINARY_SUBPROTOCOL}, {JSON_SUBPROTOCOL}", BINARY_SUBPROTOCOL, ()),
        ("graphql-ws, mqtt", None, ("graphql-ws", "mqtt")),
        (" , ,", None, ()),
        (f"{JSON_SUBPROTOCOL}, {TOKEN_SUBPROTOCOL}v", JSON_SUBPROTOCOL, ()),
        (f"{TOKEN_SUBPROTOCOL}v, mqtt", None, ("mqtt",)),  # a token is nothing to be told
    ],
)
def test_subprotocols(offered, chosen, unknown):
    """The first that we speak; with none of ours, all that were offered are told to the session."""
    admission = _admit(headers={"authorization": "Bearer d", "sec-websocket-protocol": offered})
    assert isinstance(admission, Admission)
    assert (admission.subprotocol, admission.unknown_subprotocols) == (chosen, unknown)


def test_a_repeated_header_is_one_list():
    """RFC 9110, 5.2; so two subprotocol lines are one offer, and two tokens are none."""
    assert plain_headers([("A", "1"), ("b", "2"), ("a", "3")]) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TokenError("x", ""), CloseCode.TOKEN),
        (ForbiddenError("x", ""), CloseCode.FORBIDDEN),
        (NotFoundError("x", ""), 1008),
        (ConflictError("x", ""), 1008),
        (StoreError("x", ""), CloseCode.OVERLOADED),
    ],
)
def test_errors_have_close_codes(error, code):
    """Ours means come back later; theirs does not, unless another token helps."""
    assert close_code_of(error) == code


class _Link:
    def __init__(self):
        self.closes = []

    def close(self, code, reason):
        self.closes.append((code, reason))


@pytest.mark.parametrize(
    ("error", "close"),
    [(ClientError("no_room", "x"), (1008, "no_room")), (KeyError("secret"), (1011, "internal error"))],
)
def test_a_session_that_cannot_be_made_is_one_that_closes(error, close):
    """The peer hears a code; what went wrong inside stays inside."""

    def make(_admission):
        raise error

    session, link = open_session(make, Admission("/v1/device", CLAIMS["d"], None)), _Link()
    assert isinstance(session, RefusedSession)
    session.opened(link)
    session.received(b"", is_text=True)
    session.writable()
    session.closed()
    assert link.closes == [close]
