"""Signatures of what is sent, as Standard Webhooks has them (https://www.standardwebhooks.com, specification 1.0.0).

The signed content is `id.timestamp.body`; the key is the secret's bytes, the hash SHA-256. While a secret is being changed there are two
signatures, and one that fits is enough.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

from haulcast.errors import RequestError

LEAST_SECRET_BYTES: Final = 24
MOST_SECRET_BYTES: Final = 64
PREFIX: Final = "whsec_"


def signed_headers(
    message_id: str, timestamp_s: int, body: bytes, secrets: Sequence[bytes]
) -> dict[str, str]:
    """The headers of one attempt, with a signature by each of the secrets."""
    content = f"{message_id}.{timestamp_s}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, content, hashlib.sha256)) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in signatures),
    }


def text_of_secret(secret: bytes) -> str:
    """A secret as it is written for people and libraries."""
    return PREFIX + base64.b64encode(secret).decode()


def secret_of_text(value: Any) -> bytes:
    """The bytes of a written secret.

    Raises:
        RequestError: it is none; the value does not stand in the error.
    """
    try:
        if isinstance(value, str) and value.startswith(PREFIX):
            secret = base64.b64decode(value.removeprefix(PREFIX), validate=True)
            if LEAST_SECRET_BYTES <= len(secret) <= MOST_SECRET_BYTES:
                return secret
    except (binascii.Error, ValueError):
        pass
    allowed = f"{PREFIX} and the base64 of {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes"
    raise RequestError(
        "bad_secret", f"secret has to be {allowed}; leave it out and one is made", field="secret"
    )
