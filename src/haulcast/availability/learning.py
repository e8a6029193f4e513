"""Learning who will be on duty, and who will be free, from what drivers did: moments with their outcomes, trees, and a calibration that has to earn its place.

P(free) = P(on duty) x P(free | on duty). One model of each answers every horizon up to eight hours: the horizon is one of its features, and moments are learned with horizons
of all lengths. Chances of changing, step by step, are no model of their own here: docs/benchmarks.md has the figures of both. Calibration is fitted on a slice after the one that was
learned, and kept only if it makes the log-loss of the slice after that smaller.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geo.availability import NAMES, FleetRates, Spans, Trees, calibrated, features, trees_of
from haulcast.errors import HubError

Floats = NDArray[np.float64]

SHORTEST_S: Final = 600.0
LONGEST_S: Final = 8 * 3_600.0
HELD_BACK: Final = 0.2  # of the moments, for calibration
FIRST_S: Final = 2 * 86_400.0  # nobody has a past before
ROUNDS: Final = 300
OPTIONS: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "max_depth": 7, "min_data_in_leaf": 500, "feature_fraction": 0.3,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "verbose": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
CALIBRATED_MIN: Final = (15.0, 30.0, 60.0, 120.0, 240.0, 480.0)
PRIOR: Final = 10.0
HORIZON: Final = NAMES.index("horizon_min")
FREE_OF_ROUNDS: Final = 2  # work comes nearly by chance: more trees learn nothing more of it
LEARNED, BETWEEN, CALIBRATED, JUDGED = range(4)  # slices of the span


class LearningError(HubError):
    """Nothing can be learned: what is missing, and where to get it."""


@dataclass(frozen=True, slots=True)
class Past:
    """What was known of a fleet.

    Attributes:
        duty, busy: of the same drivers.
        rates: of the fleet, until the end of what is known.
        zone_s: local time less UTC.
    """

    duty: Spans
    busy: Spans
    rates: FleetRates
    zone_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Moments:
    """Questions about drivers, equal-length columns: whose, when (Unix seconds), and how far ahead."""

    driver: NDArray[np.int64]
    at_s: Floats
    horizon_s: Floats

    def features(self, past: Past) -> NDArray[np.float32]:
        """What was known at each."""
        return features(self.driver, self.at_s, self.horizon_s, past.duty, past.busy, past.rates, past.zone_s)

    def outcomes(self, past: Past) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each driver was on duty, and on duty and free, when its horizon had come."""
        then_s = self.at_s + self.horizon_s
        on_duty = past.duty.holds(self.driver, then_s)
        return on_duty, on_duty & ~past.busy.holds(self.driver, then_s)

    def within(self, until_s: float) -> "Moments":
        """Those whose horizon comes before."""
        return self.only(self.at_s + self.horizon_s < until_s)

    def only(self, kept: NDArray[Any]) -> "Moments":
        """These: a mask, or indices."""
        return Moments(self.driver[kept], self.at_s[kept], self.horizon_s[kept])


def moments(
    drivers: NDArray[np.int64], from_s: float, until_s: float, every_s: float, random: np.random.Generator,
    horizons_s: Floats | None = None,
) -> Moments:  # fmt: skip
    """One for each driver and stretch of `every_s`, at a random place in it; of each horizon that is given, or of a random one."""
    begins = np.arange(from_s, until_s, every_s)
    at_s = np.tile(begins, len(drivers)) + random.uniform(0, every_s, len(begins) * len(drivers))
    driver = np.repeat(drivers, len(begins))
    if horizons_s is None:
        spread = random.uniform(np.log(SHORTEST_S), np.log(LONGEST_S), len(at_s))
        return Moments(driver, at_s, np.exp(spread)).within(until_s)
    count = len(horizons_s)
    return Moments(np.tile(driver, count), np.tile(at_s, count), np.repeat(horizons_s, len(at_s))).within(
        until_s
    )


@dataclass(frozen=True, slots=True)
class Calibration:
    """A beta calibration for each of some horizons, and between them: see `geo.availability.calibrated`.

    Attributes:
        horizons_min: float64[m], ascending.
        weights: float64[m, 3], those of each.
    """

    horizons_min: Floats
    weights: Floats

    def apply(self, score: Floats, horizon_min: NDArray[Any]) -> Floats:
        """Probabilities of log odds, float64[n]."""
        return calibrated(score, horizon_min, self.horizons_min, self.weights)


PLAIN: Final = Calibration(np.array([60.0]), np.array([[1.0, 1.0, 0.0]]))
"""The one that changes nothing."""


def fitted_weights(score: Floats, outcome: NDArray[np.bool_], weight: Floats, steps: int = 25) -> Floats:
    """float64[3] with the smallest log-loss, by Newton's steps, held towards the plain ones as by `PRIOR` moments; plain where the fit would turn the order around."""
    x = np.stack((-np.logaddexp(0, -score), np.logaddexp(0, score), np.ones_like(score)), 1)
    plain = PLAIN.weights[0]
    weights = plain.copy()
    for _ in range(steps):
        q = 1.0 / (1.0 + np.exp(-(x @ weights)))
        slope = x.T @ (weight * (q - outcome)) + PRIOR * (weights - plain)
        hessian = (x * (weight * q * (1 - q))[:, None]).T @ x + PRIOR * np.eye(3)
        weights = weights - np.linalg.solve(hessian, slope)
    is_fit = np.all(np.isfinite(weights)) and weights[0] >= 0 and weights[1] >= 0
    return np.asarray(weights if is_fit else plain, np.float64)


def fitted_calibration(score: Floats, outcome: NDArray[np.bool_], horizon_min: NDArray[Any]) -> Calibration:
    """One for each of `CALIBRATED_MIN`, of the moments within a factor of two around it: near ones count for more."""
    away = np.abs(np.log2(horizon_min) - np.log2(np.array(CALIBRATED_MIN))[:, None])
    weights = [fitted_weights(score, outcome, np.maximum(0.0, 1 - row)) for row in away]
    return Calibration(np.array(CALIBRATED_MIN), np.array(weights))


def log_loss(p: Floats, outcome: NDArray[np.bool_]) -> float:
    """Mean of minus the log of the probability of what came; 0 of nothing."""
    if not len(p):
        return 0.0
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.mean(np.where(outcome, np.log(p), np.log1p(-p))))


@dataclass(frozen=True, slots=True)
class Model:
    """Trees and their calibration: the probability of one thing, for any horizon.

    Attributes:
        peer: LightGBM's own model, while the process that learned it lasts.
    """

    trees: Trees
    calibration: Calibration
    peer: Any = None

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n], of the outcome it was learned for."""
        return self.calibration.apply(self.trees.scores(rows), rows[:, HORIZON])


@dataclass(frozen=True, slots=True)
class AvailabilityModel:
    """P(free) = P(on duty) x P(free | on duty): nobody is free more probably than on duty.

    Attributes:
        on_duty: of being on duty when the horizon has come.
        free: of being free then, learned from those only who were on duty then.
        names: the features that both were learned on.
    """

    on_duty: Model
    free: Model
    names: tuple[str, ...] = NAMES

    def probabilities(self, rows: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """P(on duty) and P(on duty and free), float64[n] each, for rows of `geo.availability.features`."""
        on_duty = self.on_duty.probabilities(rows)
        return on_duty, on_duty * self.free.probabilities(rows)


def learn(
    past: Past, drivers: NDArray[np.int64], from_s: float, until_s: float, every_s: float, seed: int, rounds: int = ROUNDS, threads: int = 1
) -> AvailabilityModel:  # fmt: skip
    """The models of being on duty, and of being free if on duty.

    Args:
        past: of the fleet.
        drivers: whom to learn from.
        from_s: begin of the span to learn from.
        until_s: its end; no outcome after it is looked at.
        every_s: a moment of each driver in so many seconds.
        seed: the same gives the same model.
        rounds: trees.
        threads: of LightGBM.

    Raises:
        LearningError: LightGBM is not installed, the span is too short, or nobody was on duty in it.
    """
    if until_s - from_s <= FIRST_S:
        raise LearningError(
            "span_short",
            f"{(until_s - from_s) / 86_400:.1f} days to learn from; more than {FIRST_S / 86_400:.0f} are needed",
        )
    random = np.random.default_rng(seed)
    first_s = from_s + FIRST_S
    split_s = until_s - HELD_BACK * (until_s - first_s)
    asked = moments(drivers, first_s, until_s, every_s, random)
    rows, (on, free) = asked.features(past), asked.outcomes(past)
    slices = np.select(
        (asked.at_s + asked.horizon_s < split_s, asked.at_s < split_s, asked.at_s < (split_s + until_s) / 2),
        (LEARNED, BETWEEN, CALIBRATED),
        JUDGED,
    )
    if not np.any(on & (slices == LEARNED)):
        reason = f"none of {len(drivers)} drivers was seen on duty after the first {FIRST_S / 86_400:.0f} days of the span to learn from"
        raise LearningError("nobody_on_duty", reason)
    options = {**OPTIONS, "seed": seed, "num_threads": threads}
    free_rounds = max(1, rounds // FREE_OF_ROUNDS)
    return AvailabilityModel(
        _learned(rows, on, slices, options, rounds),
        _learned(rows[on], free[on], slices[on], options, free_rounds),
    )


def _learned(
    rows: NDArray[np.float32], outcome: NDArray[np.bool_], slices: NDArray[np.int64], options: dict[str, Any], rounds: int
) -> Model:  # fmt: skip
    """Calibrated and judged by trees that have seen the first slice alone; then the trees are learned anew from all of it, for what is latest is most like what comes."""
    try:
        import lightgbm  # noqa: PLC0415 - only who learns needs it
    except ImportError as error:
        raise LearningError(
            "no_lightgbm", "learning needs LightGBM: pip install haulcast[availability]"
        ) from error

    def grown(some: NDArray[np.bool_]) -> Any:
        return lightgbm.train(options, lightgbm.Dataset(rows[some], outcome[some]), rounds)

    first = trees_of(grown(slices == LEARNED).dump_model())
    (fit, fit_min, fit_came), (judged, judged_min, came) = (
        (first.scores(rows[some]), rows[some, HORIZON], outcome[some])
        for some in (slices == CALIBRATED, slices == JUDGED)
    )
    found = fitted_calibration(fit, fit_came, fit_min)
    ours, plain = (log_loss(one.apply(judged, judged_min), came) for one in (found, PLAIN))
    booster = grown(np.ones(len(rows), bool))
    return Model(trees_of(booster.dump_model()), found if ours < plain else PLAIN, peer=booster)
