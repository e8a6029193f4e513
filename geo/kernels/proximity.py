"""Who comes near whom. Members of groups stand in a grid of cubes around the earth; pairs that are near, or in doubt, are kept.

Cubes have the group's distance as their edge, so whoever is that near is in the same cube or in one of the 26 around it: a straight
line through the earth is no longer than the way on it. So neither 180 degrees nor a pole is a special case.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.fence_cover import with_room
from geo.kernels.geodesy import (
    CIRCLE_COLUMNS,
    NEAR_M,
    circle_fraction,
    describe_circle,
    geodesic_distance_m,
    near_distance_m,
    short_way,
    surface_point,
    unit_vector,
)
from geo.kernels.standing import RARE, REACH, has_moved, stand

NONE = -1

# columns of a member's whole numbers; NEXT and PREV chain the members of a bucket, NEXT_OF_ROW those of a row, FIRST_EDGE begins its pairs
ROW, GROUP, SIDES, NEXT, PREV, NEXT_OF_ROW, FIRST_EDGE = 0, 1, 2, 3, 4, 5, 6
MEMBER_COLUMNS = 7
# bits of its sides: one of a pair is among the vehicles, the other among the others
VEHICLE, OTHER = 1, 2
# columns of its long numbers; CUBE is NONE when it is nowhere
TIME, CUBE, SEEN = 0, 1, 2
LONG_COLUMNS = 3
# columns of its place; accuracy 0: not known
LAT, LON, X, Y, Z, ACCURACY = 0, 1, 2, 3, 4, 5
PLACE_COLUMNS = 6

# edges 2 p and 2 p + 1 of pair p lead from each member to the other; columns
TO, NEXT_EDGE = 0, 1

# bits of a pair's doubt; 0 is near beyond doubt
APART = 1  # believed apart; the pair is kept for what follows
STILL = 2  # both may stand where its last change was proved
PENDING = 4  # at the last fix of either it was the other way, and that did not prove it

# numbers in `counts`
FREE, STAMP = 0, 1

# columns of an event
PAIR, MOVER, STANDER, IS_NEAR, EVENT_TIME, FIX = 0, 1, 2, 3, 4, 5
EVENT_COLUMNS = 6

LEAST_CUBE_M = 10.0
_ORIGIN_M = 6_500_000.0
_CUBE_BITS = 21
_MIX_CUBE = 0x1E3779B97F4A7C15
_MIX_GROUP = 0x3F58476D1CE4E5B9


class Net(NamedTuple):
    """All members and pairs: m members, g groups, p pairs, b buckets (a power of 2)."""

    first_of_row: NDArray[np.int32]  # [rows] first member of each row
    members: NDArray[np.int32]  # [m, 7]; ROW is NONE where there is none
    longs: NDArray[np.int64]  # [m, 3]
    places: NDArray[np.float64]  # [m, 6]
    distance_m: NDArray[np.float64]  # [g]
    buckets: NDArray[np.int32]  # [b] first member
    edges: NDArray[np.int32]  # [2 p, 2]
    doubt: NDArray[np.int8]  # [p]
    turn_ms: NDArray[np.int64]  # [p] when what is pending came about
    turn: NDArray[np.float64]  # [p, 2] where
    still: NDArray[
        np.float64
    ]  # [2 p, 4] by edge, where the member that it begins at may stand; see `standing`
    free: NDArray[np.int32]  # [p] the first `counts[FREE]` are pairs not in use
    found: NDArray[np.int32]  # [m] room for a search
    counts: NDArray[np.int64]  # [2]


class Fix(NamedTuple):
    """A member's new position; number NONE: it is not new, but its group is."""

    number: int
    time_ms: int
    lat: float
    lon: float
    x: float
    y: float
    z: float
    accuracy_m: float
    is_first: bool


@njit(cache=True, nogil=True)
def _bucket(net: Net, group: int, cube: int) -> int:
    mixed = (cube ^ (np.int64(group) * _MIX_GROUP)) * _MIX_CUBE
    return int((mixed >> 30) & (net.buckets.size - 1))


@njit(cache=True, nogil=True)
def _steps(x_m: float, cube_m: float) -> int:
    return int((x_m + _ORIGIN_M) / cube_m) + 1


@njit(cache=True, nogil=True)
def _packed(ix: int, iy: int, iz: int) -> int:
    return (ix << (2 * _CUBE_BITS)) | (iy << _CUBE_BITS) | iz


@njit(cache=True, nogil=True)
def _unlink(net: Net, m: int) -> None:
    """Takes a member off the grid."""
    cube = net.longs[m, CUBE]
    if cube == NONE:
        return
    before, after = net.members[m, PREV], net.members[m, NEXT]
    if before == NONE:
        net.buckets[_bucket(net, net.members[m, GROUP], cube)] = after
    else:
        net.members[before, NEXT] = after
    if after != NONE:
        net.members[after, PREV] = before
    net.longs[m, CUBE] = NONE


@njit(cache=True, nogil=True)
def _link(net: Net, m: int, cube: int) -> None:
    """Puts a member into a cube."""
    bucket = _bucket(net, net.members[m, GROUP], cube)
    after = net.buckets[bucket]
    net.buckets[bucket], net.members[m, PREV], net.members[m, NEXT] = m, NONE, after
    net.longs[m, CUBE] = cube
    if after != NONE:
        net.members[after, PREV] = m


@njit(cache=True, nogil=True)
def relink(net: Net, members: int) -> None:
    """Puts all placed members into the buckets, which are empty and new."""
    for m in range(members):
        if net.longs[m, CUBE] != NONE:
            _link(net, m, net.longs[m, CUBE])


@njit(cache=True, nogil=True)
def _apart_m(net: Net, fix: Fix, o: int) -> float:
    """Geodesic distance of a fix from a member."""
    places = net.places
    apart_m = near_distance_m(fix.x, fix.y, fix.z, places[o, X], places[o, Y], places[o, Z])
    if apart_m <= NEAR_M:
        return apart_m
    return geodesic_distance_m(fix.lat, fix.lon, places[o, LAT], places[o, LON])


@njit(cache=True, nogil=True)
def _is_match(sides: int, others: int) -> bool:
    return bool((sides & VEHICLE and others & OTHER) or (sides & OTHER and others & VEHICLE))


@njit(cache=True, nogil=True)
def _search(net: Net, m: int, fix: Fix, stamp: int) -> int:
    """Fills `found` with the members near a fix that m makes pairs with and that are not stamped; returns how many."""
    group, sides = net.members[m, GROUP], net.members[m, SIDES]
    distance_m = net.distance_m[group]
    cube_m = max(LEAST_CUBE_M, distance_m)
    ix, iy, iz = _steps(fix.x, cube_m), _steps(fix.y, cube_m), _steps(fix.z, cube_m)
    n = 0
    for kx in range(ix - 1, ix + 2):
        for ky in range(iy - 1, iy + 2):
            for kz in range(iz - 1, iz + 2):
                cube = _packed(kx, ky, kz)
                o = net.buckets[_bucket(net, group, cube)]
                while o != NONE:
                    if (
                        net.members[o, GROUP] == group
                        and o != m
                        and _is_match(sides, net.members[o, SIDES])
                        and _apart_m(net, fix, o) <= distance_m
                        and net.longs[o, CUBE] == cube
                        and net.longs[o, SEEN] != stamp
                    ):
                        net.found[n] = o
                        n += 1
                    o = net.members[o, NEXT]
    return n


@njit(cache=True, nogil=True)
def make_pair(net: Net, m: int, o: int, doubt: int) -> int:
    """Keeps a pair of two members, for which there is room; returns its number."""
    net.counts[FREE] -= 1
    pair = net.free[net.counts[FREE]]
    for edge, begin, end in ((2 * pair, m, o), (2 * pair + 1, o, m)):
        net.edges[edge, TO], net.edges[edge, NEXT_EDGE] = end, net.members[begin, FIRST_EDGE]
        net.members[begin, FIRST_EDGE] = edge
    net.doubt[pair] = doubt
    return int(pair)


@njit(cache=True, nogil=True)
def _drop_pair(net: Net, pair: int) -> None:
    for edge in (2 * pair, 2 * pair + 1):
        begin = net.edges[edge ^ 1, TO]
        at = net.members[begin, FIRST_EDGE]
        if at == edge:
            net.members[begin, FIRST_EDGE] = net.edges[edge, NEXT_EDGE]
            continue
        while net.edges[at, NEXT_EDGE] != edge:
            at = net.edges[at, NEXT_EDGE]
        net.edges[at, NEXT_EDGE] = net.edges[edge, NEXT_EDGE]
    net.free[net.counts[FREE]] = pair
    net.counts[FREE] += 1


@njit(cache=True, nogil=True)
def _note_turn(net: Net, pair: int, m: int, o: int, fix: Fix) -> None:
    """Writes down when and where m came to be the group's distance away from o, between its position and the fix."""
    t = 1.0
    before, other = net.places[m], net.places[o]
    dx, dy = short_way(fix.lon - before[LON]), fix.lat - before[LAT]
    if not fix.is_first:
        circle = np.empty(CIRCLE_COLUMNS)
        describe_circle(other[LAT], other[LON], net.distance_m[net.members[m, GROUP]], circle)
        t = circle_fraction(circle, before[LON], before[LAT], dx, dy)
    if not 0.0 <= t < 1.0:
        net.turn_ms[pair], net.turn[pair, 0], net.turn[pair, 1] = fix.time_ms, fix.lat, fix.lon
        return
    time_ms = net.longs[m, TIME]
    net.turn_ms[pair] = time_ms + np.int64(np.rint(t * (fix.time_ms - time_ms)))
    net.turn[pair, 0], net.turn[pair, 1] = before[LAT] + t * dy, short_way(before[LON] + t * dx)


@njit(cache=True, nogil=True)
def _judge(
    net: Net, edge: int, m: int, o: int, fix: Fix, event: NDArray[np.int64], place: NDArray[np.float64]
) -> bool:
    """Looks at a pair after a fix of m, where the edge begins; True: it has turned, and the event is written.

    Drops pairs that are apart beyond doubt.
    """
    pair = edge // 2
    if net.doubt[pair] & STILL and has_moved(net.still[edge], fix.x, fix.y, fix.z, fix.accuracy_m):
        net.doubt[pair] &= ~STILL
    apart_m, distance_m = _apart_m(net, fix, o), net.distance_m[net.members[m, GROUP]]
    beyond_m, doubt = abs(apart_m - distance_m), net.doubt[pair]
    unsure_m = math.hypot(fix.accuracy_m, net.places[o, ACCURACY])
    is_near, has_turned = apart_m <= distance_m, False
    if is_near == (doubt & APART == 0):
        net.doubt[pair] = doubt & (APART | STILL)
    else:
        if not doubt & PENDING:
            _note_turn(net, pair, m, o, fix)
        has_turned = unsure_m == 0.0 or beyond_m > unsure_m * (REACH if doubt & STILL else 1.0)
        if has_turned or fix.is_first or doubt & (PENDING | STILL) == PENDING:
            has_turned = True
            net.doubt[pair] = (0 if is_near else APART) | (STILL if unsure_m > 0.0 else 0)
            times, at = RARE if doubt & STILL else 1.0, net.places[o]
            stand(net.still[edge], fix.x, fix.y, fix.z, times * fix.accuracy_m)
            stand(net.still[edge ^ 1], at[X], at[Y], at[Z], times * at[ACCURACY])
            event[PAIR], event[MOVER], event[STANDER], event[IS_NEAR] = pair, m, o, is_near
            event[EVENT_TIME], event[FIX] = net.turn_ms[pair], fix.number
            place[0], place[1], place[2] = net.turn[pair, 0], net.turn[pair, 1], apart_m
        else:
            net.doubt[pair] |= PENDING
    if net.doubt[pair] == APART:
        _drop_pair(net, pair)
    return has_turned


@njit(cache=True, nogil=True)
def _stand(net: Net, m: int, fix: Fix) -> None:
    """The fix is the member's position now."""
    cube_m = max(LEAST_CUBE_M, net.distance_m[net.members[m, GROUP]])
    cube = _packed(_steps(fix.x, cube_m), _steps(fix.y, cube_m), _steps(fix.z, cube_m))
    if net.longs[m, CUBE] != cube:
        _unlink(net, m)
        _link(net, m, cube)
    net.longs[m, TIME] = fix.time_ms
    place = net.places[m]
    place[LAT], place[LON], place[ACCURACY] = fix.lat, fix.lon, fix.accuracy_m
    place[X], place[Y], place[Z] = fix.x, fix.y, fix.z


@njit(cache=True, nogil=True)
def move(
    net: Net,
    member: NDArray[np.int32],
    fix: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    begin: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Members move to new positions, in order, from `begin` to the first for which the free pairs may not suffice.

    Returns events int64[e, 6], their places and distances float64[e, 3], and the next of `member`.
    """
    whole, places = np.empty((16, EVENT_COLUMNS), np.int64), np.empty((16, 3))
    n = 0
    for i in range(begin, member.size):
        m = member[i]
        x, y, z = unit_vector(lat_deg[i], lon_deg[i])
        x, y, z = surface_point(x, y, z)
        accuracy = 0.0 if math.isnan(accuracy_m[i]) else accuracy_m[i]
        is_first = net.longs[m, CUBE] == NONE
        now = Fix(fix[i], time_ms[i], lat_deg[i], lon_deg[i], x, y, z, accuracy, is_first)
        net.counts[STAMP] += 1
        kept, edge = 0, net.members[m, FIRST_EDGE]
        while edge != NONE:
            net.longs[net.edges[edge, TO], SEEN] = net.counts[STAMP]
            kept, edge = kept + 1, net.edges[edge, NEXT_EDGE]
        fresh = _search(net, m, now, net.counts[STAMP])
        if fresh > net.counts[FREE]:
            return whole[:n], places[:n], i
        whole, places = with_room(whole, n, kept + fresh), with_room(places, n, kept + fresh)
        edge = net.members[m, FIRST_EDGE] if fix[i] != NONE else NONE
        while edge != NONE:
            after = net.edges[edge, NEXT_EDGE]
            n += _judge(net, edge, m, net.edges[edge, TO], now, whole[n], places[n])
            edge = after
        for j in range(fresh):
            pair = make_pair(net, m, net.found[j], APART)
            n += _judge(net, 2 * pair, m, net.found[j], now, whole[n], places[n])
        _stand(net, m, now)
    return whole[:n], places[:n], member.size


@njit(cache=True, nogil=True)
def add(
    net: Net,
    member: NDArray[np.int32],
    row: NDArray[np.int32],
    group: NDArray[np.int32],
    sides: NDArray[np.int32],
) -> None:
    """Writes down new members, which are nowhere yet."""
    for i in range(member.size):
        m = member[i]
        net.members[m, ROW], net.members[m, GROUP], net.members[m, SIDES] = row[i], group[i], sides[i]
        net.members[m, FIRST_EDGE], net.longs[m, CUBE], net.longs[m, SEEN] = NONE, NONE, NONE
        net.members[m, NEXT_OF_ROW], net.first_of_row[row[i]] = net.first_of_row[row[i]], m


@njit(cache=True, nogil=True)
def members_of(net: Net, row: NDArray[np.int32]) -> NDArray[np.int32]:
    """int32[n, 2]: index in `row` and member, for all members of each row."""
    of = np.empty((max(16, row.size), 2), np.int32)
    n = 0
    for i in range(row.size):
        m = net.first_of_row[row[i]]
        while m != NONE:
            of = with_room(of, n, 1)
            of[n, 0], of[n, 1] = i, m
            m, n = net.members[m, NEXT_OF_ROW], n + 1
    return of[:n]


@njit(cache=True, nogil=True)
def _unchain(net: Net, m: int) -> None:
    """Takes a member off its row."""
    row, after = net.members[m, ROW], net.members[m, NEXT_OF_ROW]
    at = net.first_of_row[row]
    if at == m:
        net.first_of_row[row] = after
    else:
        while net.members[at, NEXT_OF_ROW] != m:
            at = net.members[at, NEXT_OF_ROW]
        net.members[at, NEXT_OF_ROW] = after
    net.members[m, ROW] = net.members[m, GROUP] = NONE


@njit(cache=True, nogil=True)
def remove(net: Net, member: NDArray[np.int32]) -> NDArray[np.int32]:
    """Takes members away, and all their pairs, which are returned."""
    pairs = np.empty((16, 1), np.int32)
    n = 0
    for m in member:
        _unlink(net, m)
        _unchain(net, m)
        while net.members[m, FIRST_EDGE] != NONE:
            pair = net.members[m, FIRST_EDGE] // 2
            pairs = with_room(pairs, n, 1)
            pairs[n, 0] = pair
            n += 1
            _drop_pair(net, pair)
    return pairs[:n, 0]
