"""An issuer of tokens: private keys, and a real HTTP server that publishes their public halves as its test wants it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_RSA_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WRONG_EC_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
KEYS = {"r": ("RS256", RSA_KEY), "e": ("ES256", EC_KEY), "d": ("EdDSA", ED_KEY)}


def jwk(key: Any, key_id: str, **more: object) -> dict[str, Any]:
    """The public half of a key."""
    algorithm = (
        RSAAlgorithm
        if isinstance(key, rsa.RSAPrivateKey)
        else ECAlgorithm
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else OKPAlgorithm
    )
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", **more}


def signed(key_id: str | None, body: dict[str, Any], *, key: Any = None, algorithm: str = "") -> str:
    """A token of one of `KEYS`, or of a key and algorithm of its own."""
    usual = KEYS.get(key_id or "", ("", None))
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(body, key or usual[1], algorithm=algorithm or usual[0], headers=headers)


@dataclass
class Issuer:
    """What is published, and how."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    fetches: int = 0
    status: int = 200
    body: bytes | None = None
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.fetches += 1
            await self.answering.wait()
            body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
            head = (
                f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def issuer_server(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    """A running issuer; clear `answering` to make it hang."""
    issuer = Issuer(list(keys))
    issuer.answering.set()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.port = server.sockets[0].getsockname()[1]
    try:
        yield issuer
    finally:
        issuer.answering.set()
        server.close()
