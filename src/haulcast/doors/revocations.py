"""Which tokens were taken back. Kept in memory because every handshake and request asks; the store behind is `access`."""

from dataclasses import dataclass

from haulcast.doors.socket_session import Claims

EVERYBODY = ""
"""In place of a vehicle: every token of the fleet."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Either one token, or all of a vehicle (or of the fleet) that were issued before a moment.

    Attributes:
        fleet: whose tokens.
        token_id: `jti` of the one; empty: see `vehicle`.
        vehicle: `EVERYBODY` for all of the fleet.
        before_ms: when it was done, epoch milliseconds; tokens issued earlier, or that do not say when, are revoked.
    """

    fleet: str
    token_id: str
    vehicle: str
    before_ms: int


class Revocations:
    """All revocations in force."""

    def __init__(self) -> None:
        self._ids: set[tuple[str, str]] = set()
        self._before_ms: dict[tuple[str, str], int] = {}

    def add(self, revocation: Revocation) -> None:
        """From now on `is_revoked` knows it."""
        if revocation.token_id:
            self._ids.add((revocation.fleet, revocation.token_id))
            return
        key = revocation.fleet, revocation.vehicle
        self._before_ms[key] = max(self._before_ms.get(key, 0), revocation.before_ms)

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the token with these claims was taken back."""
        if claims.token_id and (claims.fleet, claims.token_id) in self._ids:
            return True
        if not self._before_ms:
            return False
        before_ms = self._before_ms.get((claims.fleet, EVERYBODY), 0)
        if claims.vehicle is not None:
            before_ms = max(before_ms, self._before_ms.get((claims.fleet, claims.vehicle), 0))
        return claims.issued_ms < before_ms
