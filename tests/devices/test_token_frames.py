"""A newer token among fixes: found whatever its form, never a fix, answered at once."""

from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from haulcast.devices.device_frames import TokenFrame, decode_frames, read_text_frame
from haulcast.devices.device_sessions import DeviceSessions
from haulcast.doors.socket_session import Admission, Claims
from haulcast.errors import FrameError, KeysError, TokenError
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.settings import Settings

FIX = b'{"seq":1,"time_ms":1790000000000,"lat":1,"lon":2}'


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"token","token":"a.b.c"}',
        b'{ "token" : "a.b.c",\n "type" : "token" }',
        b'{"type":"tok\\u0065n","token":"a.b.c"}',
    ],
)
def test_a_token_is_found_whatever_its_form(text) -> None:
    """Spaces, order and escapes make no difference; the fixes around it are taken, in their order."""
    batch, (other,) = decode_frames(WaitingFrames([0, 1, 2], [FIX, text, FIX]), 5, 10)
    assert batch.row.tolist() == [0, 2]
    assert isinstance(other.error, TokenFrame)
    assert (other.frame, other.error.token) == (1, "a.b.c")
    assert "a.b.c" not in str(other.error)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (b'{"type":"token"}', "unknown_field", "type"),
        (b'{"type":"token","token":""}', "wrong_type", "token"),
        (b'{"type":"token","token":7}', "wrong_type", "token"),
        (b'{"type":"token","token":"a","seq":1}', "unknown_field", "type"),
        (b'{"fixes":[{"type":"token","token":"a"}]}', "unknown_field", "fixes[0].type"),
    ],
)
def test_what_is_no_token_is_a_bad_frame(text, code, field) -> None:
    """A token stands alone, and is a text."""
    with pytest.raises(FrameError) as caught:
        read_text_frame(text, 10)
    assert (caught.value.code, caught.value.field) == (code, field)


class _Link:
    is_writable = True

    def __init__(self, outcome) -> None:
        self.outcome, self.texts, self.closed = outcome, [], None

    def send_text(self, payload) -> None:
        self.texts.append(orjson.loads(payload))

    def renew(self, _token: str) -> int:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def close(self, code, _reason) -> None:
        self.closed = code


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (7_000, {"type": "renewed", "expires_ms": 7_000}),
        (TokenError("bad_token", "no"), {"type": "error", "code": "bad_token", "reason": "no"}),
        (
            KeysError("keys_unavailable", "soon"),
            {"type": "error", "code": "keys_unavailable", "reason": "soon"},
        ),
    ],
)
def test_the_device_hears_what_became_of_its_token(outcome, said, wire_schema) -> None:
    """`renewed`, or the door's error, which counts as a bad frame; many of these close the connection."""
    track = SimpleNamespace(handled_seq=lambda rows: np.full(len(rows), -1))
    sessions = DeviceSessions(
        Settings(bad_frames=3), Inbox(1000), track, row_of=lambda *_: 0, on_gone=print, now_ms=lambda: 1,
        call_later=lambda *_: None,
    )  # fmt: skip
    session, link = (
        sessions.session_factory(Admission("/v1/device", Claims("acme", "device", "v"), None)),
        _Link(outcome),
    )
    session.opened(link)
    frames = WaitingFrames([0], [b'{"type":"token","token":"a.b.c"}'])
    _, bad = decode_frames(frames, 5, 10)
    for _ in range(3):
        sessions.on_frames(frames, bad)
    assert link.texts[1:] == [said] * 3
    assert wire_schema("toDevice").validate(said)
    assert (link.closed is None) == (said["type"] == "renewed")
    assert sessions.bad_frames == 0
