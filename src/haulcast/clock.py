"""The one file that reads the clock; everything else is given the time."""

import time


def epoch_ms() -> int:
    """Milliseconds since 1970-01-01 UTC, by the system's clock."""
    return time.time_ns() // 1_000_000


def cpu_s() -> float:
    """CPU seconds that this process has used, user and system."""
    return time.process_time()


def monotonic_s() -> float:
    """Seconds on a clock that never goes back; for intervals, not for dates."""
    return time.monotonic()
