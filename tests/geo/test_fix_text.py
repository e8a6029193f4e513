"""The plain reader against a full JSON parser: it may decline, it must never differ."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.fix_text import read_plain_fixes

NAMES = ("lat", "lon", "speed_mps", "heading_deg", "accuracy_m", "altitude_m")
FIX = {"seq": 7, "time_ms": 1_790_000_000_000, "lat": 37.7749, "lon": -122.4194}


def fix_texts() -> st.SearchStrategy[str]:
    """Fixes with numbers as programs print them, keys in any order, with any space."""
    numbers = st.one_of(
        st.floats(-180, 180),
        st.integers(-(10**6), 10**6),
        st.decimals(-1000, 1000, places=6).map(float),
    )
    optional = {name: st.one_of(st.none(), numbers) for name in NAMES[2:]}
    fix = st.fixed_dictionaries(
        {
            "seq": st.integers(-1, 2**53 + 1),
            "time_ms": st.integers(-(2**62), 2**62),
            "lat": numbers,
            "lon": numbers,
        },
        optional=optional,
    )
    return st.tuples(
        fix, st.permutations(range(8)), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")])
    ).map(
        lambda made: json.dumps(
            dict(sorted(made[0].items(), key=lambda kv: made[1][len(kv[0]) % 8])), separators=made[2]
        )
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(fix_texts(), min_size=1, max_size=5), st.booleans())
def test_what_is_read_is_what_a_json_parser_reads(texts, in_one_frame):
    """Every number that is taken has exactly the bits that a correctly rounding parser gives it."""
    frames = [f'{{"fixes":[{",".join(texts)}]}}'.encode()] if in_one_frame else [t.encode() for t in texts]
    plain = read_plain_fixes(frames, 100)
    read = 0
    for frame, count in zip(frames, plain.fixes.tolist(), strict=True):
        if count < 0:
            continue
        parsed = orjson.loads(frame)
        for fix in parsed.get("fixes", [parsed]):
            assert plain.seq[read] == fix["seq"]
            assert 0 <= fix["seq"] <= 2**53
            assert plain.time_ms[read] == fix["time_ms"]
            for column, name in enumerate(NAMES):
                expected = fix.get(name)
                got = plain.values[column, read]
                assert (
                    math.isnan(got)
                    if expected is None
                    else got == (0.0 if name == "heading_deg" and expected == 360 else expected)
                )
            read += 1
    assert read == len(plain.seq)


@settings(max_examples=500, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
@example(0.1)
@example(179.99999999999997)
@example(-122.41940000000001)
@example(9007199254740993.0)
def test_a_number_is_rounded_correctly_or_declined(value):
    """Up to 19 digits are exact; what cannot be decided is declined, never guessed."""
    text = f"{value:.12f}" if abs(value) < 1e6 else repr(value)
    frame = f'{{"seq":1,"time_ms":1,"lat":{text},"lon":1}}'.encode()
    plain = read_plain_fixes([frame], 1)
    if plain.fixes[0] == 1:
        assert plain.values[0, 0] == float(text)


def test_numbers_as_devices_send_them_are_plain():
    """Shortest-form doubles of coordinates hardly ever need the full parser."""
    rng = np.random.default_rng(1)
    frames = [
        orjson.dumps({**FIX, "lat": rng.uniform(-90, 90), "lon": rng.uniform(-180, 180)})
        for _ in range(5_000)
    ]
    assert np.count_nonzero(read_plain_fixes(frames, 1).fixes == 1) > 4_950


@pytest.mark.parametrize(
    "frame",
    [
        "", " ", "{", "}", "[]", "null", "1", '"x"', "{}", '{"fixes":[]}', '{"fixes":{}}', '{"fixes":[1]}', '{"fixes":[{}]}',
        '{"seq":1}', '{"seq":1,"time_ms":1,"lat":1}',
        '{"seq":1,"time_ms":1,"lat":1,"lon":1', '{"seq":1,"time_ms":1,"lat":1,"lon":1}}', '{"seq":1,"time_ms":1,"lat":1,"lon":1}{',
        '{"seq":1,"time_ms":1,"lat":1,"lon":1,}', '{,"seq":1,"time_ms":1,"lat":1,"lon":1}', '{"seq":1 "time_ms":1,"lat":1,"lon":1}',
        '{"seq":01,"time_ms":1,"lat":1,"lon":1}', '{"seq":1.0,"time_ms":1,"lat":1,"lon":1}', '{"seq":-1,"time_ms":1,"lat":1,"lon":1}',
        '{"seq":9007199254740993,"time_ms":1,"lat":1,"lon":1}', '{"seq":null,"time_ms":1,"lat":1,"lon":1}',
        '{"seq":true,"time_ms":1,"lat":1,"lon":1}', '{"seq":"1","time_ms":1,"lat":1,"lon":1}', '{"seq":1,"time_ms":1,"lat":NaN,"lon":1}',
        '{"seq":1,"time_ms":1,"lat":+1,"lon":1}', '{"seq":1,"time_ms":1,"lat":.5,"lon":1}', '{"seq":1,"time_ms":1,"lat":5.,"lon":1}',
        '{"seq":1,"time_ms":1,"lat":-,"lon":1}', '{"seq":1,"time_ms":1,"lat":1,"lon":1,"x":1}', '{"seq":1,"time_ms":1,"lat":1,"lon":nul}',
        '{"seq":1,"time_ms":1,"lat":1,"lon":1,"speed_mps":-1}', '{"seq":1,"time_ms":1,"lat":1,"lon":1,"heading_deg":361}',
        '{"seq":1,"time_ms":1,"lat":1,"lon":1,"accuracy_m":-0.5}', '{"seq":1,"time_ms":99999999999999999999,"lat":1,"lon":1}',
        '{"fixes":[{"seq":1,"time_ms":1,"lat":1,"lon":1}]', '{"fixes":[{"seq":1,"time_ms":1,"lat":1,"lon":1}],"x":1}',
        '{"fixes":[{"seq":1,"time_ms":1,"lat":1,"lon":1},]}',
    ],
)  # fmt: skip
def test_what_is_not_plain_and_right_is_declined(frame):
    """Broken, wrong, out-of-range and unknown things are left to the full parser, alone and between good frames."""
    good = orjson.dumps(FIX)
    plain = read_plain_fixes([good, frame.encode(), good], 10)
    assert plain.fixes.tolist() == [1, -1, 1]
    assert plain.seq.tolist() == [7, 7]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 255))
def test_any_bytes_are_survived_and_never_misread(junk, place, byte):
    """Random bytes, and a good frame with one byte changed, either read as a JSON parser reads them or are declined."""
    good = bytearray(orjson.dumps({**FIX, "speed_mps": 13.4}))
    good[place % len(good)] = byte
    for frame in (junk, bytes(good)):
        plain = read_plain_fixes([frame], 10)
        if plain.fixes[0] >= 0:
            parsed = orjson.loads(frame)
            assert plain.values[0, 0] == parsed["lat"]
            assert plain.seq[0] == parsed["seq"]


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3) | st.lists(inner, max_size=3),
        max_leaves=10,
    )
)
def test_attributes_are_found_from_brace_to_brace(value):
    """Whatever an object holds, its text is cut out whole; anything that is no object is left to the full parser."""
    frames = [json.dumps({**FIX, "attributes": value, "altitude_m": 5}).encode(), orjson.dumps(FIX)]
    plain = read_plain_fixes(frames, 1)
    if isinstance(value, dict):
        assert {i: orjson.loads(text) for i, text in plain.attributes.items()} == {0: value}
        assert plain.values[5, 0] == 5
    elif value is not None:
        assert plain.fixes.tolist() == [-1, 1]
    else:
        assert (plain.fixes.tolist(), plain.attributes) == ([1, 1], {})


def test_a_frame_may_hold_as_many_fixes_as_allowed_and_no_more():
    """At the limit a frame is read; one more and it is declined whole."""
    frame = orjson.dumps({"fixes": [FIX] * 5})
    assert read_plain_fixes([frame], 5).fixes.tolist() == [5]
    assert read_plain_fixes([frame], 4).fixes.tolist() == [-1]
