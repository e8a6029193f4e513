"""What is said of drivers, by routes, a model, their own weeks or their fleet's; against the rules, by hand and by plain loops."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.availability import NAMES, fleet_rates, spans_of
from haulcast.availability.availability_documents import AvailabilityNews, document_of
from haulcast.availability.forecast import HORIZONS_S, free_in
from haulcast.availability.forecasting import Drivers, forecast
from haulcast.availability.hours_of_service import HoursOfService
from haulcast.availability.learning import Past
from haulcast.availability.route_ends import RouteEnds
from haulcast.availability.span_tracker import State
from haulcast.routes.route import Route, RouteStop, StopKind
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import PLAIN, VehicleProfile

DAY_S = 86_400.0
AT_S = 1_700_000_000.0
HOUR_S = 3_600.0


@dataclass
class Fixed:
    """A model that says the same of everybody."""

    p_on: float = 0.8
    p_free: float = 0.4
    version: str = "v1"
    origin: tuple = (0.0, 0.0)
    zone_s: float = 0.0

    @property
    def model(self):
        return self

    def probabilities(self, rows):
        assert rows.shape[1] == len(NAMES)
        return np.full(len(rows), self.p_on), np.full(len(rows), self.p_free)


def past_with(duty, busy=(), drivers=2):
    """Spans as (driver, begin, end) in hours before now; an end of None lasts."""
    made = []
    for given_spans in (duty, busy):
        who = [d for d, _, _ in given_spans]
        begin = [AT_S - b * HOUR_S for _, b, _ in given_spans]
        end = [np.inf if e is None else AT_S - e * HOUR_S for _, _, e in given_spans]
        made.append(spans_of(drivers, who, begin, end))
    return Past(*made, fleet_rates(*made, AT_S))


def drivers_with(state, done_s=np.nan, closes_s=np.inf, drive_left_s=np.inf, number=None):
    n = len(state)
    return Drivers(
        [f"v{i}" for i in range(n)],
        np.arange(n) if number is None else np.array(number),
        np.array(state, np.int8),
        np.full(n, done_s),
        np.full(n, closes_s),
        np.full(n, drive_left_s),
        AT_S,
    )


def every_day(driver, days, begin_h, end_h):
    """On duty at the same hours before now, day after day."""
    return [(driver, day * 24 + begin_h, day * 24 + end_h) for day in range(days, 0, -1)]


def test_who_has_weeks_goes_to_its_own_hours():
    """Four weeks of the same hours: far ahead it is what was usual then, near it is the state now."""
    past = past_with(every_day(0, 30, 2, -4), drivers=1)
    said = forecast(drivers_with([State.FREE]), past, None)
    assert said.basis.tolist() == ["own"]
    assert said.at(0, 0).p_on_duty == 1.0
    at_3h, at_8h = said.at(0, 3 * HOUR_S), said.at(0, 8 * HOUR_S)
    assert at_3h.p_on_duty == pytest.approx(1.0)
    assert at_8h.p_on_duty == pytest.approx(np.exp(-4), abs=0.01)
    assert said.free_in_s[0] == 0.0


def test_who_is_new_goes_by_its_fleet_and_nobody_by_nothing():
    """A driver without weeks has its fleet's rates and says so; a fleet of which nothing is known has no numbers, and no error."""
    past = past_with(every_day(0, 30, 2, -4), drivers=2)
    said = forecast(drivers_with([State.OFF, State.OFF]), past, None)
    assert said.basis.tolist() == ["own", "fleet"]
    assert 0 < said.at(1, 3 * HOUR_S).p_on_duty < said.at(0, 3 * HOUR_S).p_on_duty
    assert said.basis_of(None) == "fleet"
    assert said.at(None, 3 * HOUR_S).p_on_duty == pytest.approx(said.at(1, 3 * HOUR_S).p_on_duty)
    empty = forecast(drivers_with([State.FREE]), past_with([], drivers=1), None)
    assert empty.basis.tolist() == ["none"]
    assert np.isnan(empty.p_free).all()
    assert np.isnan(empty.free_in_s).all()
    document = document_of(empty, "v0", [60], int(AT_S * 1000))
    assert (document["state"], document["free"]) == ("free", None)
    assert document["horizons"] == [{"minutes": 60, "p_on_duty": None, "p_free": None}]
    nobody = forecast(drivers_with([]), past_with([], drivers=1), Fixed())
    assert document_of(nobody, "x", [60], int(AT_S * 1000))["basis"] == "none"


def test_a_model_speaks_of_who_has_a_past():
    """A duty that has ended is a past; who is on its first has the fleet's rates; now is what is seen."""
    past = past_with([(0, 30, 20), (0, 2, None), (1, 1, None)])
    said = forecast(drivers_with([State.FREE, State.BUSY]), past, Fixed())
    assert (said.basis.tolist(), said.version) == (["model", "fleet"], "v1")
    assert said.at(0, HOUR_S) == pytest.approx((0.8, 0.4))
    assert said.at(0, 0) == (1.0, 1.0)
    assert said.at(0, 150) == pytest.approx((0.9, 0.7))


def test_a_route_is_the_backbone():
    """Until its end the driver is on duty and busy, afterwards first likelier free than the model says, and then as it says."""
    past = past_with([(0, 30, 20), (0, 2, None)], drivers=1)
    busy = drivers_with([State.BUSY], done_s=AT_S + HOUR_S)
    said = forecast(busy, past, Fixed(p_on=0.9, p_free=0.45))
    assert said.basis.tolist() == ["route"]
    assert said.at(0, 1_800).p_on_duty > 0.99
    assert said.at(0, 1_800).p_free < 0.03
    assert 0.3 < said.at(0, 3_600).p_free < 0.6
    assert said.at(0, 5_400).p_free > 0.6
    assert said.at(0, 480 * 60).p_free == pytest.approx(0.45, abs=0.01)
    late = forecast(drivers_with([State.BUSY], done_s=AT_S - 600), past, Fixed())
    assert late.at(0, 900).p_free > 0.5  # it is overdue, and may be done at any time
    unknown = forecast(drivers_with([State.BUSY]), past, Fixed())
    assert unknown.basis.tolist() == ["model"]


def test_hours_of_service_cap():
    """After the shift closes, or the driving is used up, nobody is on duty; a shift that is over says nothing of the next."""
    past = past_with([(0, 30, 20), (0, 2, None)], drivers=1)
    for limit in ({"closes_s": AT_S + 2 * HOUR_S}, {"drive_left_s": 2 * HOUR_S}):
        said = forecast(drivers_with([State.FREE], **limit), past, Fixed())
        assert said.at(0, 2 * HOUR_S).p_on_duty == pytest.approx(0.8)
        assert said.at(0, 3 * HOUR_S) == pytest.approx((0.0, 0.0))
    over = forecast(drivers_with([State.FREE], closes_s=AT_S - HOUR_S), past, Fixed())
    assert over.at(0, 3 * HOUR_S).p_on_duty == pytest.approx(0.8)
    hours = HoursOfService()
    hours.describe(70, VehicleProfile(shift_closes_ms=5_000, most_drive_s=100.0))
    closes_s, left_s = hours.limits(np.array([0, 70, 500]), np.array([1.0, 30.0, 0.0]))
    assert (closes_s.tolist(), left_s.tolist()) == ([np.inf, 5.0, np.inf], [np.inf, 70.0, np.inf])
    hours.describe(70, PLAIN)
    assert hours.limits(np.array([70]), np.zeros(1))[1][0] == np.inf


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), min_size=12, max_size=12))
def test_free_is_the_first_likely_time(said):
    """Second for second along the lines between horizons, nothing is likely before, and it is there; else the likeliest, or never."""
    horizons_s = np.concatenate(([0.0], HORIZONS_S))
    p = np.array([said])
    (seconds,), (found,) = free_in(horizons_s, p)
    known = np.where(np.isnan(p[0]), 0.0, p[0])
    grid = np.interp(np.arange(0, 28_801, 20.0), horizons_s, known)
    if np.isnan(seconds):
        assert known.max() < 0.5
    elif known.max() >= 0.8:
        assert found >= 0.8 - 1e-9
        assert (grid[: int(seconds // 20)] < 0.8 + 1e-9).all()
        assert np.interp(seconds, horizons_s, known) == pytest.approx(found, abs=1e-6)
    else:
        assert (found, found >= 0.5) == (known.max(), True)


def test_only_what_changes_is_news():
    """The same again is nothing; another state, minute or likelihood is; who is gone is told as empty."""
    past, news = past_with([(0, 30, 20), (0, 2, None)], drivers=1), AvailabilityNews()
    one = forecast(drivers_with([State.BUSY], done_s=AT_S + HOUR_S), past, Fixed())
    assert list(news.of(one)) == ["v0"]
    assert news.of(one) == {}
    other = forecast(drivers_with([State.BUSY], done_s=AT_S + 2 * HOUR_S), past, Fixed())
    assert list(news.of(other)) == ["v0"]
    assert news.of(forecast(drivers_with([]), past, Fixed())) == {"v0": b""}


def route(service_s=60.0, lat=45.0):
    stops = [RouteStop(name, StopKind.STOP, StopPlace(lat, 9.0, service_s=service_s)) for name in "ab"]
    return Route("acme", "r", "v", tuple(stops))


def test_dwells_make_a_route_longer():
    """At places where stops usually take longer than planned, each stop ahead adds what it takes more; also of routes that were known before."""
    ends = RouteEnds(lambda: (np.array([3], np.int32), np.array([AT_S])))
    ends.follow(3, route())
    assert ends.done_s(np.array([3, 0, 9])).tolist()[0] == AT_S
    ends.take_dwells("acme", {(45.0, 9.0): 600.0})
    assert ends.done_s(np.array([3]))[0] == AT_S + 2 * 540
    ends.follow(3, route(lat=46.0))
    assert ends.done_s(np.array([3]))[0] == AT_S
    ends.follow(3, None)
    assert np.isnan(ends.done_s(np.array([0, 9]))).all()


def test_the_spread_is_learned_from_how_routes_turned_out():
    """Ends that come as said make it narrower, ends far off wider; one that was cancelled teaches nothing."""
    driven = {}
    ends = RouteEnds(lambda: (np.array(list(driven), np.int32), np.array([*driven.values()], float)))

    def drive(late_s, times):
        for i in range(times):
            begin_s = AT_S + i * DAY_S
            driven[1] = begin_s + HOUR_S
            ends.learn(begin_s)
            driven[1] = begin_s + HOUR_S + late_s
            ends.learn(begin_s + HOUR_S + late_s - 60)
            driven.clear()
            ends.learn(begin_s + HOUR_S + late_s)

    drive(0, 200)
    assert ends.spread < 0.5
    drive(3_000, 300)
    assert ends.spread > 2
    before = ends.spread
    driven[1] = AT_S + HOUR_S
    ends.learn(AT_S)
    driven.clear()
    ends.learn(AT_S + 60)
    assert ends.spread == before
