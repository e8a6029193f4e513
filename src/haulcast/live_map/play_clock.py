"""Which moment is shown: it runs with real time, at a speed, and never past what is known."""


class PlayClock:
    """A moment of the history, which the caller moves on.

    Attributes:
        at_ms: what is shown, ms since 1970; with fractions, so that slow speeds lose nothing.
        speed: milliseconds of history a millisecond; 0: it stands.
    """

    def __init__(self, at_ms: int, speed: float, now_s: float) -> None:
        """At this moment; `now_s` is of a clock that never goes back, as in all calls."""
        self.at_ms = float(at_ms)
        self.speed = speed
        self._last_s = now_s

    def seek(self, at_ms: float, now_s: float) -> None:
        """Go on from another moment."""
        self.at_ms, self._last_s = float(at_ms), now_s

    def advance(self, now_s: float, most_ms: float) -> bool:
        """Let the time since the last call pass, up to `most_ms`; whether that held it. What is held is not caught up later."""
        wanted_ms = self.at_ms + self.speed * 1000.0 * (now_s - self._last_s)
        self._last_s = now_s
        self.at_ms = max(self.at_ms, min(wanted_ms, most_ms))
        return wanted_ms > self.at_ms
