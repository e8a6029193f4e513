"""Who asks over HTTP, and whether the role may do it."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from haulcast.doors.socket_session import Claims
from haulcast.errors import ForbiddenError

Verify = Callable[[str], Claims]
"""Gives the claims of a token; raises TokenError for one that is empty, wrong or has expired."""

READERS: Final = frozenset({"viewer", "dispatcher", "admin"})
WRITERS: Final = frozenset({"dispatcher", "admin"})


def admitted(request: Request, verify: Verify, roles: frozenset[str]) -> Claims:
    """The claims of the request's bearer token, when its role is among `roles`.

    Raises:
        TokenError: what `verify` says of it, or of an empty one when there is none.
        ForbiddenError: another role.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    claims = verify(token.strip() if scheme.lower() == "bearer" else "")
    if claims.role not in roles:
        allowed = ", ".join(sorted(roles))
        raise ForbiddenError("wrong_role", f"role {claims.role} may not do this; allowed are {allowed}")
    return claims
