"""A model is learned from a fleet's spans with figures of days that it has not seen, and its card says what it is."""

import gzip
import lzma
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import orjson
import pytest
from small_models import BEGIN_MS, DAYS, DRIVERS, habits, stump

from geo.availability import NAMES
from haulcast.availability import training
from haulcast.availability.learning import (
    Calibration,
    LearningError,
    Moments,
    log_loss,
)
from haulcast.availability.model_card import HORIZONS_MIN, judged
from haulcast.availability.past import origin_of, past_of, zone_of
from haulcast.availability.span_files import read_span_files
from haulcast.availability.training import Lesson, columns_of, trained

DAY_S = 86_400.0
BEGIN_S = BEGIN_MS / 1000
LESSON = Lesson(BEGIN_S, BEGIN_S + DAYS * DAY_S, every_s=1_800, rounds=40)


@pytest.fixture(scope="module")
def learned():
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    return trained(columns_of(habits()), LESSON)


def test_the_card_says_what_it_was_learned_from(learned):
    """The data, the span, the features, the options, the seed and the versions; as JSON."""
    _, card = learned
    assert orjson.loads(orjson.dumps(card)) == card
    assert (card["drivers"], card["seed"], card["features"]) == (DRIVERS, 1, list(NAMES))
    assert card["duty_spans"] == DRIVERS * DAYS
    assert card["busy_spans"] > card["duty_spans"]
    assert card["span"] == {
        "from": "2024-10-04T00:00:00Z", "learned_until": "2024-10-12T12:00:00Z", "judged_until": "2024-10-14T00:00:00Z",
    }  # fmt: skip
    spans = habits()
    assert card["options"]["origin"] == list(origin_of(spans))
    assert card["options"]["zone_s"] == zone_of(origin_of(spans)) == -8 * 3_600
    assert (card["options"]["rounds"], card["options"]["every_s"]) == (40, 1_800)
    assert card["options"]["lightgbm"]["objective"] == "binary"
    assert {"haulcast", "python", "numpy", "numba", "lightgbm"} == set(card["versions"])
    assert set(card["calibration"]) == {"on_duty", "free"}


def test_the_figures_are_of_the_days_after(learned):
    """Recomputed by hand from the questions' outcomes: nothing of before `learned_until` is in them, and habits beat persistence."""
    model, card = learned
    spans = habits()
    origin = origin_of(spans)
    _, past = past_of(spans, LESSON.until_s, zone_of(origin), origin)
    learned_s = LESSON.until_s - 1.5 * DAY_S
    assert judged(model, past, LESSON.from_s, learned_s, LESSON.until_s, 1) == card["figures"]
    for outcome in ("on_duty", "free"):
        assert list(card["figures"][outcome]) == [str(minutes) for minutes in HORIZONS_MIN]
        for minutes in HORIZONS_MIN:
            found = card["figures"][outcome][str(minutes)]
            stretches = int(1.5 * 48)  # of half an hour
            assert DRIVERS * (stretches - 2 * minutes / 60 - 1) <= found["n"] <= DRIVERS * stretches
            assert 0 <= found["ece"] <= 1
            assert found["brier"] <= found["log_loss"]
    at_2_h = card["figures"]["on_duty"]["120"]
    assert at_2_h["accuracy"] > 0.9
    assert at_2_h["skill_vs_persistence"] > 0.3
    assert at_2_h["share"] == pytest.approx(7 / 24, abs=0.06)


def test_nothing_after_its_end_is_looked_at(learned):
    """What the fleet and new drivers did later changes neither the model nor its card."""
    model, card = learned
    later = habits(drivers=DRIVERS + 5, begin_ms=BEGIN_MS + (DAYS + 1) * 86_400_000)
    again, same = trained(columns_of([*habits(), *later]), LESSON)
    assert again.on_duty.trees.checksum == model.on_duty.trees.checksum
    assert same == card


def test_figures_are_what_they_are_called():
    """Of a calibration that halves the odds: what is before it and after it; by the definitions, written out."""
    spans = habits(drivers=8, days=6)
    origin = origin_of(spans)
    until_s = BEGIN_S + 6 * DAY_S
    _, past = past_of(spans, until_s, zone_of(origin), origin)
    halved = Calibration(np.array([60.0]), np.array([[1.0, 1.0, -np.log(2.0)]]))
    sure = stump(np.log(4.0), np.log(4.0))  # 80 % at any horizon
    model = replace(sure, on_duty=replace(sure.on_duty, calibration=halved))
    figures = judged(model, past, BEGIN_S, until_s - DAY_S, until_s, 1)["on_duty"]["60"]
    share = figures["share"]
    after, before = 4 / 6, 0.8
    assert figures["accuracy"] == pytest.approx(share)
    for name, p in (("", after), ("_before", before)):
        assert figures[f"brier{name}"] == pytest.approx(share * (1 - p) ** 2 + (1 - share) * p**2)
        assert figures[f"log_loss{name}"] == pytest.approx(-share * np.log(p) - (1 - share) * np.log(1 - p))
    # of 15 bins of one constant the errors are those of the bins' shares, so no less than the whole's
    assert figures["ece"] >= abs(after - share) - 1e-9


def test_what_cannot_be_learned_from_is_said():
    """A span that is too short, one in which nobody was on duty, and no spans at all."""
    with pytest.raises(
        LearningError, match=r"2\.5 days to learn from; more than 3 are needed, of which the last"
    ):
        trained(columns_of(habits()), replace(LESSON, until_s=BEGIN_S + 2.5 * DAY_S))
    with pytest.raises(LearningError, match="nobody was on duty from"):
        trained(columns_of(habits()), Lesson(BEGIN_S - 20 * DAY_S, BEGIN_S - 10 * DAY_S))
    with pytest.raises(LearningError, match="nobody was on duty from"):
        trained(columns_of([]), LESSON)


def test_many_drivers_are_asked_more_rarely(monkeypatch):
    """So that memory is bounded; unless it is said how often."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    monkeypatch.setattr(training, "MOST_MOMENTS", 2_000)
    _, card = trained(columns_of(habits()), replace(LESSON, every_s=0.0, rounds=2))
    assert card["options"]["every_s"] == pytest.approx(DRIVERS * 8.5 * DAY_S / 2_000)


def test_real_cabs_are_learned_from(shared_data, tmp_path):
    """A piece of San Francisco's cabs of 2008: a few trees tell who is on duty in two hours better than persistence does."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    pieces = []
    for opened, name, lines in (
        (gzip.open, "sf_cabs_duty_sessions_to_2008-06-02.csv.gz", 2_500), (lzma.open, "sf_cabs_trips_to_2008-06-02.csv.xz", 40_000),
    ):  # fmt: skip
        with opened(shared_data / "tracks" / name, "rt") as whole:
            pieces.append(tmp_path / name.removesuffix(Path(name).suffix))
            pieces[-1].write_text("".join(islice(whole, lines)))
    spans = read_span_files(*pieces)
    begin_s = min(span.begin_ms for span in spans) / 1000
    model, card = trained(columns_of(spans), Lesson(begin_s, begin_s + 12 * DAY_S, every_s=3_600, rounds=40))
    assert (50 < card["drivers"] < 70, card["options"]["zone_s"]) == (True, -8 * 3_600)
    found = card["figures"]["on_duty"]["120"]
    assert found["skill_vs_persistence"] > 0.02
    assert found["log_loss"] < log_loss(np.full(2, found["share"]), np.array([True, False])) + 0.1
    drivers = card["drivers"]
    asked = Moments(np.arange(drivers), np.full(drivers, begin_s + 11 * DAY_S), np.full(drivers, 7_200.0))
    origin = tuple(card["options"]["origin"])
    _, past = past_of(spans, begin_s + 12 * DAY_S, card["options"]["zone_s"], origin)
    on_duty, free = model.probabilities(asked.features(past))
    assert np.all((free >= 0) & (free <= on_duty) & (on_duty <= 1))
