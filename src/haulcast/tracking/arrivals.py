"""How long what waits in the inbox has waited: one mark a tick, so that a frame costs nothing."""

from collections import deque


class Arrivals:
    """Marks of "so many came since then", oldest first. An age is too long by less than a tick, and never too short."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()
        self._marked = 0
        self._since_s = 0.0

    def first(self, now_s: float) -> None:
        """Something has come into the empty inbox."""
        self._since_s = now_s

    def take(self, before: int, left: int, now_s: float) -> float:
        """A tick takes the oldest of what waits; how long the first of it has waited, in seconds, 0 when nothing did.

        Args:
            before: how much waited when the tick began.
            left: how much of that waits on.
            now_s: when the tick began, by the clock that `first` is told.
        """
        came = before - self._marked
        if came > 0:
            self._marks.append((came, self._since_s))
        self._since_s = now_s  # what comes from now on finds an inbox that is not empty, or calls `first`
        self._marked = left
        oldest_s = self._marks[0][1] if self._marks else now_s
        taken = before - left
        while taken > 0:
            count, since_s = self._marks.popleft()
            if count > taken:
                self._marks.appendleft((count - taken, since_s))
            taken -= count
        return max(0.0, now_s - oldest_s)
