"""A fleet's fence events as frames, numbered, for everybody who reads them and for those who come back."""

from typing import NamedTuple

_HEAD = b'{"type":"event","offset":%d,'


class Entry(NamedTuple):
    """One event: whose it is, its frame, and the second vehicle that it names (empty: none)."""

    vehicle: str
    frame: bytes
    other: str


class EventLog:
    """A ring of the newest events. Lossless for a reader that is never more than `capacity` behind.

    An offset alone is no place to resume from: a hub that has restarted counts from 1 again, and offset 118 of a reader
    would then be another event. So a place is an epoch, which is new with each start of the hub, and an offset in it.

    Attributes:
        epoch: of all offsets.
        last: the newest event's offset; 0 before the first one.
    """

    def __init__(self, epoch: str, capacity: int) -> None:
        self.epoch = epoch
        self.last = 0
        self._capacity = capacity
        self._ring: list[Entry] = []

    @property
    def first(self) -> int:
        """The oldest offset that is kept; last + 1 when there is none."""
        return self.last - len(self._ring) + 1

    def append(self, vehicle: str, body: bytes, other: str = "") -> None:
        """Add an event; `body` is its JSON object without the opening brace, `other` a second vehicle in it."""
        self.last += 1
        entry = Entry(vehicle, _HEAD % self.last + body, other)
        if len(self._ring) < self._capacity:
            self._ring.append(entry)
        else:
            self._ring[(self.last - 1) % self._capacity] = entry

    def has_all_after(self, offset: int) -> bool:
        """Whether no event after this offset has been dropped."""
        return self.first - 1 <= offset <= self.last

    def entry(self, offset: int) -> Entry:
        """An event that is kept: `first` <= offset <= `last`."""
        return self._ring[(offset - 1) % self._capacity]
