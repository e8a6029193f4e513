"""What is known of the drivers of one fleet while the hub serves it: what was stored, what has been closed since, and what lasts.

The stored part is columns that are only ever woven with what came since (`geo.span_weaving`), so that a question costs a copy and no sort. Drivers are numbered by handle.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.availability import SLOT_S, FleetRates, Spans, fleet_rates
from geo.span_weaving import woven
from haulcast.availability.learning import Past
from haulcast.availability.past import LatLon, joined_spans, middle, zone_of
from haulcast.availability.span_store import BUSY, DUTY, KEPT_MS, MOST_MS, SpanColumns
from haulcast.availability.span_tracker import NEVER

RATES_S: Final = SLOT_S
"""The fleet's shares are summed up anew as often as there is another slot."""

Handles = NDArray[np.int64]


class FleetPast:
    """Built in threads, one at a time, but for `add`, which is the event loop's.

    Attributes:
        origin: that places are measured from.
        zone_s: local time less UTC.
    """

    def __init__(self) -> None:
        self.origin: LatLon = (0.0, 0.0)
        self.zone_s = 0.0
        nothing = self._columns(0, [])
        self._base = [nothing, nothing]
        self._fresh: list[tuple[Handles, int, NDArray[np.void]]] = []
        self._rates: FleetRates | None = None
        self._rates_s = -np.inf

    def add(self, handles: Handles, kind: int, spans: NDArray[np.void]) -> None:
        """Spans (`span_tracker.SPAN`) that others have followed."""
        self._fresh.append((handles, kind, spans))

    @property
    def waiting(self) -> int:
        """How many lots were added and are not yet among what was stored."""
        return len(self._fresh)

    def take(
        self, stored: SpanColumns, handles: Handles, current: NDArray[np.void], waiting: int, origin: LatLon | None, zone_s: float | None
    ) -> None:  # fmt: skip
        """Begin anew with what is stored; of what was added some may be there too.

        Args:
            stored: of the fleet.
            handles: of `stored.vehicles`.
            current: SPAN[2, drivers], everybody's newest spans, which are no part of the past yet.
            waiting: what it was when they were.
            origin: that a model was learned with; None: the middle of all places.
            zone_s: likewise.
        """
        fresh = self._fresh[:waiting]
        self.origin = middle(stored.places[:, :2]) if origin is None else origin
        self.zone_s = zone_of(self.origin) if zone_s is None else zone_s
        handle = handles[stored.vehicle]
        newest_ms = current["begin_ms"][stored.kind, handle]
        newest_ms = np.where(newest_ms == NEVER, MOST_MS, newest_ms)
        is_past, end_ms = stored.begin_ms < newest_ms, np.minimum(stored.end_ms, newest_ms)
        base = []
        for kind in (DUTY, BUSY):
            own = np.flatnonzero(is_past & (stored.kind == kind))
            read = _Lot(handle[own], stored.begin_ms[own], end_ms[own], stored.places[own])
            added = [_lot(handles, spans) for handles, of_kind, spans in fresh if of_kind == kind]
            base.append(self._columns(current.shape[1], [read, *added]))
        self._base, self._rates = base, None
        del self._fresh[: len(fresh)]

    def past(self, current: NDArray[np.void], waiting: int, at_s: float) -> Past:
        """All that is known.

        Args:
            current: SPAN[2, drivers], everybody's newest spans.
            waiting: what it was when they were.
            at_s: when that was.
        """
        fresh, drivers = self._fresh[:waiting], current.shape[1]
        since_s = at_s - KEPT_MS / 1000.0
        if fresh or self._base[DUTY].drivers < drivers:
            self._base = [
                woven(self._base[kind], self._columns(drivers, [_lot(handles, spans) for handles, of_kind, spans in fresh if of_kind == kind]), since_s)
                for kind in (DUTY, BUSY)
            ]  # fmt: skip
            del self._fresh[: len(fresh)]
        everybody = np.arange(drivers)
        duty, busy = (
            woven(self._base[kind], self._columns(drivers, [_lot(everybody, current[kind])]))
            for kind in (DUTY, BUSY)
        )
        return Past(duty, busy, self._fleet(duty, busy, at_s), self.zone_s)

    def _columns(self, drivers: int, lots: list["_Lot"]) -> Spans:
        columns = _Lot(*(np.concatenate(column) for column in zip(_NOTHING, *lots, strict=True)))
        ends_s = np.where(columns.end_ms >= MOST_MS, np.inf, columns.end_ms / 1000.0)
        return joined_spans(
            drivers, columns.handle, columns.begin_ms / 1000.0, ends_s, columns.places, self.origin
        )

    def _fleet(self, duty: Spans, busy: Spans, at_s: float) -> FleetRates:
        if self._rates is None or at_s >= self._rates_s + RATES_S or at_s < self._rates_s:
            self._rates, self._rates_s = fleet_rates(duty, busy, at_s), float(at_s // SLOT_S * SLOT_S)
        return self._rates


class _Lot(NamedTuple):
    """Spans of one kind: int64[n] each, places float64[n, 4]."""

    handle: Handles
    begin_ms: NDArray[np.int64]
    end_ms: NDArray[np.int64]
    places: NDArray[np.float64]


_NONE: Final = np.empty(0, np.int64)
_NOTHING: Final = _Lot(_NONE, _NONE, _NONE, np.empty((0, 4)))


def _lot(handles: Handles, spans: NDArray[np.void]) -> _Lot:
    """Of SPAN[n] those that are any."""
    known = spans["begin_ms"] != NEVER
    spans = spans[known]
    places = np.stack([spans[name] for name in ("begin_lat", "begin_lon", "end_lat", "end_lon")], axis=1)
    return _Lot(handles[known], spans["begin_ms"], spans["end_ms"], places)
