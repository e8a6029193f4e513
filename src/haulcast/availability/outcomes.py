"""Predictions that were sampled, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

QUESTIONS: Final = ("on_duty", "free")
"""What is foretold, in the order of the columns: on duty, and on duty and free."""
STATES: Final = ("off", "busy", "free")
"""A driver's, by their numbers in `span_tracker.State`."""


class Sample(NamedTuple):
    """A prediction that was served, and will be held against what comes.

    Attributes:
        due_ms: the moment that it speaks of; it was made `horizon_s` before.
        vehicle: whose driver's.
        horizon_s: how far ahead.
        state: at the moment it was made, index in `STATES`.
        p_on_duty, p_free: probabilities.
        basis: what it was made of, in the words of the API.
        version: of the model; None: there was none.
    """

    due_ms: int
    vehicle: str
    horizon_s: int
    state: int
    p_on_duty: float
    p_free: float
    basis: str
    version: str | None


class Outcome(NamedTuple):
    """A sample and what came: whether the driver was on duty then, and on duty and free."""

    sample: Sample
    on_duty: bool
    free: bool


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of one fleet as columns of equal length.

    Attributes:
        due_ms: int64[n], the moments they speak of.
        driver: int64[n], numbers that tell drivers apart.
        horizon_s: int64[n].
        state: int8[n], at the moment asked, index in `STATES`.
        p: float64[n, 2], the probabilities by `QUESTIONS`.
        came: bool[n, 2], what came.
    """

    due_ms: NDArray[np.int64]
    driver: NDArray[np.int64]
    horizon_s: NDArray[np.int64]
    state: NDArray[np.int8]
    p: NDArray[np.float64]
    came: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.due_ms)

    def chosen(self, which: NDArray[np.bool_]) -> "Outcomes":
        """Those where `which` holds."""
        return Outcomes(*(getattr(self, column.name)[which] for column in fields(self)))

    def holds_now(self, question: int) -> NDArray[np.bool_]:
        """bool[n]: whether it was so at the moment asked."""
        free, off = STATES.index("free"), STATES.index("off")
        return np.equal(self.state, free) if question else np.not_equal(self.state, off)


def columns_of(outcomes: Sequence[Outcome], numbers: dict[str, int]) -> Outcomes:
    """As columns; drivers that have no number yet get one."""
    samples = [outcome.sample for outcome in outcomes]
    return Outcomes(
        np.array([sample.due_ms for sample in samples], np.int64),
        np.array([numbers.setdefault(sample.vehicle, len(numbers)) for sample in samples], np.int64),
        np.array([sample.horizon_s for sample in samples], np.int64),
        np.array([sample.state for sample in samples], np.int8),
        np.array([(sample.p_on_duty, sample.p_free) for sample in samples], np.float64).reshape(-1, 2),
        np.array([(outcome.on_duty, outcome.free) for outcome in outcomes], np.bool_).reshape(-1, 2),
    )


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """All of them, in this order; numbers of drivers have to be of one numbering."""
    parts = parts or [columns_of((), {})]
    return Outcomes(
        *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Outcomes))
    )
