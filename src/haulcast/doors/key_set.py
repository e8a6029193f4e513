"""Public keys of an issuer (JWKS, RFC 7517): which key a token names, and whether that key signed it.

A key verifies one algorithm, which its type decides and not the token: RSA is RS256, P-256 is ES256, Ed25519 is EdDSA. So no
token can have a public key taken for a shared secret, or choose a weaker way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from haulcast.errors import RequestError

ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})
LEAST_RSA_BITS = 2048  # RFC 7518, 3.3
MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and the only algorithm that it verifies."""

    algorithm: str
    key: Any


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by their id."""

    keys: Mapping[str, PublicKey]

    def find(self, key_id: str | None) -> PublicKey | None:
        """The key of this id; of a token that names none, the only key there is."""
        if key_id is None:
            return next(iter(self.keys.values())) if len(self.keys) == 1 else None
        return self.keys.get(key_id)


def read_key_set(document: bytes) -> KeySet:
    """The usable keys of a JWKS document; what is for encryption, symmetric, weak or unknown is left out.

    Raises:
        RequestError: no JWKS document, or one without a usable key.
    """
    try:
        listed = orjson.loads(document)["keys"]
        keys = dict(_usable(listed[:MOST_KEYS]))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RequestError(
            "bad_keys", "this is no JWKS document: a JSON object with a list `keys`"
        ) from error
    if not keys:
        raise RequestError("bad_keys", "the JWKS document has no key of RS256, ES256 or EdDSA for signatures")
    return KeySet(keys)


def _usable(listed: list[Any]) -> Iterator[tuple[str, PublicKey]]:
    for place, described in enumerate(listed):
        if not isinstance(described, dict) or described.get("use", "sig") != "sig":
            continue
        if (
            described.get("kty") not in {"RSA", "EC", "OKP"} or "d" in described
        ):  # `d`: somebody published a private key
            continue
        try:
            key = jwt.PyJWK(described).key
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        algorithm = _algorithm_of(key)
        if algorithm is not None and described.get("alg", algorithm) == algorithm:
            yield str(described.get("kid", f"#{place}")), PublicKey(algorithm, key)


def _algorithm_of(key: Any) -> str | None:
    match key:
        case RSAPublicKey() if key.key_size >= LEAST_RSA_BITS:
            return "RS256"
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    return None
