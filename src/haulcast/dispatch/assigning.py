"""Many loads to many vehicles at once: each vehicle gets one load a round, at the least cost of all together, until nothing fits any more.

A round asks for the cheapest insertions of each load (`geo.route_insertion`), and lets each load take one of them or wait, no vehicle twice, so that all together
cost least (scipy's sparse assignment). Then these routes have the loads in them, and what waits asks again. In the first rounds a load also waits when another one would be
handed over near its pickup, so that it may follow that on the same vehicle (`geo.load_chains`). What was planned before keeps its vehicle and its order.
"""

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.load_chains import chain_ways
from geo.route_growth import grown
from geo.route_insertion import Insertions, InsertionSearch, LoadRows
from geo.route_times import LiveRoutes

CHOICES = 4
"""So many vehicles are asked for each load in a round. With more of them loads spread over vehicles that would rather have been joined: 3 % more way with 8, 10 % with 24."""

PATIENT_ROUNDS = 2
DETOUR = 1.5
"""So many rounds, and so much of the way to the pickup from the nearest delivery of another load, somebody waits for that one: 15 % less way without a load on a day of full
truck loads, 5 % without waiting. Further rounds find 2 % more and cost as much as the first two."""

LEAST_SHARE = 64
"""Fewer loads than this are not worth another thread."""


class Assigned(NamedTuple):
    """Who got what.

    Attributes:
        routes: with all that was placed.
        origin: int64[n], as of `geo.route_growth.GrownRoutes`, from the routes that were given.
        placed: int32[m], the loads that found a vehicle, in the order in which they did.
        insertions: FOUND[m], where each went in, and what it cost then.
        left: int32[], the other loads, in order.
        rounds: how many there were.
    """

    routes: LiveRoutes
    origin: NDArray[np.int64]
    placed: NDArray[np.int32]
    insertions: NDArray[np.void]
    left: NDArray[np.int32]
    rounds: int


def assign(
    search: InsertionSearch,
    routes: LiveRoutes,
    loads: LoadRows,
    most_cost: NDArray[np.float64],
    paces: NDArray[np.float32],
    threads: Executor | None = None,
    workers: int = 1,
) -> Assigned:
    """Give loads to vehicles, as many as fit.

    Args:
        search: by `paces`.
        routes: stay as they are; their times are right.
        loads: n of them.
        most_cost: float64[n], for what costs more the load is left out; infinite: whatever it costs.
        paces: the table of the last update.
        threads: where parts of the search run side by side, besides this thread.
        workers: in so many parts.
    """
    origin, found = np.arange(len(routes.stops)), search.nothing(routes, len(loads.needs), CHOICES)
    waiting, left = np.arange(len(loads.needs), dtype=np.int32), np.empty(0, np.int32)
    placed, insertions = [waiting[:0]], [found.best[:0].reshape(-1)]
    while len(waiting):
        _search_side_by_side(search, routes, loads, found, waiting, threads, workers)
        _drop_dear(found, waiting, most_cost)
        has_choice = found.counts[waiting] > 0
        left, waiting = np.concatenate((left, waiting[~has_choice])), waiting[has_choice]
        if not len(waiting):
            break
        hope = _hopes(routes, loads, waiting, paces) if len(placed) <= PATIENT_ROUNDS else None
        which, choice = matched(found, waiting, hope)
        if not len(which):  # everybody waits for another
            which, choice = matched(found, waiting)
        taken = waiting[which]
        placed.append(taken)
        insertions.append(found.best[taken, choice])
        routes, rows = grown(routes, loads, taken, insertions[-1], paces)
        origin = np.where(rows >= 0, origin[np.maximum(rows, 0)], rows)
        waiting = np.delete(waiting, which)
    rounds = len(placed) - 1
    return Assigned(routes, origin, np.concatenate(placed), np.concatenate(insertions), np.sort(left), rounds)


def matched(
    found: Insertions, waiting: NDArray[np.int32], hope: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the waiting loads take an insertion in this round, and which of theirs: no vehicle twice, and all together cost least.

    To wait costs a load what it hopes for, float64[n], or a load a little more than its last choice: it takes any choice that nobody else wants, so at least one takes one. A load that fits nowhere
    but into its choices may find none of them the next time: that it waits costs more than whatever the others could save, whatever it hopes for.
    """
    from scipy.sparse import csr_array  # noqa: PLC0415 - half a second and 20 MB that only who assigns pays
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching  # noqa: PLC0415

    best, n = found.best[waiting], len(waiting)
    is_choice = np.arange(best.shape[1]) < found.counts[waiting, None]
    row = np.nonzero(is_choice)[0]
    vehicles, column = np.unique(best["vehicle"][is_choice], return_inverse=True)
    cost = best["cost"][is_choice]
    last = best["cost"][np.arange(n), found.counts[waiting] - 1]
    is_scarce = found.counts[waiting] < best.shape[1]
    wait = last * (1 + 1e-9) + 1e-6
    if hope is not None:
        wait = np.minimum(wait, hope)
    wait = np.where(is_scarce, (cost.max() + 1.0) * (n + 1.0), wait)
    # one more of everything: an entry of 0 would be none, and each load takes exactly one
    edges = np.concatenate((cost, wait)) + 1.0
    rows = np.concatenate((row, np.arange(n)))
    columns = np.concatenate((column, len(vehicles) + np.arange(n)))
    table = csr_array((edges, (rows, columns)), shape=(n, len(vehicles) + n))
    row, column = min_weight_full_bipartite_matching(table)
    takes = column < len(vehicles)
    which, vehicle = row[takes], vehicles[column[takes]]
    return which, np.argmax(best["vehicle"][which] == vehicle[:, None], axis=1)


def _hopes(
    routes: LiveRoutes, loads: LoadRows, waiting: NDArray[np.int32], paces: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What each waiting load would cost behind another one that waits, at the usual costs."""
    pace, now_s = 2.0 * float(paces.mean()), float(routes.stops["opens_s"][routes.offsets[:-1]].min())
    ways = chain_ways(loads.ends, waiting, pace, now_s)
    per_m, per_s = (float(np.median(routes.vehicles[name])) for name in ("cost_per_m", "cost_per_s"))
    hopes: NDArray[np.float64] = (DETOUR * ways.least_m + ways.direct_m).astype(np.float64) * (
        per_m + per_s * pace
    )
    return hopes


def _drop_dear(found: Insertions, waiting: NDArray[np.int32], most_cost: NDArray[np.float64]) -> None:
    """The choices are in order of cost: those that cost more than leaving the load out are at the end."""
    is_choice = np.arange(found.best.shape[1]) < found.counts[waiting, None]
    is_choice &= found.best["cost"][waiting] <= most_cost[waiting, None]
    found.counts[waiting] = is_choice.sum(axis=1)


def _search_side_by_side(
    search: InsertionSearch,
    routes: LiveRoutes,
    loads: LoadRows,
    found: Insertions,
    waiting: NDArray[np.int32],
    threads: Executor | None,
    workers: int,
) -> None:
    """Fill `found` for the loads that wait; the kernels hold no lock."""
    shares = max(1, min(workers, len(waiting) // LEAST_SHARE)) if threads else 1
    first, *others = np.array_split(waiting, shares)
    running = []
    if threads is not None:
        running = [
            threads.submit(search.fill, routes, loads, found, share, tells_slack=False) for share in others
        ]
    search.fill(routes, loads, found, first, tells_slack=False)
    for one in running:
        one.result()
