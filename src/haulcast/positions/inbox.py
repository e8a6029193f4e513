"""Frames that wait for the next tick. Bounded: beyond its bytes, a sender is told to come back later."""

from collections.abc import Callable
from dataclasses import dataclass

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class WaitingFrames:
    """Frames in order of arrival, as parallel lists.

    Attributes:
        tags: the vehicle's row for a text frame, `-1 - row` for a binary one.
        payloads: what was sent.
    """

    tags: list[int]
    payloads: list[bytes]


class Inbox:
    """What the sockets put and the tick takes. One thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._tags: list[int] = []
        self._payloads: list[bytes] = []
        self._bytes = 0
        self._is_awake = False
        self._wake: Wake = lambda: None

    def __len__(self) -> int:
        return len(self._tags)

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

    def take(self, most_bytes: int) -> WaitingFrames:
        """The frames that waited longest, up to about `most_bytes` (at least one); the others wait on."""
        tags, payloads = self._tags, self._payloads
        if self._bytes <= most_bytes:
            self._tags, self._payloads, self._bytes = [], [], 0
            self._is_awake = False
            return WaitingFrames(tags, payloads)
        count = size = 0
        while size < most_bytes:
            size += len(payloads[count])
            count += 1
        self._tags, self._payloads = tags[count:], payloads[count:]
        self._bytes -= size
        self._is_awake = bool(self._tags)
        return WaitingFrames(tags[:count], payloads[:count])
