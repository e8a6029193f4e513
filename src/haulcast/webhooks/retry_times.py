"""When a delivery that failed is tried again, and how long a receiver that fails is left alone: exponential, with jitter."""

from dataclasses import dataclass
from random import Random
from typing import Final

MOST_RETRY_AFTER_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class RetryTimes:
    """Waits with a factor drawn from [0.5, 1.5), so that what failed together does not come back together.

    Attributes:
        random: where the jitter comes from.
        tries: of one delivery; after the last one it is dead.
        first_s: the mean wait after the first try; then each is `factor` times longer, up to `most_s`.
        factor: of those.
        most_s: the longest mean wait of a delivery. With these numbers the last of 16 tries is two days after the first.
        pause_s: how long a receiver is left alone after one failure; doubled with each in a row, up to `longest_pause_s`.
        longest_pause_s: of those.
    """

    random: Random
    tries: int = 16
    first_s: float = 5.0
    factor: float = 3.0
    most_s: float = 21_600.0
    pause_s: float = 1.0
    longest_pause_s: float = 60.0

    def next_s(self, tries: int, retry_after_s: float | None = None) -> float | None:
        """Seconds until the next try after so many; at least what the receiver asks for; None: there is none."""
        if tries >= self.tries:
            return None
        return max(
            self._drawn(self.first_s, self.factor, tries - 1, self.most_s), _within_a_day(retry_after_s)
        )

    def pause_after_s(self, failures: int, retry_after_s: float | None = None) -> float:
        """Seconds in which a receiver that failed so often in a row gets nothing."""
        return max(
            self._drawn(self.pause_s, 2.0, failures - 1, self.longest_pause_s), _within_a_day(retry_after_s)
        )

    def _drawn(self, first_s: float, factor: float, times: int, most_s: float) -> float:
        mean_s = min(most_s, first_s * factor ** min(times, 32))
        return mean_s * self.random.uniform(0.5, 1.5)


def _within_a_day(retry_after_s: float | None) -> float:
    return min(max(retry_after_s or 0.0, 0.0), MOST_RETRY_AFTER_S)
