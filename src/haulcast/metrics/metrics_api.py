"""`/metrics`, for those who run the hub: a Prometheus with the `metrics_token`, or an admin."""

import secrets

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast import __version__
from haulcast.doors.http_access import Verify, admitted
from haulcast.metrics.families import Counted, HubCollector

OPERATORS = frozenset({"admin"})


def routes(verify: Verify, metrics_token: str, counters: Counted) -> list[Route]:
    """The text format, or OpenMetrics for who asks for it.

    It is never open, not even to this machine: behind a proxy on the same host everybody would come from here.

    Args:
        verify: of tokens, for an admin's.
        metrics_token: what a Prometheus sends as bearer token; empty: only an admin's will do.
        counters: of the hub; those of the process come by themselves.
    """
    registry = CollectorRegistry()
    registry.register(HubCollector(counters, __version__))
    ProcessCollector(registry=registry)

    async def metrics(request: Request) -> Response:
        if not (metrics_token and _is_bearer(request, metrics_token)):
            admitted(request, verify, OPERATORS)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return [Route("/metrics", metrics)]


def _is_bearer(request: Request, expected: str) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), expected.encode())
