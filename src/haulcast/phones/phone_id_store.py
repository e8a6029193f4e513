"""The contract of a store of phone ids: the short secrets by which apps that can send no token say who they are."""

import base64
import hashlib
import secrets
from typing import Protocol

PREFIX = "ph-"
SECRET_BYTES = 16


def new_phone_id() -> str:
    """128 random bits as something that can be typed: `ph-` and 26 small letters and digits."""
    return PREFIX + base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=").lower()


def digest_of(phone_id: str) -> bytes:
    """What is stored of it. The id is random, so a plain hash cannot be turned back."""
    return hashlib.sha256(phone_id.strip().lower().encode()).digest()


class PhoneIdStore(Protocol):
    """At most one phone id a vehicle, as its digest.

    - A write is durable when it returns.
    - The deletion of a vehicle takes its phone id with it.
    - Every method raises StoreError when the store cannot be reached.
    """

    async def put(self, fleet: str, vehicle_id: str, digest: bytes) -> None:
        """Give the vehicle this id; one that it had opens nothing any more.

        Raises:
            NotFoundError: there is no such vehicle.
        """

    async def find(self, digest: bytes) -> tuple[str, str] | None:
        """The (fleet, vehicle id) that it stands for, or None."""

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        """Take the vehicle's id away.

        Raises:
            NotFoundError: it has none.
        """
