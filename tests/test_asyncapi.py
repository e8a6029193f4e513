"""docs/asyncapi.yaml and docs/protocol.md say the same; the end-to-end tests hold real frames against the first."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wire_schema import DOCS, WireSchema, read_asyncapi

from haulcast.doors import wire
from haulcast.tracking import event_documents

PROTOCOL = (DOCS / "protocol.md").read_text()
OPERATIONS = {
    "Device -> hub, text": "fromDevice",
    "Hub -> device, text": "toDevice",
    "Client -> hub, text": "fromLive",
    "Hub -> client, text": "toLive",
}
# what the page leaves out, in its order
ELISIONS = [
    ("{...},{...}", ""),
    ('"bbox":[...]', '"bbox":[0,0,1,1]'),
    ("[west,south,east,north]", "[170,-10,-170,10]"),
    ("[..]", "[1]"),
    (":...", ":1"),
    (r'{"fixes":[]}', '{"fixes":[{"seq":0,"time_ms":1,"lat":1,"lon":1}]}'),
]


def _examples() -> Iterator[tuple[str, Any]]:
    """Each JSON frame of the page with the operation it stands under; `{"type":"x", ...}` is only a name."""
    operation = ""
    for paragraph in PROTOCOL.split("\n\n"):
        operation = next((name for words, name in OPERATIONS.items() if words in paragraph), operation)
        if not paragraph.startswith("    "):
            continue
        text = re.sub(r'\{"type":"\w+", \.\.\.\}', "", paragraph)
        for left_out, filled in ELISIONS:
            text = text.replace(left_out, filled)
        while text := text.strip():
            frame, end = json.JSONDecoder().raw_decode(text)
            yield operation, frame
            text = text[end:]


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for child in node.values():
            yield from _schemas(child)
    if isinstance(node, list):
        for child in node:
            yield from _schemas(child)


def _table(heading: str) -> list[str]:
    rows = PROTOCOL[PROTOCOL.index(heading) :].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)


@pytest.mark.parametrize(
    ("operation", "frame"), list(_examples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_example_of_the_page_is_a_message(
    operation: str, frame: Any, wire_schema: Callable[[str], WireSchema]
) -> None:
    """Every example frame in protocol.md is valid for its socket and direction."""
    assert wire_schema(operation).validate(frame)


def test_each_text_message_has_an_example() -> None:
    """No JSON message is described to machines only."""
    named = {
        kind
        for _, frame in _examples()
        for kind in [frame.get("type", "fixes" if "fixes" in frame else "fix")]
    }
    named |= set(re.findall(r'\{"type":"(\w+)", \.\.\.\}', PROTOCOL))
    messages = read_asyncapi()["components"]["messages"]
    texts = {name for name, message in messages.items() if "contentType" not in message}
    assert {re.sub("^(device|live)(?=[A-Z])", "", name).lower() for name in texts} == named


def test_no_object_takes_what_is_not_described() -> None:
    """A field that nobody described fails, everywhere but in `attributes`."""
    spec = read_asyncapi()
    closed = [schema.get("additionalProperties") is False for schema in _schemas(spec)]
    assert len(closed) > 10
    assert all(closed)


def test_reasons_are_the_same_on_the_page_in_the_schema_and_in_the_code() -> None:
    """The page's table of reasons, the schema's enum and the hub's bits have the same names in the same order."""
    reasons = read_asyncapi()["components"]["schemas"]["reason"]["enum"]
    assert reasons == _table("| reason | bit |") == list(wire.REASONS)


def test_event_kinds_and_causes_are_those_of_the_code() -> None:
    """The schema names each kind and cause of a fence event, and no other."""
    fields = read_asyncapi()["components"]["messages"]["event"]["payload"]["properties"]
    assert (fields["event"]["enum"], fields["cause"]["enum"]) == (
        list(event_documents.KINDS),
        list(event_documents.CAUSES),
    )


def test_the_page_explains_each_kind_of_event_and_each_cause() -> None:
    """The table of events and the sentence on causes name what the code has."""
    table = PROTOCOL[PROTOCOL.index("| `event` |") :].split("\n\n")[0]
    rows = "".join(re.findall(r"^\| (`[^|]+)\|", table, re.MULTILINE)[1:])
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(event_documents.KINDS)
    sentence = PROTOCOL[PROTOCOL.index("`cause` is ") :].split(". ")[0]
    assert re.findall(r"`(\w+)`\s\(", sentence) == list(event_documents.CAUSES)


def test_device_error_codes_are_the_same_on_the_page_and_in_the_schema() -> None:
    """Both list the same codes of a device connection's errors."""
    payload = read_asyncapi()["components"]["messages"]["deviceError"]["payload"]
    sentence = PROTOCOL[PROTOCOL.index("Error codes of a device connection:") :].split(".")[0]
    assert payload["properties"]["code"]["enum"] == re.findall(r"`(\w+)`", sentence)


_EVENT = {
    "type": "event", "offset": 1, "cause": "moved", "vehicle": "a", "time_ms": 1, "lat": 1, "lon": 1, "fix_time_ms": 1,
    "rule": "r", "rule_name": "R",
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "frame"),
    [
        ("fromDevice", {"seq": 1, "time_ms": 1, "lat": 1}),
        ("fromDevice", {"seq": 1.5, "time_ms": 1, "lat": 1, "lon": 1}),
        ("fromDevice", {"seq": 1, "time_ms": 1, "lat": 1, "lon": 1, "fuel": 3}),
        ("toDevice", {"type": "ack", "seq": -1}),
        ("toDevice", {"type": "reject", "rejects": [{"seq": 1, "reasons": ["bored"]}]}),
        ("fromLive", {"type": "subscribe", "bbox": [0, 0, 1]}),
        ("fromLive", {"type": "subscribe", "bbox": [0, -91, 1, 1]}),
        ("fromLive", {"type": "playback"}),
        ("fromLive", {"type": "playback", "at_ms": 1, "seek_ms": 1}),
        ("fromLive", {"type": "playback", "speed": 0.01}),
        ("toLive", {"type": "playback", "time_ms": 1, "speed": 1, "state": "bored"}),
        ("toLive", {"type": "resumed", "epoch": "k", "offset": 1}),
        ("toLive", {"type": "hello"}),
        ("toLive", {**_EVENT, "event": "overspeed", "fence": "f", "name": "F"}),
        ("toLive", {**_EVENT, "event": "near", "other": "b", "distance_m": 1.0, "fence": "f"}),
        ("toLive", {**_EVENT, "event": "enter", "visit": 1, "fence": "f", "name": "F", "entered_ms": 1}),
        ("toLive", {**_EVENT, "event": "dwell", "visit": 1, "fence": "f", "name": "F"}),
    ],
)
def test_a_wrong_frame_is_no_message(
    operation: str, frame: Any, wire_schema: Callable[[str], WireSchema]
) -> None:
    """What the page does not allow is refused, with the field that is wrong."""
    with pytest.raises(ValueError, match=r"is no message[^$]*\$"):
        wire_schema(operation).validate(frame)
