"""Documents of rules: what is right becomes the rule it says and comes back; what is wrong is named."""

import re
from datetime import date
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_app import NIGHT, enter

from haulcast.errors import RequestError
from haulcast.rules.rule import Distance, Rule, RuleKind, Selection
from haulcast.rules.rule_documents import (
    MOST_IDS,
    MOST_TAGS,
    NEEDED,
    NUMBERS,
    document_of_rule,
    rule_of_document,
)
from haulcast.rules.schedule import OnHolidays, Schedule, WeeklyWindow
from haulcast.rules.schedule_documents import DAYS, MOST_HOLIDAYS, MOST_WINDOWS

YARD = Selection(frozenset({"yard"}))
BY_KIND = {
    "enter": {},
    "exit": {},
    "cross": {},
    "dwell": {"dwell_s": 600},
    "overspeed": {"limit_mps": 13.9, "after_s": 5},
    "unauthorised": {"allow": {"ids": ["truck-7"], "tags": ["staff"]}},
}
NEAR = {"id": "r", "kind": "proximity", "others": {"tags": ["van"]}, "distance_m": 500, "when": "near"}

ids = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12).filter(
    lambda text: text.isprintable() and text not in {".", ".."}
)
tags = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
minutes = st.integers(0, 1439)


def _sorted(elements, **sizes):
    return st.lists(elements, unique=True, **sizes).map(sorted)


selections = st.one_of(
    st.builds(lambda some, more: {"ids": some, "tags": more}, _sorted(ids, min_size=1, max_size=4), _sorted(tags, max_size=3)),
    st.builds(lambda more: {"ids": [], "tags": more}, _sorted(tags, min_size=1, max_size=3)),
)  # fmt: skip
windows = st.builds(
    lambda days, begin, end: {
        "days": [day for day in DAYS if day in days],
        "from": f"{begin // 60:02}:{begin % 60:02}",
        "to": f"{end // 60:02}:{end % 60:02}",
    },
    st.sets(st.sampled_from(DAYS), min_size=1),
    minutes,
    st.integers(0, 1440),
)
schedules = st.fixed_dictionaries(
    {
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu"]),
        "weekly": st.lists(windows, min_size=1, max_size=3),
        "holidays": _sorted(st.dates().map(date.isoformat), max_size=3),
        "on_holidays": st.sampled_from(["on", "off", "as_usual"]),
    }
)


def _numbers(name):
    return st.floats(*NUMBERS[name])


@st.composite
def documents(draw):
    """Whole documents of every kind, lists sorted as they come back."""
    kind = draw(st.sampled_from([kind.value for kind in RuleKind]))
    document = {"id": draw(ids), "name": draw(tags), "kind": kind, "enabled": draw(st.booleans())}
    of_kind = {
        "dwell": {"dwell_s": _numbers("dwell_s")},
        "overspeed": {"limit_mps": _numbers("limit_mps"), "after_s": _numbers("after_s")},
        "proximity": {
            "others": selections,
            "distance_m": _numbers("distance_m"),
            "when": st.sampled_from(["near", "apart"]),
        },
        "unauthorised": {draw(st.sampled_from(["allow", "deny"])): selections},
    }.get(kind, {})
    possible = {**({} if kind == "proximity" else {"fences": selections}), **of_kind}
    optional = {"vehicles": selections, "schedule": schedules}
    return document | draw(st.fixed_dictionaries(possible, optional=optional))


@given(documents())
def test_a_document_comes_back(document) -> None:
    """Document -> rule -> document, over JSON, is the same; so is rule -> document -> rule."""
    rule = rule_of_document(orjson.loads(orjson.dumps(document)), "acme")
    back = document_of_rule(rule)
    assert back == document
    assert rule_of_document(orjson.loads(orjson.dumps(back)), "acme") == rule


words = st.sampled_from(
    ["ids", "tags", "time_zone", "weekly", "holidays", "on_holidays", "days", "from", "to", "mon", "08:00"]
)
junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        words,
        st.text(max_size=5),
        st.just("2026-02-29"),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=8,
)


@given(documents(), st.data())
def test_junk_in_any_place_is_taken_or_refused(document, data) -> None:
    """Whatever stands where a member should: the document is a rule that comes back, or a `RequestError`, nothing else."""
    place = document
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(junk)
        break
    try:
        rule = rule_of_document(document, "acme")
    except RequestError:
        return
    assert rule_of_document(orjson.loads(orjson.dumps(document_of_rule(rule))), "acme") == rule


def test_every_member_gets_its_place() -> None:
    """A full document is the rule it says; times of day, days and dates included."""
    document = enter(
        "night", name="Yard at night", enabled=False, vehicles={"ids": ["t"], "tags": ["x", "y", "x"]}, schedule=NIGHT
    )  # fmt: skip
    schedule = Schedule(
        "America/Los_Angeles",
        (WeeklyWindow(frozenset({0, 4}), 22 * 60, 6 * 60),),
        frozenset({date(2026, 12, 25)}),
        OnHolidays.OFF,
    )
    vehicles = Selection(frozenset({"t"}), frozenset({"x", "y"}))
    expected = Rule("acme", "night", "Yard at night", RuleKind.ENTER, enabled=False, fences=YARD, vehicles=vehicles, schedule=schedule)  # fmt: skip
    assert rule_of_document(document, "acme") == expected
    near = rule_of_document(NEAR, "acme")
    assert (near.when, near.distance_m, near.fences) == (Distance.NEAR, 500.0, None)
    assert near.others == Selection(tags=frozenset({"van"}))


def test_the_examples_of_the_docs_are_rules() -> None:
    """Each document in docs/rules.md is whole, and every kind has one."""
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    examples = re.findall(r'^    (\{"id":.*?\})\n    ->', page, re.DOTALL | re.MULTILINE)
    rules = [rule_of_document(orjson.loads(text), "acme") for text in examples]
    assert {rule.kind for rule in rules} == set(RuleKind)
    for text, rule in zip(examples, rules, strict=True):
        assert document_of_rule(rule) == orjson.loads(text)


def test_what_is_left_out_has_a_default() -> None:
    """A short document is enabled, always on, about all vehicles, named by its id; nulls are as if absent."""
    short = {"kind": "enter", "fences": {"tags": ["depot"]}}
    rule = rule_of_document(short, "acme", "r")
    assert rule == Rule("acme", "r", "r", RuleKind.ENTER, fences=Selection(tags=frozenset({"depot"})))
    nulls = dict.fromkeys(["id", "name", "enabled", "vehicles", "schedule", "dwell_s", "allow", "version"])
    with_nulls = {**nulls, **short, "fences": {"ids": None, "tags": ["depot"]}}
    assert rule_of_document(with_nulls, "acme", "r") == rule
    over = rule_of_document({**short, "kind": "overspeed", "limit_mps": 20}, "acme", "r")
    assert (over.limit_mps, over.after_s) == (20.0, 0.0)


def test_what_the_hub_adds_is_ignored() -> None:
    """A document that was read can be sent back as it is."""
    document = enter("r", version=3, created_at="2026-01-01T00:00:00Z", updated_at="2026-01-01T00:00:00Z")
    assert rule_of_document(document, "acme") == rule_of_document(enter("r"), "acme")


def test_nobody_may_be_allowed() -> None:
    """An empty `allow` is a fence that is closed to all."""
    rule = rule_of_document(enter("r", kind="unauthorised", allow={}), "acme")
    assert rule.allow == Selection()
    assert not rule.permits("truck-7", ["staff"])
    assert document_of_rule(rule)["allow"] == {"ids": [], "tags": []}


@pytest.mark.parametrize("kind", list(RuleKind))
def test_each_kind_needs_what_it_needs(kind) -> None:
    """Without a needed member the kind is refused; a member of another kind too, and it says of which."""
    document = NEAR if kind is RuleKind.PROXIMITY else enter("r", kind=kind.value, **BY_KIND[kind])
    rule_of_document(document, "acme")
    for name in NEEDED[kind]:
        with pytest.raises(RequestError) as caught:
            rule_of_document({key: value for key, value in document.items() if key != name}, "acme")
        assert (caught.value.code, caught.value.field) == ("missing_field", name)
    foreign = {
        name: of[name] for of in [*BY_KIND.values(), NEAR] for name in of if name not in {"id", "kind"}
    }
    for name in foreign.keys() - document.keys():
        with pytest.raises(RequestError) as caught:
            rule_of_document({**document, name: foreign[name]}, "acme")
        assert (caught.value.code, caught.value.field) == ("unused_field", name)
        assert "that is of" in caught.value.reason


def test_windows_at_midnight() -> None:
    """24:00 ends a day; 00:00 to 00:00 is a whole one; from > to crosses midnight. All come back as they were."""
    for begin, end, minute in (("00:00", "24:00", 1440), ("00:00", "00:00", 0), ("23:59", "00:01", 1)):
        weekly = [{"days": ["sun"], "from": begin, "to": end}]
        rule = rule_of_document(enter("r", schedule={"time_zone": "UTC", "weekly": weekly}), "acme")
        assert rule.schedule.weekly[0].to_minute == minute
        assert document_of_rule(rule)["schedule"]["weekly"] == weekly


def test_a_rule_for_holidays_only() -> None:
    """No weekly hours are fine when the holidays are on."""
    schedule = {"time_zone": "UTC", "holidays": ["2026-01-01"], "on_holidays": "on"}
    rule = rule_of_document(enter("r", schedule=schedule), "acme")
    assert rule.is_on(1_767_225_600_000)
    assert not rule.is_on(1_767_225_600_000 - 1)


def _night(**members) -> dict:
    return enter("r", schedule={**NIGHT, **members})


def _window(**members) -> dict:
    return _night(
        weekly=[{"days": ["mon"], "from": "08:00", "to": "17:00"}, {**NIGHT["weekly"][0], **members}]
    )


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        ([], "wrong_type", "rule"),
        (enter("r", colour="red"), "unknown_field", "colour"),
        (enter(), "missing_field", "id"),
        (enter(7), "bad_id", "id"),
        (enter("a\x07"), "bad_id", "id"),
        (enter("r", name="x" * 201), "bad_name", "name"),
        ({"id": "r", "fences": {"ids": ["a"]}}, "missing_field", "kind"),
        (enter("r", kind="unauthorized"), "out_of_range", "kind"),
        (enter("r", kind=["enter"]), "out_of_range", "kind"),
        (enter("r", enabled=1), "wrong_type", "enabled"),
        (enter("r", fences=["yard"]), "wrong_type", "fences"),
        (enter("r", fences={}), "missing_field", "fences"),
        (enter("r", fences={"id": "yard"}), "unknown_field", "id"),
        (enter("r", fences={"ids": "yard"}), "bad_ids", "fences.ids"),
        (enter("r", fences={"ids": [""]}), "bad_id", "fences.ids"),
        (enter("r", fences={"ids": [3]}), "bad_id", "fences.ids"),
        (enter("r", fences={"ids": ["a"] * (MOST_IDS + 1)}), "bad_ids", "fences.ids"),
        (enter("r", fences={"tags": ["a"] * (MOST_TAGS + 1)}), "bad_tags", "fences.tags"),
        (enter("r", fences={"tags": ["a\n"]}), "bad_tags", "fences.tags"),
        (enter("r", vehicles={"ids": [], "tags": []}), "missing_field", "vehicles"),
        (enter("r", kind="unauthorised"), "missing_field", "allow"),
        (enter("r", kind="unauthorised", allow={}, deny={"ids": ["a"]}), "unused_field", "allow"),
        (enter("r", kind="unauthorised", deny={}), "missing_field", "deny"),
        (enter("r", kind="dwell", dwell_s="600"), "wrong_type", "dwell_s"),
        (enter("r", kind="dwell", dwell_s=True), "wrong_type", "dwell_s"),
        (enter("r", kind="dwell", dwell_s=0), "out_of_range", "dwell_s"),
        (enter("r", kind="dwell", dwell_s=float("nan")), "out_of_range", "dwell_s"),
        (enter("r", kind="dwell", dwell_s=10**400), "out_of_range", "dwell_s"),
        (enter("r", kind="overspeed", limit_mps=-1), "out_of_range", "limit_mps"),
        (enter("r", kind="overspeed", limit_mps=20, after_s=86_401), "out_of_range", "after_s"),
        ({**NEAR, "distance_m": 0.5}, "out_of_range", "distance_m"),
        ({**NEAR, "when": "far"}, "out_of_range", "when"),
        ({**NEAR, "others": {}}, "missing_field", "others"),
        (enter("r", schedule=[]), "wrong_type", "schedule"),
        (_night(zone="UTC"), "unknown_field", "zone"),
        (_night(time_zone=None), "missing_field", "schedule.time_zone"),
        (_night(time_zone="Mars/Olympus"), "out_of_range", "schedule.time_zone"),
        (_night(time_zone="../../etc/passwd"), "out_of_range", "schedule.time_zone"),
        (_night(time_zone="America"), "out_of_range", "schedule.time_zone"),
        (_night(time_zone="localtime"), "out_of_range", "schedule.time_zone"),
        (_night(time_zone=7), "out_of_range", "schedule.time_zone"),
        (_night(weekly={}), "wrong_type", "schedule.weekly"),
        (_night(weekly=[]), "missing_field", "schedule.weekly"),
        (_night(weekly=NIGHT["weekly"] * (MOST_WINDOWS + 1)), "wrong_type", "schedule.weekly"),
        (_night(weekly=["mon"]), "wrong_type", "schedule.weekly[0]"),
        (_window(until="06:00"), "unknown_field", "until"),
        (_window(days=[]), "out_of_range", "schedule.weekly[1].days"),
        (_window(days=["Monday"]), "out_of_range", "schedule.weekly[1].days"),
        (_window(days=[["mon"]]), "out_of_range", "schedule.weekly[1].days"),
        (_window(**{"from": "8:00"}), "out_of_range", "schedule.weekly[1].from"),
        (_window(**{"from": "24:00"}), "out_of_range", "schedule.weekly[1].from"),
        (_window(**{"from": "\u0661\u0661:00"}), "out_of_range", "schedule.weekly[1].from"),
        (_window(to="24:01"), "out_of_range", "schedule.weekly[1].to"),
        (_window(to="06:00\n"), "out_of_range", "schedule.weekly[1].to"),
        (_window(to=None), "out_of_range", "schedule.weekly[1].to"),
        (_night(holidays=["2026-02-30"]), "out_of_range", "schedule.holidays"),
        (_night(holidays=["20261225"]), "out_of_range", "schedule.holidays"),
        (_night(holidays=["2026-12-25"] * (MOST_HOLIDAYS + 1)), "wrong_type", "schedule.holidays"),
        (_night(on_holidays=None), "missing_field", "schedule.on_holidays"),
        (_night(on_holidays="never"), "out_of_range", "schedule.on_holidays"),
    ],
)
def test_what_is_wrong_is_named(document, code, field) -> None:
    """A wrong document is refused with code, member and a short sentence."""
    with pytest.raises(RequestError) as caught:
        rule_of_document(document, "acme")
    assert (caught.value.code, caught.value.field) == (code, field)
    assert len(caught.value.reason) < 300
