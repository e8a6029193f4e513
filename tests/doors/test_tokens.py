"""Tokens: what is refused, what an error may say, and one secret however many processes start."""

import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulcast.doors import tokens
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook, read_or_make_secret
from haulcast.errors import RequestError, SettingError, TokenError
from haulcast.settings import Settings

SECRET = b"0123456789abcdef0123456789abcdef"
NOW_MS = 1_790_000_000_000
BOOK = TokenBook(SECRET)
GOOD = {"fleet": "acme", "role": "device", "vehicle": "truck-7", "exp": NOW_MS // 1000 + 60}

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=128)


def _signed(**changes) -> str:
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return jwt.encode(body, SECRET, algorithm="HS256")


@given(fleet=names, vehicle=names)
def test_what_is_made_is_verified(fleet, vehicle):
    """A token gives back the claims it was made of, until it expires."""
    claims = Claims(fleet, "device", vehicle, NOW_MS + 1000)
    token = BOOK.make(claims)
    assert BOOK.verify(token, NOW_MS) == claims
    with pytest.raises(TokenError) as caught:
        BOOK.verify(token, NOW_MS + 1000)
    assert caught.value.code == "expired_token"


@pytest.mark.parametrize("name", ["fleet", "role", "vehicle", "exp"])
@pytest.mark.parametrize(
    "value", [..., None, "", 7, "x" * 129, "a\nb", ["device"], True, float("nan"), -1, 10**30]
)
def test_a_wrong_claim_is_a_bad_token(name, value):
    """A claim that is missing, of another type or out of range is refused, and the error names it."""
    if name == "exp" and value == 7:
        value = -7  # seven seconds after 1970 is a time
    with pytest.raises(TokenError) as caught:
        BOOK.verify(_signed(**{name: value}), NOW_MS)
    assert (caught.value.code, caught.value.field) == ("bad_token", name)


def test_a_viewer_needs_no_vehicle_and_may_not_have_one():
    """Only devices report for a vehicle."""
    assert BOOK.verify(_signed(role="viewer", vehicle=...), NOW_MS).vehicle is None
    with pytest.raises(TokenError, match="vehicle"):
        BOOK.verify(_signed(role="viewer"), NOW_MS)


def test_a_token_of_tomorrow_is_not_good_yet():
    """`nbf` is honoured, by the time that is passed in."""
    token = _signed(nbf=NOW_MS // 1000 + 10)
    with pytest.raises(TokenError, match="not good yet"):
        BOOK.verify(token, NOW_MS)
    assert BOOK.verify(token, NOW_MS + 11_000).fleet == "acme"
    with pytest.raises(TokenError, match="nbf"):
        BOOK.verify(_signed(nbf="soon"), NOW_MS)


def _unsigned() -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, GOOD)
    ]
    return ".".join([*parts, ""])


@pytest.mark.parametrize(
    "token",
    [
        "junk",
        "a.b.c",
        "ü.ü.ü",
        "\x00",
        "." * 1000,
        _unsigned(),
        jwt.encode(GOOD, SECRET * 2, algorithm="HS512"),
        jwt.encode(GOOD, b"another secret of 32 bytes or so", algorithm="HS256"),
        _signed()[:-2],
        jwt.encode(GOOD, SECRET, algorithm="HS256", headers={"crit": ["x"], "x": 1}),
    ],
)
def test_only_our_own_signature_counts(token):
    """No algorithm, another one, another secret, a cut or a foreign token: refused, and not repeated in the error."""
    with pytest.raises(TokenError) as caught:
        BOOK.verify(token, NOW_MS)
    assert caught.value.code == "bad_token"
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_token_has_a_code_of_its_own():
    """The one who sent none hears how to send one."""
    with pytest.raises(TokenError, match="Bearer") as caught:
        BOOK.verify("", NOW_MS)
    assert caught.value.code == "no_token"


@pytest.mark.parametrize(
    ("claims", "field"),
    [
        (Claims("", "viewer"), "fleet"),
        (Claims("acme", "pilot"), "role"),
        (Claims("acme", "device"), "vehicle"),
        (Claims("acme", "admin", "truck-7"), "vehicle"),
    ],
)
def test_no_token_is_made_that_would_be_refused(claims, field):
    """Making checks what verifying checks."""
    with pytest.raises(RequestError) as caught:
        BOOK.make(claims)
    assert caught.value.field == field


def test_a_short_secret_is_refused():
    """RFC 7518 wants as many bytes as the hash has."""
    with pytest.raises(SettingError, match="31 bytes"):
        TokenBook(SECRET[:-1])


def test_the_setting_wins_and_production_has_to_have_it(tmp_path):
    """Nothing is written when the setting is there; production makes none."""
    assert read_or_make_secret(Settings(token_secret=SECRET.decode(), data_dir=str(tmp_path))) == SECRET
    with pytest.raises(SettingError, match="required"):
        read_or_make_secret(Settings(environment="production", data_dir=str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_the_development_secret_is_made_once(tmp_path, capsys):
    """Starts at the same time agree on one secret; it is for its owner only, and never in the log."""
    settings = Settings(data_dir=str(tmp_path / "var"))
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: read_or_make_secret(settings), range(64)))
    (secret,) = found
    assert len(secret) >= 32
    (file,) = (tmp_path / "var").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    logged = capsys.readouterr()
    assert secret.decode() not in logged.out + logged.err


def test_a_spoilt_secret_file_stops_the_start(tmp_path):
    """A short or unreadable file is named, not silently replaced: tokens in use depend on it."""
    (tmp_path / "token_secret").write_text("short")
    with pytest.raises(SettingError, match="5 bytes"):
        read_or_make_secret(Settings(data_dir=str(tmp_path)))
    (tmp_path / "token_secret").unlink()
    (tmp_path / "token_secret").mkdir()
    with pytest.raises(SettingError, match="cannot be kept"):
        read_or_make_secret(Settings(data_dir=str(tmp_path)))


def test_the_command_prints_the_token_alone(tmp_path):
    """Standard output is one token that the same secret verifies; the log goes elsewhere."""
    call = [
        sys.executable,
        "-m",
        "haulcast",
        "token",
        "--fleet",
        "acme",
        "--role",
        "device",
        "--vehicle",
        "truck-7",
        "--days",
        "2",
    ]
    source = Path(tokens.__file__).parents[2]
    env = {"HAULCAST_DATA_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": f"{source}:{source.parent}"}
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=True, cwd=source)
    (line,) = done.stdout.splitlines()
    claims = TokenBook(read_or_make_secret(Settings(data_dir=str(tmp_path)))).verify(line, NOW_MS)
    assert (claims.fleet, claims.role, claims.vehicle) == ("acme", "device", "truck-7")
    assert claims.token_id  # so that it can be revoked
    assert claims.issued_ms
    assert line not in done.stderr


def test_older_secrets_verify_and_the_newest_signs():
    """Rotation: tokens of the secret before stay good, new ones are of the new one, and a forgotten secret is forgotten."""
    new = b"a new secret of 32 bytes or more"
    rotated = TokenBook(new, SECRET)
    claims = Claims("acme", "viewer", expires_ms=NOW_MS + 1000)
    assert rotated.verify(BOOK.make(claims), NOW_MS) == claims
    assert TokenBook(new).verify(rotated.make(claims), NOW_MS) == claims
    with pytest.raises(TokenError):
        TokenBook(new).verify(BOOK.make(claims), NOW_MS)
    settings = Settings(token_secret=new.decode(), token_secret_old=f" {SECRET.decode()} , {'x' * 40}")
    assert tokens.shared_secrets(settings) == (new, SECRET, b"x" * 40)


def test_clocks_may_differ_a_little():
    """With a leeway a token is good a little longer and a little earlier than it says, and no more."""
    book = TokenBook(SECRET, leeway_s=5)
    token = _signed(nbf=NOW_MS // 1000 + 3)
    assert book.verify(token, NOW_MS).expires_ms == GOOD["exp"] * 1000 + 5000
    assert book.verify(token, GOOD["exp"] * 1000 + 4999)
    with pytest.raises(TokenError, match="expired"):
        book.verify(token, GOOD["exp"] * 1000 + 5000)
    with pytest.raises(TokenError, match="not good yet"):
        book.verify(token, NOW_MS - 3000)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"jti": 7}, "jti"),
        ({"jti": "x" * 129}, "jti"),
        ({"iat": "now"}, "iat"),
        ({"vehicles": ["a"]}, "vehicles"),  # of a device
        ({"role": "viewer", "vehicle": ..., "vehicles": []}, "vehicles"),
        ({"role": "viewer", "vehicle": ..., "vehicles": "a"}, "vehicles"),
        ({"role": "viewer", "vehicle": ..., "vehicles": ["a", ""]}, "vehicles"),
        ({"role": "viewer", "vehicle": ..., "vehicles": ["a"] * 101}, "vehicles"),
        ({"role": "admin", "vehicle": ..., "vehicles": ["a"]}, "vehicles"),
    ],
)
def test_a_wrong_optional_claim_is_a_bad_token(claims, name):
    """A limit that cannot be understood is not left away."""
    with pytest.raises(TokenError) as caught:
        BOOK.verify(_signed(**claims), NOW_MS)
    assert (caught.value.code, caught.value.field) == ("bad_token", name)


def test_what_a_token_says_more_comes_back():
    """Subject, id, issue time and the vehicles of a shared view."""
    claims = Claims(
        "acme",
        "viewer",
        expires_ms=NOW_MS + 1000,
        vehicles=frozenset({"a", "b"}),
        subject="ann",
        token_id="t1",
        issued_ms=NOW_MS - 7,
    )
    assert BOOK.verify(BOOK.make(claims), NOW_MS) == claims


def test_a_huge_token_is_not_even_read():
    """Nor does it come back in the error."""
    with pytest.raises(TokenError) as caught:
        BOOK.verify(_signed(sub="x" * 10_000), NOW_MS)
    assert len(str(caught.value)) < 200
