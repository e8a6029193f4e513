"""Which of the predictions served are kept, to be held against what comes: at random, so that their figures are those of all."""

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from haulcast.availability.outcomes import STATES, Sample

HORIZONS_S: Final = (900, 1_800, 3_600, 7_200, 14_400)
EVERY_S: Final = 600.0
"""About so often each driver's prediction for each horizon is kept."""
MOST_A_DAY: Final = 50_000
"""Of a fleet; a large one's drivers come less often."""
LONGEST_PAUSE_S: Final = 60.0
"""Of a longer one between two forecasts no more is made up for."""


class Served(Protocol):
    """What was foretold of a fleet's n drivers for h horizons, as far as it is sampled."""

    @property
    def vehicles(self) -> Sequence[str]:
        """[n]."""

    @property
    def at_s(self) -> float:
        """Unix seconds."""

    @property
    def horizons_s(self) -> Any:
        """[h]."""

    @property
    def p_on_duty(self) -> NDArray[Any]:
        """[n, h]; NaN: nothing can be said."""

    @property
    def p_free(self) -> NDArray[Any]:
        """[n, h]; on duty and free."""

    @property
    def state(self) -> Any:
        """[n], words of `STATES` or their numbers."""

    @property
    def basis(self) -> Any:
        """[n], words of the API."""

    @property
    def version(self) -> str | None:
        """Of the model; None: there is none."""


class Sampling:
    """Chooses samples of forecasts as they come.

    Args:
        random: the same chooses the same.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._last_s: dict[str, float] = {}

    def choose(self, fleet: str, served: Served) -> list[Sample]:
        """The samples of a fleet's newest forecast. One that is not newer than the last gives none."""
        before_s = self._last_s.get(fleet, served.at_s - LONGEST_PAUSE_S)
        pause_s = min(served.at_s - before_s, LONGEST_PAUSE_S)
        places = np.flatnonzero(np.isin(served.horizons_s, HORIZONS_S)).tolist()
        cells = len(served.vehicles) * len(places)
        if pause_s <= 0 or not cells:
            return []
        self._last_s[fleet] = served.at_s
        share = min(1.0, pause_s / EVERY_S, pause_s * MOST_A_DAY / 86_400 / cells)
        count = int(self._random.binomial(cells, share))
        chosen = self._random.choice(cells, count, replace=False, shuffle=False)
        samples = (
            _sample(served, cell // len(places), places[cell % len(places)])
            for cell in np.sort(chosen).tolist()
        )
        return [sample for sample in samples if not math.isnan(sample.p_on_duty + sample.p_free)]


def _sample(served: Served, driver: int, place: int) -> Sample:
    horizon_s, state, version = int(served.horizons_s[place]), served.state[driver], served.version
    return Sample(
        due_ms=round(served.at_s * 1000) + horizon_s * 1000,
        vehicle=served.vehicles[driver],
        horizon_s=horizon_s,
        state=STATES.index(state) if isinstance(state, str) else int(state),
        p_on_duty=float(served.p_on_duty[driver, place]),
        p_free=float(served.p_free[driver, place]),
        basis=str(served.basis[driver]),
        version=version,
    )
