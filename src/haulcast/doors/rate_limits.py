"""How often an address and a token may come: token buckets, in tables that never grow beyond a size.

A bucket is one number, the moment at which it would be full again (the generic cell rate algorithm). Once that has passed the bucket
says nothing, and it is forgotten as others come. A table that is full forgets who came least recently; that one's next visit begins
with a whole burst, which is all that forgetting costs.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from haulcast import clock
from haulcast.doors.addresses import counted_as
from haulcast.doors.socket_session import Claims
from haulcast.errors import RateError
from haulcast.settings import Settings

MOST_KEYS: Final = 65_536


@dataclass(slots=True)
class Buckets:
    """One bucket a key, all of one size.

    Args:
        rate_per_s: how fast a bucket fills.
        burst: how much it holds.
        most_keys: how many buckets there are at the most.
    """

    rate_per_s: float
    burst: int
    most_keys: int = MOST_KEYS
    _full_s: OrderedDict[Hashable, float] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._full_s)

    def take(self, key: Hashable, now_s: float) -> float:
        """Take one; returns 0, or the seconds after which there is one to take."""
        full_s = max(now_s, self._full_s.pop(key, now_s)) + 1.0 / self.rate_per_s
        wait_s = full_s - now_s - self.burst / self.rate_per_s
        # not counted when refused: who keeps asking is served again as soon as who waits
        self._full_s[key] = full_s if wait_s <= 1e-9 else full_s - 1.0 / self.rate_per_s
        self._forget_some(now_s)
        return wait_s if wait_s > 1e-9 else 0.0

    def _forget_some(self, now_s: float) -> None:
        """Let go of two at the most, so that the table shrinks faster than it grows; the one just used is not full."""
        for _ in range(2):
            oldest = next(iter(self._full_s))
            if self._full_s[oldest] > now_s and len(self._full_s) <= self.most_keys:
                return
            del self._full_s[oldest]


class RateLimits:
    """The limits of one hub, both ports together.

    Attributes:
        refused: how often somebody was told to come later.
    """

    def __init__(self, settings: Settings, monotonic_s: Callable[[], float] = clock.monotonic_s) -> None:
        self.refused = 0
        self._now_s = monotonic_s
        self._addresses = Buckets(settings.address_rate_per_s, settings.address_burst)
        staff = Buckets(settings.staff_requests_per_s, settings.staff_requests_burst)
        self._tokens = {
            "device": Buckets(settings.device_requests_per_s, settings.device_requests_burst),
            "viewer": Buckets(settings.viewer_requests_per_s, settings.viewer_requests_burst),
            "dispatcher": staff,
            "admin": staff,
        }

    def of_address(self, address: str) -> None:
        """Count a handshake or a request of this address.

        Raises:
            RateError: it was one too many.
        """
        self._judge(self._addresses.take(counted_as(address), self._now_s()), "this address")

    def of_token(self, claims: Claims) -> None:
        """Count a handshake or a request under a token that was found good.

        Raises:
            RateError: it was one too many.
        """
        name = claims.token_id or (claims.vehicle, claims.subject, claims.expires_ms)
        wait_s = self._tokens[claims.role].take((claims.fleet, claims.role, name), self._now_s())
        self._judge(wait_s, f"this {claims.role}'s token")

    def _judge(self, wait_s: float, whose: str) -> None:
        if wait_s > 0:
            self.refused += 1
            reason = f"too many requests of {whose}; come back in {wait_s:.1f} s"
            raise RateError("too_many_requests", reason, retry_s=wait_s)
