"""The device codec: what each frame means, and what its sender hears when it means nothing."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fix_text import read_plain_fixes
from geo.positions import COLUMNS
from geo.track_filter import REASON_NAMES
from haulcast.devices import device_frames
from haulcast.devices.device_frames import (
    ack_binary,
    decode_frames,
    read_text_frame,
    reject_binary,
    reject_text,
)
from haulcast.doors import wire
from haulcast.errors import FrameError
from haulcast.positions.inbox import WaitingFrames

FIX = {"seq": 7, "time_ms": 1_790_000_000_000, "lat": 37.5, "lon": -122.25}
FULL = {**FIX, "speed_mps": 13.5, "heading_deg": 271.0, "accuracy_m": 5.0, "altitude_m": -2.0}


def record(**values) -> bytes:
    """One binary fix."""
    fix = {**FULL, **values}
    return np.array(tuple(fix[name] for name in wire.DEVICE_RECORD.names), wire.DEVICE_RECORD).tobytes()


def nested(levels: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """A fix whose attributes have so many levels."""
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    return before + orjson.dumps({**FIX, "attributes": orjson.Fragment(deep)}) + after


def decode(*frames: tuple[int, bytes]):
    """Decode (tag, payload) frames received at 5."""
    return decode_frames(
        WaitingFrames([tag for tag, _ in frames], [payload for _, payload in frames]), 5, 100
    )


def errors(*frames: tuple[int, bytes]) -> list[tuple[int, str, str | None]]:
    """(frame, code, field) of each bad frame."""
    return [(bad.frame, bad.error.code, bad.error.field) for bad in decode(*frames)[1]]


def test_text_and_binary_frames_say_the_same():
    """A fix means the same whichever way it comes, NaN and absence included."""
    texts, _ = decode((3, orjson.dumps(FULL)), (3, orjson.dumps({**FIX, "attributes": {}})))
    nan = math.nan
    bare = record(speed_mps=nan, heading_deg=nan, accuracy_m=nan, altitude_m=nan)
    binaries, _ = decode((-4, record() + bare))
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(texts, name), getattr(binaries, name), err_msg=name)
    assert texts.row.tolist() == [3, 3]
    assert texts.received_ms.tolist() == [5, 5]


def test_a_tick_keeps_the_order_of_arrival_across_kinds():
    """Plain JSON, JSON with attributes and binary frames of several vehicles come out in the order they came in."""
    frames = [
        (1, orjson.dumps({**FIX, "seq": 0})),
        (-3, record(seq=1) + record(seq=2)),
        (
            1,
            orjson.dumps({"fixes": [{**FIX, "seq": 3, "attributes": {"ignition": True}}, {**FIX, "seq": 4}]}),
        ),
        (0, orjson.dumps({**FIX, "seq": 5, "lat": 1e1})),
        (-1, record(seq=6)),
    ]
    batch, bad = decode(*frames)
    assert bad == []
    assert batch.seq.tolist() == list(range(7))
    assert batch.row.tolist() == [1, 2, 2, 1, 1, 0, 0]
    assert batch.lat_deg[5] == 10.0
    assert dict(batch.attributes) == {3: b'{"ignition":true}'}


def test_one_bad_frame_never_spoils_the_others():
    """Bad frames are named by their place and code; the good ones around them are taken whole."""
    frames = [
        (0, b"{"),
        (0, orjson.dumps({**FIX, "seq": 1})),
        (-1, b"x" * 47),
        (-1, record(seq=2)),
        (-1, record(seq=3) + record(seq=4, speed_mps=-1.0)),
        (0, orjson.dumps({"fixes": [{**FIX, "seq": 5}, {**FIX, "seq": 6, "lat": "37"}]})),
        (0, orjson.dumps({**FIX, "seq": 7})),
    ]
    batch, _ = decode(*frames)
    assert batch.seq.tolist() == [1, 2, 7]
    assert sorted(errors(*frames)) == [
        (0, "bad_json", None),
        (2, "bad_binary", None),
        (4, "out_of_range", "fixes[1].speed_mps"),
        (5, "wrong_type", "fixes[1].lat"),
    ]


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        (b"\xff\xfe", "bad_json", None),
        (b"NaN", "bad_json", None),
        (b"[]", "wrong_type", None),
        (b"7", "wrong_type", None),
        (b"{}", "missing_field", "seq"),
        (orjson.dumps({**FIX, "lon": None}), "missing_field", "lon"),
        (orjson.dumps({**FIX, "lng": 1}), "unknown_field", "lng"),
        (orjson.dumps({**FIX, "lat": True}), "wrong_type", "lat"),
        (orjson.dumps({**FIX, "seq": 7.0}), "wrong_type", "seq"),
        (orjson.dumps({**FIX, "time_ms": "2026-01-01"}), "wrong_type", "time_ms"),
        (orjson.dumps({**FIX, "seq": -1}), "out_of_range", "seq"),
        (orjson.dumps({**FIX, "seq": 2**53 + 1}), "out_of_range", "seq"),
        (orjson.dumps({**FIX, "heading_deg": 360.5}), "out_of_range", "heading_deg"),
        (orjson.dumps({**FIX, "speed_mps": -0.1}), "out_of_range", "speed_mps"),
        (orjson.dumps({**FIX, "attributes": [1]}), "wrong_type", "attributes"),
        (b'{"seq":1,"time_ms":1,"lat":1,"lon":1,"attributes":{1}}', "bad_json", None),
        (orjson.dumps({**FIX, "attributes": {"x": "y" * 9_000}}), "out_of_range", "attributes"),
        (nested(65), "out_of_range", "attributes"),
        (nested(300), "out_of_range", "attributes"),
        (nested(300, before=b'{"fixes":[', after=b"]}"), "out_of_range", "fixes[0].attributes"),
        (nested(5_000), "bad_json", None),
        (b'{"fixes":[]}', "wrong_type", "fixes"),
        (b'{"fixes":[7]}', "wrong_type", "fixes[0]"),
        (orjson.dumps({"fixes": [FIX], "seq": 1}), "unknown_field", "seq"),
        (orjson.dumps({"fixes": [FIX] * 101}), "too_many_fixes", "fixes"),
    ],
)
def test_a_wrong_text_frame_is_told_what_and_where(frame, code, field):
    """Each way to be wrong has its code and names the field."""
    assert errors((0, frame)) == [(0, code, field)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", "bad_binary"),
        (b"junk", "bad_binary"),
        (record() * 101, "too_many_fixes"),
        (record(seq=2**60), "out_of_range"),
    ],
)
def test_a_wrong_binary_frame_is_told_what(frame, code):
    """Junk, too many records and values out of range each have their code."""
    assert [error[1] for error in errors((-1, frame))] == [code]


def test_coordinates_are_left_to_the_filter():
    """A coordinate off the globe is no bad frame: the filter refuses it by name."""
    batch, bad = decode((0, orjson.dumps({**FIX, "lat": 91})), (-1, record(lon=math.nan)))
    assert bad == []
    assert batch.lat_deg[0] == 91.0


def test_a_full_turn_is_north():
    """A heading of 360 degrees is stored as 0, whichever way it comes."""
    frames = [
        (0, orjson.dumps({**FIX, "heading_deg": 360})),
        (0, orjson.dumps({**FIX, "heading_deg": 360, "attributes": {}})),
        (-1, record(heading_deg=360)),
    ]
    assert decode(*frames)[0].heading_deg.tolist() == [0.0, 0.0, 0.0]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["seq", "lat", "lon", "time_ms", "fixes", "x"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=100), json_values.map(orjson.dumps)), max_size=6), st.data())
def test_any_frames_are_survived(payloads, data):
    """Whatever comes in, each frame is either read or named as bad, and nothing is raised."""
    tags = data.draw(st.lists(st.integers(-3, 2), min_size=len(payloads), max_size=len(payloads)))
    batch, bad = decode_frames(WaitingFrames(tags, payloads), 5, 100)
    assert len({b.frame for b in bad}) == len(bad) <= len(payloads)
    assert len(batch) >= len(payloads) - len(bad)


def test_the_slow_reader_agrees_with_the_plain_one():
    """A frame reads the same by the full parser as by the plain reader."""
    batch, _ = decode((0, orjson.dumps(FULL)))
    slow = read_text_frame(orjson.dumps(FULL), 1)
    for name in (
        "seq",
        "time_ms",
        "lat_deg",
        "lon_deg",
        "speed_mps",
        "heading_deg",
        "accuracy_m",
        "altitude_m",
    ):
        assert getattr(batch, name)[0] == getattr(slow, name)[0]


def test_replies_are_as_the_protocol_says():
    """Acks and rejects have the bytes that docs/protocol.md describes."""
    seqs, reasons = np.array([8, 9]), np.array([2 | 8, 64], np.uint32)
    assert orjson.loads(reject_text(seqs, reasons)) == {
        "type": "reject",
        "rejects": [
            {"seq": 8, "reasons": ["null_island", "stale"]},
            {"seq": 9, "reasons": ["impossible_jump"]},
        ],
    }
    assert np.frombuffer(ack_binary(7), "<u4").tolist() == [1, 0, 7, 0]
    assert np.frombuffer(reject_binary(seqs, reasons), "<u4").tolist() == [2, 2, 8, 0, 10, 0, 9, 0, 64, 0]


def test_an_error_carries_code_field_and_reason():
    """FrameError is a ValueError with a code and a field."""
    with pytest.raises(ValueError, match="integer") as raised:
        read_text_frame(orjson.dumps({**FIX, "seq": "1"}), 1)
    assert isinstance(raised.value, FrameError)
    assert raised.value.field == "seq"


def test_the_wires_reasons_are_the_filters():
    """Names and bits on the wire are those of the filter, in its order."""
    assert wire.REASONS == REASON_NAMES


@settings(deadline=None, max_examples=25)
@given(kinds=st.lists(st.sampled_from(["text", "binary", "odd", "bad", "poison"]), min_size=1, max_size=12))
def test_a_frame_that_breaks_the_decoder_costs_no_other_frame(kinds):
    """Whatever our own mistake is: the other frames of the tick are read as ever, and that one's sender hears of it."""
    frames = []
    for i, kind in enumerate(kinds):
        fix = {**FIX, "seq": i}
        odd = json.dumps({"fixes": [{**fix, "lat": "x" if kind == "bad" else 1}]}, indent=1).encode()
        payload = {"text": orjson.dumps(fix), "binary": record(seq=i), "poison": b"poison"}.get(kind, odd)
        frames.append((-2 - i if kind == "binary" else i + 1, payload))

    def breaking(payloads, most_fixes):
        if b"poison" in payloads:
            raise IndexError("a mistake")
        return read_plain_fixes(payloads, most_fixes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(device_frames, "read_plain_fixes", breaking)
        batch, bad = decode(*frames)
    read = [i for i, kind in enumerate(kinds) if kind not in {"bad", "poison"}]
    assert batch.seq.tolist() == read
    assert batch.row.tolist() == [i + 1 for i in read]
    assert set(batch.received_ms.tolist()) <= {5}
    told = {each.frame: each.error.code for each in bad}
    assert told == {
        i: "unreadable" if kind == "poison" else "wrong_type"
        for i, kind in enumerate(kinds)
        if kind in {"bad", "poison"}
    }
