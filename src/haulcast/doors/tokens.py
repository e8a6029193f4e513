"""Tokens: JWT signed with one of our secrets (HS256), or with a key that an issuer publishes (RS256, ES256, EdDSA).

A token names a fleet, a role and, for devices, one vehicle. Nothing of a token ever stands in an error or a log.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import structlog

from haulcast.doors.key_set import ALGORITHMS, PublicKey
from haulcast.doors.socket_session import Claims
from haulcast.errors import RequestError, SettingError, TokenError
from haulcast.settings import Settings, listed

ALGORITHM = "HS256"
LEAST_SECRET_BYTES = 32  # RFC 7518, 3.2: a key as long as the hash
ROLES = ("device", "viewer", "dispatcher", "admin")
LONGEST_NAME = 128
MOST_TOKEN_CHARACTERS = 8_192
MOST_SHARED_VEHICLES = 100
LATEST_S = 2**43  # far beyond year 9999, and exact as milliseconds in an int64

KeyOf = Callable[[str | None], PublicKey]
IsRevoked = Callable[[Claims], bool]

_log = structlog.get_logger("haulcast.tokens")

# The clock is passed in, so pyjwt must not look at its own; audience and issuer are judged by us, for issuers' keys only.
_UNCHECKED: Any = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)


class TokenBook:
    """Makes tokens with the newest of its secrets, and verifies those of any of them, and of an issuer's keys.

    Args:
        shared_secrets: newest first; the first one signs.
        key_of: finds an issuer's key by its id; None: there is no issuer.
        issuer: what `iss` has to be in an issuer's token; empty: anything.
        audience: what `aud` has to hold in an issuer's token; empty: anything.
        leeway_s: how much later than it says a token expires, and how much earlier it is good, because clocks differ.
        is_revoked: whether a token that is good otherwise was taken back.

    Raises:
        SettingError: a secret is shorter than 32 bytes, or there is none.
    """

    def __init__(
        self,
        *shared_secrets: bytes,
        key_of: KeyOf | None = None,
        issuer: str = "",
        audience: str = "",
        leeway_s: float = 0.0,
        is_revoked: IsRevoked = lambda _claims: False,
    ) -> None:
        for secret in shared_secrets or (b"",):
            if len(secret) < LEAST_SECRET_BYTES:
                raise SettingError(
                    "bad_setting",
                    f"the token secret has {len(secret)} bytes; allowed are {LEAST_SECRET_BYTES} or more",
                    field="token_secret",
                )
        self._secrets = shared_secrets
        self._key_of = key_of
        self._issuer = issuer
        self._audience = audience
        self._leeway_ms = int(leeway_s * 1000)
        self._is_revoked = is_revoked

    def make(self, claims: Claims) -> str:
        """A token that says what the claims say.

        Raises:
            RequestError: a claim that no hub would take; `field` names it.
        """
        _check(claims)
        body: dict[str, Any] = {"fleet": claims.fleet, "role": claims.role, "exp": claims.expires_ms // 1000}
        if claims.vehicle is not None:
            body["vehicle"] = claims.vehicle
        if claims.vehicles is not None:
            body["vehicles"] = sorted(claims.vehicles)
        if claims.subject:
            body["sub"] = claims.subject
        if claims.token_id:
            body["jti"] = claims.token_id
        if claims.issued_ms:
            body["iat"] = claims.issued_ms / 1000
        return jwt.encode(body, self._secrets[0], algorithm=ALGORITHM)

    def verify(self, token: str, now_ms: int) -> Claims:
        """What a token says, if it is ours or our issuer's, and still good at `now_ms`.

        Raises:
            TokenError: `no_token`, `bad_token`, `expired_token` or `revoked_token`.
            KeysError: its key is still to be fetched.
        """
        if not token:
            raise TokenError(
                "no_token", "no token; send one as `Authorization: Bearer <token>` or as `?token=<token>`"
            )
        body = self._signed_body(token)
        claims = _claims(body, self._leeway_ms)
        if _time_ms(body, "nbf", 0) > now_ms + self._leeway_ms:
            raise TokenError("bad_token", "the token is not good yet", field="nbf")
        if claims.expires_ms <= now_ms:
            raise TokenError("expired_token", "the token has expired; get a new one")
        if self._is_revoked(claims):
            raise TokenError("revoked_token", "the token was revoked; get a new one")
        return claims

    def _signed_body(self, token: str) -> dict[str, Any]:
        """What stands in the token, once a signature is found good; the algorithm it names only chooses whose."""
        algorithm, key_id = _header_of(token)
        if algorithm == ALGORITHM:
            for secret in self._secrets:
                body = _decoded(token, secret, ALGORITHM)
                if body is not None:
                    return body
        elif self._key_of is not None and algorithm in ALGORITHMS:
            key = self._key_of(key_id)
            body = _decoded(token, key.key, key.algorithm)
            if body is not None:
                self._check_issuer(body)
                return body
        raise _not_ours()

    def _check_issuer(self, body: dict[str, Any]) -> None:
        if self._issuer and body.get("iss") != self._issuer:
            raise TokenError("bad_token", "the token is of another issuer", field="iss")
        audience = body.get("aud")
        if self._audience and self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenError("bad_token", "the token is for another audience", field="aud")


def _not_ours() -> TokenError:
    return TokenError("bad_token", "the token is not a JWT that this hub or its issuer signed")


def _header_of(token: str) -> tuple[str, str | None]:
    if len(token) > MOST_TOKEN_CHARACTERS:
        raise _not_ours()
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):  # ValueError: what pyjwt lets through of base64 and JSON
        raise _not_ours() from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    return str(algorithm), key_id if isinstance(key_id, str) and len(key_id) <= LONGEST_NAME else None


def _decoded(token: str, key: Any, algorithm: str) -> dict[str, Any] | None:
    try:
        body: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], options=_UNCHECKED)
    except (jwt.PyJWTError, ValueError):  # as above
        return None
    return body


def _claims(body: dict[str, Any], leeway_ms: int) -> Claims:
    claims = Claims(
        fleet=_shared(body.get("fleet", "")),
        role=_shared(body.get("role", "")),
        vehicle=body.get("vehicle"),
        expires_ms=_time_ms(body, "exp", None) + leeway_ms,
        vehicles=_vehicles(body.get("vehicles")),
        subject=_subject(body.get("sub")),
        token_id=_token_id(body.get("jti")),
        issued_ms=_time_ms(body, "iat", 0),
    )
    try:
        _check(claims)
    except RequestError as error:
        raise TokenError("bad_token", f"the token's {error.reason}", field=error.field) from None
    return claims


def _shared(value: Any) -> Any:
    """The same text, one object for all connections."""
    return sys.intern(value) if type(value) is str else value


def _vehicles(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or not 1 <= len(value) <= MOST_SHARED_VEHICLES
        or not all(map(is_name, value))
    ):
        raise TokenError("bad_token", "the token's claim vehicles is not a list of names", field="vehicles")
    return frozenset(value)


def _subject(value: Any) -> str:
    """Who the bearer is; only for people to read, so what is no name is as if it were absent."""
    return value if isinstance(value, str) and is_name(value) else ""


def _token_id(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not is_name(value):
        raise TokenError(
            "bad_token", "the token's claim jti is no name, so nobody could revoke it", field="jti"
        )
    return value


def _time_ms(body: dict[str, Any], name: str, default_s: int | None) -> int:
    time_s = body.get(name, default_s)
    if isinstance(time_s, bool) or not isinstance(time_s, int | float) or not 0 <= time_s <= LATEST_S:
        raise TokenError("bad_token", f"the token's claim {name} is not a time in seconds", field=name)
    return int(time_s * 1000)


def _check(claims: Claims) -> None:
    if claims.role not in ROLES:
        raise RequestError("bad_claim", f"claim role is not one of {', '.join(ROLES)}", field="role")
    if not is_name(claims.fleet):
        raise RequestError(
            "bad_claim",
            f"claim fleet is not a text of 1 to {LONGEST_NAME} printable characters",
            field="fleet",
        )
    if claims.role == "device" and not is_name(claims.vehicle):
        raise RequestError(
            "bad_claim",
            f"claim vehicle, which role device needs, is not a text of 1 to {LONGEST_NAME} printable characters",
            field="vehicle",
        )
    if claims.role != "device" and claims.vehicle is not None:
        raise RequestError("bad_claim", "claim vehicle belongs to role device only", field="vehicle")
    for field, value in (("sub", claims.subject), ("jti", claims.token_id)):
        if value and not is_name(value):
            raise RequestError(
                "bad_claim", f"claim {field} is not a text of printable characters", field=field
            )
    if claims.role != "viewer" and claims.vehicles is not None:
        raise RequestError("bad_claim", "claim vehicles belongs to role viewer only", field="vehicles")


def is_name(value: object) -> bool:
    """Whether this can name a fleet or a vehicle: text of 1 to 128 printable characters."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME and value.isprintable()


def shared_secrets(settings: Settings) -> tuple[bytes, ...]:
    """The secrets in force, newest first.

    Raises:
        SettingError: as `read_or_make_secret`.
    """
    return read_or_make_secret(settings), *(old.encode() for old in listed(settings.token_secret_old))


def read_or_make_secret(settings: Settings) -> bytes:
    """The secret in force: the setting, or (development) one that is made once and kept in `data_dir`.

    Processes that start at the same time agree on one.

    Raises:
        SettingError: production without a secret, or a kept one that cannot be read or is too short.
    """
    if settings.token_secret:
        return settings.token_secret.encode()
    if settings.environment == "production":
        raise SettingError(
            "bad_setting", "setting token_secret is empty; in production it is required", field="token_secret"
        )
    file = Path(settings.data_dir) / "token_secret"
    try:
        made = _make_once(file)
        secret = file.read_bytes().strip()
    except OSError as error:
        raise SettingError(
            "bad_setting",
            f"the development token secret {file} cannot be kept: {error.strerror}; set token_secret",
            field="token_secret",
        ) from error
    if len(secret) < LEAST_SECRET_BYTES:
        raise SettingError(
            "bad_setting",
            f"the token secret in {file} has {len(secret)} bytes; allowed are {LEAST_SECRET_BYTES} or more; delete the file for a new one",
            field="token_secret",
        )
    _log.warning(
        "development_token_secret",
        file=str(file),
        made_now=made,
        hint="set token_secret before anybody depends on this hub",
    )
    return secret


def _make_once(file: Path) -> bool:
    """Put a random secret there unless there is one; readers never see half of it."""
    if file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".token_secret-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_hex(32).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)  # fails when another process was first, where a rename would replace its secret
    except FileExistsError:
        return False
    finally:
        Path(draft).unlink()
    return True
