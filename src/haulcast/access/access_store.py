"""The contract of the store of revocations and shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from haulcast.doors.revocations import Revocation


@dataclass(frozen=True, slots=True)
class Share:
    """A read-only view of some vehicles, opened by a token whose `jti` is the share's id.

    The token itself is not kept: it is shown once, to the one who made the share.
    """

    fleet: str
    share_id: str
    name: str
    vehicles: tuple[str, ...]
    created_by: str
    created: datetime
    expires: datetime


RevocationKey = tuple[str, str]
"""What names a revocation within its fleet: token id and vehicle, of which one is empty, or of everybody's both."""


class AccessStore(Protocol):
    """Revocations and shares, by fleet.

    - A write is durable when it returns.
    - The deletion of a share revokes its token in the same transaction: there is no moment at which it is neither listed nor
      revoked.
    - Every method raises StoreError when the store cannot be reached.
    """

    async def revoke(self, revocation: Revocation) -> None:
        """Keep a revocation; of those of one vehicle the latest counts. Doing it twice is no error."""

    async def revocations(self) -> Sequence[Revocation]:
        """All of them."""

    async def revocation_page(
        self, fleet: str, after: RevocationKey | None, limit: int
    ) -> Sequence[Revocation]:
        """A page of a fleet's revocations in the order of their keys; None: the first page."""

    async def add_share(self, share: Share) -> None:
        """Keep a share; its id was never used before."""

    async def shares(self, fleet: str, after: str, limit: int) -> Sequence[Share]:
        """A page of a fleet's shares in order of id, expired ones too."""

    async def delete_share(self, fleet: str, share_id: str, now_ms: int) -> Revocation:
        """Forget a share and revoke its token.

        Raises:
            NotFoundError: there is no such share in this fleet.
        """
