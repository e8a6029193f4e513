"""Alive, ready, and what has been counted since the start."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from haulcast.doors.http_access import READERS, Verify, admitted

Check = Callable[[], Awaitable[str | None]]
"""Says what is wrong, in words, or None."""


def routes(
    verify: Verify,
    checks: dict[str, Check],
    spared: dict[str, Check],
    counters: Callable[[], dict[str, Any]],
) -> list[Route]:
    """`/health` answers while the process turns, `/ready` when every check passes, `/v1/status` counts.

    What the hub can be without for a while, `spared`, does not change the answer, only its word: "degraded".

    The counters are of the whole hub and name no fleet, so every role that reads may see them.
    """

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> JSONResponse:
        needed = {name: await check() for name, check in checks.items()}
        others = {name: await check() for name, check in spared.items()}
        is_ready = not any(needed.values())
        word = "not ready" if not is_ready else "degraded" if any(others.values()) else "ready"
        parts = {name: wrong or "ready" for name, wrong in (needed | others).items()}
        return JSONResponse({"status": word, **parts}, 200 if is_ready else 503)

    async def status(request: Request) -> JSONResponse:
        admitted(request, verify, READERS)
        return JSONResponse(counters())

    return [Route("/health", health), Route("/ready", ready), Route("/v1/status", status)]
