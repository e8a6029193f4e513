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

_DAYS = kernel.NAMED_DAYS
NAMES: Final[tuple[str, ...]] = (
    "on_duty", "state_min", "hour", "weekday", "spans",
    *(f"{what}_{j}" for j in range(3) for what in ("span_min", "rest_min", "begin_hour")),
    "shift_min", "shift_begin_hour",
    *(f"{what}_{j}" for j in range(1, 4) for what in ("shift_long_min", "shift_rest_min", "shift_end_hour")),
    "shift_mean_min",
    *(f"duty_share_{hours:g}h" for hours in kernel.SHARE_HOURS),
    "busy", "busy_min", "idle_min", "job_min_0", "job_min_1", "job_min_2", "jobs_span", "jobs_1h", "jobs_3h",
    *(f"busy_share_{hours:g}h" for hours in kernel.BUSY_HOURS),
    "east_km", "north_km", "place_age_min", "home_km", "last_off_km", "span_begin_km", "home_east_km", "home_north_km",
    "horizon_min", "then_hour", "then_weekday", "changed_share", "changed_of",
    "own_share", "fleet_share",
    *(f"{what}_{day}d" for day in _DAYS for what in ("own_duty", "own_busy", "fleet_duty", "fleet_busy")),
    "fleet_duty_now_1d", "fleet_duty_now_7d", "to_change_1d", "to_change_2d", "to_change_7d",
    "fleet_duty", "fleet_duty_trend", "fleet_busy", "fleet_busy_trend",
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
    """
    drivers, moments = np.asarray(driver, np.int64), np.asarray(at_s, np.float64)
    horizons = np.broadcast_to(np.asarray(horizon_s, np.float64), moments.shape)
    if len(drivers) and not 0 <= drivers.min() <= drivers.max() < min(duty.drivers, busy.drivers):
        raise AvailabilityError(
            f"driver {drivers.max()}; there are {duty.drivers} on duty and {busy.drivers} with work"
        )
    out = np.empty((len(drivers), len(NAMES)), np.float32)
    kernel.features(
        drivers,
        moments,
        np.ascontiguousarray(horizons),
        duty.columns(),
        busy.columns(),
        rates.columns(),
        zone_s,
        out,
    )
    return out


@dataclass(frozen=True, slots=True)
class Trees:
    """Decision trees as one run of nodes, and what makes their sum a probability. Make it with `trees_of`.

    Attributes:
        roots: int32[trees].
        feature: int32[nodes], -1 of a leaf.
        threshold: float64[nodes]: left when the feature is not above it.
        left, right: int32[nodes].
        to_left: bool[nodes], where NaN goes.
        value: float64[nodes], of a leaf.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    to_left: NDArray[np.bool_]
    value: Floats

    def scores(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n]: the sum of the leaves that each row reaches, log odds."""
        out = np.empty(len(rows))
        kernel.scores(
            rows,
            self.roots,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.to_left,
            self.value,
            out,
        )
        return out

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n]: what the trees themselves say, before any calibration."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.scores(rows))))

    @property
    def checksum(self) -> str:
        """Of all that predictions come from."""
        whole = hashlib.sha256()
        for column in (
            self.roots,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.to_left,
            self.value,
        ):
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()


def trees_of(model: dict[str, Any]) -> Trees:
    """The trees of a LightGBM model, as its `dump_model()` says them.

    Raises:
        AvailabilityError: it splits in a way that is not walked here (categories, zero as missing), or on a feature that there is not.
    """
    nodes: list[tuple[int, float, int, int, bool, float]] = []
    roots = [_add(tree["tree_structure"], nodes) for tree in model["tree_info"]]
    columns = zip(*nodes, strict=True) if nodes else [()] * 6
    dtypes = (np.int32, np.float64, np.int32, np.int32, np.bool_, np.float64)
    return Trees(
        np.array(roots, np.int32),
        *(np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)),
    )


def _add(node: dict[str, Any], nodes: list[tuple[int, float, int, int, bool, float]]) -> int:
    """Append a node and all beneath it; its index. Deep trees are few: a model's depth is bounded where it is learned."""
    place = len(nodes)
    if "split_feature" not in node:
        nodes.append((-1, 0.0, 0, 0, False, float(node["leaf_value"])))
        return place
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise AvailabilityError(
            f"a split by {node['decision_type']} with missing {node['missing_type']}; allowed are <= with None or NaN"
        )
    if node["split_feature"] >= len(NAMES):
        raise AvailabilityError(f"a split on feature {node['split_feature']}; there are {len(NAMES)}")
    nodes.append((0, 0.0, 0, 0, False, 0.0))
    left, right = _add(node["left_child"], nodes), _add(node["right_child"], nodes)
    # without missing values in training NaN is taken for 0, as LightGBM does
    is_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
    nodes[place] = (node["split_feature"], float(node["threshold"]), left, right, bool(is_left), 0.0)
    return place


def warm_up() -> None:
    """Compile, or load from the cache."""
    spans = spans_of(1, [0, 0], [0.0, 9e4], [3e4, np.inf], np.zeros((2, 2)), np.zeros((2, 2)))
    rows = features([0], [1e5], [900.0], spans, spans, fleet_rates(spans, spans, 1e5))
    leaf = {"leaf_value": 0.0}
    trees_of({"tree_info": [{"tree_structure": leaf}]}).scores(rows)
