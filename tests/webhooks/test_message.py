"""What a receiver gets: CloudEvents, signatures of Standard Webhooks, and when it gets it again."""

import base64
from random import Random

import orjson
import pytest
from event_rows import NOW_MS, event_document
from webhook_receiver import Received

from haulcast.errors import RequestError
from haulcast.webhooks.cloud_events import cloud_event
from haulcast.webhooks.retry_times import RetryTimes
from haulcast.webhooks.signatures import secret_of_text, signed_headers, text_of_secret


def test_the_signature_of_the_specifications_libraries() -> None:
    """The example that the libraries of Standard Webhooks are tested with."""
    secret = secret_of_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [secret])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs() -> None:
    """Two signatures with two secrets, both good; a changed body, id or time is none of either's."""
    secrets = [b"a" * 24, b"b" * 64]
    headers = signed_headers("0001", 5, b"{}", secrets)
    request = Received("POST", "/", headers, b"{}")
    assert all(request.is_signed_by(text_of_secret(secret)) for secret in secrets)
    assert not request.is_signed_by(text_of_secret(b"c" * 24))
    for changed in (
        Received("POST", "/", headers, b"{ }"),
        Received("POST", "/", {**headers, "webhook-id": "0002"}, b"{}"),
        Received("POST", "/", {**headers, "webhook-timestamp": "6"}, b"{}"),
    ):
        assert not any(changed.is_signed_by(text_of_secret(secret)) for secret in secrets)


@pytest.mark.parametrize("value", [None, 5, "", "whsec_", "whsec_x", "whsec_" + "YQ==", "a" * 40, "whsec_ä" * 9, "whsec_" + "YQ" * 80,
                                   text_of_secret(b"a" * 23), text_of_secret(b"a" * 65)])  # fmt: skip
def test_what_is_no_secret_is_refused_without_showing_it(value) -> None:
    """24 to 64 bytes, with the prefix, in base64."""
    with pytest.raises(RequestError) as refused:
        secret_of_text(value)
    assert refused.value.field == "secret"
    assert not str(value)[6:] or str(value)[6:] not in refused.value.reason
    assert secret_of_text(text_of_secret(b"a" * 24)) == b"a" * 24


def test_an_event_is_a_cloud_event() -> None:
    """The required attributes, those that are of use, and the event itself as it was stored."""
    document = event_document("00065c0a3f1b2e41", "exit", vehicle="truck ä", time_ms=NOW_MS + 7)
    body, time_ms = cloud_event("a/b", orjson.dumps(document).decode())
    assert time_ms == NOW_MS + 7
    assert orjson.loads(body) == {
        "specversion": "1.0", "id": "00065c0a3f1b2e41", "source": "/haulcast/fleets/a%2Fb", "type": "haulcast.exit", "subject": "truck ä",
        "time": "2026-09-21T14:13:20.007Z", "datacontenttype": "application/json", "data": document,
    }  # fmt: skip
    old, _ = cloud_event("a", orjson.dumps({**document, "time_ms": -1}).decode())
    assert orjson.loads(old)["time"] == "1969-12-31T23:59:59.999Z"


def test_waits_grow_and_end() -> None:
    """Means of 5 s, 15 s, 45 s, ... 6 h, half to one and a half of that; two days in all; then none. A receiver may ask for more, up to a day."""
    times = RetryTimes(Random(1))
    total_s = 0.0
    for tries in range(1, times.tries):
        mean_s = min(5.0 * 3 ** (tries - 1), 21_600.0)
        drawn = [times.next_s(tries) for _ in range(50)]
        assert all(0.5 * mean_s <= wait_s < 1.5 * mean_s for wait_s in drawn)
        assert max(drawn) - min(drawn) > 0.5 * mean_s
        total_s += mean_s
    assert 40 * 3600 < total_s < 56 * 3600
    assert times.next_s(times.tries) is None
    assert times.next_s(1, 3600.0) == 3600.0
    assert times.next_s(1, 1e12) == 86_400.0
    assert times.next_s(1, -5.0) >= 2.5
    assert times.pause_after_s(1) <= 1.5
    assert 30.0 <= times.pause_after_s(10_000) <= 90.0
    assert base64.b64decode(text_of_secret(b"x" * 24).removeprefix("whsec_")) == b"x" * 24
