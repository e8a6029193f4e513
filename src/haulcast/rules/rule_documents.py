"""A rule as a JSON document, in and out.

Which members a rule has depends on its kind: `NEEDED` and `POSSIBLE` say so, `docs/rules.md` has an example of each.
`version`, `created_at` and `updated_at` come from the hub, and are ignored when they come back. A member that is null is as if
it were absent.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from haulcast.doors.request_fields import checked_id, checked_name, checked_object, checked_tags
from haulcast.errors import RequestError
from haulcast.rules.rule import Distance, Rule, RuleKind, Selection
from haulcast.rules.schedule_documents import document_of_schedule, schedule_of_document, stated_members

MOST_IDS = 1_000  # in one list
MOST_TAGS = 100

_OF_ALL = frozenset({"id", "name", "kind", "enabled", "vehicles", "schedule"})
_OURS = frozenset({"version", "created_at", "updated_at"})

NEEDED: Mapping[RuleKind, frozenset[str]] = {
    RuleKind.ENTER: frozenset({"fences"}),
    RuleKind.EXIT: frozenset({"fences"}),
    RuleKind.DWELL: frozenset({"fences", "dwell_s"}),
    RuleKind.CROSS: frozenset({"fences"}),
    RuleKind.OVERSPEED: frozenset({"fences", "limit_mps"}),
    RuleKind.UNAUTHORISED: frozenset({"fences"}),
    RuleKind.PROXIMITY: frozenset({"others", "distance_m", "when"}),
}
"""What a rule of each kind has to have, besides an id and its kind."""
POSSIBLE: Mapping[RuleKind, frozenset[str]] = {
    RuleKind.OVERSPEED: frozenset({"after_s"}),
    RuleKind.UNAUTHORISED: frozenset({"allow", "deny"}),  # exactly one of them
}
"""What it may have, besides what every rule may."""


class Range(NamedTuple):
    """The numbers that are allowed, ends included."""

    least: float
    most: float


NUMBERS: Mapping[str, Range] = {
    "dwell_s": Range(1, 31_536_000),  # a year; a schedule is looked through for little more than that
    "limit_mps": Range(0.1, 1_000),
    "after_s": Range(0, 86_400),
    "distance_m": Range(1, 100_000),
}
"""The range of each number."""

_SELECTIONS = ("fences", "vehicles", "allow", "deny", "others")
_MEMBERS = frozenset({*_OF_ALL, *_OURS, *_SELECTIONS, *NUMBERS, "when"})


def rule_of_document(document: Any, fleet: str, rule_id: str | None = None) -> Rule:
    """What a document says, checked. Blocks for some milliseconds when it is large, or names the first time zone of all.

    Args:
        document: parsed JSON.
        fleet: whose rule it is.
        rule_id: the id, where it is known from elsewhere; the document may then leave its own out.

    Raises:
        RequestError: a missing, unknown or wrong member, or one that the kind has no use for.
    """
    members = stated_members(checked_object(document, "rule", _MEMBERS))
    rule_id = _agreed_id(members.get("id"), rule_id)
    kind = RuleKind(_one_of(members, "kind", [kind.value for kind in RuleKind]))
    _check_fit(kind, members)
    of_kind: dict[str, Any] = {
        **{name: _selection(name, members[name]) for name in _SELECTIONS if name in members},
        **{name: _number(name, members[name]) for name in NUMBERS if name in members},
    }
    schedule = members.get("schedule")
    distance = [distance.value for distance in Distance]
    return Rule(
        fleet=fleet,
        rule_id=rule_id,
        name=checked_name(members.get("name", rule_id)),
        kind=kind,
        enabled=_flag(members.get("enabled", True)),
        when=Distance(_one_of(members, "when", distance)) if "when" in members else None,
        schedule=None if schedule is None else schedule_of_document(schedule),
        **of_kind,
    )


def document_of_rule(rule: Rule) -> dict[str, Any]:
    """The rule as a document; ids, tags and holidays are sorted."""
    own = NEEDED[rule.kind] | POSSIBLE.get(rule.kind, frozenset())
    document: dict[str, Any] = {
        "id": rule.rule_id,
        "name": rule.name,
        "kind": rule.kind.value,
        "enabled": rule.enabled,
    }
    for name in _SELECTIONS:
        selection = getattr(rule, name)
        if selection is not None:
            document[name] = {"ids": sorted(selection.ids), "tags": sorted(selection.tags)}
    document |= {name: getattr(rule, name) for name in NUMBERS if name in own}
    if rule.when is not None:
        document["when"] = rule.when.value
    if rule.schedule is not None:
        document["schedule"] = document_of_schedule(rule.schedule)
    return document


def _check_fit(kind: RuleKind, members: Mapping[str, Any]) -> None:
    """The kind's members are there, and no other kind's."""
    own = NEEDED[kind] | POSSIBLE.get(kind, frozenset())
    for name in sorted(members.keys() - own - _OF_ALL - _OURS):
        kinds = [other.value for other in RuleKind if name in NEEDED[other] | POSSIBLE.get(other, set())]
        reason = f"a rule of kind {kind.value!r} has no {name}; that is of {', '.join(kinds)}"
        raise RequestError("unused_field", reason, field=name)
    for name in sorted(NEEDED[kind] - members.keys()):
        raise RequestError("missing_field", f"a rule of kind {kind.value!r} needs {name}", field=name)
    if kind is RuleKind.UNAUTHORISED and ("allow" in members) == ("deny" in members):
        found = "both" if "allow" in members else "neither"
        reason = f"a rule of kind {kind.value!r} needs either allow or deny; it has {found}"
        raise RequestError("missing_field" if found == "neither" else "unused_field", reason, field="allow")


def _agreed_id(stated: Any, known: str | None) -> str:
    if known is None:
        if stated is None:
            raise RequestError("missing_field", "the rule has no id", field="id")
        return checked_id(stated)
    if stated is not None and stated != known:
        raise RequestError(
            "other_id", f"the rule's id is {str(stated)[:200]!r}, the path's is {known!r}", field="id"
        )
    return checked_id(known)


def _one_of(members: Mapping[str, Any], field: str, allowed: Collection[str]) -> str:
    """A member that is one of a few words."""
    value = members.get(field)
    if isinstance(value, str) and value in allowed:
        return value
    if value is None:
        raise RequestError(
            "missing_field", f"the rule has no {field}; allowed are {', '.join(allowed)}", field=field
        )
    raise RequestError(
        "out_of_range", f"{field} is {str(value)[:80]!r}; allowed are {', '.join(allowed)}", field=field
    )


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise RequestError(
        "wrong_type", f"enabled is {str(value)[:80]!r}; allowed are true and false", field="enabled"
    )


def _number(field: str, value: Any) -> float:
    least, most = NUMBERS[field]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(
            "wrong_type", f"{field} is {str(value)[:80]!r}; it has to be a number", field=field
        )
    if least <= value <= most:  # not so of NaN
        return float(value)
    raise RequestError(
        "out_of_range", f"{field} is {str(value)[:80]}; allowed is {least:g} to {most:.12g}", field=field
    )


def _selection(field: str, value: Any) -> Selection:
    """Ids and tags, at least one of them; only `allow` may be empty, and then nobody may be there."""
    members = stated_members(checked_object(value, field, frozenset({"ids", "tags"})))
    ids = members.get("ids", [])
    if not isinstance(ids, list) or len(ids) > MOST_IDS:
        reason = f"{field}.ids has to be a list of at most {MOST_IDS} ids"
        raise RequestError("bad_ids", reason, field=f"{field}.ids")
    selection = Selection(
        frozenset(checked_id(one, f"{field}.ids") for one in ids),
        frozenset(checked_tags(members.get("tags", []), f"{field}.tags", MOST_TAGS)),
    )
    if field != "allow" and not selection.ids and not selection.tags:
        hint = "; without `vehicles` a rule is about all of the fleet" if field == "vehicles" else ""
        raise RequestError("missing_field", f"{field} names no id and no tag{hint}", field=field)
    return selection
