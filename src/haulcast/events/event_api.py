"""`/v1/events` over HTTP: what was told, page by page, and from the last event that a client has seen."""

from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from geo.fence_events import Kind
from haulcast.doors.http_access import READERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import MOST_PAGE, checked_id, limit_asked_for
from haulcast.doors.time_fields import time_asked_for
from haulcast.errors import RequestError
from haulcast.events.event_store import EventFilter, EventStore

KINDS = tuple(kind.name.lower() for kind in Kind)
ORDERS = ("oldest", "newest")


def routes(store: EventStore, verify: Verify) -> list[Route]:
    """The route."""

    async def page(request: Request) -> Response:
        fleet = admitted(request, verify, READERS).fleet
        asked, limit = _filter_asked_for(request), limit_asked_for(request)
        newest_first, after = _order_asked_for(request), request.query_params.get("after")
        place = None
        if after is not None:
            place = await store.place_of(checked_id(after, "after"), newest_first=newest_first)
        found = await store.page(fleet, asked, place, limit + 1, newest_first=newest_first)
        shown = found[:limit]
        answer: dict[str, Any] = {"events": [orjson.Fragment(event.document) for event in shown]}
        if len(found) > limit:
            answer["next"] = _next_link(request, limit, shown[-1].event_id)
        return Response(orjson.dumps(answer), media_type="application/json")

    return [resource("/v1/events", GET=page)]


def _filter_asked_for(request: Request) -> EventFilter:
    begin_ms, end_ms = (
        time_asked_for(request, name, 0) if name in request.query_params else None for name in ("from", "to")
    )
    if begin_ms is not None and end_ms is not None and begin_ms > end_ms:
        raise RequestError("bad_span", "from is after to; it has to be before or the same", field="from")
    return EventFilter(
        vehicles=_ids_asked_for(request, "vehicle"),
        fences=_ids_asked_for(request, "fence"),
        rules=_ids_asked_for(request, "rule"),
        routes=_ids_asked_for(request, "route"),
        kinds=_kinds_asked_for(request),
        begin_ms=begin_ms,
        end_ms=end_ms,
    )


def _ids_asked_for(request: Request, name: str) -> tuple[str, ...] | None:
    texts = request.query_params.getlist(name)
    if len(texts) > MOST_PAGE:
        raise RequestError(
            "too_many", f"{name} is given {len(texts)} times; allowed are {MOST_PAGE}", field=name
        )
    return tuple(checked_id(text, name) for text in texts) or None


def _kinds_asked_for(request: Request) -> tuple[str, ...] | None:
    texts = request.query_params.getlist("kind")
    for text in texts:
        if text not in KINDS:
            allowed = ", ".join(KINDS)
            raise RequestError("out_of_range", f"kind is {text[:80]!r}; allowed are {allowed}", field="kind")
    return tuple(texts) or None


def _order_asked_for(request: Request) -> bool:
    """Whether the newest come first."""
    text = request.query_params.get("order", ORDERS[0])
    if text not in ORDERS:
        allowed = " and ".join(ORDERS)
        raise RequestError("wrong_type", f"order is {text[:80]!r}; allowed are {allowed}", field="order")
    return text == ORDERS[1]


def _next_link(request: Request, limit: int, after: str) -> str:
    members = [
        (name, value) for name, value in request.query_params.multi_items() if name not in {"limit", "after"}
    ]
    return "/v1/events?" + urlencode([*members, ("limit", limit), ("after", after)])
