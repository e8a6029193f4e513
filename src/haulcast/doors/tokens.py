"""Tokens: JWT signed with HS256, and the secret that signs them.

A token names a fleet, a role and, for devices, one vehicle. Nothing of a token ever stands in an error or a log.
"""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import jwt
import structlog

from haulcast.doors.socket_session import Claims
from haulcast.errors import RequestError, SettingError, TokenError
from haulcast.settings import Settings

ALGORITHM = "HS256"
LEAST_SECRET_BYTES = 32  # RFC 7518, 3.2: a key as long as the hash
ROLES = ("device", "viewer", "dispatcher", "admin")
LONGEST_NAME = 128
LATEST_S = 2**43  # far beyond year 9999, and exact as milliseconds in an int64

_log = structlog.get_logger("haulcast.tokens")

# The clock is passed in, so pyjwt must not look at its own; audience and subject are not ours to judge.
_UNCHECKED: Any = dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)


class TokenBook:
    """Makes and verifies the tokens of one secret.

    Raises:
        SettingError: the secret is shorter than 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < LEAST_SECRET_BYTES:
            raise SettingError(
                "bad_setting",
                f"the token secret has {len(secret)} bytes; allowed are {LEAST_SECRET_BYTES} or more",
                field="token_secret",
            )
        self._secret = secret

    def make(self, claims: Claims) -> str:
        """A token that says what the claims say.

        Raises:
            RequestError: a claim that no hub would take; `field` names it.
        """
        _check(claims)
        body: dict[str, Any] = {"fleet": claims.fleet, "role": claims.role, "exp": claims.expires_ms // 1000}
        if claims.vehicle is not None:
            body["vehicle"] = claims.vehicle
        return jwt.encode(body, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str, now_ms: int) -> Claims:
        """What a token says, if it is ours and still good at `now_ms`.

        Raises:
            TokenError: `no_token`, `bad_token` or `expired_token`.
        """
        if not token:
            raise TokenError(
                "no_token", "no token; send one as `Authorization: Bearer <token>` or as `?token=<token>`"
            )
        try:
            body = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options=_UNCHECKED)
        except (jwt.InvalidTokenError, ValueError):  # ValueError: what pyjwt lets through of base64 and JSON
            raise TokenError(
                "bad_token", f"the token is not a JWT that this hub signed with {ALGORITHM}"
            ) from None
        claims = _claims(body)
        if _time_ms(body, "nbf", 0) > now_ms:
            raise TokenError("bad_token", "the token is not good yet", field="nbf")
        if claims.expires_ms <= now_ms:
            raise TokenError("expired_token", "the token has expired; get a new one")
        return claims


def _claims(body: dict[str, Any]) -> Claims:
    claims = Claims(
        fleet=body.get("fleet", ""),
        role=body.get("role", ""),
        vehicle=body.get("vehicle"),
        expires_ms=_time_ms(body, "exp", None),
    )
    try:
        _check(claims)
    except RequestError as error:
        raise TokenError("bad_token", f"the token's {error.reason}", field=error.field) from None
    return claims


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


def is_name(value: object) -> bool:
    """Whether this can name a fleet or a vehicle: text of 1 to 128 printable characters."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME and value.isprintable()


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
