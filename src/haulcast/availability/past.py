"""What is known of a fleet's drivers, out of stored spans: for learning, and for the hub when it starts."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.availability import Spans, fleet_rates, spans_of
from haulcast.availability.learning import Past
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan

Floats = NDArray[np.float64]

HOUR_S: Final = 3_600.0

LatLon = tuple[float, float]


def past_of(
    spans: Sequence[StoredSpan], until_s: float, zone_s: float, origin: LatLon = (0.0, 0.0)
) -> tuple[list[str], Past]:
    """The vehicle ids in order, a driver's number being its index; and what was known of them.

    Args:
        spans: of one fleet, in any order; those of one driver that overlap are one.
        until_s: Unix seconds; what begins later is left out, and no later share of the fleet is taken.
        zone_s: local time less UTC, see `zone_of`.
        origin: (lat_deg, lon_deg) that places are measured from, see `origin_of`; the same for learning and for serving.
    """
    vehicles = sorted({span.vehicle for span in spans})
    numbers = {vehicle: number for number, vehicle in enumerate(vehicles)}
    duty, busy = (
        _of_kind([span for span in spans if span.kind == kind], numbers, until_s, origin)
        for kind in (DUTY, BUSY)
    )
    return vehicles, Past(duty, busy, fleet_rates(duty, busy, until_s), zone_s)


def _of_kind(spans: Sequence[StoredSpan], numbers: dict[str, int], until_s: float, origin: LatLon) -> Spans:
    driver = np.array([numbers[span.vehicle] for span in spans], np.int64)
    begin_s = np.array([span.begin_ms / 1000 for span in spans], np.float64)
    end_s = np.array([np.inf if span.end_ms is None else span.end_ms / 1000 for span in spans], np.float64)
    places = np.array([span[4:8] for span in spans], np.float64).reshape(len(spans), 4)
    known = begin_s < until_s
    return joined_spans(len(numbers), driver[known], begin_s[known], end_s[known], places[known], origin)


def joined_spans(
    drivers: int, driver: NDArray[np.int64], begin_s: Floats, end_s: Floats, places: Floats, origin: LatLon
) -> Spans:
    """Spans in any order, of which those of one driver that overlap are one; empty ones are left out.

    Args:
        drivers: how many there are.
        driver: int64[n], whose each is.
        begin_s: Unix seconds.
        end_s: infinite: it lasts.
        places: float64[n, 4], latitude and longitude in degrees of begin and of end; NaN is not known.
        origin: see `past_of`.
    """
    order = np.lexsort((begin_s, driver))
    order = order[end_s[order] > begin_s[order]]
    driver, begin_s, end_s, places = driver[order], begin_s[order], end_s[order], places[order]
    overlaps = (driver[1:] == driver[:-1]) & (begin_s[1:] < end_s[:-1])
    if overlaps.any():
        driver, begin_s, end_s, places = _joined(driver, begin_s, end_s, places)
    return spans_of(drivers, driver, begin_s, end_s, places[:, :2], places[:, 2:], origin)


def _joined(driver: NDArray[np.int64], begin_s: Floats, end_s: Floats, places: Floats) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:  # fmt: skip
    """Each run of spans of a driver that overlap as one, which begins where the first does and ends where the last does."""
    latest_s = end_s.copy()
    starts = np.flatnonzero(np.diff(driver, prepend=-1))
    for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(driver)], strict=True):
        np.maximum.accumulate(end_s[begin:end], out=latest_s[begin:end])
    is_first = np.ones(len(driver), np.bool_)
    is_first[1:] = (driver[1:] != driver[:-1]) | (begin_s[1:] >= latest_s[:-1])
    first = np.flatnonzero(is_first)
    run = np.cumsum(is_first) - 1
    last = np.lexsort((end_s, run))[np.append(first[1:], len(driver)) - 1]
    where = np.concatenate((places[first, :2], places[last, 2:]), axis=1)
    return driver[first], begin_s[first], end_s[last], where


def origin_of(spans: Sequence[StoredSpan]) -> LatLon:
    """The middle of where spans began; see `middle`."""
    return middle(np.array([span[4:6] for span in spans], np.float64).reshape(len(spans), 2))


def middle(places: Floats) -> LatLon:
    """Of float64[n, 2] degrees the median, in tenths; (0, 0) where none is known. To be kept with what is learned."""
    known = places[np.isfinite(places).all(axis=1)]
    if not len(known):
        return 0.0, 0.0
    lat_deg, lon_deg = np.round(np.median(known, axis=0), 1).tolist()
    return lat_deg, lon_deg


def zone_of(origin: LatLon) -> float:
    """Local time less UTC in seconds, by the sun: whole hours by longitude. What counts is that days begin at night."""
    return float(np.round(origin[1] / 15.0)) * HOUR_S
