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
ADMINS: Final = frozenset({"admin"})


def admitted(request: Request, verify: Verify, roles: frozenset[str], *, shared: bool = False) -> Claims:
    """The claims of the request's bearer token, when its role is among `roles`.

    They are left in `request.state.claims`, where the guard finds who made a change. With `shared` the token of a shared view is let
    in too, and the caller sees to it that it is shown nothing but `claims.vehicles`.

    Raises:
        TokenError: what `verify` says of it, or of an empty one when there is none.
        ForbiddenError: another role, or the token of a shared view, which opens the live socket only.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    claims = verify(token.strip() if scheme.lower() == "bearer" else "")
    request.state.claims = claims
    if claims.role not in roles:
        allowed = ", ".join(sorted(roles))
        raise ForbiddenError("wrong_role", f"role {claims.role} may not do this; allowed are {allowed}")
    if claims.vehicles is not None and not shared:
        raise ForbiddenError("shared_view", "the token of a shared view opens the live socket only")
    return claims
