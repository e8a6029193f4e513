"""Who drives faster in a fence than a rule says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import NONE, Cause, Kind
from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_visits import RuleVisits
from haulcast.rules.telling import Telling
from haulcast.rules.turn import Place, Turn

EARTH_RADIUS_M = 6_371_008.8  # the mean one of WGS 84: ways are right to 0.6 %
_NOT_ASKED = -1.0


@dataclass(slots=True)
class Episode:
    """A vehicle's fixes in a row that are in one fence and above the limit of one rule.

    Attributes:
        since_ms: the time of the first one.
        is_told: whether the rule has fired; it does once.
    """

    rule: Rule
    since_ms: int
    is_told: bool = False


class OverspeedWatch:
    """Looks at each fix in a fence, if the vehicle's fleet has overspeed rules.

    A fix without a speed has that of the way since the vehicle's last fix. A fix at which a rule is off, that is not above the limit
    or not in the fence, ends the episode.
    """

    def __init__(self, scope: RuleScope, visits: RuleVisits) -> None:
        self._scope = scope
        self._visits = visits
        self._lowest_mps: dict[str, float] = {}  # by fleet with such rules
        self._limit_mps = np.zeros(0)  # by row, the lowest of its fleet
        self._episodes: dict[int, dict[tuple[str, int], Episode]] = {}  # by row; by rule id and fence handle

    def use(self) -> None:
        """The rules in force are other ones, or about others. An episode of a rule that is as it was goes on."""
        rules = [rule for rule in self._scope.rules.rules if rule.kind is RuleKind.OVERSPEED]
        self._lowest_mps = {}
        for rule in rules:
            self._lowest_mps[rule.fleet] = min(rule.limit_mps, self._lowest_mps.get(rule.fleet, np.inf))
        self._limit_mps[:] = _NOT_ASKED
        in_force = {(rule.fleet, rule.rule_id): rule for rule in rules}
        for row, own in list(self._episodes.items()):
            kept = {
                key: episode
                for key, episode in own.items()
                if in_force.get((episode.rule.fleet, episode.rule.rule_id)) == episode.rule
            }
            self._keep(row, kept)

    def forget(self, row: int) -> None:
        """The vehicle is gone."""
        self._episodes.pop(row, None)
        self._limit_mps[row : row + 1] = _NOT_ASKED

    def look(self, turn: Turn, telling: Telling) -> None:
        """Tell which vehicles have begun to be too fast."""
        if not self._lowest_mps or not len(turn.batch):
            return
        limit_mps = self._limits(turn.batch.row)
        is_inside = (np.diff(turn.hits.offsets) > 0) & (limit_mps < np.inf)
        speed_mps = turn.batch.speed_mps
        unknown = np.flatnonzero(is_inside & np.isnan(speed_mps))
        if len(unknown):
            speed_mps = speed_mps.copy()
            speed_mps[unknown] = way_mps(turn, unknown)
        rows = turn.batch.row[is_inside & (speed_mps > limit_mps)]
        if not len(rows) and not self._episodes:
            return
        rows = np.concatenate([rows, np.fromiter(self._episodes, np.int32, len(self._episodes))])
        for fix in np.flatnonzero(np.isin(turn.batch.row, rows)).tolist():
            self._look_at(turn, fix, float(speed_mps[fix]), telling)

    def _look_at(self, turn: Turn, fix: int, speed_mps: float, telling: Telling) -> None:
        """One fix of a vehicle that is or has been too fast for some rule of its fleet."""
        row, time_ms = int(turn.batch.row[fix]), int(turn.batch.time_ms[fix])
        hits, own = turn.hits, self._episodes.get(row, {})
        fences = hits.fence[hits.offsets[fix] : hits.offsets[fix + 1]]
        kept: dict[tuple[str, int], Episode] = {}
        for handle in turn.fence_set.handles[fences].tolist():
            for rule in self._scope.of_visit(handle, row):
                is_over = rule.kind is RuleKind.OVERSPEED and speed_mps > rule.limit_mps
                if not is_over or not rule.is_on(time_ms):
                    continue
                key = rule.rule_id, handle
                episode = kept[key] = own.get(key) or Episode(rule, time_ms)
                if not episode.is_told and time_ms - episode.since_ms >= rule.after_s * 1000:
                    episode.is_told = True
                    self._tell(turn, fix, rule, handle, speed_mps, telling)
        self._keep(row, kept)

    def _tell(
        self, turn: Turn, fix: int, rule: Rule, handle: int, speed_mps: float, telling: Telling
    ) -> None:
        batch = turn.batch
        row, time_ms = int(batch.row[fix]), int(batch.time_ms[fix])
        visit, entered_ms = self._visit_at(turn, fix, row, handle)
        telling.tell(
            rule, Kind.OVERSPEED, Cause.MOVED, row, handle, visit, time_ms,
            Place(float(batch.lat_deg[fix]), float(batch.lon_deg[fix]), time_ms),
            entered_ms=entered_ms, fix=fix, value=speed_mps,
        )  # fmt: skip

    def _visit_at(self, turn: Turn, fix: int, row: int, handle: int) -> tuple[int, int]:
        """Id and begin of the visit that was open after this fix of the batch; NONE: none is believed yet."""
        facts = turn.facts
        for fact in turn.facts_of.get((row, handle), ()):
            if facts.fix[fact] <= fix or facts.cause[fact] == Cause.LATE:
                continue
            if facts.kind[fact] == Kind.ENTER:
                return NONE, NONE
            return int(facts.visit[fact]), int(facts.entered_ms[fact])
        visit = self._visits.visit_in(row, handle)
        return (visit.visit, visit.entered_ms) if visit else (NONE, NONE)

    def _keep(self, row: int, episodes: dict[tuple[str, int], Episode]) -> None:
        if episodes:
            self._episodes[row] = episodes
        else:
            self._episodes.pop(row, None)

    def _limits(self, rows: NDArray[np.int32]) -> NDArray[np.float64]:
        """float64[n], the lowest limit of each vehicle's fleet; infinite: it has none."""
        size = int(rows.max(initial=-1)) + 1
        old = len(self._limit_mps)
        if size > old:
            more = np.full(max(size, 2 * old) - old, _NOT_ASKED)
            self._limit_mps = np.concatenate([self._limit_mps, more])
        limits = self._limit_mps[rows]
        unknown = np.unique(rows[limits == _NOT_ASKED])
        if len(unknown):
            fleets = (self._scope.vehicle(row).fleet for row in unknown.tolist())
            self._limit_mps[unknown] = [self._lowest_mps.get(fleet, np.inf) for fleet in fleets]
            limits = self._limit_mps[rows]
        return limits


def way_mps(turn: Turn, fixes: NDArray[np.intp]) -> NDArray[np.float64]:
    """float64[n], the speed of the straight way to each of these fixes from its vehicle's fix before; NaN: there is none, or no time between.

    The way is the great circle's (haversine formula, Sinnott 1984).
    """
    batch, last, previous = turn.batch, turn.last, turn.previous[fixes]
    row, is_first = batch.row[fixes], previous == NONE
    passed_s = (batch.time_ms[fixes] - np.where(is_first, last.time_ms[row], batch.time_ms[previous])) / 1000
    lat = np.radians(np.where(is_first, last.lat_deg[row], batch.lat_deg[previous]))
    lon = np.radians(np.where(is_first, last.lon_deg[row], batch.lon_deg[previous]))
    to_lat, to_lon = np.radians(batch.lat_deg[fixes]), np.radians(batch.lon_deg[fixes])
    chord = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    way_m = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
    is_known = (passed_s > 0) & (~is_first | last.is_known[row])
    return np.where(is_known, way_m / np.where(is_known, passed_s, 1.0), np.nan)
