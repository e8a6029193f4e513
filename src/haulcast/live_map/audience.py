"""The subscribers of one picture as columns: what each wants to see, what it was last told, and when it may hear more."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.view_match import Views
from haulcast.doors.socket_session import Link
from haulcast.live_map.view import Box

EARLY_MS = 10.0
"""A frame may be so much (or half its interval) early: ticks are never exactly an interval apart, and what misses one
waits for the next. The rate holds all the same, because the next frame is due an interval after the due time."""

Slots = NDArray[np.intp]


class Member(Protocol):
    """Who sits in a slot."""

    link: Link


class Audience:
    """Struct of arrays, index = slot; slots of those who left are used again.

    Attributes:
        members: who sits there; None: nobody.
        is_ready: a member whose link takes frames now.
        is_binary: bool, which frames it gets.
        since: int64, the picture's version that it is up to date with.
        box, told_box: float64 [slots, 4], as wanted and as last told.
        is_snapshot: it has been told nothing yet. has_moved: its box is another than the one last told.
        interval_ms, due_ms: float64, the least time between frames, and when the next one may go out.
    """

    def __init__(self, move_interval_ms: float) -> None:
        """Nobody yet; a moved view is answered after `move_interval_ms`, however low its rate."""
        self._move_interval_ms = move_interval_ms
        self.members: list[Member | None] = []
        self.is_ready = np.zeros(0, np.bool_)
        self.is_binary = np.zeros(0, np.bool_)
        self.is_snapshot = np.zeros(0, np.bool_)
        self.has_moved = np.zeros(0, np.bool_)
        self.since = np.zeros(0, np.int64)
        self.interval_ms = np.zeros(0)
        self.due_ms = np.zeros(0)
        self.box = np.zeros((0, 4))
        self.told_box = np.zeros((0, 4))
        self._filter_at = np.zeros(0, np.int32)
        self._named = np.zeros((0, 0), np.uint8)  # bit per row of the picture
        self._filters: list[frozenset[str] | None] = []
        self._allowed = np.zeros((0, 0), np.uint8)
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.members) - len(self._free)

    @property
    def has_filters(self) -> bool:
        """Whether anybody sees some vehicles only."""
        return any(vehicles is not None for vehicles in self._filters)

    def join(
        self,
        member: Member,
        *,
        is_binary: bool,
        box: Box,
        interval_ms: float,
        vehicles: frozenset[str] | None,
    ) -> int:
        """A slot for the member, who gets a snapshot at the next flush. With `vehicles`, `allow` says which rows those are."""
        slot = self._free.pop() if self._free else self._new_slot()
        self.members[slot] = member
        self.is_ready[slot] = self.is_snapshot[slot] = True
        self.is_binary[slot] = is_binary
        self.has_moved[slot] = False
        self.since[slot] = 0
        self.interval_ms[slot], self.due_ms[slot] = interval_ms, 0.0
        self.box[slot] = box
        self._filter_at[slot] = -1 if vehicles is None else self._new_filter(vehicles)
        return slot

    def leave(self, slot: int) -> None:
        """The member is told nothing more."""
        self.members[slot] = None
        self.is_ready[slot] = False
        at = int(self._filter_at[slot])
        if at >= 0:
            self._filters[at] = None
        self._free.append(slot)

    def move(self, slot: int, box: Box) -> None:
        """From the next flush on the member sees another box, and hears the difference."""
        self.box[slot] = box
        self.has_moved[slot] = not np.array_equal(self.box[slot], self.told_box[slot])
        last_ms = self.due_ms[slot] - self.interval_ms[slot]
        self.due_ms[slot] = min(self.due_ms[slot], last_ms + self._move_interval_ms)

    def ensure_rows(self, rows: int) -> None:
        """Make room for a picture of so many rows."""
        if rows > 8 * self._named.shape[1]:
            self._named = _widened(self._named, max(64, 2 * self._named.shape[1], -(-rows // 8)))
        if self._filters and rows > self._allowed.shape[1]:
            self._allowed = _widened(self._allowed, max(256, 2 * self._allowed.shape[1], rows))

    def allow(self, name: str, row: int) -> None:
        """Show a row to those who asked for it by name; call it before the row is in the picture."""
        self.ensure_rows(row + 1)
        for at, vehicles in enumerate(self._filters):
            if vehicles is not None and name in vehicles:
                self._allowed[at, row] = 1

    def allow_member(self, slot: int, row: int) -> None:
        """Show a row to one who filters."""
        self.ensure_rows(row + 1)
        self._allowed[self._filter_at[slot], row] = 1

    def due(self, now_ms: float, version: int) -> Slots:
        """Who may hear something now, if there is anything: ready, behind, and not too early."""
        early_ms = np.minimum(EARLY_MS, self.interval_ms / 2)
        return np.flatnonzero(self._is_behind(version) & (self.due_ms - early_ms <= now_ms))

    def next_due_ms(self, version: int) -> float:
        """When the next of those who are behind may hear something; inf: nobody is."""
        return float(np.min(self.due_ms, initial=np.inf, where=self._is_behind(version)))

    def _is_behind(self, version: int) -> NDArray[np.bool_]:
        behind: NDArray[np.bool_] = self.is_ready & (
            (self.since < version) | self.is_snapshot | self.has_moved
        )
        return behind

    def views(self, slots: Slots, since: NDArray[np.int64]) -> Views:
        """What the members of these slots want; `since` never grows along them."""
        return Views(
            since=since,
            box=self.box[slots],
            told_box=self.told_box[slots],
            is_snapshot=self.is_snapshot[slots],
            filter_at=self._filter_at[slots],
            allowed=self._allowed,
            named_at=slots.astype(np.int32),
            named=self._named,
        )

    def told(self, slots: Slots, version: int) -> None:
        """These members have been told everything up to this version."""
        self.since[slots] = version
        self.told_box[slots] = self.box[slots]
        self.is_snapshot[slots] = self.has_moved[slots] = False

    def sent(self, slots: Slots, now_ms: float) -> None:
        """These members have got a frame each; the next one is an interval later."""
        self.due_ms[slots] = np.maximum(self.due_ms[slots], now_ms) + self.interval_ms[slots]

    def _new_slot(self) -> int:
        slot = len(self.members)
        self.members.append(None)
        if slot >= len(self.is_ready):
            size = max(8, 2 * slot)
            for name in (
                "is_ready",
                "is_binary",
                "is_snapshot",
                "has_moved",
                "since",
                "interval_ms",
                "due_ms",
                "box",
                "told_box",
            ):
                setattr(self, name, _lengthened(getattr(self, name), size))
            self._filter_at, self._named = _lengthened(self._filter_at, size), _lengthened(self._named, size)
        return slot

    def _new_filter(self, vehicles: frozenset[str]) -> int:
        if None in self._filters:
            at = self._filters.index(None)
            self._filters[at] = vehicles
        else:
            at = len(self._filters)
            self._filters.append(vehicles)
            if at >= len(self._allowed):
                self._allowed = _lengthened(self._allowed, max(4, 2 * at))
        self.ensure_rows(8 * self._named.shape[1])
        self._allowed[at] = 0
        return at


def _lengthened(array: NDArray[Any], size: int) -> NDArray[Any]:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def _widened(matrix: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    wider = np.zeros((len(matrix), width), np.uint8)
    wider[:, : matrix.shape[1]] = matrix
    return wider
