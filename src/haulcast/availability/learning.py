"""Learning who will be on duty, and who will be free, from what drivers did: moments with their outcomes, trees, and a calibration that has to earn its place.

One model answers every horizon up to eight hours: the horizon is one of its features, and moments are learned with horizons of all lengths. Of the last part of the span nothing is
learned: calibration is fitted on its first half, and kept only if it makes the log-loss of the second half smaller.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geo.availability import NAMES, FleetRates, Spans, Trees, features, trees_of
from haulcast.errors import HubError

Floats = NDArray[np.float64]

SHORTEST_S: Final = 600.0
LONGEST_S: Final = 8 * 3_600.0
HELD_BACK: Final = 0.2  # of the span, for calibration
FIRST_S: Final = 2 * 86_400.0  # nobody has a past before
ROUNDS: Final = 500
OPTIONS: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.03, "num_leaves": 31, "min_data_in_leaf": 500, "feature_fraction": 0.3,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "verbose": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


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
        kept = self.at_s + self.horizon_s < until_s
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
    """A beta calibration (Kull, Silva Filho and Flach 2017): log odds = a ln p - b ln(1 - p) + c. The plain one changes nothing."""

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def apply(self, p: Floats) -> Floats:
        """Calibrated probabilities."""
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return np.asarray(1.0 / (1.0 + np.exp(-(self.a * np.log(p) - self.b * np.log1p(-p) + self.c))))


def fitted_calibration(p: Floats, outcome: NDArray[np.bool_], steps: int = 25) -> Calibration:
    """The one with the smallest log-loss, by Newton's steps; plain where there is nothing to fit, or the fit turns the order around."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    x = np.stack((np.log(p), -np.log1p(-p), np.ones_like(p)), 1)
    weights = np.array([1.0, 1.0, 0.0])
    for _ in range(steps):
        q = 1.0 / (1.0 + np.exp(-(x @ weights)))
        hessian = (x * (q * (1 - q))[:, None]).T @ x + 1e-6 * np.eye(3)
        weights = weights - np.linalg.solve(hessian, x.T @ (q - outcome))
    found = Calibration(*weights.tolist())
    return found if np.all(np.isfinite(weights)) and found.a >= 0 and found.b >= 0 else Calibration()


def log_loss(p: Floats, outcome: NDArray[np.bool_]) -> float:
    """Mean of minus the log of the probability of what came."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.mean(np.where(outcome, np.log(p), np.log1p(-p))))


@dataclass(frozen=True, slots=True)
class Model:
    """Trees and their calibration.

    Attributes:
        names: the features it was learned on.
        peer: LightGBM's own model, while the process that learned it lasts.
    """

    trees: Trees
    calibration: Calibration
    names: tuple[str, ...] = NAMES
    peer: Any = None

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """float64[n], of the outcome it was learned for."""
        return self.calibration.apply(self.trees.probabilities(rows))


def learn(
    past: Past, drivers: NDArray[np.int64], from_s: float, until_s: float, every_s: float, seed: int, rounds: int = ROUNDS, threads: int = 1
) -> tuple[Model, Model]:  # fmt: skip
    """The models of being on duty, and of being on duty and free.

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
        LearningError: LightGBM is not installed, or the span is too short.
    """
    if until_s - from_s <= FIRST_S:
        raise LearningError(
            "span_short",
            f"{(until_s - from_s) / 86_400:.1f} days to learn from; more than {FIRST_S / 86_400:.0f} are needed",
        )
    random = np.random.default_rng(seed)
    split_s = until_s - HELD_BACK * (until_s - from_s)
    asked = moments(drivers, from_s + FIRST_S, split_s, every_s, random)
    held = moments(drivers, split_s, until_s, 4 * every_s, random)
    rows, held_rows = asked.features(past), held.features(past)
    is_later = held.at_s >= (split_s + until_s) / 2
    on_duty, free = (
        _learned(rows, outcome, held_rows, held_outcome, is_later, seed, rounds, threads)
        for outcome, held_outcome in zip(asked.outcomes(past), held.outcomes(past), strict=True)
    )
    return on_duty, free


def _learned(
    rows: NDArray[np.float32], outcome: NDArray[np.bool_], held_rows: NDArray[np.float32], held_outcome: NDArray[np.bool_],
    is_later: NDArray[np.bool_], seed: int, rounds: int, threads: int,
) -> Model:  # fmt: skip
    try:
        import lightgbm  # noqa: PLC0415 - only who learns needs it
    except ImportError as error:
        raise LearningError(
            "no_lightgbm", "learning needs LightGBM: pip install haulcast[availability]"
        ) from error
    options = {**OPTIONS, "seed": seed, "num_threads": threads}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, outcome), rounds)
    trees = trees_of(booster.dump_model())
    p = trees.probabilities(held_rows)
    calibration = fitted_calibration(p[~is_later], held_outcome[~is_later])
    later, came = p[is_later], held_outcome[is_later]
    is_better = log_loss(calibration.apply(later), came) < log_loss(later, came)
    return Model(trees, calibration if is_better else Calibration(), peer=booster)
