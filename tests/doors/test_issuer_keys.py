"""Tokens of an issuer: which key verifies which algorithm, and that fetching keys stops nobody."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from issuer_server import (
    EC_KEY,
    ED_KEY,
    KEYS,
    OTHER_RSA_KEY,
    RSA_KEY,
    WEAK_RSA_KEY,
    WRONG_EC_KEY,
    issuer_server,
    jwk,
    signed,
)

from haulcast.doors.issuer_keys import IssuerKeys, fetcher_of, issuer_keys
from haulcast.doors.key_set import read_key_set
from haulcast.doors.tokens import TokenBook
from haulcast.errors import KeysError, RequestError, SettingError, TokenError
from haulcast.settings import Settings

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_MS = 1_790_000_000_000
BODY = {
    "fleet": "acme",
    "role": "viewer",
    "exp": NOW_MS // 1000 + 60,
    "iss": "https://id",
    "aud": ["hub", "x"],
}
ALL = [jwk(RSA_KEY, "r"), jwk(EC_KEY, "e"), jwk(ED_KEY, "d")]


def _key_set(*keys):
    return read_key_set(json.dumps({"keys": keys}).encode())


def _book(*keys, **options) -> TokenBook:
    found = _key_set(*keys)

    def key_of(key_id):
        key = found.find(key_id)
        if key is None:
            raise TokenError("bad_token", "unknown", field="kid")
        return key

    return TokenBook(SECRET, key_of=key_of, **options)


@pytest.mark.parametrize("key_id", KEYS)
def test_each_algorithm_is_verified_by_its_key(key_id) -> None:
    """RS256, ES256 and EdDSA tokens are good, each by the key that its `kid` names; ours stay good beside them."""
    book = _book(*ALL)
    assert book.verify(signed(key_id, BODY), NOW_MS).fleet == "acme"
    assert book.verify(jwt.encode(BODY, SECRET, algorithm="HS256"), NOW_MS).role == "viewer"
    with pytest.raises(TokenError, match="expired"):
        book.verify(signed(key_id, BODY), NOW_MS + 60_000)


def _public_texts() -> list[bytes]:
    public = RSA_KEY.public_key()
    return [
        public.public_bytes(encoding, form)
        for encoding in (Encoding.PEM, Encoding.DER)
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)
    ]


def _forged_with_the_public_key(secret: bytes, algorithm: str) -> str:
    """Pyjwt refuses to sign with a PEM; an attacker does not ask it."""
    parts = [{"alg": algorithm, "kid": "r", "typ": "JWT"}, BODY]
    head = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts)
    digest = getattr(hashlib, f"sha{algorithm[2:]}")
    mark = hmac.new(secret, head.encode(), digest).digest()
    return head + "." + base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


@pytest.mark.parametrize("secret", _public_texts())
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_never_a_secret(secret, algorithm) -> None:
    """A token signed by HMAC with the bytes of a published key is refused, whatever their form."""
    with pytest.raises(TokenError) as caught:
        _book(*ALL).verify(_forged_with_the_public_key(secret, algorithm), NOW_MS)
    assert caught.value.code == "bad_token"


@pytest.mark.parametrize(
    "token",
    [
        signed("r", BODY, key=OTHER_RSA_KEY, algorithm="RS256"),  # another's key under a known id
        signed("r", BODY, key=RSA_KEY, algorithm="PS256"),  # the right key, another algorithm
        signed("r", BODY, key=RSA_KEY, algorithm="RS512"),
        signed("e", BODY, key=RSA_KEY, algorithm="RS256"),  # a key for another algorithm
        signed("r", BODY, key=EC_KEY, algorithm="ES256"),
        signed("x", BODY, key=RSA_KEY, algorithm="RS256"),  # an id that nobody publishes
        signed(None, BODY, key=RSA_KEY, algorithm="RS256"),  # no id, and three keys
        jwt.encode(BODY, "", algorithm="none", headers={"kid": "r"}),
    ],
)
def test_a_token_cannot_choose_its_way(token) -> None:
    """The key decides the algorithm; every other pair is refused."""
    with pytest.raises(TokenError) as caught:
        _book(*ALL).verify(token, NOW_MS)
    assert caught.value.code == "bad_token"
    assert token not in str(caught.value)


def test_without_an_issuer_no_public_key_counts() -> None:
    """A hub that is given no key set refuses every token that is not of its own secret."""
    with pytest.raises(TokenError):
        TokenBook(SECRET).verify(signed("r", BODY), NOW_MS)


def test_a_single_key_needs_no_id() -> None:
    """A token without `kid` is verified by the only key there is."""
    token = signed(None, BODY, key=ED_KEY, algorithm="EdDSA")
    assert _book(jwk(ED_KEY, "d")).verify(token, NOW_MS).fleet == "acme"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"iss": "https://evil"}, "iss"),
        ({"iss": ...}, "iss"),
        ({"aud": "y"}, "aud"),
        ({"aud": ...}, "aud"),
        ({"aud": [7]}, "aud"),
    ],
)
def test_issuer_and_audience_are_demanded(changes, field) -> None:
    """Where the settings name them, a token of another issuer or for another audience is refused; ours need neither."""
    book = _book(*ALL, issuer="https://id", audience="hub")
    assert book.verify(signed("e", BODY), NOW_MS)
    assert book.verify(signed("e", {**BODY, "aud": "hub"}), NOW_MS)
    ours = {name: BODY[name] for name in ("fleet", "role", "exp")}
    assert book.verify(jwt.encode(ours, SECRET, algorithm="HS256"), NOW_MS)
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not ...}
    with pytest.raises(TokenError) as caught:
        book.verify(signed("e", body), NOW_MS)
    assert caught.value.field == field


def test_unfit_keys_are_left_out() -> None:
    """Weak, symmetric, private, encryption and unknown keys verify nothing; a set of nothing else is an error."""
    private = {**jwk(RSA_KEY, "p"), "d": "AQAB"}
    unfit = [
        jwk(WEAK_RSA_KEY, "w"),
        jwk(WRONG_EC_KEY, "c"),
        jwk(RSA_KEY, "enc", use="enc"),
        jwk(RSA_KEY, "alg", alg="RS512"),
        private,
        {"kty": "oct", "kid": "o", "k": "AAAA"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "new"},
        "junk",
        None,
    ]
    assert set(_key_set(*unfit, jwk(EC_KEY, "e")).keys) == {"e"}
    for document in (json.dumps({"keys": unfit}).encode(), b"[]", b"junk", b'{"keys":7}', b"{}"):
        with pytest.raises(RequestError):
            read_key_set(document)


@contextlib.asynccontextmanager
async def _fresh(issuer, *, least_pause_s=0.0, refresh_s=3600.0):
    keys = IssuerKeys(fetcher_of(issuer.url, is_production=False), refresh_s, least_pause_s)
    task = asyncio.create_task(keys.keep_fresh())
    try:
        yield keys
    finally:
        task.cancel()


def _outcome(keys, key_id) -> str:
    try:
        keys.key_of(key_id)
    except (KeysError, TokenError) as error:
        return error.code
    return "known"


async def test_a_new_key_is_fetched_when_it_is_named(wait_until) -> None:
    """Rotation: a token of a key that was published meanwhile is good as soon as the keys are there again."""
    async with issuer_server(jwk(RSA_KEY, "r")) as issuer, _fresh(issuer) as keys:
        await wait_until(lambda: _outcome(keys, "r") == "known")
        issuer.keys = [jwk(RSA_KEY, "r"), jwk(EC_KEY, "e")]
        assert _outcome(keys, "e") == "keys_unavailable"
        await wait_until(lambda: _outcome(keys, "e") == "known")
        issuer.keys = [jwk(EC_KEY, "e")]
        assert _outcome(keys, "nobody's") == "keys_unavailable"
        await wait_until(lambda: _outcome(keys, "nobody's") == "bad_token")
        assert _outcome(keys, "r") in {
            "keys_unavailable",
            "bad_token",
        }  # what is published no more is good no more


async def test_a_flood_of_unknown_keys_asks_the_issuer_once(wait_until) -> None:
    """However many ids are made up, fetches are as far apart as they have to be, and memory stays bounded."""
    async with issuer_server(jwk(RSA_KEY, "r")) as issuer, _fresh(issuer, least_pause_s=3600) as keys:
        await wait_until(lambda: _outcome(keys, "r") == "known")
        for number in range(5_000):
            assert _outcome(keys, f"made-up-{number}") == "keys_unavailable"
        await asyncio.sleep(0.05)
        assert issuer.fetches == 1
        assert len(keys._wanted) <= 1_000


async def test_a_hanging_key_server_stops_nobody(wait_until) -> None:
    """While a fetch hangs, verifying takes no time, and known keys stay good."""
    async with issuer_server(jwk(RSA_KEY, "r")) as issuer, _fresh(issuer) as keys:
        await wait_until(lambda: _outcome(keys, "r") == "known")
        issuer.answering.clear()
        assert _outcome(keys, "e") == "keys_unavailable"
        await wait_until(lambda: issuer.fetches == 2)
        book = TokenBook(SECRET, key_of=keys.key_of)
        began = time.perf_counter()
        for _ in range(100):
            assert book.verify(signed("r", BODY), NOW_MS)
        assert time.perf_counter() - began < 5.0
        with pytest.raises(KeysError):
            book.verify(signed("e", BODY), NOW_MS)


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"junk"), (200, b'{"keys":[]}'), (200, b"x" * 2_000_000)],
)
async def test_a_failed_fetch_keeps_the_old_keys(status, body, wait_until) -> None:
    """An error, a redirect, junk, an empty or a huge answer: what was known stays, and it is tried again."""
    async with issuer_server(jwk(RSA_KEY, "r")) as issuer, _fresh(issuer) as keys:
        await wait_until(lambda: _outcome(keys, "r") == "known")
        issuer.status, issuer.body, issuer.keys = status, body, [jwk(EC_KEY, "e"), jwk(RSA_KEY, "r")]
        assert _outcome(keys, "e") == "keys_unavailable"
        await wait_until(lambda: issuer.fetches >= 4)
        assert (_outcome(keys, "r"), _outcome(keys, "e")) == ("known", "keys_unavailable")
        issuer.status, issuer.body = 200, None
        await wait_until(lambda: _outcome(keys, "e") == "known")


async def test_a_file_of_keys(tmp_path, wait_until) -> None:
    """A file will do in place of a URL; production takes no plain http."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": ALL}))
    async with issuer_keys(Settings(token_keys=str(file))) as keys:
        await wait_until(lambda: _outcome(keys, "d") == "known")
    async with issuer_keys(Settings()) as none:
        assert none is None
    with pytest.raises(SettingError, match="http URL"):
        fetcher_of("http://id/keys", is_production=True)
