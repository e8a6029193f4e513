"""How long to wait before the next attempt to connect: exponential with full jitter.

A thousand clients that lost the same hub come back spread over the whole interval instead of all at once; see M. Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from random import Random


class Backoff:
    """Waits drawn from [0, most so far], where the most doubles from `first_s` up to `most_s`.

    Args:
        random: where the jitter comes from; seeded by whoever wants runs to repeat.
        first_s: the longest first wait, seconds.
        most_s: the longest wait ever, seconds.
    """

    def __init__(self, random: Random, *, first_s: float = 1.0, most_s: float = 30.0) -> None:
        self._random = random
        self._first_s = first_s
        self._most_s = most_s
        self._attempts = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        ceiling_s = min(self._most_s, self._first_s * 2.0 ** min(self._attempts, 32))
        self._attempts += 1
        return self._random.uniform(0.0, ceiling_s)

    def reset(self) -> None:
        """The other end answered well: the next wait is a short one again."""
        self._attempts = 0
