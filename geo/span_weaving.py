"""Spans that a fleet has had, and those that have come since, as one: what the live hub asks about. The face of `geo.kernels.span_weaving`."""

import numpy as np
from numpy.typing import NDArray

from geo.availability import AvailabilityError, Spans, spans_of
from geo.kernels import span_weaving as kernel


def woven(base: Spans, more: Spans, from_s: float = -np.inf) -> Spans:
    """Of each driver the spans of `base`, then those of `more`, as new columns; a copy of each, without a lock, some ns a span.

    Args:
        base: in order of time; what ended before `from_s` is left out.
        more: of the same drivers and maybe further ones, each span after all of its driver in the base.
        from_s: Unix seconds.

    Raises:
        AvailabilityError: the base has more drivers.
    """
    if base.drivers > more.drivers:
        raise AvailabilityError(f"{base.drivers} drivers, and then {more.drivers}; none may be missing")
    first, offsets = np.empty(more.drivers, np.int64), np.empty(more.drivers + 1, np.int64)
    kernel.counts(base.offsets, base.end_s, more.offsets, from_s, first, offsets)
    total = int(offsets[-1])
    made = Spans(offsets, np.empty(total), np.empty(total), np.empty((total, 2)), np.empty((total, 2)))
    kernel.weave(
        base.offsets,
        first,
        more.offsets,
        offsets,
        *((spans.begin_s, spans.end_s) if is_time else (spans.begin_xy, spans.end_xy) for spans in (base, more, made) for is_time in (True, False)),
    )  # fmt: skip
    return made


def spent_s(
    spans: Spans, driver: NDArray[np.int64], from_s: NDArray[np.float64], until_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """float64[n, m]: the seconds of each of m times that each of n drivers (int64[n]) spent in its spans.

    Args:
        spans: of all drivers.
        driver: numbers of theirs.
        from_s: float64[m], Unix seconds.
        until_s: float64[m].
    """
    out = np.zeros((len(driver), len(from_s)))
    kernel.spent(spans.offsets, spans.begin_s, spans.end_s, driver, from_s, until_s, out)
    return out


def warm_up() -> None:
    """Compile, or load from the cache."""
    spans = spans_of(1, [0], [0.0], [1.0])
    woven(spans, spans)
    spent_s(spans, np.zeros(1, np.int64), np.zeros(1), np.ones(1))
