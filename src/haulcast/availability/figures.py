"""How good predictions were, in figures: of outcomes, without a clock or a store.

What was foretold is right when the more probable of the two came (over 0.5). Persistence is the opponent that knows the driver's state at the moment
asked and nothing else: the share of those in that state whom it came true for, of the same outcomes, which is the best that it could have said.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from haulcast.availability.outcomes import QUESTIONS, Outcomes

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

BINS: Final = 15
Z_95: Final = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""
CLUSTER_MS: Final = 86_400_000
"""What one driver does on one day hangs together."""
MOST_DAYS: Final = 1_000_000


class Bin(NamedTuple):
    """Outcomes of predictions that were about as probable: how many, how probable on average, and the share that came."""

    n: int
    p: float
    share: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one question and horizon; shares of 1, and NaN where nothing can be said.

    Attributes:
        n: outcomes.
        n_effective: how many independent ones they tell as much as; outcomes of one driver and day are not independent.
        share: those for whom it came true.
        accuracy, accuracy_low, accuracy_high: with the Wilson bounds of 95 %, for `n_effective`.
        brier: mean squared difference of probability and outcome; 0 is best.
        skill: 1 - Brier score / that of persistence; below 0 it would be better not to have asked.
        ece: expected calibration error, over `BINS` bins of equal mass.
        changed: outcomes that were other than the state at the moment asked; `changed_accuracy` of them.
        bins: of equal mass, in the order of their probability.
    """

    n: int
    n_effective: float
    share: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    brier: float
    skill: float
    ece: float
    changed: int
    changed_accuracy: float
    bins: tuple[Bin, ...]


AllFigures = dict[tuple[str, int], Figures]
"""By question and horizon in seconds."""


def all_figures(outcomes: Outcomes) -> AllFigures:
    """Those of each question and horizon that there are outcomes of, questions first, horizons ascending."""
    found: AllFigures = {}
    for place, question in enumerate(QUESTIONS):
        for horizon_s in np.unique(outcomes.horizon_s).tolist():
            found[question, horizon_s] = figures_of(outcomes.chosen(outcomes.horizon_s == horizon_s), place)
    return found


def figures_of(outcomes: Outcomes, question: int) -> Figures:
    """Of outcomes of one horizon; at least one."""
    p, came = outcomes.p[:, question], outcomes.came[:, question]
    right = (p > 0.5) == came
    accuracy = float(right.mean())
    n_effective = effective_number(right, outcomes.driver * MOST_DAYS + outcomes.due_ms // CLUSTER_MS)
    low, high = wilson(accuracy, n_effective)
    bins, score = reliability(p, came), brier(p, came)
    changed = came != outcomes.holds_now(question)
    return Figures(
        n=len(p), n_effective=n_effective, share=float(came.mean()),
        accuracy=accuracy, accuracy_low=low, accuracy_high=high,
        brier=score, skill=skill(score, brier(persistence(outcomes.state, came), came)), ece=calibration_error(bins),
        changed=int(changed.sum()), changed_accuracy=float(right[changed].mean()) if changed.any() else math.nan, bins=bins,
    )  # fmt: skip


def wilson(share: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """The bounds of a share that was seen in n independent trials (Wilson 1927, doi:10.1080/01621459.1927.10502953); of none, 0 and 1."""
    if n <= 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def effective_number(right: Booleans, cluster: NDArray[np.int64]) -> float:
    """How many independent trials tell as much: n over the design effect, the variance of a share by clusters over that of independent trials (Kish 1965); never more than n.

    Args:
        right: bool[n], what the share is of.
        cluster: int64[n], the same for those that hang together.
    """
    n, share = len(right), float(np.mean(right))
    _, cluster = np.unique(cluster, return_inverse=True)
    sizes = np.bincount(cluster)
    if len(sizes) < 2 or not 0 < share < 1:
        return float(n)
    apart = np.bincount(cluster, right) - share * sizes
    clustered = len(sizes) / (len(sizes) - 1) * float(np.sum(apart * apart)) / n**2
    return n / max(1.0, clustered * n / (share * (1 - share)))


def brier(p: Floats, came: Booleans) -> float:
    """The mean squared difference (Brier 1950)."""
    return float(np.mean((p - came) ** 2))


def skill(score: float, reference: float) -> float:
    """How much of the reference's Brier score is gone; NaN where that had none."""
    return 1.0 - score / reference if reference > 0 else math.nan


def persistence(state: NDArray[np.int8], came: Booleans) -> Floats:
    """float64[n]: the share that it came true for, of all in the same state."""
    counts = np.bincount(state)
    shares = np.bincount(state, came) / np.maximum(counts, 1)
    return np.asarray(shares[state], np.float64)


def reliability(p: Floats, came: Booleans) -> tuple[Bin, ...]:
    """`BINS` bins of equal mass, or one an outcome where there are fewer."""
    places = np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p)))
    return tuple(Bin(len(place), float(p[place].mean()), float(came[place].mean())) for place in places)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """ECE: how far share and probability of a bin are apart, on average over outcomes (Naeini et al. 2015)."""
    return sum(one.n * abs(one.p - one.share) for one in bins) / sum(one.n for one in bins)


def excess(p: Floats, came: Booleans) -> Floats:
    """float64[n] in [-0.125, 1]: how much larger each squared difference was than the prediction itself let expect.

    (y - p)(1 - 2p) = (p - y)^2 - p(1 - p), whose mean is 0 at any hour as long as probabilities are right, however hard the hour is: the numerator of
    Spiegelhalter's test (1986, doi:10.1002/sim.4780050506).
    """
    return np.asarray((came - p) * (1 - 2 * p), np.float64)
