"""The fixes a device still owes to the hub: what waits, what is in flight, what was settled. No I/O.

add -> waiting -> next_frame -> in flight -> ack or reject -> gone
        ^  ^-------- rewind ---------'  |       (the connection was lost)
        '-- renumber -- put off <-------'       (the hub's rate limit)
"""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from haulcast.client.device_frames import join_texts, numbered


class EncodedFix(NamedTuple):
    """One fix, encoded but for its sequence: a JSON object or a binary record."""

    seq: int
    body: bytes
    is_text: bool
    given_seq: int  # the one that its sender knows; differs from `seq` after it was put off

    @property
    def payload(self) -> bytes:
        """The fix as it goes out."""
        return numbered(self.seq, self.body, is_text=self.is_text)


@dataclass(slots=True)
class DeviceCounts:
    """What became of the fixes given to one device, or to many together: given = acked + rejected + dropped + unacked."""

    given: int = 0
    acked: int = 0
    rejected: int = 0
    dropped: int = 0  # pushed out of a full buffer, the hub may or may not have them
    transmitted: int = 0  # on the wire, resends counted again
    put_off: int = 0  # times that the hub's rate limit sent a fix back, to come again later
    refused_frames: int = 0
    connections: int = 0
    rejected_by_reason: Counter[str] = field(
        default_factory=Counter
    )  # a fix counts under each of its reasons

    def __add__(self, other: "DeviceCounts") -> "DeviceCounts":
        return DeviceCounts(
            self.given + other.given,
            self.acked + other.acked,
            self.rejected + other.rejected,
            self.dropped + other.dropped,
            self.transmitted + other.transmitted,
            self.put_off + other.put_off,
            self.refused_frames + other.refused_frames,
            self.connections + other.connections,
            self.rejected_by_reason + other.rejected_by_reason,
        )


class UnackedFixes:
    """A bounded buffer in the order of sequences; full, it drops the oldest.

    Args:
        most: how many fixes it holds.
    """

    def __init__(self, most: int) -> None:
        self.counts = DeviceCounts()
        self._most = most
        self._waiting: deque[EncodedFix] = deque()
        self._in_flight: OrderedDict[int, EncodedFix] = OrderedDict()
        self._put_off: deque[EncodedFix] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight) + len(self._put_off)

    @property
    def has_waiting(self) -> bool:
        """Whether `next_frame` has something to give."""
        return bool(self._waiting)

    def add(self, fix: EncodedFix) -> bool:
        """Take a fix that is newer in sequence than all before; False when an old one had to go for it."""
        self.counts.given += 1
        self._waiting.append(fix)
        if len(self) <= self._most:
            return True
        self.counts.dropped += 1
        if self._put_off:
            self._put_off.popleft()
        elif self._in_flight:
            self._in_flight.popitem(last=False)
        else:
            self._waiting.popleft()
        return False

    def next_frame(self, most_fixes: int, most_bytes: int) -> str | bytes:
        """The next frame to send, joined from what waits; what it holds is in flight from now on.

        Records and JSON fixes never share a frame. At least one fix is taken, whatever its size.
        """
        is_text = self._waiting[0].is_text
        payloads: list[bytes] = []
        size_bytes = 0
        while self._waiting and len(payloads) < most_fixes and self._waiting[0].is_text == is_text:
            payload = self._waiting[0].payload
            size_bytes += len(payload) + 1
            if payloads and size_bytes > most_bytes:
                break
            fix = self._waiting.popleft()
            self._in_flight[fix.seq] = fix
            payloads.append(payload)
        self.counts.transmitted += len(payloads)
        return join_texts(payloads) if is_text else b"".join(payloads)

    def rewind(self, after: int = -1) -> None:
        """What is in flight with a sequence above `after` waits again, before the rest; default all, as for a new connection."""
        while self._in_flight and next(reversed(self._in_flight)) > after:
            self._waiting.appendleft(self._in_flight.popitem()[1])

    def ack(self, seq: int) -> None:
        """The hub has settled everything up to `seq`, on this connection or on an earlier one."""
        while self._in_flight and next(iter(self._in_flight)) <= seq:
            self._in_flight.popitem(last=False)
            self.counts.acked += 1
        while not self._in_flight and self._waiting and self._waiting[0].seq <= seq:
            self._waiting.popleft()
            self.counts.acked += 1

    def reject(self, seq: int, reasons: tuple[str, ...]) -> int | None:
        """The hub refused this fix for good; returns the sequence its sender knows, None when it was settled before."""
        fix = self._in_flight.pop(seq, None)
        if fix is None:
            return None
        self.counts.rejected += 1
        self.counts.rejected_by_reason.update(reasons)
        return fix.given_seq

    def put_off(self, seq: int) -> None:
        """The hub's rate limit sent this fix back: it goes out again after `renumber`."""
        fix = self._in_flight.pop(seq, None)
        if fix is not None:
            self.counts.put_off += 1
            self._put_off.append(fix)

    def renumber(self, next_seq: int) -> int:
        """Let what was put off wait again, after the rest, under sequences from `next_seq` on; returns the one after them.

        The old ones cannot be used again: acks are cumulative, and one that covers them may be on its way.
        """
        for fix in self._put_off:
            self._waiting.append(fix._replace(seq=next_seq))
            next_seq += 1
        self._put_off.clear()
        return next_seq
