"""Which part of a list of loads or routes a request asks for."""

from collections.abc import Collection

from starlette.requests import Request

from haulcast.doors.request_fields import checked_id, page_asked_for
from haulcast.errors import RequestError
from haulcast.routes.route_store import Asked


def filter_asked_for(request: Request, statuses: Collection[str]) -> tuple[Asked, dict[str, str]]:
    """`limit`, `after`, `status` and `vehicle` of the query, and those of them that the link to the next page repeats.

    Raises:
        RequestError: one that is none.
    """
    page, query = page_asked_for(request), request.query_params
    status, vehicle = query.get("status", ""), query.get("vehicle", "")
    repeated = {"limit": str(page.limit)}
    if "status" in query:
        if status not in statuses:
            reason = f"status is {status[:80]!r}; allowed are {', '.join(statuses)}"
            raise RequestError("out_of_range", reason, field="status")
        repeated["status"] = status
    if "vehicle" in query:
        repeated["vehicle"] = checked_id(vehicle, "vehicle")
    return Asked(page.after, page.limit, status, vehicle), repeated
