"""Who reports: the vehicle behind a request's token or phone id.

A token or a phone id comes as `Authorization: Bearer`, or as the password of `Authorization: Basic`. An app that can send
neither has its phone id as its device identifier; `osmand` alone takes it from there.
"""

import base64
import binascii
from collections.abc import Callable

from starlette.requests import Request

from haulcast.doors.http_access import Verify
from haulcast.doors.socket_session import Claims
from haulcast.errors import ForbiddenError, TokenError
from haulcast.phones.phone_id_store import PREFIX, PhoneIdStore, digest_of


class Reporters:
    """Finds the claims of role device behind a request.

    Args:
        verify: of tokens; counts them too.
        phone_ids: the store.
        count: counts a request under a phone id's claims; raises RateError for one too many.
    """

    def __init__(
        self, verify: Verify, phone_ids: PhoneIdStore, count: Callable[[Claims], None] = lambda _claims: None
    ) -> None:
        self._verify = verify
        self._phone_ids = phone_ids
        self._count = count

    async def authorized(self, request: Request) -> Claims:
        """The claims behind the request's `Authorization`.

        Raises:
            TokenError: none there, or one that opens nothing.
            ForbiddenError: a token of another role.
            RateError: it came too often.
            StoreError: phone ids cannot be looked up now.
        """
        claims = request.state.claims = await self._claims_of(request)
        return claims

    async def _claims_of(self, request: Request) -> Claims:
        secret = _secret_of(request.headers.get("authorization", ""))
        if secret.lower().startswith(PREFIX):
            claims = await self.of_phone_id(secret)
            if claims is None:
                raise TokenError("bad_token", "this phone id stands for no vehicle; get a new one")
            return claims
        if not secret:
            raise TokenError(
                "no_token",
                "no token; send one, or a phone id, as `Authorization: Bearer` or as a Basic password",
            )
        claims = self._verify(secret)
        if claims.role != "device":
            raise ForbiddenError("wrong_role", f"role {claims.role} may not report fixes; allowed is device")
        return claims

    async def of_phone_id(self, text: str) -> Claims | None:
        """The claims that a phone id stands for, or None.

        Raises:
            RateError: it came too often.
            StoreError: they cannot be looked up now.
        """
        if not text.strip().lower().startswith(PREFIX):
            return None
        found = await self._phone_ids.find(digest_of(text))
        if found is None:
            return None
        claims = Claims(found[0], "device", found[1])
        self._count(claims)
        return claims


def _secret_of(header: str) -> str:
    """The bearer token, or the password of Basic; empty: neither."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(given.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return pair.partition(":")[2].strip()
