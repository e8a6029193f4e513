"""Device sessions without sockets: one a vehicle, acks joined, bad frames counted."""

from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from geo.positions import position_batch
from geo.track_filter import FilterLimits, Refusals, TrackState, filter_track
from haulcast.client.device_frames import Resend, read_replies
from haulcast.devices.device_frames import BadFrame
from haulcast.devices.device_sessions import DeviceSessions, ack_spacing
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission, Claims
from haulcast.errors import FrameError
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings


class ListLink:
    """A link that keeps what is sent through it."""

    is_writable = True

    def __init__(self) -> None:
        self.texts: list[dict] = []
        self.binaries: list[bytes] = []
        self.closed: int | None = None

    def send_text(self, payload) -> None:
        self.texts.append(orjson.loads(bytes(payload)))

    def send_binary(self, payload) -> None:
        self.binaries.append(bytes(payload))

    def close(self, code, reason) -> None:
        assert len(reason.encode()) <= 120
        self.closed = code


@pytest.fixture
def hub():
    """Sessions over real state, with a clock and timers that the test turns."""
    rows, track, inbox = VehicleRows(), TrackState(), Inbox(1_000)
    made = SimpleNamespace(now_ms=1_000_000, timers=[], gone=[], rows=rows, track=track, inbox=inbox)

    def row_of(fleet: str, vehicle: str) -> int:
        row = rows.row_of(fleet, vehicle)
        track.ensure_rows(row + 1)
        return row

    made.sessions = DeviceSessions(
        Settings(bad_frames=3, ack_interval_ms=200),
        inbox,
        track,
        row_of=row_of,
        on_gone=made.gone.append,
        now_ms=lambda: made.now_ms,
        call_later=lambda delay_s, call: made.timers.append((delay_s, call)),
    )
    return made


def connect(hub, vehicle="truck", subprotocol=None, unknown=()):
    """Open a session through a list link."""
    admission = Admission("/v1/device", Claims("acme", "device", vehicle), subprotocol, tuple(unknown))
    session, link = hub.sessions.session_factory(admission), ListLink()
    session.opened(link)
    return session, link


def take(hub, *seqs: int, row: int = 0) -> None:
    """Pass fixes through the filter and tell the sessions."""
    batch = position_batch(len(seqs))
    batch.row[:], batch.seq[:] = row, seqs
    batch.time_ms[:] = hub.now_ms + np.arange(len(seqs)) + 10 * np.array(seqs)
    batch.lat_deg[:] = 37.0
    limits = FilterLimits(10**9, 10**9, 90.0, 200.0, 1e4, 1e6, 1e6)
    result = filter_track(hub.track, batch, hub.now_ms, limits)
    hub.sessions.on_settled(np.unique(result.accepted.row))
    hub.sessions.on_refused(result.refused)


def test_a_device_is_welcomed_with_the_sequence_to_go_on_from(hub):
    """The first connection hears -1; a later one hears what was taken from the vehicle before."""
    _, first = connect(hub)
    assert first.texts == [{"type": "welcome", "vehicle": "truck", "seq": -1, "time_ms": 1_000_000}]
    take(hub, 4, 5)
    _, second = connect(hub)
    assert second.texts[0]["seq"] == 5


def test_the_newer_connection_of_a_vehicle_wins(hub):
    """The older one is closed and told why; its end does not end the vehicle's presence."""
    older, older_link = connect(hub)
    newer, newer_link = connect(hub)
    assert (older_link.closed, newer_link.closed) == (CloseCode.REPLACED, None)
    older.closed()
    assert (len(hub.sessions), hub.gone) == (1, [])
    newer.closed()
    assert (len(hub.sessions), hub.gone) == (0, [newer.row])


def test_vehicles_of_the_same_name_in_two_fleets_are_two(hub):
    """A fleet's vehicle never takes over another fleet's."""
    connect(hub)
    claims = Claims("other", "device", "truck")
    session = hub.sessions.session_factory(Admission("/v1/device", claims, None))
    session.opened(ListLink())
    assert len(hub.sessions) == 2


def test_acks_are_cumulative_and_joined(hub):
    """The first ack comes at once, later ones at most every interval, the last one by timer."""
    _, link = connect(hub)
    take(hub, 0)
    for seq in (1, 2, 3):
        hub.now_ms += 10
        take(hub, seq)
    acks = [frame["seq"] for frame in link.texts if frame["type"] == "ack"]
    assert acks == [0]
    hub.now_ms += 200
    ((delay_s, call),) = hub.timers
    assert delay_s == 0.2
    call()
    assert [frame["seq"] for frame in link.texts if frame["type"] == "ack"] == [0, 3]


def test_a_busy_hub_spaces_acks_out(hub):
    """Up to 75 % of a core nothing changes; from 95 % on acks are ten intervals apart, and none is lost."""
    assert [ack_spacing(busy) for busy in (0.0, 0.75, 0.95, 2.0)] == [1, 1, 10, 10]
    assert 1 < ack_spacing(0.8) < ack_spacing(0.9) < 10
    _, link = connect(hub)
    hub.sessions.set_load(0.99)
    take(hub, 0)
    hub.now_ms += 1900
    take(hub, 1)
    hub.now_ms += 100
    hub.timers[-1][1]()
    assert [frame["seq"] for frame in link.texts if frame["type"] == "ack"] == [0, 1]
    assert hub.timers[-1][0] == 2.0


def test_a_binary_connection_hears_binary(hub):
    """Acks and rejects of a binary connection are records; welcome and errors stay text."""
    _, link = connect(hub, subprotocol="haulcast.v1.binary")
    take(hub, 3)
    take(hub, 3)
    assert [np.frombuffer(b, "<u4").tolist() for b in link.binaries] == [[1, 0, 3, 0], [2, 1, 3, 0, 16, 0]]


def test_rejects_go_to_their_own_device_in_one_frame(hub):
    """Each device hears of its own refused fixes, all of a tick in one frame."""
    _, a = connect(hub, "a")
    _, b = connect(hub, "b")
    hub.sessions.on_refused(
        Refusals(
            np.array([1, 0, 1, 0], np.int32),
            np.array([5, 6, 7, -1]),
            np.array([1, 2, 12, 1], np.uint32),
            np.arange(4),
        )
    )
    assert a.texts[-1]["rejects"] == [{"seq": 6, "reasons": ["null_island"]}]
    assert [r["seq"] for r in b.texts[-1]["rejects"]] == [5, 7]


def test_an_unknown_subprotocol_is_said_and_lived_with(hub):
    """The first frame names what was offered and what is known; the connection stays."""
    _, link = connect(hub, unknown=["mqtt"])
    assert link.texts[0]["code"] == "unknown_subprotocol"
    assert "mqtt" in link.texts[0]["reason"]
    assert link.closed is None


def test_bad_frames_in_a_row_close_the_connection_but_good_ones_forgive(hub):
    """Two bad, one good, two bad: it lives; a third in a row and it is closed, others are untouched."""
    _, link = connect(hub, "bad")
    _, other = connect(hub, "other")

    def tick(*tags_and_errors):
        waiting = WaitingFrames([tag for tag, _ in tags_and_errors], [b""] * len(tags_and_errors))
        bad = [
            BadFrame(i, FrameError("bad_json", "no"))
            for i, (_, is_bad) in enumerate(tags_and_errors)
            if is_bad
        ]
        hub.sessions.on_frames(waiting, bad)

    tick((0, True), (1, False), (-1, True))
    tick((0, False))
    tick((0, True), (0, True))
    assert link.closed is None
    tick((1, False), (0, True))
    assert link.closed == CloseCode.BAD_FRAMES
    assert [t["type"] for t in other.texts] == ["welcome"]
    assert hub.sessions.bad_frames == 5


def test_a_full_inbox_sends_the_device_away_to_come_back(hub):
    """Beyond the inbox's bytes nothing is taken and the close code says to come back."""
    session, link = connect(hub)
    for _ in range(10):
        session.received(b"x" * 100, is_text=True)
    assert link.closed is None
    session.received(b"x", is_text=True)
    assert link.closed == CloseCode.OVERLOADED


def test_frames_carry_their_row_and_kind_to_the_inbox(hub):
    """The tag tells text from binary without a second list."""
    session, _ = connect(hub, "a")
    session2, _ = connect(hub, "b")
    session.received(b"t", is_text=True)
    session2.received(b"b", is_text=False)
    waiting = hub.inbox.take(10_000)
    assert (waiting.tags, waiting.payloads) == ([0, -2], [b"t", b"b"])


def test_a_device_is_asked_to_send_again(hub):
    """Each connected one in its own form, also from the very first; who is not there is left alone."""
    _, text = connect(hub, "a")
    _, binary = connect(hub, "b", subprotocol="haulcast.v1.binary")
    hub.sessions.on_resend(np.array([0, 1, 5]), np.array([7, -1, 3]))
    assert text.texts[-1] == {"type": "resend", "seq": 7}
    assert (read_replies(binary.binaries[-1]), len(binary.binaries[-1])) == ([Resend(-1)], 16)
