"""Who will be on duty and free: features of a driver's past, and learned trees. The face of `geo.kernels.availability`.

All of it looks back from a moment: of what begins before it and ends later, only the begin is known. So the same code makes the features for
learning, from spans that ended long ago, and for the live hub. Places are kilometres east and north of an origin, so that trees split on ground.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.kernels import availability as kernel

Floats = NDArray[np.float64]

SLOT_S: Final = 300.0
"""What fleet rates are counted by."""
KM_PER_DEG: Final = 111.195
ROUTE_SPREAD_S: Final = 120.0
ROUTE_SPREAD_SHARE: Final = 0.15
"""How uncertain the end of a route is, as a standard deviation: so much, and so much of what is left of it; before it is learned."""
STAYS_FREE_S: Final = 3_600.0
"""The mean time for which who has just ended a route is likelier free than anybody on duty."""

_DAYS = kernel.NAMED_DAYS
NAMES: Final[tuple[str, ...]] = (
    "on_duty", "state_min", "hour",
    *(f"duty_share_{hours:g}h" for hours in kernel.SHARE_HOURS),
    "busy", "busy_min", "idle_min", "job_min_0", "job_min_1", "job_min_2", "jobs_span", "jobs_1h", "jobs_3h",
    *(f"busy_share_{hours:g}h" for hours in kernel.BUSY_HOURS),
    "east_km", "north_km", "place_age_min", "home_km", "last_off_km", "span_begin_km", "home_east_km", "home_north_km",
    "fleet_duty", "fleet_duty_trend", "fleet_busy", "fleet_busy_trend", "fleet_duty_now_1d", "fleet_duty_now_7d",
    "lasted_min", "lasted_least_min",
    "horizon_min", "then_hour", "then_weekday", "ended_share", "ended_share_near",
    *(f"own_{how}" for how in ("share", "same_state", "same_age", "like_2h", "like_6h", "like_24h", "like")),
    *(f"own_duty_{day}d" for day in _DAYS),
    "fleet_share", *(f"own_busy_{day}d" for day in _DAYS), *(f"fleet_{what}_{day}d" for day in (1, 7) for what in ("duty", "busy")),
)  # fmt: skip
"""The columns of `features`, in their order: minutes, kilometres, hours of the local day, shares of 1; NaN is not known."""


class AvailabilityError(ValueError):
    """Columns that do not fit each other; says which, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Spans:
    """When drivers were something (on duty; busy), and where that began and ended. Make it with `spans_of`.

    Attributes:
        offsets: int64[drivers + 1], where each driver's spans begin; those of one driver in order of time and apart from each other.
        begin_s, end_s: float64[n], Unix seconds; one that lasts has no end, infinite.
        begin_xy, end_xy: float64[n, 2], kilometres east and north of the origin; NaN is not known.
    """

    offsets: NDArray[np.int64]
    begin_s: Floats
    end_s: Floats
    begin_xy: Floats
    end_xy: Floats

    @property
    def drivers(self) -> int:
        """How many there are."""
        return len(self.offsets) - 1

    def columns(self) -> kernel.Spans:
        """As kernels take it."""
        return kernel.Spans(self.offsets, self.begin_s, self.end_s, self.begin_xy, self.end_xy)

    def holds(self, driver: ArrayLike, at_s: ArrayLike) -> NDArray[np.bool_]:
        """bool[n]: whether each driver was in a span at its moment."""
        drivers, moments = np.asarray(driver, np.int64), np.asarray(at_s, np.float64)
        found = np.empty(len(drivers), bool)
        for one in np.unique(drivers):
            mine = drivers == one
            begin, end = self.offsets[one], self.offsets[one + 1]
            k = np.searchsorted(self.begin_s[begin:end], moments[mine], "right") - 1
            found[mine] = (
                (k >= 0) & (moments[mine] < self.end_s[begin:end][np.maximum(k, 0)]) if end > begin else False
            )
        return found


def spans_of(
    drivers: int,
    driver: ArrayLike,
    begin_s: ArrayLike,
    end_s: ArrayLike,
    begin_lat_lon: ArrayLike | None = None,
    end_lat_lon: ArrayLike | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
) -> Spans:
    """Spans in any order, sorted by driver and begin.

    Args:
        drivers: how many there are; drivers are numbered from 0.
        driver: whose each span is.
        begin_s: Unix seconds.
        end_s: not before the begin; infinite: it lasts.
        begin_lat_lon: float[n, 2] degrees, where it began; None: not known.
        end_lat_lon: where it ended.
        origin: (lat_deg, lon_deg) that places are measured from.

    Raises:
        AvailabilityError: columns of other lengths, numbers out of range, a driver's spans that overlap.
    """
    who, begin, end = (
        np.asarray(driver, np.int64),
        np.asarray(begin_s, np.float64),
        np.asarray(end_s, np.float64),
    )
    if not len(who) == len(begin) == len(end):
        raise AvailabilityError(
            f"{len(who)} drivers, {len(begin)} begins and {len(end)} ends; they have to be as many"
        )
    if len(who) and not 0 <= who.min() <= who.max() < drivers:
        raise AvailabilityError(f"driver {who.min()} to {who.max()}; allowed are 0 to {drivers - 1}")
    if not np.all(begin <= end) or not np.all(np.isfinite(begin)):
        raise AvailabilityError("a span ends before it begins, or begins at no time")
    order = np.lexsort((begin, who))
    who, begin, end = who[order], begin[order], end[order]
    if np.any((who[1:] == who[:-1]) & (begin[1:] < end[:-1])):
        at = int(np.argmax((who[1:] == who[:-1]) & (begin[1:] < end[:-1])))
        raise AvailabilityError(
            f"driver {who[at]} has spans that overlap, from {begin[at + 1]:.0f} and before"
        )
    offsets = np.searchsorted(who, np.arange(drivers + 1))
    places = (_ground(given, len(who), origin)[order] for given in (begin_lat_lon, end_lat_lon))
    return Spans(offsets.astype(np.int64), begin, end, *places)


def _ground(given: ArrayLike | None, count: int, origin: tuple[float, float]) -> Floats:
    if given is None:
        return np.full((count, 2), np.nan)
    degrees = np.asarray(given, np.float64).reshape(count, 2)
    east = (degrees[:, 1] - origin[1]) * KM_PER_DEG * np.cos(np.radians(origin[0]))
    return np.stack((east, (degrees[:, 0] - origin[0]) * KM_PER_DEG), 1)


@dataclass(frozen=True, slots=True)
class FleetRates:
    """What share of the fleet was on duty, and of those busy, in slots of `SLOT_S`. Make it with `fleet_rates`.

    Attributes:
        first_s: Unix seconds at which the first slot begins.
        duty, busy: float64[slots + 1], the sum of the shares of all slots before.
    """

    first_s: float
    duty: Floats
    busy: Floats

    def columns(self) -> kernel.Rates:
        """As kernels take it."""
        return kernel.Rates(self.first_s, SLOT_S, self.duty, self.busy)


def fleet_rates(duty: Spans, busy: Spans, until_s: float) -> FleetRates:
    """Of what was known at `until_s`: a slot's share is that at its begin, and the last slot begins before."""
    if not len(duty.begin_s):
        return FleetRates(0.0, np.zeros(1), np.zeros(1))
    first_s = float(np.floor(duty.begin_s.min() / SLOT_S) * SLOT_S)
    slots: Floats = np.asarray(
        first_s + np.arange(max(0, int((until_s - first_s) // SLOT_S))) * SLOT_S, np.float64
    )
    on = _count(duty, slots)
    shares = on / duty.drivers, _count(busy, slots) / np.maximum(on, 1)
    return FleetRates(first_s, *(np.concatenate(([0.0], np.cumsum(share))) for share in shares))


def _count(spans: Spans, at_s: Floats) -> Floats:
    begun = np.searchsorted(np.sort(spans.begin_s), at_s, "right")
    ended = np.searchsorted(np.sort(spans.end_s), at_s, "right")
    return np.asarray(begun - ended, np.float64)


def features(
    driver: ArrayLike, at_s: ArrayLike, horizon_s: ArrayLike, duty: Spans, busy: Spans, rates: FleetRates, zone_s: float = 0.0
) -> NDArray[np.float32]:  # fmt: skip
    """float32[n, len(NAMES)]: what is known of each driver at its moment, for its horizon.

    Args:
        driver: int[n].
        at_s: float[n], the moment; nothing after it is looked at, whatever there is.
        horizon_s: float[n], how far ahead is asked.
        duty: when they were on duty.
        busy: when they had work, of the same drivers.
        rates: of the fleet; slots that end after the moment are not looked at either.
        zone_s: local time less UTC.

    Raises:
        AvailabilityError: columns of other lengths, a driver that there is not.
    """
    drivers, moments = np.ascontiguousarray(driver, np.int64), np.ascontiguousarray(at_s, np.float64)
    horizons = np.ascontiguousarray(horizon_s, np.float64)
    if horizons.shape != moments.shape:
        horizons = np.ascontiguousarray(np.broadcast_to(horizons, moments.shape))
    if drivers.shape != moments.shape:
        raise AvailabilityError(f"{len(drivers)} drivers and {len(moments)} moments; they have to be as many")
    out = np.empty((len(drivers), len(NAMES)), np.float32)
    wrong = kernel.features(
        drivers, moments, horizons, duty.columns(), busy.columns(), rates.columns(), zone_s, out
    )
    if wrong >= 0:
        raise AvailabilityError(
            f"driver {drivers[wrong]}; there are {duty.drivers} on duty and {busy.drivers} with work"
        )
    return out


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as one run of nodes. Make it with `trees_of`.

    Attributes:
        roots: int32[trees].
        depth: int32[trees], of the deepest leaf.
        feature: int32[nodes].
        threshold: float32[nodes]: left when the feature is not above it; the greatest float32 that is not above the model's own, so that float32 features go the same way.
        to_left: bool[nodes], where NaN goes.
        left: int32[nodes]; the right one is next to it. A leaf's is itself, and its threshold infinite.
        value: float64[nodes], of a leaf.
    """

    roots: NDArray[np.int32]
    depth: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    to_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    value: Floats

    def columns(self) -> kernel.Trees:
        """As kernels take it."""
        return kernel.Trees(
            self.roots, self.depth, self.feature, self.threshold, self.to_left, self.left, self.value
        )

    def scores(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n]: the sum of the leaves that each row reaches, log odds."""
        out = np.empty(len(rows))
        kernel.scores(rows, self.columns(), out)
        return out

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n]: what the trees themselves say, before any calibration."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.scores(rows))))

    @property
    def checksum(self) -> str:
        """Of all that predictions come from."""
        whole = hashlib.sha256()
        for column in self.columns():
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()


def trees_of(model: dict[str, Any]) -> Trees:
    """The trees of a LightGBM model, as its `dump_model()` says them.

    Raises:
        AvailabilityError: it splits in a way that is not walked here (categories, zero as missing), or on a feature that there is not.
    """
    nodes: list[tuple[int, float, bool, int, float]] = []
    roots, depths = [], []
    for tree in model["tree_info"]:
        roots.append(len(nodes))
        depths.append(_add(tree["tree_structure"], nodes))
    feature, threshold, to_left, left, value = zip(*nodes, strict=True) if nodes else [()] * 5
    return Trees(
        np.array(roots, np.int32), np.array(depths, np.int32), np.array(feature, np.int32), _not_above(np.array(threshold, np.float64)),
        np.array(to_left, np.bool_), np.array(left, np.int32), np.array(value, np.float64),
    )  # fmt: skip


def _not_above(threshold: Floats) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.asarray(np.where(nearest > threshold, below, nearest), np.float32)


def _add(root: dict[str, Any], nodes: list[tuple[int, float, bool, int, float]]) -> int:
    """Append a tree, level by level, so that siblings are neighbours; its depth."""
    level, depth, next_left = [root], 0, len(nodes) + 1
    while True:
        beneath: list[dict[str, Any]] = []
        for node in level:
            if "split_feature" in node:
                nodes.append((*_split(node), next_left, 0.0))
                beneath += node["left_child"], node["right_child"]
                next_left += 2
            else:
                nodes.append((0, np.inf, True, len(nodes), float(node["leaf_value"])))
        if not beneath:
            return depth
        level, depth = beneath, depth + 1


def _split(node: dict[str, Any]) -> tuple[int, float, bool]:
    """Its feature, its threshold, and whether NaN goes left."""
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise AvailabilityError(
            f"a split by {node['decision_type']} with missing {node['missing_type']}; allowed are <= with None or NaN"
        )
    if node["split_feature"] >= len(NAMES):
        raise AvailabilityError(f"a split on feature {node['split_feature']}; there are {len(NAMES)}")
    # without missing values in training NaN is taken for 0, as LightGBM does
    to_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
    return int(node["split_feature"]), float(node["threshold"]), bool(to_left)


def calibrated(score: Floats, horizon_min: Floats, known_min: Floats, weights: Floats) -> Floats:
    """Beta calibration (Kull, Silva Filho and Flach 2017) that depends on the horizon: log odds = a ln p - b ln(1 - p) + c, float64[n] of probabilities.

    Args:
        score: float64[n], log odds.
        horizon_min: float64[n], above 0.
        known_min: float64[m], ascending, the horizons that weights are known for; between them weights go on a line over the logarithm of the horizon, outside they stay.
        weights: float64[m, 3], a, b and c.
    """
    out = np.empty(len(score))
    kernel.calibrated(score, np.ascontiguousarray(horizon_min, np.float64), known_min, weights, out)
    return out


def free_by_route(
    left_s: ArrayLike, horizon_s: ArrayLike, p_on_duty: ArrayLike, p_free: ArrayLike, spread: float = 1.0
) -> tuple[Floats, Floats]:
    """P(on duty) and P(free), float64[n, h], of drivers on a route that is known and not done now.

    Until the route's end the driver is on duty and busy. Its end is spread around the ETA by a logistic distribution, given that it has not come
    yet; afterwards it is what is said without the route, only likelier free for about an hour, for nobody has work the minute it is done.

    Args:
        left_s: float[n], seconds to the end of the last stop's service by its ETA; below 0 is due now.
        horizon_s: float[h] or float[n, h].
        p_on_duty: float[n, h], what is said without the route; NaN: nothing, and the driver is taken to stay on duty.
        p_free: float[n, h], not above it.
        spread: how much further apart ends are than `ROUTE_SPREAD_S` and `ROUTE_SPREAD_SHARE` say, as a factor.
    """
    left, horizon = (
        np.maximum(np.asarray(left_s, np.float64), 0.0)[:, None],
        np.asarray(horizon_s, np.float64),
    )
    scale_s = np.sqrt(3.0) / np.pi * spread * (ROUTE_SPREAD_S + ROUTE_SPREAD_SHARE * left)

    def by(moment_s: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(np.clip((left - moment_s) / scale_s, -50.0, 50.0))))

    now = by(np.zeros((1, 1)))
    done = np.clip((by(horizon) - now) / (1.0 - now), 0.0, 1.0)
    without = np.asarray(p_on_duty, np.float64)
    on = np.where(np.isnan(without), 1.0, without)
    share = np.divide(p_free, without, out=np.ones_like(without), where=without > 0)
    lately = np.exp(-np.maximum(horizon - left, 0.0) / STAYS_FREE_S)
    return 1.0 - done + done * on, done * on * (share + (1.0 - share) * lately)


def warm_up() -> None:
    """Compile, or load from the cache."""
    spans = spans_of(1, [0, 0], [0.0, 9e4], [3e4, np.inf], np.zeros((2, 2)), np.zeros((2, 2)))
    rows = features([0], [1e5], [900.0], spans, spans, fleet_rates(spans, spans, 1e5))
    scores = trees_of({"tree_info": [{"tree_structure": {"leaf_value": 0.0}}]}).scores(rows)
    calibrated(scores, np.array([15.0]), np.array([60.0]), np.array([[1.0, 1.0, 0.0]]))
