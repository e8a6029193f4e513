"""Which tokens are revoked by what."""

import pytest

from haulcast.doors.revocations import EVERYBODY, Revocation, Revocations
from haulcast.doors.socket_session import Claims


def _claims(fleet="acme", vehicle="truck-7", token_id="t1", issued_ms=1000) -> Claims:
    return Claims(fleet, "device", vehicle, token_id=token_id, issued_ms=issued_ms)


@pytest.mark.parametrize(
    ("revocation", "claims", "is_revoked"),
    [
        (Revocation("acme", "t1", "", 500), _claims(), True),  # one token, whenever it was issued
        (Revocation("acme", "t2", "", 5000), _claims(), False),
        (Revocation("globex", "t1", "", 5000), _claims(), False),  # another fleet's ids are its own
        (Revocation("acme", "", "truck-7", 1001), _claims(), True),
        (Revocation("acme", "", "truck-7", 1000), _claims(), False),  # issued at that very moment: newer
        (Revocation("acme", "", "truck-8", 5000), _claims(), False),
        (Revocation("acme", "", "truck-7", 5000), _claims(vehicle=None), False),
        (Revocation("acme", "", EVERYBODY, 5000), _claims(vehicle=None), True),
        (Revocation("acme", "", EVERYBODY, 5000), _claims(), True),
        (Revocation("globex", "", EVERYBODY, 5000), _claims(), False),
        (Revocation("acme", "", "truck-7", 1), _claims(issued_ms=0), True),  # does not say when
    ],
)
def test_what_is_revoked(revocation, claims, is_revoked) -> None:
    """By id, or by bearer and time; never across fleets."""
    revocations = Revocations()
    assert not revocations.is_revoked(claims)
    revocations.add(revocation)
    assert revocations.is_revoked(claims) == is_revoked


def test_the_latest_counts() -> None:
    """An earlier moment does not bring anybody back."""
    revocations = Revocations()
    for before_ms in (2000, 1):
        revocations.add(Revocation("acme", "", "truck-7", before_ms))
    assert revocations.is_revoked(_claims())
