"""What waits for the next tick. Bounded: beyond its bytes, a sender is told to come back later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from geo.positions import PositionBatch

Wake = Callable[[], None]

BYTES_PER_READ_FIX = 80
"""A fix takes this much as columns, beside its attributes."""


@dataclass(frozen=True, slots=True)
class WaitingFrames:
    """Frames in order of arrival, as parallel lists.

    Attributes:
        tags: the vehicle's row for a text frame, `-1 - row` for a binary one.
        payloads: what was sent.
        batches: fixes that came another way than in frames and are read already, in order of arrival.
    """

    tags: list[int]
    payloads: list[bytes]
    batches: Sequence[PositionBatch] = ()


class Inbox:
    """What the sockets put and the tick takes. One thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._tags: list[int] = []
        self._payloads: list[bytes] = []
        self._batches: list[PositionBatch] = []
        self._bytes = 0
        self._is_awake = False
        self._wake: Wake = lambda: None

    def __len__(self) -> int:
        return len(self._tags) + len(self._batches)

    @property
    def nbytes(self) -> int:
        """Of what waits."""
        return self._bytes

    def on_waiting(self, wake: Wake) -> None:
        """Call `wake` when the first frame comes after a `take`."""
        self._wake = wake

    def put(self, tag: int, payload: bytes) -> bool:
        """Add a frame (see `WaitingFrames.tags`); False when the inbox is full and the frame was not taken."""
        self._bytes += len(payload)
        if self._bytes > self._most_bytes:
            self._bytes -= len(payload)
            return False
        self._tags.append(tag)
        self._payloads.append(payload)
        if not self._is_awake:
            self._is_awake = True
            self._wake()
        return True

    def put_batch(self, batch: PositionBatch) -> bool:
        """Add fixes that are read already; False when the inbox is full and they were not taken."""
        size = _size_of(batch)
        if self._bytes + size > self._most_bytes:
            return False
        self._bytes += size
        self._batches.append(batch)
        if not self._is_awake:
            self._is_awake = True
            self._wake()
        return True

    def take(self, most_bytes: int) -> WaitingFrames:
        """What waited longest, up to about `most_bytes` (at least one frame or batch); the rest waits on."""
        tags, payloads, batches = self._tags, self._payloads, self._batches
        if self._bytes <= most_bytes:
            self._tags, self._payloads, self._batches, self._bytes = [], [], [], 0
            self._is_awake = False
            return WaitingFrames(tags, payloads, batches)
        read = size = 0
        while read < len(batches) and size < max(1, most_bytes // 2):  # neither way starves the other
            size += _size_of(batches[read])
            read += 1
        count = 0
        while count < len(payloads) and size < most_bytes:
            size += len(payloads[count])
            count += 1
        self._tags, self._payloads, self._batches = tags[count:], payloads[count:], batches[read:]
        self._bytes -= size
        self._is_awake = len(self) > 0
        return WaitingFrames(tags[:count], payloads[:count], batches[:read])


def _size_of(batch: PositionBatch) -> int:
    return BYTES_PER_READ_FIX * len(batch) + sum(map(len, batch.attributes.values()))
