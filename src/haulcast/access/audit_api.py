"""`/v1/audit`: an admin reads who changed what in the fleet, and who was refused; newest first."""

from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.access.audit_store import AuditRecord, AuditStore
from haulcast.doors.http_access import ADMINS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import page_asked_for
from haulcast.errors import RequestError

_LARGEST = 2**63


def routes(store: AuditStore, verify: Verify) -> list[Route]:
    """The route."""

    async def page(request: Request) -> Response:
        fleet = admitted(request, verify, ADMINS).fleet
        asked = page_asked_for(request)
        found = await store.page(fleet, _number(asked.after), asked.limit + 1)
        shown = found[: asked.limit]
        answer: dict[str, Any] = {"records": [_shown(number, record) for number, record in shown]}
        if len(found) > asked.limit:
            answer["next"] = "/v1/audit?" + urlencode({"limit": asked.limit, "after": shown[-1][0]})
        return Response(orjson.dumps(answer), media_type="application/json")

    return [resource("/v1/audit", GET=page)]


def _number(after: str) -> int | None:
    if not after:
        return None
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) < _LARGEST):
        raise RequestError(
            "out_of_range", f"after is {after[:80]!r}; allowed is a record's id", field="after"
        )
    return int(after)


def _shown(number: int, record: AuditRecord) -> dict[str, Any]:
    return {
        "id": number,
        "time": record.time,
        "subject": record.subject,
        "role": record.role,
        "address": record.address,
        "action": record.action,
        "target": record.target,
        "status": record.status,
        **({"code": record.code, "count": record.count} if record.code else {}),
    }
