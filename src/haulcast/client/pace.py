"""How many fixes a second go out after the hub has said `rate_limited`: found by trying, since the limit is not told.

Doubling while all is taken, halving when something comes back: the pace stays within a factor of two of what the hub takes,
and the hub's token bucket evens that out.
"""

SECOND_S = 1.0
FIRST_PER_S = 64


class Pace:
    """Unlimited until the hub says otherwise; from then on asked once a second."""

    def __init__(self) -> None:
        self._per_s = 0  # 0: unlimited
        self._is_back = False

    @property
    def is_limited(self) -> bool:
        """Whether to go slowly."""
        return self._per_s > 0

    def limited(self) -> None:
        """The hub sent a fix back."""
        self._is_back = True
        if not self._per_s:
            self._per_s = 2 * FIRST_PER_S  # halved by the first second

    def next_second(self) -> int:
        """How many fixes may go out in the second that begins."""
        self._per_s = max(1, self._per_s // 2) if self._is_back else 2 * self._per_s
        self._is_back = False
        return self._per_s

    def end(self) -> None:
        """Everything is settled: unlimited again."""
        self._per_s = 0
