"""Errors as HTTP answers: problem documents (RFC 9457).

`type` stays `about:blank`, as the RFC wants it where the status says it all; `code` tells machines more, `detail` people,
and `field` names what is to blame. Of our own faults nothing but the code goes out; the rest is in the log.
"""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from haulcast.clock import monotonic_s
from haulcast.errors import (
    HaulcastError,
    HubError,
    KeysError,
    OverloadError,
    RateError,
    StoreError,
    TokenError,
)

MEDIA_TYPE = "application/problem+json"
SAY_AGAIN_S = 10.0
STORE_RETRY_S = 2  # about what an embedded database needs to be back
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

_log = structlog.get_logger()


def problem_response(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A problem document; `more` are extension members (RFC 9457, 3.2)."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return Response(orjson.dumps({**document, **more}), status, headers, MEDIA_TYPE)


def headers_of(error: HaulcastError) -> dict[str, str] | None:
    """The headers that go with an error's status."""
    if isinstance(error, TokenError):
        return {"WWW-Authenticate": "Bearer"}  # RFC 9110, 15.5.2
    if isinstance(error, RateError):
        return {"Retry-After": str(math.ceil(error.retry_s))}
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(STORE_RETRY_S)}
    return None


def exception_handlers() -> dict[Any, Callable[[Request, Any], Awaitable[Response]]]:
    """For `Starlette(exception_handlers=...)`: ours, Starlette's (404, 405, ...), and whatever nobody expected."""
    return {
        HaulcastError: _Ours(),
        HTTPException: _starlettes,
        ClientDisconnect: _gone,
        Exception: _unexpected,
    }


class _Ours:
    """Answers with our own errors; of a store that is away it logs once in `SAY_AGAIN_S`, not for each phone that asks."""

    def __init__(self) -> None:
        self._said_s: dict[str, float] = {}  # monotonic, by the error's code
        self._unsaid: Counter[str] = Counter()

    async def __call__(self, request: Request, error: HaulcastError) -> Response:
        request.state.code = error.code  # for the audit log
        # Of the first kind are too many to log one by one when it matters, and the second is no trouble of ours.
        if isinstance(error, HubError) and not isinstance(error, OverloadError | KeysError):
            self._say(request, error)
            detail = "the hub cannot do this at the moment; its log says why"
            return problem_response(error.http_status, error.code, detail, headers=headers_of(error))
        fields = error.as_fields()
        return problem_response(
            error.http_status, fields.pop("code"), fields.pop("reason"), headers=headers_of(error), **fields
        )

    def _say(self, request: Request, error: HubError) -> None:
        now_s = monotonic_s()
        if isinstance(error, StoreError) and now_s < self._said_s.get(error.code, -math.inf) + SAY_AGAIN_S:
            self._unsaid[error.code] += 1
            return
        self._said_s[error.code] = now_s
        _log.error(
            "request_failed",
            method=request.method,
            path=request.url.path,
            code=error.code,
            reason=error.reason,
            others_before=self._unsaid.pop(error.code, 0),
        )


async def _starlettes(request: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, "http_error")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem_response(error.status_code, code, detail, headers=error.headers)


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this, so the server's log has its traceback.
    return problem_response(500, "internal_error", "the hub made a mistake; its log says which")
