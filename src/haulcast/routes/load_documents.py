"""A load as a JSON document, in and out; and many of them in one body.

`status`, `vehicle` and `edition` come from the hub, and are ignored when they come back. A member that is null is as if it were
absent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from haulcast.doors.request_fields import checked_tags
from haulcast.errors import ClientError, RequestError, TooLargeError
from haulcast.routes.document_fields import (
    COST,
    agreed_id,
    amounts,
    document_of_place,
    number,
    place_of,
    stated_members,
)
from haulcast.routes.load import Load

MOST_AT_ONCE = 1_000
MOST_ERRORS_SHOWN = 100

_OURS = frozenset({"status", "vehicle", "edition"})
_MEMBERS = frozenset({"id", "pickup", "delivery", "size", "needs", "left_out_cost"}) | _OURS


def load_of_document(document: Any, fleet: str, load_id: str | None = None) -> Load:
    """What a document says, checked.

    Args:
        document: parsed JSON.
        fleet: whose load it is.
        load_id: the id, where it is known from elsewhere; the document may then leave its own out.

    Raises:
        RequestError: a missing, unknown or wrong member, or windows in which it can never be carried.
    """
    members = stated_members(document, "load", _MEMBERS)
    load_id = agreed_id(members.get("id"), load_id)
    pickup, delivery = (
        place_of(members[name], name) if name in members else None for name in ("pickup", "delivery")
    )
    if pickup is None and delivery is None:
        reason = "the load has neither pickup nor delivery; it needs one at least"
        raise RequestError("missing_field", reason, field="pickup")
    if pickup and delivery and pickup.opens_ms is not None and delivery.closes_ms is not None:
        ready_ms = pickup.opens_ms + pickup.service_s * 1000
        if delivery.closes_ms < ready_ms:
            reason = (
                "delivery.closes is before the pickup, with its service_s, can be over; it has to be later"
            )
            raise RequestError("bad_span", reason, field="delivery.closes")
    cost = members.get("left_out_cost")
    return Load(
        fleet=fleet,
        load_id=load_id,
        pickup=pickup,
        delivery=delivery,
        size=amounts(members.get("size", {}), "size"),
        needs=frozenset(checked_tags(members.get("needs", []), "needs")),
        left_out_cost=None if cost is None else number(cost, "left_out_cost", COST),
    )


def document_of_load(load: Load) -> dict[str, Any]:
    """The load as a document; what it has not is left out."""
    places = {"pickup": load.pickup, "delivery": load.delivery}
    return {
        "id": load.load_id,
        "status": load.status.value,
        **({"vehicle": load.vehicle} if load.vehicle else {}),
        **{name: document_of_place(place) for name, place in places.items() if place is not None},
        "size": dict(load.size),
        "needs": sorted(load.needs),
        **({} if load.left_out_cost is None else {"left_out_cost": load.left_out_cost}),
        "edition": load.edition,
    }


@dataclass(slots=True)
class ReadLoads:
    """What could be read of many, and what was wrong with the rest.

    Attributes:
        errors: of the first hundred wrong ones: index, id (where there is one), code, reason, field.
    """

    loads: list[Load] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    wrong: int = 0


def read_loads(body: bytes, fleet: str, new_id: Callable[[], str], *, lines: bool) -> ReadLoads:
    """The loads of a JSON array, or of one document a line; `new_id` names those without an id. Blocks: call it in a thread.

    Raises:
        RequestError: neither, or none.
        TooLargeError: too many.
    """
    try:
        documents = (
            [text for line in body.split(b"\n") if (text := line.strip())] if lines else orjson.loads(body)
        )
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"the body is not JSON: {error}") from error
    if not isinstance(documents, list) or not documents:
        raise RequestError("wrong_type", "the body has to be a list of at least one load")
    if len(documents) > MOST_AT_ONCE:
        raise TooLargeError("too_many_loads", f"these are {len(documents)} loads; allowed are {MOST_AT_ONCE} in one request")  # fmt: skip
    read, seen = ReadLoads(), dict[str, int]()
    for index, given in enumerate(documents):
        document: Any = None
        try:
            document = _parsed(given) if lines else given
            if isinstance(document, dict) and document.get("id") is None:
                document["id"] = new_id()
            load = load_of_document(document, fleet)
            if load.load_id in seen:
                raise RequestError("same_id", f"load {seen[load.load_id]} has the same id", field="id")
        except ClientError as error:
            read.wrong += 1
            if read.wrong <= MOST_ERRORS_SHOWN:
                stated = document.get("id") if isinstance(document, dict) else None
                shown = {} if stated is None else {"id": str(stated)[:128]}
                read.errors.append({"index": index, **shown, **error.as_fields()})
        else:
            seen[load.load_id] = index
            read.loads.append(load)
    return read


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"the line is not JSON: {error}") from error
