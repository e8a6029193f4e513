"""`/v1/plans` over HTTP: ask, look, cancel, accept."""

from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, json_body, page_asked_for
from haulcast.plans.plan import Plan
from haulcast.plans.plan_documents import ask_of_document, document_of_plan
from haulcast.plans.plan_jobs import PlanJobs

MOST_ASK_BYTES = 2 * 2**20  # full lists of ids of the longest kind


def routes(jobs: PlanJobs, verify: Verify, most_seconds: float) -> list[Route]:
    """The routes; a plan may be searched for `most_seconds`."""
    api = _PlanApi(jobs, verify, most_seconds)
    return [
        resource("/v1/plans", GET=api.page, POST=api.create),
        resource("/v1/plans/{plan_id}", GET=api.read),
        resource("/v1/plans/{plan_id}/cancel", POST=api.cancel),
        resource("/v1/plans/{plan_id}/accept", POST=api.accept),
    ]


class _PlanApi:
    def __init__(self, jobs: PlanJobs, verify: Verify, most_seconds: float) -> None:
        self._jobs = jobs
        self._verify = verify
        self._most_seconds = most_seconds

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        page = page_asked_for(request)
        plans = await self._jobs.page(fleet, page.after, page.limit + 1)
        shown = plans[: page.limit]
        answer: dict[str, Any] = {"plans": [document_of_plan(plan, is_short=True) for plan in shown]}
        if len(plans) > page.limit:
            answer["next"] = "/v1/plans?" + urlencode({"limit": page.limit, "after": shown[-1].plan_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        ask = ask_of_document(await json_body(request, MOST_ASK_BYTES), self._most_seconds)
        return _plan(await self._jobs.begin(fleet, ask), 202)

    async def read(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        return _plan(await self._jobs.find(fleet, _path_id(request)))

    async def cancel(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        return _plan(await self._jobs.cancel(fleet, _path_id(request)))

    async def accept(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        plan, published = await self._jobs.accept(fleet, _path_id(request))
        editions = [
            {"id": route.route_id, "vehicle": route.vehicle, "edition": route.edition} for route in published
        ]
        return _plan(plan, published=editions)


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["plan_id"])


def _plan(plan: Plan, status: int = 200, **more: Any) -> Response:
    headers = {"Location": f"/v1/plans/{quote(plan.plan_id, safe='')}"}
    return Response(orjson.dumps({**document_of_plan(plan), **more}), status, headers, "application/json")
