"""When a token expires, and that a newer one is sent before; the whole is in tests/end_to_end/test_doors.py."""

import asyncio
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from haulcast.client.token_renewal import expires_ms_of, keep_token_fresh

SECRET = "0123456789abcdef0123456789abcdef"


def _token(**body) -> str:
    return jwt.encode(body, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    ("token", "expires_ms"),
    [
        (_token(exp=1_790_000_000), 1_790_000_000_000),
        (_token(exp=1.5), 1_500),
        (_token(fleet="a"), None),
        (_token(exp=10**400), None),
        ("junk", None),
        ("a.b.c", None),
        ("", None),
    ],
)
def test_when_a_token_expires(token, expires_ms) -> None:
    """As its body says, unverified; None for one that says nothing."""
    assert expires_ms_of(token) == expires_ms


@given(token=st.text(max_size=200))
def test_any_text_may_be_asked(token) -> None:
    """A client that was given something else than a JWT goes on without renewal."""
    assert expires_ms_of(token) is None or "." in token


async def test_a_newer_token_is_sent_and_the_same_one_is_not() -> None:
    """Only what has changed is worth a message; a token that is a plain text is never renewed."""
    heard: list[str] = []

    async def listen(socket) -> None:
        heard.extend([str(message) async for message in socket])

    first, second = (_token(exp=time.time() + 1, jti=name) for name in ("one", "two"))
    given = iter([first, second, second])
    async with serve(listen, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with connect(
            url, additional_headers={"Authorization": f"Bearer {first}"}, proxy=None
        ) as socket:
            renewing = asyncio.create_task(keep_token_fresh(socket, lambda: next(given)))
            never = asyncio.create_task(keep_token_fresh(socket, first))
            done, _ = await asyncio.wait({renewing, never}, timeout=20)
            assert done == {renewing}  # the fourth question has no answer
            never.cancel()
    assert heard == [f'{{"type":"token","token":"{second}"}}']
