"""All connected devices: one live connection a vehicle, and what each hears after a tick.

Rejects and errors go out at once. Acks are cumulative, so those of one device are joined: the first after a pause goes
out at once, the following `ack_interval_ms` apart. An ack costs half as much as a fix (one system call each), so a hub that is
nearly out of time spaces them out further: fixes must be read now, acks can wait.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.track_filter import Refusals
from haulcast.devices import device_frames as frames
from haulcast.devices.device_frames import BadFrame, TokenFrame
from haulcast.devices.device_session import DeviceSession
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.settings import Settings

LONGEST_SPACING = 10.0
IDLE_ENOUGH, BUSY = 0.75, 0.95

CallLater = Callable[[float, Callable[[], Any]], Any]


def ack_spacing(busy: float) -> float:
    """How many times `ack_interval_ms` apart acks are: 1 up to 75 % of a core, growing to 10 at 95 % of one."""
    share = (busy - IDLE_ENOUGH) / (BUSY - IDLE_ENOUGH)
    return 1.0 + (LONGEST_SPACING - 1.0) * min(1.0, max(0.0, share))


class Settled(Protocol):
    """Knows what may be acked: the history what is stored, or the filter what was taken."""

    def handled_seq(self, row: NDArray[np.integer]) -> NDArray[np.int64]:
        """The highest sequence of each row up to which every fix is settled; -1: none."""


class DeviceSessions:
    """The devices that are connected now, by row.

    Args:
        settled: says up to where fixes may be acked.
        row_of: gives the row of (fleet, vehicle), making room for it in all state.
        on_gone: called with the row whose last connection has ended.
        call_later: schedules a call after so many seconds (the event loop's).

    Attributes:
        put: the inbox's, for the sessions.
        bad_frames: frames that could not be read, and acks: acks sent, since the start.
    """

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        settled: Settled,
        *,
        row_of: Callable[[str, str], int],
        on_gone: Callable[[int], None],
        now_ms: Callable[[], int],
        call_later: CallLater,
    ) -> None:
        self.put = inbox.put
        self.bad_frames = 0
        self.acks = 0
        self._settings = settings
        self._settled = settled
        self._row_of = row_of
        self._on_gone = on_gone
        self._now_ms = now_ms
        self._call_later = call_later
        self._sessions: dict[int, DeviceSession] = {}
        self._uneasy: dict[int, DeviceSession] = {}  # those whose last frame was bad
        self._acked_ms = np.empty(0, np.int64)
        self._is_waiting = np.empty(0, np.bool_)
        self._waiting = np.empty(0, np.int32)  # rows that are owed an ack, each once
        self._spacing_ms = settings.ack_interval_ms
        self._has_timer = False

    def __len__(self) -> int:
        return len(self._sessions)

    def session_factory(self, admission: Admission) -> DeviceSession:
        """A session for a device that has passed the door; its claims name the vehicle."""
        claims = admission.claims
        return DeviceSession(self, admission, self._row_of(claims.fleet, claims.vehicle or ""))

    def enter(self, session: DeviceSession) -> None:
        """The newer connection of a vehicle wins; the older one is told why."""
        row = session.row
        older = self._sessions.get(row)
        self._sessions[row] = session
        if older is not None and older.link is not None:
            older.link.close(CloseCode.REPLACED, "a newer connection of this vehicle took over")
        seq = int(self._settled.handled_seq(np.array([row]))[0])
        session.say(frames.welcome_text(session.vehicle, seq, self._now_ms()), is_text=True)

    def leave(self, session: DeviceSession) -> None:
        """A connection has ended; nothing to do for one that was replaced."""
        if self._sessions.get(session.row) is session:
            del self._sessions[session.row]
            self._uneasy.pop(session.row, None)
            self._on_gone(session.row)

    def disconnect(self, row: int, code: int, reason: str) -> None:
        """Say goodbye to one vehicle's device, if it is connected."""
        session = self._sessions.get(row)
        if session is not None and session.link is not None:
            session.link.close(code, reason)

    def on_frames(self, waiting: WaitingFrames, bad: Sequence[BadFrame]) -> None:
        """Tell the senders of bad frames what was wrong; close those that send nothing else."""
        if not bad and not self._uneasy:
            return
        self.bad_frames += sum(not isinstance(frame.error, TokenFrame) for frame in bad)
        errors = {frame.frame: frame.error for frame in bad}
        watched = {self._row(waiting.tags[frame]) for frame in errors} | self._uneasy.keys()
        for i, tag in enumerate(waiting.tags):
            row = self._row(tag)
            session = self._sessions.get(row) if row in watched else None
            if session is None:
                continue
            error = errors.get(i)
            if error is None or (isinstance(error, TokenFrame) and session.renew(error.token)):
                session.bad_in_a_row = 0
                self._uneasy.pop(row, None)
                continue
            session.bad_in_a_row += 1
            self._uneasy[row] = session
            if not isinstance(error, TokenFrame):
                session.say_error(error)
            if session.bad_in_a_row >= self._settings.bad_frames and session.link is not None:
                session.link.close(CloseCode.BAD_FRAMES, f"{session.bad_in_a_row} bad frames in a row")

    @staticmethod
    def _row(tag: int) -> int:
        return tag if tag >= 0 else -1 - tag

    def on_refused(self, refused: Refusals) -> None:
        """Tell each device which of its fixes were refused, with all reasons; those without a sequence came another way."""
        own = np.flatnonzero(refused.seq >= 0)
        if not len(own):
            return
        order = own[np.argsort(refused.row[own], kind="stable")]
        rows, starts = np.unique(refused.row[order], return_index=True)
        for row, index in zip(rows.tolist(), np.split(order, starts[1:]), strict=True):
            session = self._sessions.get(row)
            if session is not None:
                encode = frames.reject_binary if session.is_binary else frames.reject_text
                session.say(encode(refused.seq[index], refused.reasons[index]), is_text=not session.is_binary)

    def on_resend(self, rows: NDArray[np.int64], seqs: NDArray[np.int64]) -> None:
        """Ask the devices of these rows to send everything after these sequences again."""
        for row, seq in zip(rows.tolist(), seqs.tolist(), strict=True):
            session = self._sessions.get(row)
            if session is not None:
                encode = frames.resend_binary if session.is_binary else frames.resend_text
                session.say(encode(seq), is_text=not session.is_binary)

    def on_settled(self, rows: NDArray[np.int32]) -> None:
        """Ack what is settled of these rows, each named once, now or when their next ack is due."""
        self._ensure_rows(int(rows.max(initial=-1)) + 1)
        fresh = rows[~self._is_waiting[rows]]
        self._is_waiting[fresh] = True
        self._waiting = np.concatenate([self._waiting, fresh])
        self._send_acks()

    def set_load(self, busy: float) -> None:
        """Say how busy the process is, 0 to 1: with little left, acks are joined for longer (see `ack_spacing`)."""
        self._spacing_ms = int(self._settings.ack_interval_ms * ack_spacing(busy))

    def _ensure_rows(self, rows: int) -> None:
        old = len(self._acked_ms)
        if rows > old:
            grown = max(64, 2 * rows) - old
            self._acked_ms = np.concatenate([self._acked_ms, np.zeros(grown, np.int64)])
            self._is_waiting = np.concatenate([self._is_waiting, np.zeros(grown, np.bool_)])

    def _send_acks(self) -> None:
        rows = self._waiting
        if not len(rows):
            return
        now_ms = self._now_ms()
        is_due = self._acked_ms[rows] <= now_ms - self._spacing_ms
        due, self._waiting = rows[is_due], rows[~is_due]
        self._acked_ms[due] = now_ms
        self._is_waiting[due] = False
        sessions = self._sessions
        for row, seq in zip(due.tolist(), self._settled.handled_seq(due).tolist(), strict=True):
            session = sessions.get(row)
            if session is None or seq < 0:
                continue
            if session.is_binary:
                session.say(frames.ack_binary(seq), is_text=False)
            else:
                session.say(frames.ack_text(seq), is_text=True)
            self.acks += 1
        if len(self._waiting) and not self._has_timer:
            self._has_timer = True
            self._call_later(self._spacing_ms / 1000, self._on_timer)

    def ack_all(self) -> None:
        """Send every ack that waits for its interval; for the end."""
        self._acked_ms[self._waiting] = 0
        self._send_acks()

    def _on_timer(self) -> None:
        self._has_timer = False
        self._send_acks()
