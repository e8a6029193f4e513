"""Who comes near whom, and who is apart again. The face of `geo.kernels.proximity`.

Vehicles are members of groups, and each group has a distance: of two members, one has to be among its vehicles and one among its
others. A pair is near when the geodesic between the newest positions of both is at most that long. It turns when a
fix of either shows it on the other side of the distance, at the moment at which the one that moved, straight in longitude and
latitude from its fix before, was that far from where the other one was last seen. Two that meet and part between their fixes were
never near.

Who is parked about the distance away is not to come near and go with every wobble of the receivers. With a the hypotenuse of both
accuracies, and d what the pair's distance differs from the group's, a turn is proved by d > a, or by the second such fix in a row; while
neither has moved since the pair last turned, by d > 3 a. One has moved when a fix of it was further from where it was then than three
times both accuracies together, as in `geo.fence_transitions`, which also says how a place is bettered. A member's first fix proves at
once, and so does one where no accuracy is known.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.fence_match import as_column
from geo.kernels import proximity as kernel

VEHICLE, OTHER = kernel.VEHICLE, kernel.OTHER
"""The sides of a member; one may be on both."""

_LEAST = 16


class Turns(NamedTuple):
    """Pairs that came near or went apart, as columns, in the order of the fixes.

    | column | dtype | |
    |---|---|---|
    | pair | int64 | number of the pair; another one has it when they are apart |
    | group | int32 | |
    | row | int32 | the one that is a vehicle of the group; of two that could be, the lower row |
    | other | int32 | |
    | mover | int32 | which of both rows moved |
    | is_near | bool | near now; else apart |
    | fix | int64 | index in the input; -1: they were so already when a member was added |
    | time_ms, lat_deg, lon_deg | int64, float64 | of the turn, where the mover was |
    | apart_m | float64 | their distance at the fix that proved it |
    """

    pair: NDArray[np.int64]
    group: NDArray[np.int32]
    row: NDArray[np.int32]
    other: NDArray[np.int32]
    mover: NDArray[np.int32]
    is_near: NDArray[np.bool_]
    fix: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    apart_m: NDArray[np.float64]


class Member(NamedTuple):
    """A row's part in a group."""

    number: int
    group: int
    sides: int


class Proximity:
    """Members, where they are, and the pairs that are near. Costs by the fixes of members and by how many are near them."""

    def __init__(self) -> None:
        self._net = _net(_LEAST, _LEAST)
        self._used = 0  # members up to here are or were in use
        self._free: list[int] = []
        self._add_free_pairs(0)

    def set_distance(self, group: int, distance_m: float) -> None:
        """A new group's distance, more than 0; groups are small whole numbers. It has no members yet."""
        distances = self._net.distance_m
        if group >= len(distances):
            more = np.zeros(max(group + 1, 2 * len(distances)) - len(distances))
            self._net = self._net._replace(distance_m=np.concatenate([distances, more]))
        self._net.distance_m[group] = distance_m

    def ensure_rows(self, rows: int) -> None:
        """Make room for rows 0 to rows - 1."""
        first = self._net.first_of_row
        if rows > len(first):
            more = np.full(max(rows, 2 * len(first)) - len(first), kernel.NONE, np.int32)
            self._net = self._net._replace(first_of_row=np.concatenate([first, more]))

    def members_of(self, row: int) -> list[Member]:
        """A row's parts in groups."""
        if row >= len(self._net.first_of_row) or self._net.first_of_row[row] == kernel.NONE:
            return []
        numbers = kernel.members_of(self._net, np.array([row], np.int32))[:, 1]
        columns = self._net.members[numbers][:, [kernel.GROUP, kernel.SIDES]].tolist()
        return [Member(number, *column) for number, column in zip(numbers.tolist(), columns, strict=True)]

    def members_in(self, group: int) -> list[int]:
        """The numbers of all members of a group."""
        in_group = self._net.members[: self._used, kernel.GROUP] == group
        numbers: list[int] = np.flatnonzero(in_group).tolist()
        return numbers

    def add(self, rows: list[int], groups: list[int], sides: list[int]) -> NDArray[np.int32]:
        """New members, int32[n] their numbers. They are nowhere until they `move` or `arrive`; a row is in a group once at most."""
        count = len(rows)
        recycled = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = range(self._used, self._used + count - len(recycled))
        self._used += len(fresh)
        self._ensure_members(self._used)
        self.ensure_rows(max(rows, default=-1) + 1)
        numbers = np.array([*recycled, *fresh], np.int32)
        kernel.add(self._net, numbers, *(np.array(column, np.int32) for column in (rows, groups, sides)))
        return numbers

    def remove(self, numbers: list[int]) -> list[int]:
        """Take members away; returns the pairs that they were in."""
        pairs: list[int] = kernel.remove(self._net, np.array(numbers, np.int32)).tolist()
        self._free += numbers
        return pairs

    def open(self, one: int, other: int) -> int:
        """Two members without a pair are near beyond doubt, as an earlier run knew; returns the pair."""
        if not self._net.counts[kernel.FREE]:
            self._grow_pairs()
        return int(kernel.make_pair(self._net, int(one), int(other), 0))

    def arrive(
        self,
        numbers: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        accuracy_m: NDArray[np.float64],
    ) -> Turns:
        """New members are put where they were last seen. Who is near by now is told; pairs that were opened stay."""
        no_fix = np.full(len(numbers), kernel.NONE, np.int32)
        return self._move(numbers, no_fix, time_ms, lat_deg, lon_deg, accuracy_m)

    def move(
        self,
        row: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        accuracy_m: NDArray[np.float64],
    ) -> Turns:
        """What fixes changed.

        Args:
            row: int32[n], the vehicles; of one there may be several, in order of time. Those that are no members do not matter.
            time_ms: int64[n].
            lat_deg: float64[n].
            lon_deg: float64[n].
            accuracy_m: float64[n], NaN or 0 where unknown.
        """
        self.ensure_rows(int(row.max(initial=-1)) + 1)
        of = kernel.members_of(self._net, as_column(row, np.int32))
        fix = np.ascontiguousarray(of[:, 0])
        return self._move(
            np.ascontiguousarray(of[:, 1]), fix, time_ms[fix], lat_deg[fix], lon_deg[fix], accuracy_m[fix]
        )

    def _move(
        self,
        numbers: NDArray[np.int32],
        fix: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        accuracy_m: NDArray[np.float64],
    ) -> Turns:
        times, lat = as_column(time_ms, np.int64), as_column(lat_deg, float)
        lon, accuracy = as_column(lon_deg, float), as_column(accuracy_m, float)
        done, parts = 0, []
        while done < len(numbers):
            whole, places, done = kernel.move(self._net, numbers, fix, times, lat, lon, accuracy, done)
            if len(whole):
                parts.append(self._turns(whole, places))
            if done < len(numbers):
                self._grow_pairs()
        if len(parts) == 1:
            return parts[0]
        return Turns(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else _NO_TURNS

    def _turns(self, whole: NDArray[np.int64], places: NDArray[np.float64]) -> Turns:
        members = self._net.members
        mover, stander = members[whole[:, kernel.MOVER]], members[whole[:, kernel.STANDER]]
        moved, stood = mover[:, kernel.ROW], stander[:, kernel.ROW]
        can_be = (mover[:, kernel.SIDES] & VEHICLE != 0) & (stander[:, kernel.SIDES] & OTHER != 0)
        other_can_be = (stander[:, kernel.SIDES] & VEHICLE != 0) & (mover[:, kernel.SIDES] & OTHER != 0)
        is_row = can_be & (~other_can_be | (moved < stood))
        return Turns(
            whole[:, kernel.PAIR],
            mover[:, kernel.GROUP],
            np.where(is_row, moved, stood),
            np.where(is_row, stood, moved),
            moved,
            whole[:, kernel.IS_NEAR] != 0,
            whole[:, kernel.FIX],
            whole[:, kernel.EVENT_TIME],
            *places.T,
        )

    def _ensure_members(self, members: int) -> None:
        room = len(self._net.members)
        if members <= room:
            return
        grown = _net(max(members, 2 * room), 0)
        net = self._net
        for name in ("members", "longs", "places"):
            getattr(grown, name)[:room] = getattr(net, name)
        self._net = net._replace(
            members=grown.members,
            longs=grown.longs,
            places=grown.places,
            found=grown.found,
            buckets=grown.buckets,
        )
        kernel.relink(self._net, room)

    def _grow_pairs(self) -> None:
        net, pairs = self._net, len(self._net.doubt)
        more = _net(0, pairs)
        names = ("edges", "doubt", "turn_ms", "turn", "still", "free")
        joined = {name: np.concatenate([getattr(net, name), getattr(more, name)]) for name in names}
        self._net = net._replace(**joined)
        self._add_free_pairs(pairs)

    def _add_free_pairs(self, first: int) -> None:
        net = self._net
        free, pairs = int(net.counts[kernel.FREE]), len(net.doubt)
        net.free[free : free + pairs - first] = np.arange(first, pairs)
        net.counts[kernel.FREE] += pairs - first


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    proximity = Proximity()
    proximity.set_distance(0, 1.0)
    numbers = proximity.add([0], [0], [VEHICLE])
    column, time_ms, row = np.zeros(1), np.zeros(1, np.int64), np.zeros(1, np.int32)
    proximity.arrive(numbers, time_ms, column, column, column)
    proximity.move(row, time_ms, column, column, column)
    proximity.add([1] * (_LEAST + 1), [0] * (_LEAST + 1), [OTHER] * (_LEAST + 1))
    proximity.open(0, 1)
    proximity.remove([0])


def _net(members: int, pairs: int) -> kernel.Net:
    buckets = 1 << max(2 * members - 1, 1).bit_length()
    return kernel.Net(
        first_of_row=np.empty(0, np.int32),
        members=np.full((members, kernel.MEMBER_COLUMNS), kernel.NONE, np.int32),
        longs=np.full((members, kernel.LONG_COLUMNS), kernel.NONE, np.int64),
        places=np.zeros((members, kernel.PLACE_COLUMNS)),
        distance_m=np.zeros(1),
        buckets=np.full(buckets, kernel.NONE, np.int32),
        edges=np.full((2 * pairs, 2), kernel.NONE, np.int32),
        doubt=np.zeros(pairs, np.int8),
        turn_ms=np.zeros(pairs, np.int64),
        turn=np.zeros((pairs, 2)),
        still=np.zeros((2 * pairs, 4)),  # the columns of `standing`
        free=np.zeros(pairs, np.int32),
        found=np.zeros(members, np.int32),
        counts=np.zeros(2, np.int64),
    )


def _no_turns() -> Iterator[NDArray[Any]]:
    for dtype in (np.int64, np.int32, np.int32, np.int32, np.int32, np.bool_, np.int64, np.int64):
        yield np.empty(0, dtype)
    yield from (np.empty(0),) * 3


_NO_TURNS = Turns(*_no_turns())
