"""A vehicle's profile as a JSON document, in and out. A member that is null is as if it were absent."""

from typing import Any

from haulcast.doors.request_fields import checked_tags
from haulcast.errors import RequestError
from haulcast.routes.document_fields import COST, Range, amounts, depot_of, number, stated_members, time_ms
from haulcast.routes.vehicle_profile import PLAIN, VehicleProfile

SPAN_S = Range(0, 604_800)  # a week
NUMBERS = {
    "most_drive_s": SPAN_S,
    "break_after_s": SPAN_S,
    "break_s": SPAN_S,
    "fixed_cost": COST,
    "cost_per_km": COST,
    "cost_per_hour": COST,
}

_OURS = frozenset({"vehicle", "edition"})
_MEMBERS = frozenset({"capacity", "skills", "start", "end", "shift_opens", "shift_closes", *NUMBERS}) | _OURS


def profile_of_document(document: Any) -> VehicleProfile:
    """What a document says, checked.

    Raises:
        RequestError: an unknown or wrong member, a shift that closes before it opens, or a break without the time after which.
    """
    members = stated_members(document, "profile", _MEMBERS)
    opens_ms, closes_ms = (
        time_ms(members[name], name) if name in members else None for name in ("shift_opens", "shift_closes")
    )
    if opens_ms is not None and closes_ms is not None and closes_ms < opens_ms:
        reason = "shift_closes is before shift_opens; it has to be the same or later"
        raise RequestError("bad_span", reason, field="shift_closes")
    if members.get("break_s") and "break_after_s" not in members:
        reason = "break_s needs break_after_s: after how much driving it is due"
        raise RequestError("missing_field", reason, field="break_after_s")
    numbers = {
        name: number(members[name], name, allowed) for name, allowed in NUMBERS.items() if name in members
    }
    return VehicleProfile(
        capacity=amounts(members.get("capacity", {}), "capacity"),
        skills=frozenset(checked_tags(members.get("skills", []), "skills")),
        start=depot_of(members["start"], "start") if "start" in members else None,
        end=depot_of(members["end"], "end") if "end" in members else None,
        shift_opens_ms=opens_ms,
        shift_closes_ms=closes_ms,
        **{"break_s": PLAIN.break_s, **numbers},
    )


def document_of_profile(vehicle: str, profile: VehicleProfile, edition: str) -> dict[str, Any]:
    """The profile as a document; what it has not is left out."""
    depots = {"start": profile.start, "end": profile.end}
    optional = {
        **{name: None if at is None else {"lat": at[0], "lon": at[1]} for name, at in depots.items()},
        "shift_opens": profile.shift_opens_ms,
        "shift_closes": profile.shift_closes_ms,
        **{name: getattr(profile, name) for name in NUMBERS},
    }
    return {
        "vehicle": vehicle,
        "capacity": dict(profile.capacity),
        "skills": sorted(profile.skills),
        **{name: value for name, value in optional.items() if value is not None},
        "edition": edition,
    }
